"""Text with a separator and without quotes, read by columns; a line that does not fit becomes a reject."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from loaders.batch import Sieve
from loaders.errors import InvalidDelivery
from loaders.fingerprint import Mask, Prints, to_prints
from loaders.report import Reject
from loaders.values import describe_bytes

SEPARATOR = ";"
BLOCK = 4 << 20
MAX_LINE = 1 << 20
# of a block, so that a file of tiny or broken lines needs no more memory than another
MAX_LINES = 1 << 17
BOM = b"\xef\xbb\xbf"
BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "packed by gzip", b"PK": "a zip"}
LF, CR, SPACE = b"\n"[0], b"\r"[0], b" "[0]


@dataclass(frozen=True)
class Recogniser:
    """Tells lines apart by their bytes. `recognise` says which of some fingerprints are known.

    `accepts`: where the last field is volatile, whether its content is right; fingerprints then leave it out.
    """

    salt: bytes
    recognise: Callable[[Prints], Mask]
    accepts: Callable[[bytes], bool] | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of a file as text columns (empty is null), their line numbers and fingerprints, and the lines beside them
    that do not fit. `known`: how many further lines there were that need not be read.
    """

    file: str
    columns: dict[str, pa.Array]
    lines: np.ndarray
    rejects: list[Reject]
    prints: Prints
    known: int = 0

    def raw(self, index: int) -> str:
        """The line as it stood in the file."""
        return SEPARATOR.join(column[index].as_py() or "" for column in self.columns.values())


def count_fields(path: Path) -> int:
    """Fields of a line: as most of the first lines have them, for the first one may be damaged.

    Raises InvalidDelivery for what is no text of rows.
    """
    with path.open("rb") as opened:
        sample = opened.read(MAX_LINE)
    if not sample.removeprefix(BOM).strip():
        raise _refused(path, "is empty")
    if found := next((name for start, name in BOMS.items() if sample.startswith(start)), None):
        raise _refused(path, f"is {found}; it must be text in UTF-8")
    if b"\n" not in sample and b"\r" in sample:
        raise _refused(path, "ends its lines with CR alone; they must end with LF or CRLF")
    if b"\n" not in sample and len(sample) == MAX_LINE:
        raise _too_long(path)
    lines = sample.split(b"\n")
    whole = lines if len(sample) < MAX_LINE else lines[:-1]
    counts = Counter(line.count(SEPARATOR.encode()) + 1 for line in whole if line.strip())
    return counts.most_common(1)[0][0] if counts else 0


def _refused(path: Path, fault: str) -> InvalidDelivery:
    return InvalidDelivery("lines", f"{path.name} {fault}. Fetch it again, or convert it if it is meant to be so.")


def _too_long(path: Path) -> InvalidDelivery:
    return _refused(path, f"holds a line of {MAX_LINE} bytes or more: it is no text of rows")


def read_rows(path: Path, fields: Sequence[str], recogniser: Recogniser | None = None) -> Iterator[Rows]:
    """Read a UTF-8 file (with or without BOM, LF or CRLF) in blocks of lines. Empty lines are no rows."""
    line = 1
    for block in _blocks(path):
        content = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(content == LF)
        starts = np.concatenate(([0], ends[:-1] + 1))
        for first in range(0, len(ends), MAX_LINES):
            part = slice(first, first + MAX_LINES)
            begin, end = int(starts[first]), int(ends[part][-1]) + 1
            part_of_block, lines = _find_lines(block[begin:end], ends[part] - begin, line + first)
            yield _parse(path.name, *_leave_unknown(part_of_block, lines, recogniser), fields)
        line += len(ends)


@dataclass(frozen=True)
class _Lines:
    """Where the lines of a block begin and stop (before their end of line), and their numbers in the file.

    `known`: lines that were left out.
    """

    starts: np.ndarray
    stops: np.ndarray
    numbers: np.ndarray
    prints: Prints | None = None
    known: int = 0


def _find_lines(block: bytes, ends: np.ndarray, line: int) -> tuple[bytes, _Lines]:
    content = np.frombuffer(block, np.uint8)
    starts = np.concatenate(([0], ends[:-1] + 1))
    stops = ends - (content[ends - 1] == CR)
    filled = np.flatnonzero(stops > starts)
    return block, _Lines(starts[filled], stops[filled], filled + line)


def _leave_unknown(block: bytes, lines: _Lines, recogniser: Recogniser | None) -> tuple[bytes, _Lines]:
    """The block without the lines that are known."""
    if recogniser is None:
        return block, lines
    ends = lines.stops if recogniser.accepts is None else _find_last_fields(block, lines)
    salt, edges = recogniser.salt, zip(lines.starts.tolist(), ends.tolist(), strict=True)
    prints = to_prints([sha256(salt + block[start:end]).digest() for start, end in edges])
    known = _accept(block, ends, lines.stops, recogniser)
    known[known] = recogniser.recognise(prints[known])
    count = int(np.count_nonzero(known))
    if not count:
        return block, replace(lines, prints=prints)
    starts, stops = lines.starts[~known], lines.stops[~known]
    rest = b"".join([block[start:stop] + b"\n" for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)])
    ends = np.cumsum(stops - starts + 1)
    return rest, _Lines(ends - (stops - starts) - 1, ends - 1, lines.numbers[~known], prints[~known], count)


def _accept(block: bytes, begins: np.ndarray, stops: np.ndarray, recogniser: Recogniser) -> Mask:
    """The lines whose volatile field is right. A delivery has few different ones."""
    if recogniser.accepts is None:
        return np.ones(len(stops), np.bool_)
    fields = [block[begin:stop] for begin, stop in zip(begins.tolist(), stops.tolist(), strict=True)]
    accepted = {field for field in set(fields) if recogniser.accepts(field)}
    return np.fromiter((field in accepted for field in fields), np.bool_, len(fields))


def _find_last_fields(block: bytes, lines: _Lines) -> np.ndarray:
    """Where they begin; the end of a line that has but one field."""
    positions = np.concatenate(([-1], np.flatnonzero(np.frombuffer(block, np.uint8) == ord(SEPARATOR))))
    begins = positions[np.searchsorted(positions, lines.stops) - 1] + 1
    return np.where(begins > lines.starts, begins, lines.stops)


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines; the last one ends like the others."""
    with path.open("rb") as opened:
        rest = opened.read(len(BOM)).removeprefix(BOM)
        while chunk := opened.read(BLOCK):
            block = rest + chunk
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if len(rest) > MAX_LINE:
                raise _too_long(path)
            if end:
                yield block[:end]
        if rest:
            yield rest + b"\n"


def _parse(file: str, block: bytes, lines: _Lines, fields: Sequence[str]) -> Rows:
    def text(index: int) -> bytes:
        return block[lines.starts[index] : lines.stops[index]]

    sieve = Sieve(file, lines.numbers, lambda i: text(i).decode("utf-8", "backslashreplace"), lines.prints)
    counts = _count_separators(block, lines) + 1
    sieve.refuse(
        counts != len(fields), lambda i: f"the line has {counts[i]} fields, it must have {len(fields)}", "lines"
    )
    control = "the line holds a control character; it must be plain text"
    sieve.refuse(_find_controls(block, lines), lambda _: control, "lines")
    sieve.refuse(
        _find_boms(block, lines), lambda _: "the line holds a byte order mark, which only begins a file", "lines"
    )
    faults = _find_wrong_bytes(block, lines, text)
    sieve.refuse(np.isin(np.arange(len(counts)), list(faults)), faults.__getitem__, "encoding")
    good = np.flatnonzero(sieve.good).tolist()
    clean = block if len(good) == len(counts) else b"".join(text(i) + b"\n" for i in good)
    columns, good_lines = _read_columns(clean, fields), lines.numbers[sieve.good]
    return Rows(file, columns, good_lines, sieve.rejects(), sieve.prints[sieve.good], lines.known)


def _count_separators(block: bytes, lines: _Lines) -> np.ndarray:
    positions = np.flatnonzero(np.frombuffer(block, np.uint8) == ord(SEPARATOR))
    return np.searchsorted(positions, lines.stops) - np.searchsorted(positions, lines.starts)


def _find_controls(block: bytes, lines: _Lines) -> Mask:
    """Lines with a control character, which PostgreSQL or a reader of lines would trip over."""
    positions = np.flatnonzero(np.frombuffer(block, np.uint8) < SPACE)
    return np.searchsorted(positions, lines.stops) > np.searchsorted(positions, lines.starts)


def _find_boms(block: bytes, lines: _Lines) -> Mask:
    """Lines with a byte order mark, as files run together have them."""
    positions, at = [], block.find(BOM)
    while at >= 0:
        positions.append(at)
        at = block.find(BOM, at + 1)
    return np.searchsorted(positions, lines.stops) > np.searchsorted(positions, lines.starts)


def _find_wrong_bytes(block: bytes, lines: _Lines, text: Callable[[int], bytes]) -> dict[int, str]:
    """Lines that are not UTF-8, and why. Almost always the whole block is, which is quick to see."""
    try:
        pa.array([block], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        faults = ((index, _fault(text(index))) for index in range(len(lines.starts)))
        return {index: fault for index, fault in faults if fault}
    return {}


def _fault(line: bytes) -> str | None:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return describe_bytes(error)
    return None


def _read_columns(block: bytes, fields: Sequence[str]) -> dict[str, pa.Array]:
    if not block.strip():
        return {name: pa.array([], pa.string()) for name in fields}
    source: Any = pa.BufferReader(block)
    table = pacsv.read_csv(
        source,
        read_options=pacsv.ReadOptions(column_names=list(fields), block_size=len(block) + 1),
        parse_options=pacsv.ParseOptions(delimiter=SEPARATOR, quote_char=False, escape_char=False),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(fields, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=False,
        ),
    )
    return {name: pa.concat_arrays(table[name].chunks) for name in fields}
