"""The grid of the key of places, in EPSG:25832: its cells and their numbers.

Cells of 4 m over the state, 16 bits per axis; `fid = code << 20 | sequence within the cell`.
"""

BITS = 16
SIZE = 1 << BITS
CELL = 4.0
ORIGIN_EAST = 274_000.0
ORIGIN_NORTH = 5_568_000.0
SEQUENCE_BITS = 20
# west, south, east, north
GRID = (ORIGIN_EAST, ORIGIN_NORTH, ORIGIN_EAST + CELL * SIZE, ORIGIN_NORTH + CELL * SIZE)
