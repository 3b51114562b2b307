"""Rows in temporary tables of the session that will publish them: when it ends, however it ends, nothing is left."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from psycopg import Connection, sql

from loaders.batch import Batch
from loaders.binary_copy import HEADER, TRAILER, encode_rows
from loaders.errors import LoadError
from loaders.progress import Progress
from loaders.report import Reject
from loaders.spatial_key import hilbert_codes

STAGED = """
create table {staged} as
select 0::bigint as row, 0::int2 as file, 0::bigint as line, false as repaired, 0::bigint as cell, id, {columns}, geom
from {live} with no data
"""


@dataclass(frozen=True)
class Table:
    """A collection's tables and its attributes, a column's name to the name of its PostgreSQL type."""

    collection: str
    attributes: dict[str, str]

    @property
    def live(self) -> sql.Identifier:
        """What the server reads."""
        return sql.Identifier("geobasis", self.collection)

    @property
    def history(self) -> sql.Identifier:
        """Former versions."""
        return sql.Identifier("history", self.collection)

    @property
    def staged(self) -> sql.Identifier:
        """Usable rows of the delivery."""
        return sql.Identifier("pg_temp", f"staged_{self.collection}"[:63])

    @property
    def outcome(self) -> sql.Identifier:
        """What becomes of each staged row, and the live rows that the delivery no longer holds."""
        return sql.Identifier("pg_temp", f"outcome_{self.collection}"[:63])

    @property
    def columns(self) -> sql.Composed:
        """The attributes, separated by commas."""
        return sql.SQL(", ").join(map(sql.Identifier, self.attributes))


def read_table(connection: Connection, collection: str) -> Table:
    """A collection's table as the database has it. Raises LoadError where it does not exist."""
    rows = connection.execute(
        """select a.attname, t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid
           where a.attrelid = to_regclass(format('geobasis.%%I', %s::text)) and a.attnum > 0 and not a.attisdropped
             and a.attname not in ('fid', 'id', 'delivery', 'digest', 'geom') order by a.attnum""",
        [collection],
    ).fetchall()
    if not rows:
        raise LoadError(f"The table geobasis.{collection} does not exist. Run: opennrw db migrate")
    return Table(collection, dict(rows))


@dataclass
class Staging:
    """Takes rows of all collections of one load."""

    connection: Connection
    tables: dict[str, Table]
    progress: Progress
    files: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    rows: int = 0

    def __post_init__(self) -> None:
        self.connection.execute(
            "create temp table staged_reject (collection text, file text, line bigint, reason text, raw text)"
        )
        for table in self.tables.values():
            self.counted[table.collection] = 0
            names = {"staged": table.staged, "columns": table.columns, "live": table.live}
            self.connection.execute(sql.SQL(STAGED).format(**names))

    def count(self, collection: str, rows: int) -> None:
        """Take note of rows that the source holds, counted apart from reading them."""
        self.counted[collection] += rows

    def write(self, collection: str, batch: Batch, rejects: Sequence[Reject]) -> None:
        """Take the next rows of a collection."""
        table = self.tables[collection]
        if batch.attributes.keys() != table.attributes.keys():
            raise LoadError(
                f"The loader gives {collection} the columns {', '.join(batch.attributes)}; "
                f"the table geobasis.{collection} has {', '.join(table.attributes)}. Run: opennrw db migrate"
            )
        if len(batch.lines):
            self._copy(table, batch)
        if rejects:
            self._write_rejects(collection, rejects)
        self.progress.advance(len(batch.lines) + len(rejects))

    def _copy(self, table: Table, batch: Batch) -> None:
        n = len(batch.lines)
        own = {
            "row": ("int8", np.arange(self.rows, self.rows + n)),
            "file": ("int2", np.full(n, self._number_of(batch.file))),
            "line": ("int8", batch.lines),
            "repaired": ("bool", batch.geometries.repaired),
            "cell": ("int8", hilbert_codes(batch.geometries.east, batch.geometries.north)),
        }
        self.rows += n
        columns = [pa.array(values) for _, values in own.values()]
        columns += [batch.ids, *(batch.attributes[name] for name in table.attributes), batch.geometries.ewkb]
        types = [*(type_name for type_name, _ in own.values()), "text", *table.attributes.values(), "geometry"]
        with (
            self.connection.cursor() as cursor,
            cursor.copy(sql.SQL("copy {} from stdin (format binary)").format(table.staged)) as copy,
        ):
            copy.write(HEADER)
            copy.write(encode_rows(columns, types))
            copy.write(TRAILER)

    def _write_rejects(self, collection: str, rejects: Sequence[Reject]) -> None:
        with self.connection.cursor() as cursor, cursor.copy("copy staged_reject from stdin") as copy:
            for reject in rejects:
                copy.write_row((collection, reject.file, reject.line, reject.reason, reject.raw))

    def _number_of(self, file: str) -> int:
        if file not in self.files:
            self.files.append(file)
        return self.files.index(file)
