"""The place of a feature as an integer: a Hilbert code, so that neighbours in the plane are neighbours in the key.

Cells of 4 m over the state, 16 bits per axis; `fid = code << 20 | sequence within the cell`.
The server computes the same codes to cover a box.
"""

import numpy as np
from numpy.typing import NDArray

BITS = 16
SIZE = 1 << BITS
CELL = 4.0
ORIGIN_EAST = 274_000.0
ORIGIN_NORTH = 5_568_000.0
SEQUENCE_BITS = 20
# west, south, east, north
GRID = (ORIGIN_EAST, ORIGIN_NORTH, ORIGIN_EAST + CELL * SIZE, ORIGIN_NORTH + CELL * SIZE)


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
