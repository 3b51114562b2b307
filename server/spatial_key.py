"""The spatial key: which ranges of `fid` hold the features of a box.

fid = Hilbert index of the centre of the feature's envelope (16 bits per axis, 4 m cells) << 20 | sequence.
Neighbours in space are neighbours in the key, so a box is a few ranges of it and a page of any box is read in
key order and stops when it is full.
"""

from functools import lru_cache

from server.crs import Box

ORIGIN_E, ORIGIN_N = 274_000, 5_568_000
CELL = 4
BITS = 16
SEQUENCE_BITS = 20
MAX_CELL = (1 << BITS) - 1
MAX_RANGES = 32

Node = tuple[int, int, int, int]  # x and y of the quadrant in units of its own size, Hilbert index likewise, state


def _quadrants() -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """For each state the four quadrants in the curve's order: x bit, y bit, state inside.

    The curve turns by complementing both coordinates and by swapping them; both commute, which makes four states
    (bit 1: complemented, bit 0: swapped).
    """
    table = []
    for state in range(4):
        flip, swap = state >> 1, state & 1
        row = []
        for rx, ry in ((0, 0), (0, 1), (1, 1), (1, 0)):
            x, y = (ry, rx) if swap else (rx, ry)
            inside = state if ry else (flip ^ rx) << 1 | (swap ^ 1)
            row.append((x ^ flip, y ^ flip, inside))
        table.append(tuple(row))
    return tuple(table)


QUADRANTS = _quadrants()


def cell(value: float, origin: int) -> int:
    """Number of the cell in which a coordinate lies, clamped to the grid."""
    return min(max(int((value - origin) // CELL), 0), MAX_CELL)


@lru_cache(maxsize=1024)
def covering(box: Box, max_ranges: int = MAX_RANGES) -> tuple[tuple[int, int], ...]:
    """Ranges of fid (first, last, both included), in order, that hold every feature whose centre lies in the box.

    The box is in EPSG:25832; the caller has enlarged it by the collection's largest half extent. Kept, because who
    pages through a box asks for it again.
    """
    x0, x1 = cell(box.xmin, ORIGIN_E), cell(box.xmax, ORIGIN_E)
    y0, y1 = cell(box.ymin, ORIGIN_N), cell(box.ymax, ORIGIN_N)
    whole: list[tuple[int, int]] = []
    partial: list[Node] = [(0, 0, 0, 0)]
    shift = BITS
    while partial and shift and len(whole) + len(partial) <= max_ranges:
        shift -= 1
        bounds = (x0 >> shift, x1 >> shift, y0 >> shift, y1 >> shift)
        partial = _descend(partial, shift, (x0, x1, y0, y1), bounds, whole)
    whole += [(d << 2 * shift, ((d + 1) << 2 * shift) - 1) for _, _, d, _ in partial]
    ranges = _joined(sorted(whole), max_ranges)
    return tuple((low << SEQUENCE_BITS, ((high + 1) << SEQUENCE_BITS) - 1) for low, high in ranges)


def _descend(
    nodes: list[Node],
    shift: int,
    cells: tuple[int, int, int, int],
    bounds: tuple[int, int, int, int],
    whole: list[tuple[int, int]],
) -> list[Node]:
    """Divide nodes in four: quadrants inside the box go to `whole`, those on its edge are returned."""
    x0, x1, y0, y1 = cells
    left, right, bottom, top = bounds
    size = (1 << shift) - 1
    partial = []
    for x, y, d, state in nodes:
        for order, (bx, by, inside) in enumerate(QUADRANTS[state]):
            cx, cy, cd = x << 1 | bx, y << 1 | by, d << 2 | order
            if not (left <= cx <= right and bottom <= cy <= top):
                continue
            west, south = cx << shift, cy << shift
            if x0 <= west and west + size <= x1 and y0 <= south and south + size <= y1:
                whole.append((cd << 2 * shift, ((cd + 1) << 2 * shift) - 1))
            else:
                partial.append((cx, cy, cd, inside))
    return partial


def _joined(ranges: list[tuple[int, int]], max_ranges: int) -> list[tuple[int, int]]:
    """Join ranges that touch; while there are too many, those with the smallest gaps between them."""
    gaps = sorted((ranges[i + 1][0] - ranges[i][1] for i in range(len(ranges) - 1)), reverse=True)
    kept = gaps[: max_ranges - 1]
    limit = max(kept[-1] if len(kept) == max_ranges - 1 else 1, 1)
    spare = max_ranges - 1 - sum(gap > limit for gap in gaps)
    joined = ranges[:1]
    for low, high in ranges[1:]:
        gap = low - joined[-1][1]
        if gap > limit or (gap == limit and gap > 1 and spare > 0):
            spare -= gap == limit
            joined.append((low, high))
        else:
            joined[-1] = (joined[-1][0], high)
    return joined
