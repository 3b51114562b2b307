"""Enqueuing and what else a person does to jobs: cancel, try again."""

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from server.errors import JobNotFitting, NotFound
from server.jobs.app import make_queue
from server.jobs.requests import INTERACTIVE, LoadRequest
from server.settings import Settings

Connection = psycopg.Connection[Any]

WAITING = """
select id from procrastinate_jobs where status = 'todo' and task_name = 'load' and args = %s order by id limit 1
"""
# the library's own query names the same function
RETRY = "select procrastinate_retry_job_v2(%s, %s, null, null, null)"
STATUS = "select status::text from procrastinate_jobs where id = %s"


def enqueue_load(settings: Settings, connection: Connection, request: LoadRequest, priority: int = INTERACTIVE) -> int:
    """The job's id; the same load is not made to wait twice. Enqueued in the connection's transaction if it has one."""
    row = connection.execute(WAITING, [Jsonb(request.arguments)]).fetchone()
    if row:
        return row[0]
    deferrer = make_queue(settings).configure_task(
        "load",
        queue="load",
        priority=priority,
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
