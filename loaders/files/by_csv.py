"""Tables as text: CSV with ; , | or tabs, in UTF-8, UTF-16 or Windows-1252, as spreadsheets write them."""

import codecs
import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from loaders.files.layer import ROWS, Block, Layer, refused
from loaders.files.names import heads

SEPARATORS = ";,\t|"
LONGEST_CELL = 64 << 20
CHUNK = 1 << 20
CONTROLS = bytes(set(range(32)) - {9, 10, 13})


def open_csv(path: Path, wanted: str | None) -> Layer:
    """A table whose first line names the columns. Cells are texts."""
    del wanted
    encoding = find_encoding(path)
    separator, first, names = _read_head(path, encoding)
    return Layer(
        path,
        "csv",
        None,
        tuple(names),
        lambda: _read(path, encoding, separator, first, names),
        texts=True,
    )


def find_encoding(path: Path) -> str:
    """UTF-8 where the whole file is, UTF-16 where it says so, otherwise Windows-1252. Raises InvalidDelivery."""
    with path.open("rb") as opened:
        start = opened.read(4)
        if start[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            return "utf-16"
        if not start.strip():
            raise refused(path, "is empty. Export it again.")
        opened.seek(0)
        decoder, encoding = codecs.getincrementaldecoder("utf-8")(), "utf-8-sig"
        while chunk := opened.read(CHUNK):
            if chunk.translate(None, CONTROLS) != chunk:
                raise refused(path, "holds control characters: it is no text. Give it the suffix of what it is.")
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                encoding = "cp1252"
                decoder = codecs.getincrementaldecoder("latin-1")()
    return encoding


def _read_head(path: Path, encoding: str) -> tuple[str, int, list[str]]:
    """The separator, the number of the line that names the columns, and the names."""
    with path.open(encoding=encoding, errors="replace", newline="") as opened:
        lines = list(islice(opened, 2))
    first = 1
    separators = SEPARATORS
    if lines[0].lower().startswith("sep="):  # as Excel reads and writes it
        first, separators = 2, lines[0][4:5]
    line = lines[first - 1] if len(lines) >= first else ""
    separator = max(separators, key=lambda sign: len(next(csv.reader([line], delimiter=sign), [])))
    cells = next(csv.reader([line], delimiter=separator), [])
    if len(cells) < 2:
        raise refused(
            path,
            f"has no columns: its line {first} holds none of ; , | and no tab. Its first line must name the columns.",
        )
    while cells and not cells[-1].strip():
        cells.pop()
    return separator, first, heads(cells)


def _read(path: Path, encoding: str, separator: str, first: int, names: list[str]) -> Iterator[Block]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding=encoding, errors="replace", newline="") as opened:
        rows = csv.reader(opened, delimiter=separator)
        try:
            for _ in range(first):
                next(rows, None)
            numbered = ((rows.line_num, row) for row in rows if any(map(str.strip, row)))
            while part := list(islice(numbered, ROWS)):
                yield _to_block(part, names, separator)
        except csv.Error as error:
            raise refused(
                path, f"cannot be read in line {rows.line_num}: {error}. Export it again.", "lines"
            ) from error


def _to_block(part: list[tuple[int, list[str]]], names: list[str], separator: str) -> Block:
    good, faults = [], []
    for number, row in part:
        if len(row) < len(names) or any(map(str.strip, row[len(names) :])):
            why = f"the line has {len(row)} cells, it must have {len(names)}"
            faults.append((number, separator.join(row), why))
        else:
            good.append((number, row))
    cells = list(zip(*(row[: len(names)] for _, row in good), strict=True)) or [()] * len(names)
    columns: dict[str, pa.Array] = {
        name: pa.array(column, pa.string()) for name, column in zip(names, cells, strict=True)
    }
    return Block(np.array([number for number, _ in good], np.int64), columns, None, faults)
