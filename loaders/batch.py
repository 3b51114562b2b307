"""Rows on their way from a file to a staging table: columns, not objects, so that a state's worth of them is fast."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loaders.report import Reject

MAX_RAW = 500

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Geometries:
    """Geometries in EPSG:25832 as EWKB, the centres of their envelopes, and which of them were repaired."""

    ewkb: pa.Array
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    repaired: Mask

    def only(self, mask: Mask) -> "Geometries":
        """The geometries of the rows where the mask is true."""
        return Geometries(self.ewkb.filter(pa.array(mask)), self.east[mask], self.north[mask], self.repaired[mask])


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file that can be used. `lines`: line or record numbers from 1; `attributes` by column."""

    file: str
    lines: NDArray[np.int64]
    ids: pa.Array
    attributes: Mapping[str, pa.Array]
    geometries: Geometries


def _storable(raw: str) -> str:
    """What PostgreSQL's text can hold."""
    return raw[:MAX_RAW].replace("\0", "\\x00")


class Sieve:
    """Sorts the rows of a block into usable ones and rejects; the first fault found in a row is its reason."""

    def __init__(self, file: str, lines: NDArray[np.int64], raw: Callable[[int], str]) -> None:
        self.file = file
        self.lines = lines
        self.good: Mask = np.ones(len(lines), np.bool_)
        self._raw = raw
        self._reasons: dict[int, str] = {}

    def refuse(self, bad: Mask, reason: Callable[[int], str]) -> None:
        """Reject the rows where the mask is true; `reason` is asked for each, by its index."""
        for index in np.flatnonzero(bad & self.good).tolist():
            self._reasons[index] = reason(index)
            self.good[index] = False

    def rejects(self) -> list[Reject]:
        """The rejected rows in the order of the file."""
        return [
            Reject(self.file, int(self.lines[index]), self._reasons[index], _storable(self._raw(index)))
            for index in sorted(self._reasons)
        ]

    def batch(self, ids: pa.Array, attributes: Mapping[str, pa.Array], geometries: Geometries) -> Batch:
        """The usable rows; the arguments have an entry for every row."""
        if self.good.all():
            return Batch(self.file, self.lines, ids, attributes, geometries)
        keep = pa.array(self.good)
        kept: dict[str, Any] = {name: column.filter(keep) for name, column in attributes.items()}
        return Batch(self.file, self.lines[self.good], ids.filter(keep), kept, geometries.only(self.good))
