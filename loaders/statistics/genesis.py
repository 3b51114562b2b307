"""Tables as GENESIS writes them: CSV with semicolons, lines of title, of head and of units, data, notes.

ISO-8859-1 (as Windows-1252), or UTF-8 where somebody has converted it. A column before the values is blank in the head.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loaders.delimited import BOM, MAX_LINE
from loaders.errors import InvalidDelivery

MAX_BYTES = 1 << 30
MAX_COLUMNS = 10_000
END = re.compile(r"_{3,}\s*")
YEAR = re.compile(r"(1[5-9]|20)[0-9]{2}")
DAY = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")
KEY = re.compile(r"DG|[0-9]{2,12}")
CODE = re.compile(r"(?:GENESIS-)?Tabelle:\s*(?P<code>\S.*?)\s*")
TEMPORARY = "Temporär"


@dataclass(frozen=True, order=True)
class Time:
    """A year or a day."""

    day: date
    yearly: bool

    def __str__(self) -> str:
        return str(self.day.year) if self.yearly else self.day.isoformat()


@dataclass(frozen=True)
class Line:
    """A line of data: its number in the file from 1, its text, and its cells without the blanks around them."""

    number: int
    text: str
    cells: list[str]


@dataclass(frozen=True)
class Sheet:
    """A table: the code it bears (none for a selection of one's own), the lines of its title, of each column what
    stands above it, what its columns before the values hold, and its lines.
    """

    path: Path
    code: str | None
    title: tuple[str, ...]
    heads: list[tuple[str, ...]]
    layout: tuple[str, ...]
    lines: list[Line]

    def column(self, role: str) -> int | None:
        """Where a column before the values is."""
        return self.layout.index(role) if role in self.layout else None


def parse_time(text: str) -> Time | None:
    """A year or a day; None for anything else."""
    if YEAR.fullmatch(text):
        return Time(date(int(text), 12, 31), yearly=True)
    if found := DAY.fullmatch(text):
        day, month, year = map(int, found.groups())
        try:
            return Time(date(year, month, day), yearly=False)
        except ValueError:
            return None
    return None


def read_sheet(path: Path, layouts: tuple[tuple[str, ...], ...]) -> Sheet:
    """The table of a file. Raises InvalidDelivery where it is none of that layout."""
    lines = list(_split(path))
    layout, begin = _find_data(path, lines, layouts)
    first = next((i for i, line in enumerate(lines[:begin]) if _is_head(line, len(layout))), begin)
    if first == begin:
        raise _refused(path, f"line {lines[begin].number} holds data, but no line of heads stands above it")
    above = [line for line in lines[:first] if any(line.cells)]
    code = CODE.fullmatch(above[0].cells[0]) if above else None
    if code is None:
        raise _refused(path, "the first line names no table; it must be like 'GENESIS-Tabelle: 82411-01-03-4'")
    end = next((i for i in range(begin, len(lines)) if END.fullmatch(lines[i].text)), len(lines))
    heads = _join_heads([line.cells for line in lines[first:begin]], len(layout))
    data = [line for line in lines[begin:end] if any(line.cells)]
    named = None if code["code"] == TEMPORARY else code["code"]
    return Sheet(path, named, tuple(cell for line in above[1:] for cell in line.cells if cell), heads, layout, data)


def _split(path: Path) -> Iterator[Line]:
    if path.stat().st_size > MAX_BYTES:
        raise _refused(path, f"it has {path.stat().st_size} bytes; at most {MAX_BYTES} are allowed")
    content = path.read_bytes()
    if not content.strip():
        raise _refused(path, "it is empty")
    if b"\0" in content:
        raise _refused(path, "it holds zero bytes: it is no text, or text in UTF-16")
    for number, text in enumerate(_decode(content).splitlines(), start=1):
        if len(text) > MAX_LINE:
            raise _refused(path, f"line {number} has {len(text)} characters; at most {MAX_LINE} are allowed")
        if text.count(";") > MAX_COLUMNS:
            raise _refused(path, f"line {number} has {text.count(';')} columns; at most {MAX_COLUMNS} are allowed")
        yield Line(number, text, _to_cells(text))


def _decode(content: bytes) -> str:
    try:
        return content.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "backslashreplace")


def _to_cells(text: str) -> list[str]:
    """A quote opens a cell only where another one closes it in the same line: notes run over several."""
    if text.count('"') % 2 or '"' not in text:
        return [" ".join(cell.split()) for cell in text.split(";")]
    return [" ".join(cell.split()) for cell in next(csv.reader([text], delimiter=";"), [])]


def _find_data(path: Path, lines: list[Line], layouts: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], int]:
    """The layout that fits, the one with most columns first, and where its data begin."""
    for layout in sorted(layouts, key=len, reverse=True):
        for index, line in enumerate(lines):
            if END.fullmatch(line.text):
                break
            if len(line.cells) > len(layout) and all(map(_fits, layout, line.cells)):
                return layout, index
    wanted = " or ".join(", ".join(layout) for layout in layouts)
    raise _refused(path, f"no line begins with {wanted}. Correct `columns` in the description, or give the right table")


def _fits(role: str, cell: str) -> bool:
    if role == "jahr":
        return YEAR.fullmatch(cell) is not None
    if role == "stichtag":
        return DAY.fullmatch(cell) is not None
    if role == "schluessel":
        return KEY.fullmatch(cell) is not None
    return any(map(str.isalpha, cell)) if role == "name" else bool(cell)


def _is_head(line: Line, before: int) -> bool:
    cells = line.cells
    return len(cells) > before and not any(cells[:before]) and any(cells[before:])


def _join_heads(rows: list[list[str]], before: int) -> list[tuple[str, ...]]:
    """Of each column of values what stands above it, from above, each text once."""
    width = max(map(len, rows))
    filled = [row + [""] * (width - len(row)) for row in rows]
    return [tuple(dict.fromkeys(row[i] for row in filled if row[i])) for i in range(before, width)]


def _refused(path: Path, fault: str) -> InvalidDelivery:
    return InvalidDelivery("layout", f"{path.name}: {fault}.")
