"""Turns: one load of a dataset or package at a time, and one publication of a collection at a time.

Locks belong to the session: they end with it, however it ends.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import Connection

from loaders.progress import Progress


def take(connection: Connection, key: str, progress: Progress, wait: str) -> None:
    """Wait until nobody else has the key; `wait` says what for."""
    if not try_take(connection, key):
        progress.step(f"wait for {wait}", None)
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])


def try_take(connection: Connection, key: str) -> bool:
    """Take the key where nobody else has it; whether that is so."""
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [key]).fetchone()
    return bool(row and row[0])


def publication(collection: str) -> str:
    """Key of whoever compares with a collection's live rows and then changes them: packages of one collection are
    staged at the same time, but published one after the other.
    """
    return f"opennrw publish {collection}"


@contextmanager
def publishing(connection: Connection, collections: Sequence[str], progress: Progress) -> Iterator[None]:
    """Be the only one that compares with and changes these collections."""
    keys = [publication(collection) for collection in sorted(collections)]  # one order, so that none waits for another
    for key in keys:
        take(connection, key, progress, "another publication")
    yield
    for key in keys:
        connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [key])
