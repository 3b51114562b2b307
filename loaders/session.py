"""The connection of one load or rollback: its turn among others of the dataset, and what is said when it breaks."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import Connection

from loaders.errors import LoadError
from loaders.progress import Progress
from loaders.report import Report

UNHARMED = "What was live is live still."
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def connect(database_url: str, name: str) -> Connection:
    """An autocommit connection without time limits; `name` is what administrators see of it."""
    connection = psycopg.connect(database_url, autocommit=True, application_name=f"opennrw {name}")
    connection.execute("set statement_timeout = 0")
    connection.execute("set work_mem = '256MB'")
    connection.execute("set jit = off")
    return connection


def wait_for_turn(connection: Connection, report: Report, progress: Progress) -> None:
    """One load or rollback of a dataset at a time; the lock ends with the session."""
    key = f"opennrw load {report.dataset}"
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [key]).fetchone()
    if not (row and row[0]):
        progress.step(f"wait for another load of {report.dataset}", None)
        with report.timed("wait"):
            connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])


@contextmanager
def explained(task: str, store: Path | None = None) -> Iterator[None]:
    """Tell what broke off the task and what to do. Raises LoadError for what machine and database do to it."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise LoadError(_explain(task, error)) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        place = error.filename or store or "a file"
        raise LoadError(
            f"There is no space left for {place}. {UNHARMED} Free space there, or set OPENNRW_HOME to a folder on a "
            "larger disk; then run it again."
        ) from error


def _explain(task: str, error: psycopg.OperationalError) -> str:
    reason = str(error).strip()
    told = f"The database broke off the {task}: {reason}. {UNHARMED}"
    if "shared memory" in reason:
        return (
            f"{told} It has too little shared memory: enlarge it (/dev/shm; a container's --shm-size), or set "
            "max_parallel_workers_per_gather = 0 in the database; then run it again."
        )
    if isinstance(error, psycopg.errors.DiskFull):
        return f"{told} Its disk is full: free space for its data and temporary files; then run it again."
    if isinstance(error, psycopg.errors.ConfigurationLimitExceeded):
        return f"{told} Raise that limit in the database for the user who loads; then run it again."
    if isinstance(error, psycopg.errors.OutOfMemory):
        return f"{told} It has too little memory: lower work_mem or shared_buffers, or add memory; then run it again."
    return f"{told} See that the database runs and can be reached; then run it again."
