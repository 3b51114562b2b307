"""The packed R-tree of a FlatGeobuf file, written while the features come.

https://github.com/flatgeobuf/flatgeobuf (src/cpp/packedrtree.cpp): nodes of 16, the root first, the leaves last; a
leaf names its feature's place behind the index, another node the number of its first child. Features come in the
order of the spatial key, which is a Hilbert curve: they stay where they are, and the leaves go into the file at once.
Only the nodes above them, a sixteenth, are kept in memory.
"""

import os

import numpy as np

NODE_SIZE = 16
NODE = np.dtype([("box", "<f8", 4), ("offset", "<u8")])
EMPTY = np.array([[np.inf, np.inf, -np.inf, -np.inf]])


def levels_of(features: int) -> list[int]:
    """Number of nodes of each level, from the leaves to the root. A single feature has a root, too."""
    levels = [features]
    while len(levels) == 1 or levels[-1] > 1:
        levels.append(-(-levels[-1] // NODE_SIZE))
    return levels


def index_bytes(features: int) -> int:
    """Length of the index."""
    return sum(levels_of(features)) * NODE.itemsize if features else 0


class PackedIndex:
    """Writes the index of a known number of features into an open file, from a place on."""

    def __init__(self, file: int, place: int, features: int) -> None:
        self._file, self._place = file, place
        self._levels = levels_of(features) if features else []
        self._above = [np.empty((0, 4))]
        self._rest = np.empty((0, 4))
        self._leaves = 0
        self._offset = 0

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Of all features so far, in x, y order."""
        found = _around(np.concatenate([*self._above, self._rest, EMPTY])[None])[0]
        return (float(found[0]), float(found[1]), float(found[2]), float(found[3]))

    def add(self, boxes: np.ndarray, sizes: np.ndarray) -> None:
        """Write the leaves of the next features: rows of xmin, ymin, xmax, ymax, and lengths in bytes."""
        leaves = np.empty(len(boxes), NODE)
        leaves["box"] = boxes
        leaves["offset"] = self._offset + np.cumsum(sizes) - sizes
        self._write(len(self._levels) - 1, self._leaves, leaves)
        self._leaves += len(boxes)
        self._offset += int(sizes.sum())
        boxes = np.concatenate([self._rest, boxes])
        full = len(boxes) // NODE_SIZE * NODE_SIZE
        self._above.append(_around(boxes[:full].reshape(-1, NODE_SIZE, 4)))
        self._rest = boxes[full:]

    def finish(self) -> None:
        """Write the nodes above the leaves."""
        if not self._leaves:
            return
        boxes = np.concatenate([*self._above, *([_around(self._rest[None])] if len(self._rest) else [])])
        for level in range(1, len(self._levels)):
            nodes = np.empty(len(boxes), NODE)
            nodes["box"] = boxes
            nodes["offset"] = self._first(level - 1) + np.arange(len(boxes)) * NODE_SIZE
            self._write(len(self._levels) - 1 - level, 0, nodes)
            boxes = _parents(boxes)

    def _first(self, level: int) -> int:
        """Number of the first node of a level, counted from the leaves."""
        return sum(self._levels[level + 1 :])

    def _write(self, depth: int, number: int, nodes: np.ndarray) -> None:
        first = self._first(len(self._levels) - 1 - depth)
        write_all(self._file, nodes.tobytes(), self._place + (first + number) * NODE.itemsize)


def write_all(file: int, data: bytes | bytearray, place: int) -> None:
    """Write all of it, at a place of the file: one call may write less."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, place)
        rest, place = rest[written:], place + written


def _around(groups: np.ndarray) -> np.ndarray:
    """The box around each group of boxes."""
    return np.concatenate([groups[:, :, :2].min(axis=1), groups[:, :, 2:].max(axis=1)], axis=1)


def _parents(boxes: np.ndarray) -> np.ndarray:
    missing = -len(boxes) % NODE_SIZE
    return _around(np.concatenate([boxes, np.repeat(EMPTY, missing, axis=0)]).reshape(-1, NODE_SIZE, 4))
