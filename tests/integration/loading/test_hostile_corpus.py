"""Damaged deliveries, hundreds from seeds, and such as would fill the memory: read in processes of their own.

Whatever is in a file: it is refused, or its rows are loaded or rejected; nothing crashes, nothing is said by a
traceback, no row is lost, and the memory stays small.
"""

import json
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("read_corpus.py")
MOST_MEMORY = 500_000_000
COPIES = 200

WriteLayer = Callable[..., Path]
Square = Callable[..., Any]
Outcome = dict[str, Any]


def _run(*arguments: str) -> tuple[list[Outcome], int]:
    """What became of each copy, and the peak of memory."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    last = next((line["seed"] for line in reversed(lines) if "seed" in line), "none")
    assert (run.returncode, run.stderr) == (0, ""), f"ended at seed {last}"
    *copies, memory = lines
    return copies[1::2], memory["peak"]


@pytest.fixture
def outlines(write_layer: WriteLayer, square: Square) -> Path:
    """60 outlines: with holes, with several parts, plain."""
    shapes = []
    for number in range(60):
        shape = square(200 * number)
        e, n = 400_000 + 200 * number, 5_700_000
        if number % 5 == 0:
            shape = shape.difference(shapely.box(e + 20, n + 20, e + 40, n + 40))
        elif number % 7 == 0:
            shape = shapely.MultiPolygon([shape, shapely.box(e + 120, n, e + 130, n + 10)])
        shapes.append(shape)
    count = len(shapes)
    ids = [f"DENW{number:012}" for number in range(count)]
    columns = {
        "AGS": ["05978036"] * count,
        "OI": ids,
        "GFK": ["31001_1000"] * count,
        "AKTUALITAE": ["2026-07-01"] * count,
    }
    return write_layer("hu_shp", shapes, columns)


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf", ".zip"])
def test_damaged_copies(outlines: Path, tmp_path: Path, suffix: str) -> None:
    folder, name = outlines, f"hu_shp{suffix}"
    if suffix == ".zip":
        folder, name = tmp_path / "packed", "hu_EPSG25832_Shape.zip"
        folder.mkdir()
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(outlines.iterdir()):
                archive.write(path, path.name)
    outcomes, memory = _run("damaged", "hausumringe", str(folder), name, str(COPIES))
    assert len(outcomes) == COPIES
    assert memory < MOST_MEMORY
    kinds = Counter("refused" if "refused" in outcome else "read" for outcome in outcomes)
    assert min(kinds["refused"], kinds["read"]) > 5, "the damages are such that both happens"
    for outcome in outcomes:
        if "refused" in outcome:
            assert outcome["text"].endswith("."), "the remedy is a sentence"
        else:
            assert outcome["counted"] == outcome["taken"]


def test_damaged_text(write_addresses: Callable[..., Path], address: Callable[..., str]) -> None:
    folder = write_addresses(*(address(f"A{number}", str="Größe") for number in range(200)))
    outcomes, memory = _run("damaged", "gebref", str(folder), "gebref.txt", str(COPIES))
    assert memory < MOST_MEMORY
    assert all("refused" in outcome or outcome["counted"] == outcome["taken"] for outcome in outcomes)


LARGE = {
    "a line of 1 GB": (b"", 1 << 30, b"", "lines", "gebref.txt holds a line of 1048576 bytes or more"),
    "1 GB after good rows": (
        b"{row}\n" * 2000,
        1 << 30,
        b"",
        "lines",
        "gebref.txt holds a line of 1048576 bytes or more",
    ),
    "a million columns": (
        b";" * 999_999 + b"\n",
        0,
        b"",
        "columns",
        "gebref.txt has 1000000 columns; known are 15 and",
    ),
}


@pytest.mark.parametrize("case", LARGE)
def test_large_lines(tmp_path: Path, address: Callable[..., str], case: str) -> None:
    """The gigabyte is a hole in the file, so that the disk need not hold it."""
    start, hole, end, rule, text = LARGE[case]
    path = tmp_path / "gebref.txt"
    with path.open("wb") as file:
        file.write(start.replace(b"{row}", address("A1").encode()))
        file.truncate(file.tell() + hole)
        file.seek(0, 2)
        file.write(end)
    outcomes, memory = _run("whole", "gebref", str(tmp_path))
    path.unlink()
    assert [(outcome["refused"], outcome["text"].startswith(text)) for outcome in outcomes] == [(rule, True)]
    assert memory < MOST_MEMORY


def test_millions_of_broken_lines(tmp_path: Path, address: Callable[..., str]) -> None:
    """Each becomes a reject; they must not be in memory all at once."""
    (tmp_path / "gebref.txt").write_bytes(f"{address('A1')}\n".encode() * 20_000 + b"x\n" * 1_000_000)
    outcomes, memory = _run("whole", "gebref", str(tmp_path))
    assert outcomes == [{"counted": 1_020_000, "taken": 1_020_000, "rejected": {"lines": 1_000_000}}]
    assert memory < MOST_MEMORY
