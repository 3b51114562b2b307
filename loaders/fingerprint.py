"""Fingerprints of records as they were delivered: equal ones give equal rows, under equal rules and code."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

SIZE = 16
# of each record the first and the last eight bytes of its fingerprint
Prints = NDArray[np.uint64]
Mask = NDArray[np.bool_]


def salt(*circumstances: object) -> bytes:
    """What besides a record's bytes decides on its row: the code, its libraries, and the circumstances, such as the
    manifest and the encoding. It goes in front of each record.
    """
    return hashlib.sha256("\0".join((_code(), *map(repr, circumstances))).encode()).digest()


@cache
def _code() -> str:
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    versions = [*(library.__version__ for library in (np, pa, shapely)), shapely.geos_version]
    return f"{digest.hexdigest()} {versions}"


def to_prints(digests: Iterable[bytes]) -> Prints:
    """SHA-256 of salted records, shortened: 128 bits keep billions of them apart."""
    found = b"".join([digest[:SIZE] for digest in digests])
    return np.frombuffer(found, np.uint64).reshape(-1, 2)


def to_uuids(prints: Prints) -> pa.Array:
    """For a column of type uuid."""
    buffer = pa.py_buffer(np.ascontiguousarray(prints).tobytes())
    return pa.Array.from_buffers(pa.binary(SIZE), len(prints), [None, buffer]).cast(pa.binary())


class Known:
    """The known records of a collection, and which of them a delivery held."""

    def __init__(self, version: int, fids: NDArray[np.int64], prints: Prints) -> None:
        self.version = version
        usable = prints.any(axis=1)
        self._unusable = fids[~usable]
        order = np.argsort(prints[usable, 0], kind="stable")
        self._first, self._last = (np.ascontiguousarray(prints[usable, part])[order] for part in (0, 1))
        self._fids = fids[usable][order]
        self._met: Mask = np.zeros(len(order), np.bool_)
        self.repeated = 0

    def recognise(self, prints: Prints) -> Mask:
        """Which of the next records are known; takes note of them."""
        if not len(self._fids):
            return np.zeros(len(prints), np.bool_)
        places = np.searchsorted(self._first, prints[:, 0]).clip(max=len(self._first) - 1)
        found = (self._first[places] == prints[:, 0]) & (self._last[places] == prints[:, 1])
        before = self.rows
        self._met[places[found]] = True
        self.repeated += int(np.count_nonzero(found)) - (self.rows - before)
        return found

    @property
    def rows(self) -> int:
        """Live features whose record was met."""
        return int(np.count_nonzero(self._met))

    def candidates(self) -> NDArray[np.int64]:
        """The live features whose record was not met: those that the delivery may change."""
        return np.concatenate([self._fids[~self._met], self._unusable])
