"""The connection of one load or rollback: its turn among others of the dataset, and what is said when it breaks."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loaders.errors import LoadError
from loaders.priority import is_lowered, lower_backend_priority
from loaders.progress import Progress
from loaders.report import Report

UNHARMED = "What was live is live still."
ALIVE = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def connect(database_url: str, name: str) -> Connection:
    """An autocommit connection without time limits; `name` is what administrators see of it.

    Both ends learn within a minute that the other one is gone: without that, a load would wait for ever, and the
    backend of a load that was killed would keep its locks to the end of its statement.
    """
    settings = {**ALIVE, **conninfo_to_dict(database_url), "application_name": f"opennrw {name}"}
    connection = psycopg.connect(make_conninfo(**settings), autocommit=True)
    connection.execute("set statement_timeout = 0")
    connection.execute("set work_mem = '256MB'")
    connection.execute("set jit = off")
    with suppress(psycopg.errors.InvalidParameterValue):  # not every system tells a server so
        connection.execute("set client_connection_check_interval = '1s'")
    for setting in ("idle = 30", "interval = 10", "count = 3"):
        connection.execute(f"set tcp_keepalives_{setting}".encode())
    return connection


def connect_beside(connection: Connection, name: str) -> Connection:
    """Another connection to the same server as the same user; as urgent as this process."""
    info = connection.info
    where = {"host": info.host, "port": info.port, "password": info.password or None}
    beside = connect(make_conninfo(info.dsn, **where), name)
    if is_lowered():
        lower_backend_priority(beside)
    return beside


def wait_for_turn(connection: Connection, report: Report, progress: Progress) -> None:
    """One load or rollback of a dataset at a time, or one of a package; the locks end with the session."""
    whole = f"opennrw load {report.dataset}"
    packages = sorted(report.packages or ())
    turns = [(whole, bool(packages)), *((f"{whole} {package}", False) for package in packages)]
    for key, shared in turns:
        mode = "_shared" if shared else ""
        lock = f"{mode}(hashtextextended(%s, 0))"
        row = connection.execute(f"select pg_try_advisory_lock{lock}".encode(), [key]).fetchone()
        if not (row and row[0]):
            progress.step(f"wait for another load of {report.dataset}", None)
            with report.timed("wait"):
                connection.execute(f"select pg_advisory_lock{lock}".encode(), [key])


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
    if "shared memory segment" in reason:
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
