"""Rows in temporary tables of the session that will publish them: when it ends, however it ends, nothing is left."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import Connection, Copy, Cursor, sql
from psycopg.copy import QueuedLibpqWriter

from loaders.batch import Batch, Mask
from loaders.binary_copy import HEADER, TRAILER, digest_fields, encode_fields, encode_rows
from loaders.context import Area, Shape
from loaders.errors import InvalidDelivery, LoadError
from loaders.fingerprint import Known, Prints, salt, to_uuids
from loaders.manifest import Manifest
from loaders.progress import Progress
from loaders.report import Reject, Repair
from loaders.spatial_key import hilbert_codes
from loaders.table import Table
from loaders.transform import place, transform

# a delivery that breaks rules in every row must not fill the disk with reasons
MAX_REJECTS = 1_000_000
# rejects and repairs are few: they wait here, so that the rows' COPY need not end for each
MAX_WAITING = 2_000
TEMPORARY = """
create temp table staged_reject
  (collection text, file text, line bigint, reason text, raw text, rule text, feature text);
create temp table staged_repair
  (collection text, file text, line bigint, feature text, reason text, original bytea, rule text);
"""
STAGED = """
create table {staged} as
select 0::bigint as row, 0::int2 as file, 0::bigint as line, false as repaired, 0::bigint as cell,
  null::uuid as fingerprint, digest, id,
  {columns}, geom
from {live} with no data
"""

AREAS = """
select kn, gn, stand, ST_AsEWKB(geom, 'NDR'), (ST_XMin(geom) + ST_XMax(geom)) / 2, (ST_YMin(geom) + ST_YMax(geom)) / 2,
  valid_to is null
from (
  select kn, gn, stand, geom, null::timestamptz as valid_to from {live}
  union all select kn, gn, stand, geom, valid_to from {history}
) a order by valid_to desc nulls first, kn
"""
SHAPES = """
select {column}, ST_AsEWKB(geom, 'NDR'), (ST_XMin(geom) + ST_XMax(geom)) / 2, (ST_YMin(geom) + ST_YMax(geom)) / 2
from {live} where {column} = any(%s) and geom is not null order by fid
"""


@dataclass
class Staging:
    """Takes rows of all collections of one load, inside `receiving`."""

    connection: Connection
    tables: dict[str, Table]
    progress: Progress
    known: dict[str, Known] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    left_out: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: int = 0
    rejected: int = 0
    _open: "_OpenCopy | None" = None
    _rejects: list[tuple[str, Reject]] = field(default_factory=list)
    _repairs: list[tuple[str, Repair]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection.execute(TEMPORARY)
        for table in self.tables.values():
            self.counted[table.collection] = 0
            names = {"staged": table.staged, "columns": table.columns, "live": table.live}
            self.connection.execute(sql.SQL(STAGED).format(**names))

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Rows may be written in the block. After it they are staged, or where it fails, the rejects alone."""
        try:
            yield
        except BaseException as error:
            self._end(error)
            if isinstance(error, InvalidDelivery):
                self._flush()
            raise
        self._end()
        self._flush()

    def count(self, collection: str, rows: int) -> None:
        """Take note of rows that the source holds, counted apart from reading them."""
        self.counted[collection] += rows

    def leave_out(self, collection: str, rows: int, reason: str) -> None:
        """Take note of rows that the source holds and that are no part of the collection."""
        if rows:
            self.left_out[collection, reason] = self.left_out.get((collection, reason), 0) + rows

    def salt(self, manifest: Manifest, collection: str, *circumstances: object) -> bytes:
        """What goes in front of a record before its fingerprint is taken."""
        return salt(manifest, list(self.tables[collection].attributes.items()), *circumstances)

    def knows(self, collection: str) -> bool:
        """Whether any record can be recognised."""
        return collection in self.known

    def recognise(self, collection: str, prints: Prints) -> Mask:
        """Which of the next records are those that live rows came from: they are not to be written."""
        if collection not in self.known:
            return np.zeros(len(prints), np.bool_)
        found = self.known[collection].recognise(prints)
        self.progress.advance(int(np.count_nonzero(found)))
        return found

    def read_areas(self, collection: str) -> list[Area]:
        """The areas of a collection of boundaries: those that are live, then former ones, the latest first."""
        names = {"live": sql.Identifier("geobasis", collection), "history": sql.Identifier("history", collection)}
        with self.connection.cursor(binary=True) as cursor:
            return [Area(*row) for row in cursor.execute(sql.SQL(AREAS).format(**names))]

    def transform(self, wkb: pa.Array, srid: int, target: int) -> pa.Array:
        """WKB in two dimensions from one EPSG code to another, by PostGIS; null where that is not possible."""
        self._end()
        return transform(self.connection, wkb, srid, target)

    def place(self, srid: int, point: tuple[float, float], target: int) -> tuple[float, float]:
        """Where PostGIS puts a point of one EPSG code in another one."""
        self._end()
        return place(self.connection, srid, point, target)

    def find_shapes(self, collection: str, column: str, keys: Sequence[str]) -> dict[str, Shape]:
        """The live areas of a collection whose column is one of the keys, by these."""
        self._end()
        names = {"column": sql.Identifier(column), "live": sql.Identifier("geobasis", collection)}
        with self.connection.cursor(binary=True) as cursor:
            rows = cursor.execute(sql.SQL(SHAPES).format(**names), [list(keys)])
            return {key: Shape(*rest) for key, *rest in rows}

    def write(self, collection: str, batch: Batch, rejects: Sequence[Reject]) -> None:
        """Take the next rows of a collection."""
        table = self.tables[collection]
        if batch.attributes.keys() != table.attributes.keys():
            raise LoadError(
                f"The loader gives {collection} the columns {', '.join(batch.attributes)}; "
                f"the table geobasis.{collection} has {', '.join(table.attributes)}. Run: opennrw db migrate"
            )
        self._rejects += [(collection, reject) for reject in rejects]
        self._repairs += [(collection, repair) for repair in batch.repairs]
        if len(self._rejects) + len(self._repairs) > MAX_WAITING:
            self._end()
            self._flush()
        if len(batch.lines):
            self._copy_to(table).write(self._encode(table, batch))
        self._limit_rejects(collection, rejects)
        self.progress.advance(len(batch.lines) + len(rejects))

    def _encode(self, table: Table, batch: Batch) -> memoryview:
        n = len(batch.lines)
        lasting = table.lasting
        signed = encode_fields(
            [*(batch.attributes[name] for name in lasting), batch.geometries.ewkb],
            [*(table.attributes[name] for name in lasting), "geometry"],
        )
        columns = [
            pa.array(np.arange(self.rows, self.rows + n)),
            pa.array(np.full(n, self._number_of(batch.file))),
            pa.array(batch.lines),
            pa.array(batch.geometries.repaired),
            pa.array(hilbert_codes(batch.geometries.east, batch.geometries.north)),
            to_uuids(batch.prints),
            digest_fields(signed),
            batch.ids,
            *(batch.attributes[name] for name in table.volatile),
        ]
        types = ["int8", "int2", "int8", "bool", "int8", "uuid", "bytea", "text"]
        types += [table.attributes[name] for name in table.volatile]
        self.rows += n
        return encode_rows(len(types) + len(lasting) + 1, encode_fields(columns, types), signed)

    def _copy_to(self, table: Table) -> "_OpenCopy":
        if self._open is None or self._open.table is not table:
            self._end()
            self._open = _OpenCopy(self.connection.cursor(), table)
        return self._open

    def _end(self, error: BaseException | None = None) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            opened.end(error)

    def _flush(self) -> None:
        """Write the rejects and repairs that wait."""
        rejects, repairs = self._rejects, self._repairs
        self._rejects, self._repairs = [], []
        if rejects:
            with self.connection.cursor() as cursor, cursor.copy("copy staged_reject from stdin") as copy:
                for collection, r in rejects:
                    copy.write_row((collection, r.file, r.line, r.reason, r.raw, r.rule, r.feature))
        if repairs:
            with self.connection.cursor() as cursor, cursor.copy("copy staged_repair from stdin") as copy:
                for collection, r in repairs:
                    copy.write_row((collection, r.file, r.line, r.feature, r.reason, r.original, r.rule))

    def _limit_rejects(self, collection: str, rejects: Sequence[Reject]) -> None:
        self.rejected += len(rejects)
        if self.rejected > MAX_REJECTS:
            last = rejects[-1]
            raise InvalidDelivery(
                "rejects",
                f"More than {MAX_REJECTS} rows were rejected, lately {last.file}, line {last.line}: {last.reason}. "
                "Mend the cause of the first rejects, then load again.",
                collection,
            )

    def _number_of(self, file: str) -> int:
        if file not in self.files:
            self.files.append(file)
        return self.files.index(file)


class _OpenCopy:
    """One COPY for all batches of a collection; a thread sends one batch while the next is parsed."""

    def __init__(self, cursor: Cursor, table: Table) -> None:
        self.table = table
        self._cursor = cursor
        statement = sql.SQL("copy {} from stdin (format binary)").format(table.staged)
        self._context = cursor.copy(statement, writer=QueuedLibpqWriter(cursor))
        self._copy: Copy = self._context.__enter__()
        self._copy.write(HEADER)

    def write(self, rows: memoryview) -> None:
        self._copy.write(rows)

    def end(self, error: BaseException | None = None) -> None:
        """Finish, or break off because of an error: then nothing of it is staged."""
        with self._cursor:
            if error is None:
                self._copy.write(TRAILER)
                self._context.__exit__(None, None, None)
            else:
                with suppress(psycopg.Error):
                    self._context.__exit__(type(error), error, None)
