"""The records of a .shp held against their index, and their rings: what GDAL would mend or leave out in silence.

ESRI Shapefile Technical Description (1998). All lengths are counted in words of 32 bits: every polygon is aligned so.
"""

import mmap
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loaders.batch import Sieve
from loaders.errors import InvalidDelivery
from loaders.fingerprint import Prints, to_prints
from loaders.wkb import MAX_BYTES

RULE = "geometry"
HEAD, RECORD_HEAD = 100, 8
INDEX_ENTRY = np.dtype([("offset", ">i4"), ("words", ">i4")])
NULL = 0
POINT_BYTES = 20
# words from the start of a polygon: its type, box of four doubles, number of rings, of vertices, starts of the rings
RINGS, VERTICES, STARTS = 9, 10, 11
POINT = np.arange(4)
PARTS = {"polygons": "rings", "lines": "parts"}
BLOCK = 16_384
BATCHES = tuple(BLOCK >> shift for shift in range(15))

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Records:
    """The records of a Shape file, as its index lists them."""

    shp: Path
    shx: Path

    @property
    def count(self) -> int:
        """As many as the index has room for."""
        return (self.shx.stat().st_size - HEAD) // INDEX_ENTRY.itemsize

    def batch(self, most_bytes: int) -> int:
        """How many consecutive records have no more bytes together anywhere in the file, BLOCK at most.

        Raises InvalidDelivery for a record outside the file, or with too many vertices.
        """
        most = dict.fromkeys(BATCHES, 0)
        for first in range(0, self.count, BLOCK):
            sizes = self._read_sizes(first, min(BLOCK, self.count - first))
            for batch in BATCHES:
                largest = np.add.reduceat(sizes, np.arange(0, len(sizes), batch)).max()
                most[batch] = max(most[batch], int(largest))
        return next((batch for batch in BATCHES if most[batch] <= most_bytes), 1)

    def _read_sizes(self, first: int, count: int) -> Ints:
        starts, sizes = self._read_index(first, count)
        outside = (starts < HEAD + RECORD_HEAD) | (sizes < 4) | (starts + sizes > self.shp.stat().st_size)
        misplaced = outside | (starts % 4 > 0)
        if misplaced.any():
            at = int(np.flatnonzero(misplaced)[0])
            raise InvalidDelivery(
                "files",
                f"{self.shx.name} places record {first + at + 1} at byte {starts[at] - RECORD_HEAD} with {sizes[at]} "
                f"bytes, where {self.shp.name} has no record: they must agree. Fetch the delivery again.",
            )
        if sizes.max() > MAX_BYTES:
            at = int(sizes.argmax())
            raise InvalidDelivery(
                RULE,
                f"{self.shp.name}, record {first + at + 1} has {sizes[at]} bytes, about {sizes[at] // 16} vertices; "
                f"at most {MAX_BYTES // 16} are allowed. Divide the area at the source.",
            )
        return sizes

    def _read_index(self, first: int, count: int) -> tuple[Ints, Ints]:
        """Where the contents of records begin and how many bytes they have."""
        entries = np.fromfile(self.shx, INDEX_ENTRY, count, offset=HEAD + first * INDEX_ENTRY.itemsize)
        return entries["offset"].astype(np.int64) * 2 + RECORD_HEAD, entries["words"].astype(np.int64) * 2

    def fingerprints(self, fids: Ints, salt: bytes, attributes: np.ndarray) -> Prints:
        """Of the records' contents and their rows of the table. `fids` rise and count from 0."""
        first = int(fids[0])
        starts, sizes = (part[fids - first] for part in self._read_index(first, int(fids[-1]) - first + 1))
        rows = attributes.tobytes()
        width = attributes.shape[1]
        places = zip(range(0, len(rows), width), starts.tolist(), sizes.tolist(), strict=True)
        with self.shp.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return to_prints(
                [
                    sha256(salt + rows[at : at + width] + content[start : start + size]).digest()
                    for at, start, size in places
                ]
            )

    def refuse_broken(self, fids: Ints, sieve: Sieve, kind: str) -> None:
        """Reject the records that contradict themselves and those whose rings are not closed. `fids` count from 0.

        `kind`: points, lines or polygons. Lines are written as the rings of polygons are, and need not be closed.
        """
        first = int(fids[0])
        starts, sizes = (part[fids - first] for part in self._read_index(first, int(fids[-1]) - first + 1))
        # anew for each block: pages that were read would stay in memory as long as the map does
        words = np.memmap(self.shp, "<i4", "r", shape=(self.shp.stat().st_size // 4,))
        at = starts // 4
        null = words[at] == NULL
        if kind == "points":
            short = ~null & (sizes < POINT_BYTES)
            sieve.refuse(short, lambda i: f"the record of a point has {sizes[i]} bytes, which are too few", RULE)
            return
        room = (sizes // 4 > STARTS) & (at + STARTS < len(words))
        at = np.where(room, at, 0)
        rings, vertices = (words[at + part].astype(np.int64) for part in (RINGS, VERTICES))
        fits = room & (rings > 0) & (vertices > 0) & (4 * STARTS + 4 * rings + 16 * vertices <= sizes)
        sieve.refuse(
            ~null & ~fits,
            lambda i: (
                f"the record says that it has {rings[i]} {PARTS[kind]} and {vertices[i]} vertices, "
                f"which do not fit into its {sizes[i]} bytes"
            ),
            RULE,
        )
        usable = np.flatnonzero(~null & fits)
        faults = _check_rings(words, at[usable], rings[usable], vertices[usable])
        for reason, owners in faults.items() if kind == "polygons" else list(faults.items())[:1]:
            sieve.refuse(np.isin(np.arange(len(fids)), usable[owners]), lambda _, reason=reason: reason, RULE)


def _check_rings(words: np.ndarray, at: Ints, rings: Ints, vertices: Ints) -> dict[str, Ints]:
    """Which of the polygons have a ring that begins outside or is not closed, by the reason for a reject."""
    owner = np.repeat(np.arange(len(at)), rings)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(rings) - rings, rings)
    begin = words[at[owner] + STARTS + turn].astype(np.int64)
    last = turn == rings[owner] - 1
    end = np.where(last, vertices[owner], np.append(begin[1:], 0)) - 1
    wrong = (begin < 0) | (end < begin) | (end >= vertices[owner]) | ((turn == 0) & (begin != 0))
    points = at[owner] + STARTS + rings[owner]
    begin, end = np.where(wrong, 0, begin), np.where(wrong, 0, end)
    first_points, last_points = (words[(points + 4 * position)[:, None] + POINT] for position in (begin, end))
    unclosed = (first_points != last_points).any(axis=1) & ~wrong
    return {
        "the parts of the record begin where it has no vertices": np.unique(owner[wrong]),
        "a ring is not closed: its last vertex must be its first": np.unique(owner[unclosed]),
    }
