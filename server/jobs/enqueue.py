"""Enqueuing and what else a person does to jobs: cancel, try again."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.types.json import Jsonb

from server.errors import NotFound, ServiceError
from server.jobs.app import make_queue
from server.jobs.tasks import TASKS
from server.settings import Settings

Connection = psycopg.Connection[Any]

WAITING = """
select id from procrastinate_jobs where status = 'todo' and task_name = 'load' and args = %s order by id limit 1
"""
# the library's own query names the same function
RETRY = "select procrastinate_retry_job_v2(%s, %s, null, null, null)"
STATUS = "select status::text from procrastinate_jobs where id = %s"


class JobNotFitting(ServiceError):
    """The job is not in a state in which this can be done to it."""


@dataclass(frozen=True)
class LoadRequest:
    """A load to enqueue; the fields are those of `opennrw load`. `packages` empty: the whole product in one job."""

    dataset: str
    source: str | None = None
    only: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    dry_run: bool = False
    accept_shrink: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """What differs from the defaults, as the job keeps it; a path as it is seen from everywhere on this machine."""
        given = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if v}
        if self.source and urlsplit(self.source).scheme not in {"http", "https"}:
            given["source"] = str(Path(self.source).absolute())
        return given

    @property
    def lock(self) -> str:
        """Jobs of one lock run one after the other."""
        return " ".join(["load", self.dataset, *self.packages])


def enqueue_load(settings: Settings, connection: Connection, request: LoadRequest, priority: int | None = None) -> int:
    """The job's id; the same load is not made to wait twice. Enqueued in the connection's transaction if it has one."""
    row = connection.execute(WAITING, [Jsonb(request.arguments)]).fetchone()
    if row:
        return row[0]
    task = TASKS["load"]
    deferrer = make_queue(settings).configure_task(
        "load",
        queue=task.queue,
        priority=task.priority if priority is None else priority,
        lock=request.lock,
        connection=connection,
    )
    return deferrer.defer(**request.arguments)


def cancel_job(settings: Settings, connection: Connection, job: int) -> str:
    """`cancelled` for one that waited, `stopping` for one that runs. Raises NotFound, JobNotFitting."""
    status = _status(connection, job)
    if not make_queue(settings).job_manager.cancel_job_by_id(job, abort=True, connection=connection):
        raise JobNotFitting(f"The job {job} has ended: {status}. Only a job that waits or runs can be cancelled.")
    return "stopping" if _status(connection, job) == "doing" else "cancelled"


def retry_job(connection: Connection, job: int) -> None:
    """Make a failed job wait again. Raises NotFound, JobNotFitting."""
    status = _status(connection, job)
    if status != "failed":
        raise JobNotFitting(
            f"The job {job} is in the state '{status}'. Only a failed job can be tried again; enqueue another one with "
            "`opennrw load … --background`."
        )
    connection.execute(RETRY, [job, datetime.now(UTC)])


def _status(connection: Connection, job: int) -> str:
    row = connection.execute(STATUS, [job]).fetchone()
    if row is None:
        raise NotFound(f"There is no job {job}. See `opennrw jobs list`; jobs are kept for 30 days after their end.")
    return row[0]
