"""The base of a pyramid: a collection's features as they are, in EPSG:3857, with the attributes of tiles."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from loaders.progress import Progress
from server.catalogue import Collection
from server.pyramid.plan import SRID, columns

# Rows that are read at once: nobody may keep a table of geobasis from being swapped for long
BATCH = 50_000

LIVE = "select version, delivery, published, features from provenance.collection where collection = %s"
FILL = """
with filled as (
  insert into {table} select fid, {columns}, {shape} from {live} t where fid > %(after)s order by fid limit %(most)s
  returning fid)
select max(fid), count(*) from filled"""
# valid_to has an index; the clock of another machine may have been behind
LEFT = """
create temp table left_base on commit preserve rows as
select distinct fid from {history} where valid_to > %(published)s - interval '1 day' and ended_by > %(delivery)s"""
CAME = """
create temp table fresh_base on commit preserve rows as
select t.fid, {columns}, {shape} as geom from {live} t where t.fid in (
  select fid from {live} where delivery > %(delivery)s
  union select l.fid from provenance.restored r join {live} l on l.id = r.id and l.delivery = r.delivery
  where r.collection = %(collection)s and r.rollback > %(delivery)s)"""
AFFECTED = """
create temp table affected_base on commit preserve rows as select fid from left_base union select fid from fresh_base"""


@dataclass(frozen=True)
class Live:
    """What is live of a collection."""

    version: int
    delivery: int
    published: datetime
    features: int


class OutdatedError(Exception):
    """A publication came while a former state was being read."""


def read_live(connection: Connection[Any], collection: Collection) -> Live | None:
    """None where nothing was ever loaded."""
    row = connection.execute(LIVE, [collection.id]).fetchone()
    return Live(*row) if row else None


def fill(
    connection: Connection[Any], collection: Collection, table: sql.Identifier, live: Live, progress: Progress
) -> None:
    """All features into an empty table, in the order of their key. Raises OutdatedError."""
    progress.step("features", live.features, "rows")
    after, count = -1, BATCH
    while count == BATCH:
        with connection.transaction():
            _at(connection, collection, live)
            statement = _format(FILL, collection, table=table)
            row = connection.execute(statement, {"after": after, "most": BATCH}).fetchone()
        after, count = row or (0, 0)
        progress.advance(count)


def read_changes(connection: Connection[Any], collection: Collection, since: Live, live: Live) -> int:
    """What changed between two states, into temporary tables: affected_base (fid) and fresh_base (rows as they are
    now); the number of the affected. Raises OutdatedError.
    """
    connection.execute("drop table if exists left_base, fresh_base, affected_base")
    values = {"published": since.published, "delivery": since.delivery, "collection": collection.id}
    with connection.transaction():
        _at(connection, collection, live)
        for statement in (LEFT, CAME):
            connection.execute(_format(statement, collection), values)
    connection.execute(AFFECTED)
    connection.execute("create unique index on affected_base (fid)")
    connection.execute("create unique index on fresh_base (fid)")
    connection.execute("analyze affected_base")
    connection.execute("analyze fresh_base")
    row = connection.execute("select count(*) from affected_base").fetchone()
    return row[0] if row else 0


def _at(connection: Connection[Any], collection: Collection, live: Live) -> None:
    """Within a transaction that has just begun: see one moment, of this version.

    The lock comes before the snapshot: a table that a load swaps in afterwards would look empty.
    """
    connection.execute("set transaction isolation level repeatable read")
    connection.execute(sql.SQL("lock table {} in access share mode").format(sql.Identifier("geobasis", collection.id)))
    if read_live(connection, collection) != live:
        raise OutdatedError


def _format(text: str, collection: Collection, **names: sql.Composable) -> sql.Composed:
    shape = sql.SQL("t.geom") if collection.srid == SRID else sql.SQL("ST_Transform(t.geom, {})").format(SRID)
    return sql.SQL(text).format(  # pyright: ignore[reportArgumentType]
        live=sql.Identifier("geobasis", collection.id),
        history=sql.Identifier("history", collection.id),
        columns=sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(n)) for n in columns(collection, None)),
        shape=shape,
        **names,
    )
