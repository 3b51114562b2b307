"""Rows of the database as Arrow, a batch at a time, without a loop over rows; see `sent` for how they come."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from psycopg.rows import TupleRow

from server.catalogue import PropertyType
from server.formats.outline import GEOMETRY, Column, Outline
from server.formats.sent import FIXED, Fixed, is_list, to_values

TYPES: dict[PropertyType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
    "string[]": pa.list_(pa.string()),
    "integer[]": pa.list_(pa.int64()),
    "number[]": pa.list_(pa.float64()),
    "date[]": pa.list_(pa.date32()),
}


class ArrowReader:
    """Makes record batches of rows of `sent.to_columns`. lists: whether arrays stay lists."""

    def __init__(self, outline: Outline, *, lists: bool) -> None:
        self._outline, self._lists = outline, lists
        self._widths = [len(to_values(column, lists=lists)) for column in outline.columns]
        fields = to_fields(outline.columns, lists=lists)
        if outline.kind:
            fields.append(pa.field(GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}))
        self.schema = pa.schema(fields)

    def read(self, row: TupleRow) -> pa.RecordBatch:
        """The batch of a row."""
        values = iter(row)
        count = next(values)
        shapes = next(values) if self._outline.kind else None
        arrays = [
            self._read(column, count, list(islice(values, width)))
            for column, width in zip(self._outline.columns, self._widths, strict=True)
        ]
        if shapes is not None:
            arrays.append(pa.array(shapes, pa.binary()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _read(self, column: Column, count: int, values: list[Any]) -> pa.Array:
        kind = TYPES[column.type]
        if fixed := FIXED.get(column.type):
            return _read_fixed(fixed, kind, count, values)
        if self._lists and is_list(column):
            return _read_lists(kind, values[0])
        return _read_texts(count, *values)


def to_fields(columns: Sequence[Column], *, lists: bool) -> list[pa.Field]:
    """The schema's fields with the texts that GDAL knows; a GeoPackage has no two columns of one title."""
    titles = Counter(column.title for column in columns)
    found = []
    for column in columns:
        title = column.title if titles[column.title] == 1 else f"{column.title} ({column.name})"
        texts = {"GDAL:OGR:alternative_name": title, "GDAL:OGR:comment": column.description}
        metadata = {name: text for name, text in texts.items() if text}
        kind = TYPES[column.type] if lists or not is_list(column) else pa.string()
        found.append(pa.field(column.name, kind, column.nullable, metadata))
    return found


def _read_fixed(fixed: Fixed, kind: pa.DataType, count: int, values: Sequence[bytes]) -> pa.Array:
    sent = np.frombuffer(values[0], fixed.form)
    if kind == pa.bool_():
        data = np.packbits(sent, bitorder="little")
    else:
        data = sent.astype(sent.dtype.newbyteorder("="))
        data += fixed.shift
    validity, nulls = _validity(np.frombuffer(values[1], "?")) if len(values) > 1 else (None, 0)
    return pa.Array.from_buffers(kind, count, [validity, pa.py_buffer(data.data)], nulls)


def _read_texts(count: int, joined: str | bytes | None, lengths: bytes) -> pa.Array:
    """joined: all texts, None where each is null. lengths: in bytes, -1 of a null."""
    data = joined.encode() if isinstance(joined, str) else joined or b""
    sizes = np.frombuffer(lengths, ">i4")
    validity, nulls = _validity(sizes >= 0)
    offsets = np.zeros(count + 1, "i4")
    np.cumsum(np.maximum(sizes, 0), out=offsets[1:])
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets.data), pa.py_buffer(data), validity, nulls)


def _read_lists(kind: pa.DataType, text: str | bytes) -> pa.Array:
    rows = orjson.loads(text)
    if kind == TYPES["date[]"]:
        return pa.array(rows, pa.list_(pa.string())).cast(kind)
    return pa.array(rows, kind)


def _validity(there: np.ndarray) -> tuple[pa.Buffer | None, int]:
    """Arrow's bitmap, none where nothing is null, and the number of nulls."""
    nulls = int(len(there) - np.count_nonzero(there))
    return (pa.py_buffer(np.packbits(there, bitorder="little").data) if nulls else None), nulls
