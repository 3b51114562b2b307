"""Watched sources: whether a listing differs from what was last loaded, refused, or handed to a load."""

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.errors import LoadError
from loaders.fetch import list_source
from loaders.listing import ListedFile
from loaders.manifest import read_manifest
from server.errors import NotFound
from server.jobs.app import connect_queue
from server.jobs.enqueue import enqueue_load
from server.jobs.keeper import TAKE_DUE
from server.jobs.requests import SHORT_PATIENCE, WATCHED, LoadRequest
from server.settings import Settings

Connection = psycopg.Connection[Any]

WATCHED_SOURCE = "select source, seen, job from watch where dataset = %s for update"
LAST_FILES = """
select f.name, f.size, f.listed from provenance.file f where f.delivery = (
  select max(id) from provenance.delivery where dataset = %s and source = %s)
"""
# the load, or one of the packages that it was divided into
HAS_FAILED = """
select exists (select from procrastinate_jobs w join procrastinate_jobs j on j.id = w.id or (
    j.id > w.id and j.task_name = w.task_name and j.args ? 'packages' and j.args - 'packages' = w.args - 'packages')
  where w.id = %s and j.status = 'failed')
"""
REMEMBER = "update watch set seen = %s, job = %s where dataset = %s"
NOTE = "update watch set last_poll = clock_timestamp(), result = %s where dataset = %s"
ADD = """
insert into watch (dataset, source, every) values (%(dataset)s, %(source)s, %(every)s)
on conflict (dataset) do update set source = excluded.source, every = excluded.every, next_poll = clock_timestamp()
"""
REMOVE = "delete from watch where dataset = %s"
LIST = """
select dataset, source, extract(epoch from every)::bigint as every, next_poll, last_poll, result, job
from watch order by dataset
"""


@dataclass(frozen=True)
class PollResult:
    """`new` with the load's job, or `nothing new`."""

    outcome: str
    message: str
    job: int | None = None


def poll(settings: Settings, dataset: str) -> PollResult:
    """Read the listing of a watched dataset's source; enqueue a load if it is new.

    Raises LoadError where it cannot be read, NotFound where the dataset is not watched; both are noted.
    """
    with connect_queue(settings) as connection:
        try:
            with connection.transaction():
                result = _poll(settings, connection, dataset)
        except LoadError as error:
            connection.execute(NOTE, [f"failed: {error}", dataset])
            raise
        connection.execute(NOTE, [result.message, dataset])
        return result


def _poll(settings: Settings, connection: Connection, dataset: str) -> PollResult:
    """The row is locked: of two polls at once only one enqueues."""
    row = connection.execute(WATCHED_SOURCE, [dataset]).fetchone()
    if row is None:
        raise NotFound(f"The dataset '{dataset}' is not watched. Watch it: opennrw watch add {dataset}.")
    source, seen, job = row
    manifest = read_manifest(dataset)
    files = list_source(source or manifest.url, manifest, SHORT_PATIENCE)
    if source and any(file.size is None for file in files):
        raise LoadError(f"{source} is a file: only a listing tells that there is a new one. Watch the folder it is in.")
    total = f"{len(files)} file{'s' if len(files) != 1 else ''} listed"
    listed = {(file.name, file.size, file.timestamp) for file in files}
    if listed == set(connection.execute(LAST_FILES, [dataset, source or manifest.url]).fetchall()):
        return PollResult("nothing new", f"nothing new: {total}, as last loaded or refused")
    digest = digest_listing(files)
    if seen == digest and not _has_failed(connection, job):
        return PollResult("nothing new", f"nothing new: {total}, see job {job}", job)
    job = enqueue_load(settings, connection, LoadRequest(dataset, source), WATCHED)
    connection.execute(REMEMBER, [digest, job, dataset])
    return PollResult("new", f"new: {total}, job {job} loads them", job)


def digest_listing(files: list[ListedFile]) -> str:
    """SHA-256 over name, size and timestamp of every file, sorted."""
    lines = sorted(f"{file.name}\0{file.size}\0{file.timestamp}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def add_watch(connection: Connection, dataset: str, source: str | None, seconds: int) -> None:
    """Watch a dataset, or watch it otherwise; it is polled as soon as a worker is there."""
    read_manifest(dataset)
    connection.execute(ADD, {"dataset": dataset, "source": source, "every": f"{seconds} seconds"})


def remove_watch(connection: Connection, dataset: str) -> None:
    """Raises NotFound."""
    if connection.execute(REMOVE, [dataset]).rowcount == 0:
        raise NotFound(f"The dataset '{dataset}' is not watched. See `opennrw watch list`.")


def take_due(connection: Connection) -> list[str]:
    """The datasets whose turn it is; the next one of each is set."""
    return [row[0] for row in connection.execute(TAKE_DUE).fetchall()]


def list_watched(connection: Connection) -> list[dict[str, Any]]:
    """What is watched, with times and the last result; `every` in seconds, `source` None for the publisher's."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(LIST).fetchall()


def _has_failed(connection: Connection, job: int | None) -> bool:
    row = connection.execute(HAS_FAILED, [job]).fetchone()
    return bool(row and row[0])
