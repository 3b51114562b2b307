"""What a table needs after a publication: dead rows cleared, statistics renewed, rows back in the order of their key.

Rows that a delivery adds or changes land wherever there is room. The planner's correlation of `fid` with the place on
disk tells how much of the order is left: 1 after a rebuild, about 1 - 2 s where the share s of the rows lies elsewhere.
"""

import time
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection, sql

from loaders import rebuild
from loaders.locks import publishing
from loaders.progress import Progress, Quiet
from loaders.session import connect, explained
from loaders.table import Table, read_table

# some 5 % of the rows out of place: a page of 1,000 neighbours then reads some 50 blocks more
LEAST_CORRELATION = 0.9
# a smaller table lies in memory anyway
REORDER_FROM = 50_000
ORDER = """
select greatest(c.reltuples, 0)::bigint, s.correlation::float8 from pg_class c
left join pg_stats s on s.schemaname = 'geobasis' and s.tablename = c.relname and s.attname = 'fid'
where c.oid = %s::regclass
"""
COPY = """
insert into {new} (fid, id, {columns}, delivery, digest, geom)
select fid, id, {columns}, delivery, digest, geom from {live} order by fid
"""


@dataclass(frozen=True)
class Maintained:
    """What was done for a collection. `correlation`: what was left of the order of the key, 1 at most; None unknown."""

    collection: str
    rows: int
    correlation: float | None
    reordered: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def maintain(database_url: str, collection: str, progress: Progress | None = None) -> Maintained:
    """Clear and analyse a collection's table; write it anew in the order of its key where too little is left of that.

    Readers are locked out for milliseconds only; a publication waits for a reordering. Raises LoadError.
    """
    shown, start = progress or Quiet(), time.monotonic()
    try:
        with explained("maintenance"), closing(connect(database_url, f"maintain {collection}")) as connection:
            table = read_table(connection, collection)
            _vacuum(connection, table)
            rows, correlation = _read_order(connection, table)
            lost = rows >= REORDER_FROM and correlation is not None and correlation < LEAST_CORRELATION
            reordered = lost and _reorder(connection, table, shown)
    finally:
        shown.done()
    return Maintained(collection, rows, correlation, reordered, round(time.monotonic() - start, 3))


def _vacuum(connection: Connection, table: Table) -> None:
    connection.execute(sql.SQL("vacuum (analyze) {}").format(table.live))


def _read_order(connection: Connection, table: Table) -> tuple[int, float | None]:
    row = connection.execute(ORDER, [table.name]).fetchone()
    assert row  # noqa: S101 - the table is there
    return row[0], row[1]


def _reorder(connection: Connection, table: Table, progress: Progress) -> bool:
    """Write the table anew; False where something hangs on it that a new one would not have."""
    progress.step("reorder", None)
    with publishing(connection, [table.collection], progress):
        with connection.transaction():
            if rebuild.find_hindrances(connection, table):
                return False
            rebuild.create(connection, table)
            names = {"new": rebuild.new_table(table), "live": table.live, "columns": table.columns}
            connection.execute(sql.SQL(COPY).format(**names))
            rebuild.index(connection, table)
            rebuild.swap(connection, [table])
        _vacuum(connection, table)
    return True
