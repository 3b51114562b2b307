"""How the rows of a layer become those of a collection, whatever format the layer has."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from loaders.area import Area
from loaders.batch import Geometries, Sieve
from loaders.geometry import multilines, multipolygons, points_of

ARROW_TYPES = {
    "text": pa.string(),
    "verbatim": pa.string(),
    "date": pa.date32(),
    "integer": pa.int32(),
    "number": pa.float64(),
}
TEXTS = ("text", "verbatim")
NAMES_SHOWN = 20

Columns = Mapping[str, pa.Array]
Complete = Callable[[Columns, Sieve, Path], Columns]
ToGeometries = Callable[[pa.Array, float, Area, Sieve], Geometries]


@dataclass(frozen=True)
class Kind:
    """What shape features have. `types`: its numbers in a Shape file (flat, with Z, with M)."""

    name: str
    types: tuple[int, int, int]
    convert: ToGeometries


POINTS = Kind("points", (1, 11, 21), points_of)
LINES = Kind("lines", (3, 13, 23), multilines)
AREAS = Kind("polygons", (5, 15, 25), multipolygons)


def keep(columns: Columns, sieve: Sieve, path: Path) -> Columns:
    """The table's columns are the file's."""
    del sieve, path
    return columns


@dataclass(frozen=True)
class Recipe:
    """`complete` makes the table's columns of the file's; one more, `id`, where no column is the key by itself.

    `cut_at`: bytes that the publisher cuts texts down to.
    """

    complete: Complete = keep
    kind: Kind = AREAS
    cut_at: int | None = None


def take_ids(columns: Columns, given: Columns, key: str) -> tuple[pa.Array, Columns]:
    """The ids, and the table's columns without them. `given`: the file's columns."""
    rest = {name: column for name, column in columns.items() if name != "id"}
    return columns.get("id", columns[key] if key in columns else given[key]), rest


def tell_apart(keys: pa.Array, met: Counter[str]) -> pa.Array:
    """Ids of keys that the publisher may use several times: the further ones end with -2, -3 and so on.

    `met`: how often each was met.
    """
    ids: list[str | None] = []
    for key in keys.to_pylist():
        if key is not None:
            met[key] += 1
        ids.append(f"{key}-{met[key]}" if key is not None and met[key] > 1 else key)
    return pa.array(ids, pa.string())


def nulls(kind: str, count: int) -> pa.Array:
    """A column that a file does not have."""
    return pa.nulls(count, ARROW_TYPES[kind])


def repeated(text: str, sieve: Sieve) -> pa.Array:
    """A column with one text in all rows."""
    return pa.array([text], pa.string()).take(pa.array([0] * len(sieve.lines)))


def listed(names: list[str]) -> str:
    """Names for a message, the first of many."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
