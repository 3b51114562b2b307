"""FlatBuffers, as much as a FlatGeobuf header needs: tables with scalars, texts, and vectors of tables or numbers.

https://flatbuffers.dev/internals/: a table begins with the distance to its vtable, which stands before it here and
holds the place of each field; what a field refers to stands behind it. Pure.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scalar:
    """A number in struct's letters: B, H, I, Q, i, d, or ? for a truth value."""

    form: str
    value: float


@dataclass(frozen=True)
class Numbers:
    """A vector of doubles."""

    values: Sequence[float]


@dataclass(frozen=True)
class Table:
    """A table: its fields by slot, None where a field is left out."""

    fields: Sequence["Field"]


Field = Scalar | Numbers | Table | Sequence[Table] | str | None


def to_sized_buffer(root: Table) -> bytes:
    """A buffer behind its size, as files of several buffers have it; as long as a multiple of 8."""
    buffer = bytearray(8)
    place = _table(buffer, root)
    _align(buffer, 8)
    struct.pack_into("<II", buffer, 0, len(buffer) - 4, place - 4)
    return bytes(buffer)


def _align(buffer: bytearray, size: int, ahead: int = 0) -> None:
    """Fill up so that what comes `ahead` bytes later stands at a multiple of its size."""
    buffer.extend(bytes(-(len(buffer) + ahead) % size))


def _table(buffer: bytearray, table: Table) -> int:
    """Append a table and all that it refers to; its place."""
    places: list[int] = []
    body = bytearray(4)
    for field in table.fields:
        if field is None:
            places.append(0)
            continue
        form = field.form if isinstance(field, Scalar) else "I"
        _align(body, struct.calcsize(form))
        places.append(len(body))
        body += struct.pack(f"<{form}", field.value) if isinstance(field, Scalar) else bytes(4)
    head = struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), len(body), *places)
    _align(buffer, 8, ahead=len(head))
    buffer += head
    start = len(buffer)
    struct.pack_into("<i", body, 0, len(head))
    buffer += body
    for field, place in zip(table.fields, places, strict=True):
        if field is not None and not isinstance(field, Scalar):
            _refer(buffer, start + place, _append(buffer, field))
    return start


def _append(buffer: bytearray, field: Numbers | Table | Sequence[Table] | str) -> int:
    """Append what a field refers to; its place."""
    if isinstance(field, Table):
        return _table(buffer, field)
    if isinstance(field, str):
        data = field.encode()
        _align(buffer, 4)
        start = len(buffer)
        buffer += struct.pack("<I", len(data)) + data + b"\0"
        return start
    if isinstance(field, Numbers):
        _align(buffer, 8, ahead=4)
        start = len(buffer)
        buffer += struct.pack(f"<I{len(field.values)}d", len(field.values), *field.values)
        return start
    _align(buffer, 4)
    start = len(buffer)
    buffer += struct.pack("<I", len(field)) + bytes(4 * len(field))
    for number, table in enumerate(field):
        _refer(buffer, start + 4 + 4 * number, _table(buffer, table))
    return start


def _refer(buffer: bytearray, place: int, target: int) -> None:
    struct.pack_into("<I", buffer, place, target - place)
