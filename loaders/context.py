"""What a loader may touch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from loaders.batch import Batch, Mask
from loaders.fingerprint import Prints
from loaders.manifest import Manifest
from loaders.report import Check, Reject


@dataclass(frozen=True)
class Area:
    """An area of the boundaries: its official key, eight digits, its name and date; EWKB in EPSG:25832 and the centre
    of its envelope; whether it is live, or a former one.
    """

    key: str
    name: str
    stand: date | None
    ewkb: bytes
    east: float
    north: float
    live: bool


@dataclass(frozen=True)
class Shape:
    """An area in EPSG:25832: EWKB and the centre of its envelope."""

    ewkb: bytes
    east: float
    north: float


class Staging(Protocol):
    """Where rows go before they are compared with what is live."""

    def write(self, collection: str, batch: Batch, rejects: Sequence[Reject]) -> None:
        """Take the next rows of a collection."""
        ...

    def count(self, collection: str, rows: int) -> None:
        """Take note of rows that the source holds, counted apart from reading them."""
        ...

    def leave_out(self, collection: str, rows: int, reason: str) -> None:
        """Take note of rows that the source holds and that are no part of the collection."""
        ...

    def salt(self, manifest: Manifest, collection: str, *circumstances: object) -> bytes:
        """What goes in front of a record before its fingerprint is taken."""
        ...

    def knows(self, collection: str) -> bool:
        """Whether any record can be recognised."""
        ...

    def recognise(self, collection: str, prints: Prints) -> Mask:
        """Which of the next records are those that live rows came from: they are not to be written."""
        ...

    def transform(self, wkb: pa.Array, srid: int, target: int) -> pa.Array:
        """WKB in two dimensions from one EPSG code to another, by PostGIS; null where that is not possible."""
        ...

    def place(self, srid: int, point: tuple[float, float], target: int) -> tuple[float, float]:
        """Where PostGIS puts a point of one EPSG code in another one."""
        ...


@dataclass(frozen=True)
class Context:
    """A delivery's unpacked files by name, the collections asked for, and where their rows go.

    `origins`: the delivered file, such as an archive, that each of the files was in, by its name. `read_areas`: the
    areas of a collection of boundaries, see staging. `find_shapes`: the live areas of a collection whose column is one
    of some keys, by these. `checks`: takes what the report says besides.
    """

    manifest: Manifest
    files: dict[str, Path]
    wanted: tuple[str, ...]
    staging: Staging
    origins: Mapping[str, str] = field(default_factory=dict)
    read_areas: Callable[[str], list[Area]] = lambda _: []
    find_shapes: Callable[[str, str, Sequence[str]], dict[str, Shape]] = lambda *_: {}
    checks: list[Check] = field(default_factory=list)
