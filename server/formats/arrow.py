"""Rows of the database as Arrow, a batch at a time, without a loop over rows.

An attribute comes from PostgreSQL as one value per batch: its rows' binary forms joined, and beside them what tells
nulls and lengths. Arrow takes such values as they are, but for the order of bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import orjson
import pyarrow as pa
from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import PropertyType
from server.formats.outline import GEOMETRY, Column, Outline

# PostgreSQL counts days and microseconds from 2000 on
DAYS = 10_957
MICROSECONDS = DAYS * 86_400_000_000


@dataclass(frozen=True)
class Fixed:
    """How values of one length are sent, and what instead of a null; how they are read, and as what."""

    sent: LiteralString
    instead: LiteralString
    form: str
    type: pa.DataType
    shift: int = 0


FIXED: dict[PropertyType, Fixed] = {
    "integer": Fixed("int8send({}::bigint)", "0", ">i8", pa.int64()),
    "number": Fixed("float8send({}::double precision)", "0", ">f8", pa.float64()),
    "boolean": Fixed("boolsend({})", "false", "?", pa.bool_()),
    "date": Fixed("date_send({})", "'2000-01-01'", ">i4", pa.date32(), DAYS),
    "datetime": Fixed("timestamptz_send({})", "'2000-01-01Z'", ">i8", pa.timestamp("us", "UTC"), MICROSECONDS),
}
LISTS: dict[PropertyType, pa.DataType] = {
    "string[]": pa.list_(pa.string()),
    "integer[]": pa.list_(pa.int64()),
    "number[]": pa.list_(pa.float64()),
    "date[]": pa.list_(pa.date32()),
}


@dataclass(frozen=True)
class Field:
    """An attribute on its way: the SQL of its values of a batch, and what makes an array of them."""

    column: Column
    type: pa.DataType
    expressions: tuple[sql.Composable, ...]
    read: Callable[[int, Sequence[Any]], pa.Array]


def to_field(column: Column, lists: bool) -> Field:
    """lists: whether arrays stay lists; as JSON text otherwise."""
    name = sql.SQL("t.{}").format(sql.Identifier(column.name))
    if column.type in FIXED:
        return _fixed_field(column, FIXED[column.type], name)
    if column.type in LISTS and lists:
        kind = LISTS[column.type]
        return Field(column, kind, (sql.SQL("json_agg({})::text").format(name),), lambda _, v: _read_lists(kind, v))
    text = sql.SQL("{}::text" if column.type == "string" else "to_json({})::text").format(name)
    lengths = sql.SQL("string_agg(int4send(coalesce(octet_length({}), -1)), '')").format(text)
    return Field(column, pa.string(), (sql.SQL("string_agg({}, '')").format(text), lengths), _read_texts)


def _fixed_field(column: Column, fixed: Fixed, name: sql.Composable) -> Field:
    value = name
    if column.nullable:
        value = sql.SQL("coalesce({}, {})").format(name, sql.SQL(fixed.instead))
    values = sql.SQL("string_agg({}, '')").format(sql.SQL(fixed.sent).format(value))
    there = sql.SQL("string_agg(boolsend({} is not null), '')").format(name)
    expressions = (values, there) if column.nullable else (values,)
    return Field(column, fixed.type, expressions, lambda count, found: _read_fixed(fixed, count, found))


def _read_fixed(fixed: Fixed, count: int, values: Sequence[Any]) -> pa.Array:
    sent = np.frombuffer(values[0], fixed.form)
    if fixed.type == pa.bool_():
        data = np.packbits(sent, bitorder="little")
    else:
        data = sent.astype(sent.dtype.newbyteorder("="))
        data += fixed.shift
    validity, nulls = _validity(np.frombuffer(values[1], "?")) if len(values) > 1 else (None, 0)
    return pa.Array.from_buffers(fixed.type, count, [validity, pa.py_buffer(data.data)], nulls)


def _read_texts(count: int, values: Sequence[Any]) -> pa.Array:
    """The joined texts, or None where all are null, and the lengths in bytes, -1 of a null."""
    joined, lengths = values
    data = joined.encode() if isinstance(joined, str) else joined or b""
    sizes = np.frombuffer(lengths, ">i4")
    validity, nulls = _validity(sizes >= 0)
    offsets = np.zeros(count + 1, "i4")
    np.cumsum(np.maximum(sizes, 0), out=offsets[1:])
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets.data), pa.py_buffer(data), validity, nulls)


def _read_lists(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    rows = orjson.loads(values[0])
    if kind == LISTS["date[]"]:
        return pa.array(rows, pa.list_(pa.string())).cast(kind)
    return pa.array(rows, kind)


def _validity(there: np.ndarray) -> tuple[pa.Buffer | None, int]:
    """Arrow's bitmap, none where nothing is null, and the number of nulls."""
    nulls = int(len(there) - np.count_nonzero(there))
    return (pa.py_buffer(np.packbits(there, bitorder="little").data) if nulls else None), nulls


def to_schema_fields(fields: Sequence[Field]) -> list[pa.Field]:
    """The schema's fields with the texts that GDAL knows; a GeoPackage has no two columns of one title."""
    titles = Counter(field.column.title for field in fields)
    found = []
    for field in fields:
        column = field.column
        title = column.title if titles[column.title] == 1 else f"{column.title} ({column.name})"
        texts = {"GDAL:OGR:alternative_name": title, "GDAL:OGR:comment": column.description}
        metadata = {name: text for name, text in texts.items() if text}
        found.append(pa.field(column.name, field.type, column.nullable, metadata))
    return found


class ArrowReader:
    """Makes record batches of what the database answers to `columns`. lists: whether arrays stay lists."""

    def __init__(self, outline: Outline, *, lists: bool) -> None:
        self._fields = [to_field(column, lists) for column in outline.columns]
        self._shape = outline.shape if outline.kind else None
        fields = to_schema_fields(self._fields)
        if self._shape:
            fields.append(pa.field(GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}))
        self.schema = pa.schema(fields)

    @property
    def columns(self) -> sql.Composable:
        """SQL of a batch over alias t: the number of its rows, the geometries, the attributes."""
        parts: list[sql.Composable] = [sql.SQL("count(*)")]
        if self._shape:
            parts.append(sql.SQL("array_agg(ST_AsBinary({}))").format(self._shape))
        parts += [expression for field in self._fields for expression in field.expressions]
        return sql.SQL(", ").join(parts)

    def read(self, row: TupleRow) -> pa.RecordBatch:
        """The batch of a row."""
        values = iter(row)
        count = next(values)
        shapes = next(values) if self._shape else None
        arrays = [field.read(count, self._take(values, len(field.expressions))) for field in self._fields]
        if shapes is not None:
            arrays.append(pa.array(shapes, pa.binary()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    @staticmethod
    def _take(values: Iterator[Any], number: int) -> list[Any]:
        return [next(values) for _ in range(number)]
