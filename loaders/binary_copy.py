"""Arrow columns as PostgreSQL's binary COPY stream, without a Python object per value.

A field is its length (int32, -1 for null) and its bytes, big endian. Arrow joins the lengths and values of all columns
row by row.
"""

import struct
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
DAY = 86_400_000_000  # microseconds
EPOCH_DAYS = 10_957  # from 1970-01-01, Arrow's epoch, to 2000-01-01, PostgreSQL's


def encode_fields(columns: Sequence[pa.Array], types: Sequence[str]) -> pa.Array:
    """The fields of each row run together, as binary. `types`: names of the columns' PostgreSQL types."""
    parts: list[Any] = []
    for column, type_name in zip(columns, types, strict=True):
        values = ENCODERS[type_name](column)
        parts += [_lengths(values), values.fill_null(b"")]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))


def encode_rows(count: int, *fields: pa.Array) -> memoryview:
    """The rows of a COPY stream, without header and trailer, of `count` columns in so many parts."""
    parts: list[Any] = [pa.scalar(count.to_bytes(2, "big"), pa.binary()), *fields]
    return _data(pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary())))


def digest_fields(fields: pa.Array) -> pa.Array:
    """SHA-256 of each row's fields: their lengths keep values apart, and null from empty."""
    data, bounds = _data(fields), _bounds(fields)
    edges = (bounds - bounds[0]).tolist()
    digests = b"".join([sha256(data[start:end]).digest() for start, end in pairwise(edges)])
    return _fixed(np.frombuffer(digests, "V32"))


def _lengths(values: Any) -> pa.Array:
    lengths = pc.binary_length(values).fill_null(-1).to_numpy(zero_copy_only=False)
    return _fixed(lengths.astype(">i4"))


def _data(rows: Any) -> memoryview:
    data, bounds = rows.buffers()[2], _bounds(rows)
    return memoryview(data)[bounds[0] : bounds[-1]] if data else memoryview(b"")


def _bounds(rows: Any) -> NDArray[np.int32]:
    """Where each row's bytes begin, and where the last one's end."""
    return np.frombuffer(rows.buffers()[1], np.int32, len(rows) + 1, rows.offset * 4)


def _fixed(values: NDArray) -> pa.Array:
    """Values of equal size as binary."""
    size = values.dtype.itemsize
    buffer = pa.py_buffer(np.ascontiguousarray(values).data.cast("B")) if len(values) else pa.py_buffer(b"")
    array = pa.Array.from_buffers(pa.binary(size), len(values), [None, buffer])
    return array.cast(pa.binary())


def _number(dtype: str) -> Callable[[pa.Array], pa.Array]:
    def encode(column: pa.Array) -> pa.Array:
        filled = column.fill_null(0).to_numpy(zero_copy_only=False)
        return pc.if_else(column.is_valid(), _fixed(filled.astype(dtype)), None)

    return encode


def _bool(column: pa.Array) -> pa.Array:
    return _number("u1")(column.cast(pa.uint8()))


def _date(column: pa.Array) -> pa.Array:
    days = column.cast(pa.int32())
    return _number(">i4")(pc.subtract(days, EPOCH_DAYS))


def _moment(column: pa.Array) -> pa.Array:
    """Microseconds from 2000-01-01, UTC."""
    return _number(">i8")(pc.subtract(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), EPOCH_DAYS * DAY))


def _bytes(column: pa.Array) -> pa.Array:
    return column.cast(pa.binary())


def _array(oid: int, encode: Callable[[Any], bytes]) -> Callable[[pa.Array], pa.Array]:
    """Arrays of one dimension; `oid` is that of PostgreSQL's type of their elements."""

    def element(value: Any) -> bytes:
        if value is None:
            return NULL
        content = encode(value)
        return len(content).to_bytes(4, "big") + content

    def encode_list(values: list[Any] | None) -> bytes | None:
        if values is None:
            return None
        head = (
            struct.pack(">iiiii", 1, None in values, oid, len(values), 1) if values else struct.pack(">iii", 0, 0, oid)
        )
        return head + b"".join(map(element, values))

    return lambda column: pa.array(map(encode_list, column.to_pylist()), pa.binary())


ENCODERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "bool": _bool,
    "int2": _number(">i2"),
    "int4": _number(">i4"),
    "int8": _number(">i8"),
    "float8": _number(">f8"),
    "date": _date,
    "timestamptz": _moment,
    "text": _bytes,
    "bytea": _bytes,
    "uuid": _bytes,
    "geometry": _bytes,
    "_text": _array(25, str.encode),
    "_float8": _array(701, struct.Struct(">d").pack),
}
