"""What a file holds, whatever its format: columns of rows, read in blocks, and what it says of its coordinates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from loaders.errors import InvalidDelivery

ROWS = 5_000  # of a block


@dataclass(frozen=True)
class Block:
    """Some rows: the numbers of their lines or records, their values by the columns' names in the file, and WKB.

    `faults`: lines that are no rows: number, text, and why.
    """

    lines: np.ndarray
    columns: dict[str, pa.Array]
    wkb: pa.Array | None
    faults: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Layer:
    """A table of a file. `texts`: all cells are texts, whose types are to be found. `crs`: as the file tells it, None
    where it doesn't; `told`: where it does not stand there, but the format says so. `fids`: the column that the file
    itself tells its rows by, which is no attribute.
    """

    path: Path
    format: str
    name: str | None
    columns: tuple[str, ...]
    read: Callable[[], Iterator[Block]]
    crs: str | None = None
    has_geometry: bool = False
    texts: bool = False
    told: str | None = None
    fids: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)


def refused(path: Path, fault: str, rule: str = "files") -> InvalidDelivery:
    """`fault` goes on after the file's name and ends with the remedy."""
    return InvalidDelivery(rule, f"{path.name} {fault}")


def choose(path: Path, names: list[str], wanted: str | None, what: str = "layers") -> str:
    """The one that is wanted, or the only one. Raises InvalidDelivery that names all."""
    listed = ", ".join(f"'{name}'" for name in names) or "none"
    if wanted is not None:
        if wanted in names:
            return wanted
        raise refused(path, f"has no '{wanted}' among its {what}: {listed}. Name one of these with --layer.", "layers")
    if len(names) == 1:
        return names[0]
    remedy = "Name one with --layer" if names else "Give a file that holds one"
    raise refused(path, f"has {len(names)} {what}: {listed}. A collection is made of one. {remedy}.", "layers")
