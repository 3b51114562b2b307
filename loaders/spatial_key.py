"""The place of a feature as an integer: a Hilbert code, so that neighbours in the plane are neighbours in the key.

The server computes the same codes to cover a box.
"""

import numpy as np
from numpy.typing import NDArray

from loaders.grid import BITS, CELL, ORIGIN_EAST, ORIGIN_NORTH, SIZE


def hilbert_codes(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.int64]:
    """Codes of points in EPSG:25832; points outside the state's grid get the cell at its nearest edge."""
    x, y = _cells(east, ORIGIN_EAST), _cells(north, ORIGIN_NORTH)
    code = np.zeros(x.shape, np.int64)
    for bit in reversed(range(BITS)):
        right, upper = (x >> bit) & 1, (y >> bit) & 1
        code += ((3 * right) ^ upper) << (2 * bit)
        mirrored = (right == 1) & (upper == 0)
        x, y = np.where(mirrored, SIZE - 1 - x, x), np.where(mirrored, SIZE - 1 - y, y)
        x, y = np.where(upper == 0, y, x), np.where(upper == 0, x, y)
    return code


def _cells(coordinate: NDArray[np.float64], origin: float) -> NDArray[np.int64]:
    return np.clip(np.floor((coordinate - origin) / CELL), 0, SIZE - 1).astype(np.int64)
