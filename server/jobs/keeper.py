"""What every worker does beside its jobs: takes over those of dead workers, enqueues due polls, prunes old jobs.

A coroutine, not a job: it must also run where all of the workers' places are taken, and every few seconds.
"""

import asyncio
import time
from typing import Any

import structlog
from procrastinate import App

from server.jobs.retry import MAX_ATTEMPTS

KEPT_HOURS = 30 * 24
PRUNE_INTERVAL = 3600.0

# One statement: a job that another worker takes over at the same moment is locked, so it is passed over
TAKE_OVER = """
with dead as materialized (
  select j.id, j.attempts, j.abort_requested, p.worker
  from procrastinate_jobs j
  left join procrastinate_workers w on w.id = j.worker_id
  left join progress p on p.job = j.id
  where j.status = 'doing' and (
    w.id is null or w.last_heartbeat < now() - %(silence)s * interval '1 second' or j.id = any(%(lost)s))
  for update of j skip locked)
update procrastinate_jobs j set attempts = j.attempts + 1, abort_requested = false, scheduled_at = null, status = case
  when dead.abort_requested then 'aborted' when dead.attempts + 1 >= %(most)s then 'failed' else 'todo'
  end::procrastinate_job_status
from dead where j.id = dead.id
returning j.id, j.task_name, j.status::text as status, dead.worker
"""
EXPLAIN = """
update progress set updated = clock_timestamp(), message = %(message)s where job = %(job)s
"""
MESSAGES = {
    "todo": "Its worker {worker} died or lost the database; the job waits for another one.",
    "failed": f"The job was begun {MAX_ATTEMPTS} times and each time its worker died: look at the workers' logs.",
    "aborted": "Cancelled; its worker {worker} had died.",
}
RUNNING = "select id from procrastinate_jobs where status = 'doing' and worker_id = %(worker)s"

# A tenth more or less: many installations do not come to the publisher at the same moment
TAKE_DUE = """
update watch w set next_poll = now() + every * (0.9 + 0.2 * random())
where next_poll <= now() and not exists (
  select from procrastinate_jobs j where j.lock = 'watch ' || w.dataset and j.status in ('todo', 'doing'))
returning dataset
"""
ENQUEUE_DUE = (
    f"with due as ({TAKE_DUE})"
    + """
select procrastinate_defer_jobs_v1(array_agg(row(
  'watch', 'watch', 50, 'watch ' || dataset, null, jsonb_build_object('dataset', dataset), null
)::procrastinate_job_to_defer_v1))
from due having count(*) > 0
"""
)
ORPHANS = "delete from progress p where not exists (select from procrastinate_jobs j where j.id = p.job)"

log = structlog.get_logger()


class Keeper:
    """Of one worker. `running` holds the jobs that this process knows to be its own."""

    def __init__(self, app: App, heartbeat: float, running: set[int]) -> None:
        self._app = app
        self._heartbeat = heartbeat
        self._running = running
        self._suspects: set[int] = set()
        self._pruned = -PRUNE_INTERVAL

    async def run(self, worker_id: Any) -> None:
        """Until cancelled. `worker_id()` is the worker's number, None as long as it has none."""
        while True:
            await self.take_over(worker_id())
            await self._execute(ENQUEUE_DUE)
            await self._app.job_manager.prune_stalled_workers(self._heartbeat * 6)
            if time.monotonic() - self._pruned >= PRUNE_INTERVAL:
                await self.prune()
            await asyncio.sleep(self._heartbeat)

    async def take_over(self, worker_id: int | None) -> None:
        """Make jobs wait again whose worker has missed three heartbeats, or which this worker has lost sight of."""
        lost = await self._find_lost(worker_id)
        taken = await self._execute(TAKE_OVER, silence=3 * self._heartbeat, most=MAX_ATTEMPTS, lost=list(lost))
        for job in taken:
            message = MESSAGES[job["status"]].format(worker=job["worker"] or "")
            await self._app.connector.execute_query_async(EXPLAIN, job=job["id"], message=message)
            log.warning(
                "job taken over", job=job["id"], task=job["task_name"], state=job["status"], from_=job["worker"]
            )

    async def prune(self) -> None:
        """Delete jobs that ended long ago, and what was noted of them."""
        await self._app.job_manager.delete_old_jobs(
            KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
        )
        await self._app.connector.execute_query_async(ORPHANS)
        self._pruned = time.monotonic()

    async def _find_lost(self, worker_id: int | None) -> set[int]:
        """Jobs that are this worker's in the database, yet nothing here has run them since the last look.

        So it is where the database was away when a job ended: its end could not be written.
        """
        if worker_id is None:
            return set()
        mine = {row["id"] for row in await self._execute(RUNNING, worker=worker_id)} - self._running
        lost, self._suspects = mine & self._suspects, mine
        return lost

    async def _execute(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        return await self._app.connector.execute_query_all_async(statement, **values)  # pyright: ignore[reportArgumentType]
