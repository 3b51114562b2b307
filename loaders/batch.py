"""Rows on their way from a file to a staging table: columns, not objects, so that a state's worth of them is fast."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loaders.fingerprint import Prints
from loaders.report import Reject, Repair

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
    """Consecutive rows of a file that can be used. `lines`: line or record numbers from 1; `attributes` by column.

    `prints`: fingerprints of the records. `repairs`: the originals of what was mended.
    """

    file: str
    lines: NDArray[np.int64]
    ids: pa.Array
    attributes: Mapping[str, pa.Array]
    geometries: Geometries
    prints: Prints
    repairs: Sequence[Repair] = ()


def _storable(raw: str) -> str:
    """What PostgreSQL's text can hold."""
    return raw[:MAX_RAW].replace("\0", "\\x00")


class Sieve:
    """Sorts the rows of a block into usable ones and rejects; the first fault found in a row is its reason."""

    def __init__(
        self, file: str, lines: NDArray[np.int64], raw: Callable[[int], str], prints: Prints | None = None
    ) -> None:
        self.file = file
        self.lines = lines
        self.good: Mask = np.ones(len(lines), np.bool_)
        self.prints = np.zeros((len(lines), 2), np.uint64) if prints is None else prints
        self._raw = raw
        self._reasons: dict[int, tuple[str, str]] = {}
        self._repairs: dict[int, list[tuple[str, bytes, str]]] = {}

    def refuse(self, bad: Mask, reason: Callable[[int], str], rule: str = "value") -> None:
        """Reject the rows where the mask is true; `reason` is asked for each, by its index."""
        for index in np.flatnonzero(bad & self.good).tolist():
            self._reasons[index] = reason(index), rule
            self.good[index] = False

    def note_repair(self, index: int, reason: str, original: bytes, rule: str = "geometry") -> None:
        """Keep the original of what was mended: the delivery's WKB, or the bytes of a text."""
        self._repairs.setdefault(index, []).append((reason, original, rule))

    def rejects(self, ids: pa.Array | None = None) -> list[Reject]:
        """The rejected rows in the order of the file; `ids` has an entry for every row, where ids could be read."""
        known = pa.nulls(len(self.lines), pa.string()) if ids is None else ids
        return [
            Reject(self.file, int(self.lines[index]), reason, _storable(self._raw(index)), rule, known[index].as_py())
            for index, (reason, rule) in sorted(self._reasons.items())
        ]

    def batch(self, ids: pa.Array, attributes: Mapping[str, pa.Array], geometries: Geometries) -> Batch:
        """The usable rows; the arguments have an entry for every row."""
        mended = np.isin(np.arange(len(self.lines)), list(self._repairs))
        geometries = replace(geometries, repaired=geometries.repaired | mended)
        if self.good.all():
            return Batch(self.file, self.lines, ids, attributes, geometries, self.prints, self._list_repairs(ids))
        keep = pa.array(self.good)
        kept: dict[str, Any] = {name: column.filter(keep) for name, column in attributes.items()}
        lines, kept_ids = self.lines[self.good], ids.filter(keep)
        prints = self.prints[self.good]
        return Batch(self.file, lines, kept_ids, kept, geometries.only(self.good), prints, self._list_repairs(ids))

    def _list_repairs(self, ids: pa.Array) -> list[Repair]:
        return [
            Repair(self.file, int(self.lines[index]), str(ids[index]), *repair)
            for index, repairs in sorted(self._repairs.items())
            if self.good[index]
            for repair in repairs
        ]
