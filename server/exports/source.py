"""The rows of a file, read in batches of short transactions.

Nobody may hold a collection's table for long: a publication that puts a new one into its place waits for whoever reads,
and gives up after some minutes. The rows of one version of a collection never change, so each batch is a transaction
of its own that looks whether the version is still the one that it began with.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from server.database import reader_conninfo
from server.errors import NotFound, ServiceError, Unavailable
from server.exports.area import Area, no_area
from server.exports.extract import Extract
from server.settings import Settings

# A batch is a value of the database: bounded in bytes, of which each feature counts some more than its geometry has
BATCH_BYTES, FEATURE_BYTES = 8_000_000, 1_600
STATE = """
select version, published, delivery, features, first_date, last_date from provenance.collection where collection = %s
"""
BOUNDS = """
select min(fid), max(fid), count(*) from (
  select fid, sum({feature} + coalesce(pg_column_size(geom), 0)) over (order by fid) / {batch} as batch
  from {table} where {where}) t
group by batch order by 1
"""
ROWS = """
select {columns} from (
  select * from {table} where fid between %(x_low)s and %(x_high)s and {where} order by fid offset 0) t
"""

Connection = psycopg.Connection[Any]
Advance = Callable[[int], None]


class Overtaken(Unavailable):
    """A delivery was published while a file of the former one was being made."""


@dataclass(frozen=True)
class Published:
    """The state of a collection that a file shows."""

    version: int
    published: datetime
    delivery: int
    features: int
    first_date: date | None
    last_date: date | None

    @property
    def mark(self) -> tuple[int, str]:
        """Names the state for ever, as `state.State.mark` does."""
        return self.version, self.published.isoformat()


class TableSource:
    """The rows of an extract as one version of it has them.

    total: how many there are, exactly. failure: why they could not be read to the end.
    """

    def __init__(self, connection: Connection, extract: Extract, advance: Advance) -> None:
        """Raises Overtaken, InvalidParameter for an area that there is not."""
        self._connection = connection
        self._table = sql.Identifier("geobasis", extract.collection.id)
        self._collection = extract.collection
        self._where, self._parameters = extract.where()
        self._advance, self._done = advance, 0
        self.failure: Exception | None = None
        with self._turn() as edition:
            self.edition = edition
            self.area_name = read_name(connection, extract.area)
            self._bounds = self._find_bounds()
        self.total = sum(count for _, _, count in self._bounds)
        if not extract.given and self.total != edition.features:  # a part must never pass for the whole
            raise RuntimeError(f"{extract.collection.id}: {self.total} rows, {edition.features} were published")

    def read(self, columns: sql.Composable) -> Iterator[TupleRow]:
        """See formats.source.Source. Raises Overtaken."""
        query = sql.SQL(ROWS).format(columns=columns, table=self._table, where=self._where)
        text = query.as_bytes()
        self._advance(-self._done)
        self._done = 0
        for low, high, count in self._bounds:
            yield self._read_batch(text, {**self._parameters, "x_low": low, "x_high": high})
            self._done += count
            self._advance(count)

    def _read_batch(self, text: bytes, values: dict[str, Any]) -> TupleRow:
        try:
            with self._turn() as edition:
                if edition != self.edition:
                    raise Overtaken(f"A delivery of '{self._collection.id}' was published meanwhile. Begin again.")
                row = self._connection.cursor(binary=True).execute(text, values).fetchone()
        except (ServiceError, psycopg.Error) as error:
            self.failure = error
            raise
        assert row  # noqa: S101 - it is an aggregate
        return row

    def _find_bounds(self) -> list[tuple[int, int, int]]:
        sizes = {"feature": sql.Literal(FEATURE_BYTES), "batch": sql.Literal(BATCH_BYTES)}
        query = sql.SQL(BOUNDS).format(table=self._table, where=self._where, **sizes)
        return self._connection.execute(query, self._parameters).fetchall()

    @contextmanager
    def _turn(self) -> Iterator[Published]:
        """A short transaction that sees one moment, and the edition that it sees.

        The lock comes before the snapshot: a table that is swapped in afterwards would look empty in an older one.
        """
        with self._connection.transaction():
            self._connection.execute("set transaction isolation level repeatable read, read only")
            self._connection.execute(sql.SQL("lock table {} in access share mode").format(self._table))
            row = self._connection.execute(STATE, [self._collection.id]).fetchone()
            if row is None:
                raise NotFound(f"Nothing was published in '{self._collection.id}' yet. Load a delivery of it first.")
            yield Published(*row)


@contextmanager
def connect(settings: Settings, owner_url: str | None, seconds: int) -> Iterator[Connection]:
    """A connection of the role that cannot write; `owner_url`: to the owner's server, not to a standby.

    `seconds`: until a statement that takes so long is ended. Raises psycopg.Error.
    """
    given = settings.model_copy(update={"reader_database_url": None}) if owner_url else settings
    conninfo = reader_conninfo(given, owner_url or settings.database_url or settings.reader_database_url or "")
    conninfo = make_conninfo(conninfo, application_name="opennrw-export")
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
        connection.execute(sql.SQL("set statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
        connection.execute("set plan_cache_mode = auto")
        connection.execute("set lock_timeout = '60s'")
        connection.execute("set datestyle = 'ISO'")
        connection.execute("set work_mem = '64MB'")
        yield connection


def read_edition(connection: Connection, collection: str) -> Published | None:
    """What is live of a collection; None where nothing was published yet."""
    row = connection.execute(STATE, [collection]).fetchone()
    return Published(*row) if row else None


def read_name(connection: Connection, area: Area | None) -> str:
    """Name of an area, empty for none. Raises InvalidParameter where there is no such area."""
    if area is None:
        return ""
    row = connection.execute(area.name_query.as_bytes()).fetchone()
    if row is None:
        raise no_area(area)
    return row[0]
