"""The table of a Shape file (dBASE III), read by columns of text.

Not by GDAL, which makes numbers of any text, 2 March of 30 February, and ends a text at a zero byte, all in silence.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Mask, Sieve
from loaders.errors import InvalidDelivery
from loaders.values import to_mask

DELETED = ord("*")
HEAD, FIELD, END = 32, 32, 0x0D
MIXED = "UTF-8 or CP1252"
NO_DATE = pa.scalar("0" * 8)
CHUNK = 1 << 16
REPAIR = "Fetch the delivery again."


@dataclass(frozen=True)
class Column:
    """`kind` is the letter of dBASE (C text, N and F numbers, D date); `start` and `width` in bytes of a record."""

    name: str
    kind: str
    start: int
    width: int


@dataclass(frozen=True)
class Table:
    """A table whose header fits its file."""

    path: Path
    columns: tuple[Column, ...]
    start: int
    record_size: int
    records: int

    def read(self, first: int, count: int) -> np.ndarray:
        """Records as rows of bytes."""
        data = np.fromfile(self.path, np.uint8, count * self.record_size, offset=self.start + first * self.record_size)
        return data.reshape(count, self.record_size)

    def count_live(self) -> int:
        """Records that are not marked as deleted."""
        chunks = range(0, self.records, CHUNK)
        deleted = (self.read(first, min(CHUNK, self.records - first))[:, 0] == DELETED for first in chunks)
        return self.records - sum(int(np.count_nonzero(marks)) for marks in deleted)

    def blocks(self) -> Iterator[bytes]:
        """All records, for those who look at the bytes alone."""
        for first in range(0, self.records, CHUNK):
            yield self.read(first, min(CHUNK, self.records - first)).tobytes()


def open_table(path: Path) -> Table:
    """Raises InvalidDelivery where the header contradicts itself or the file."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        header = opened.read(HEAD + (1 << 16))
    records, start, record_size = (int.from_bytes(header[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    columns = _read_columns(header[:start])
    width = 1 + sum(column.width for column in columns)
    names = [column.name.upper() for column in columns]
    if not columns or not HEAD + FIELD * len(columns) < start <= len(header):
        raise _refused(path, "has no header of a table, or one that is cut off")
    if width != record_size:
        raise _refused(path, f"says that a record has {record_size} bytes, but its columns have {width} together")
    if len(set(names)) < len(names):
        raise _refused(path, f"has two columns '{next(name for name in names if names.count(name) > 1)}'")
    if start + records * record_size > size:
        raise _refused(
            path, f"has {size} bytes, its header tells of {records} records with {record_size} each: they must agree"
        )
    return Table(path, columns, start, record_size, records)


def _read_columns(header: bytes) -> tuple[Column, ...]:
    columns, offset = [], 1
    for at in range(HEAD, len(header) - FIELD, FIELD):
        if header[at] == END:
            break
        name = header[at : at + 11].split(b"\0")[0].decode("latin-1")
        columns.append(Column(name, chr(header[at + 11]), offset, header[at + 16]))
        offset += header[at + 16]
    return tuple(columns)


def _refused(path: Path, fault: str) -> InvalidDelivery:
    return InvalidDelivery("files", f"{path.name} {fault}. {REPAIR}")


def to_texts(records: np.ndarray, column: Column, encoding: str, sieve: Sieve) -> pa.Array:
    """A column's texts without their padding; of UTF-8 only claimed so, of cp1252 and of mixed ones decoded."""
    data = np.ascontiguousarray(records[:, column.start : column.start + column.width])
    offsets = np.arange(len(records) + 1, dtype=np.int32) * column.width
    buffers = pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes())
    padded = pa.StringArray.from_buffers(len(records), *buffers)
    texts: pa.Array = pc.ascii_rtrim(padded, characters=" \0")
    if column.kind == "D":
        texts = pc.if_else(pc.equal(texts, NO_DATE), None, texts)
    if encoding == "UTF-8" or not data.size or data.max() <= 127:
        return texts
    return _decode(texts, column.name, sieve) if encoding == "CP1252" else _decode_mixed(texts, column, sieve)


def _decode_mixed(texts: pa.Array, column: Column, sieve: Sieve) -> pa.Array:
    """UTF-8 as it is, the rest from cp1252, noted as a repair; what is neither is left to who checks UTF-8."""
    different: Any = texts.cast(pa.binary()).dictionary_encode()
    decoded: list[bytes | None] = []
    reasons: dict[int, str] = {}
    for index, content in enumerate(different.dictionary.to_pylist()):
        text, reason = _mend(content, column)
        decoded.append(text)
        if reason:
            reasons[index] = reason
    for row, index in enumerate(different.indices.to_pylist()) if reasons else ():
        if index in reasons:
            sieve.note_repair(row, reasons[index], different.dictionary[index].as_py(), "encoding")
    mended = pa.array(decoded, pa.binary()).take(different.indices)
    return pa.Array.from_buffers(pa.string(), len(mended), mended.buffers())


def _mend(content: bytes, column: Column) -> tuple[bytes, str]:
    """The text in UTF-8, and what was done to it."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        if error.end == column.width and error.reason == "unexpected end of data" and error.start:
            return content[: error.start], f"{column.name} was cut within a character"
        with suppress(UnicodeDecodeError):
            return content.decode("cp1252").encode(), f"{column.name} was cp1252 in a table of UTF-8"
    return content, ""


def _decode(texts: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """cp1252 as UTF-8. Text that is UTF-8 already is rejected: it would read 'DÃ¼ren'."""
    different: Any = texts.cast(pa.binary()).dictionary_encode()
    decoded: list[str | None] = []
    faults: dict[int, str] = {}
    for index, content in enumerate(different.dictionary.to_pylist()):
        decoded.append(content.decode("cp1252", "replace"))
        if fault := _find_fault(content):
            faults[index] = f"{name}: {fault}"
    indices = different.indices
    bad: Mask = to_mask(pc.is_in(indices, value_set=pa.array(list(faults), indices.type)))
    sieve.refuse(bad, lambda i: faults[indices[i].as_py()], "encoding")
    return pa.array(decoded, pa.string()).take(indices)


def _find_fault(content: bytes) -> str | None:
    if content.isascii():
        return None
    try:
        meant = content.decode()
    except UnicodeDecodeError:
        pass
    else:
        return f"'{content.decode('cp1252', 'replace')}' reads '{meant}' in UTF-8: the row must be cp1252 as declared"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError as error:
        return f"byte 0x{content[error.start]:02x} at position {error.start + 1} is not in cp1252"
    return None
