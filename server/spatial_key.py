"""The spatial key: which ranges of `fid` hold the features of a box.

fid = Hilbert index of the centre of the feature's envelope (16 bits per axis, 4 m cells) << 20 | sequence.
Neighbours in space are neighbours in the key, so a box is a few ranges of it and a page of any box is read in
key order and stops when it is full.
"""

from functools import cache, lru_cache

from server.crs import Box

ORIGIN_E, ORIGIN_N = 274_000, 5_568_000
CELL = 4
BITS = 16
SEQUENCE_BITS = 20
MAX_CELL = (1 << BITS) - 1
MAX_RANGES = 32

BLOCK_BITS = 3  # cells of a box are taken from blocks of 8 by 8
LAST = (1 << BLOCK_BITS) - 1
MAX_CELLS = 128  # of a box: many enough to follow its outline, few enough to be counted in microseconds


def _quadrants() -> tuple[tuple[tuple[tuple[int, int], ...], ...], ...]:
    """For each state, x bit and y bit: the quadrant's place along the curve, and the state inside it.

    The curve turns by complementing both coordinates and by swapping them; both commute, which makes four states
    (bit 1: complemented, bit 0: swapped).
    """
    table = [[[(0, 0)] * 2 for _ in range(2)] for _ in range(4)]
    for state in range(4):
        flip, swap = state >> 1, state & 1
        for order, (rx, ry) in enumerate(((0, 0), (0, 1), (1, 1), (1, 0))):
            x, y = (ry, rx) if swap else (rx, ry)
            inside = state if ry else (flip ^ rx) << 1 | (swap ^ 1)
            table[state][x ^ flip][y ^ flip] = order, inside
    return tuple(tuple(tuple(column) for column in row) for row in table)


QUADRANTS = _quadrants()

# The same by state and place along the curve: x bit, y bit, state inside
CORNERS = tuple(
    tuple(
        (x, y, inside)
        for _, x, y, inside in sorted(
            (order, x, y, inside) for x, column in enumerate(row) for y, (order, inside) in enumerate(column)
        )
    )
    for row in QUADRANTS
)


def descend(x: int, y: int, levels: int, state: int = 0) -> tuple[int, int]:
    """Place along the curve of a quadrant, by its coordinates of so many bits; and the state inside it."""
    place = 0
    for level in range(levels - 1, -1, -1):
        order, state = QUADRANTS[state][x >> level & 1][y >> level & 1]
        place = place << 2 | order
    return place, state


def locate(place: int, levels: int) -> tuple[int, int, int]:
    """The same backwards: x, y and the state inside of a quadrant."""
    x = y = state = 0
    for level in range(levels - 1, -1, -1):
        bx, by, state = CORNERS[state][place >> 2 * level & 3]
        x, y = x << 1 | bx, y << 1 | by
    return x, y, state


def _blocks() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """For each state, x and y: the place of a cell within a block."""
    size = range(1 << BLOCK_BITS)
    return tuple(tuple(tuple(descend(x, y, BLOCK_BITS, state)[0] for y in size) for x in size) for state in range(4))


BLOCKS = _blocks()


def cell(value: float, origin: int) -> int:
    """Number of the cell in which a coordinate lies, clamped to the grid."""
    return min(max(int((value - origin) // CELL), 0), MAX_CELL)


@lru_cache(maxsize=1024)
def covering(box: Box, max_ranges: int = MAX_RANGES) -> tuple[tuple[int, int], ...]:
    """Ranges of fid (first, last, both included), in order, that hold every feature whose centre lies in the box.

    The box is in EPSG:25832; the caller has enlarged it by the collection's largest half extent. The curve's cells are
    taken as small as the box has at most MAX_CELLS of them. Kept, because who pages through a box asks for it again.
    """
    x0, x1, y0, y1, shift = _cells(box)
    ranges = _ranges(x0, x1, y0, y1, BITS - shift)
    if len(ranges) > max_ranges:
        ranges = _joined(ranges, max_ranges)
    return tuple(_to_fids(ranges, shift))


def cell_size(box: Box) -> int:
    """Metres that a cell of the box's covering is wide."""
    return CELL << _cells(box)[4]


def sharpened(box: Box, ranges: list[tuple[int, int]], *, backward: bool) -> list[tuple[int, int]]:
    """Ranges in reading order, whose first cell is replaced by those of its parts that the box touches.

    A page begins at the edge of its box. Of a large cell there, more features may lie outside than the page has.
    """
    shift = _cells(box)[4]
    if not ranges or shift < BLOCK_BITS:
        return ranges
    low, high = ranges[0]
    bits = 2 * shift + SEQUENCE_BITS
    place = (high if backward else low) >> bits
    x, y, state = locate(place, BITS - shift)
    x0, x1, y0, y1 = _at_level(box, shift - BLOCK_BITS)
    runs = _runs(state, *_within(x0, x1, x << BLOCK_BITS), *_within(y0, y1, y << BLOCK_BITS))
    first = place << 2 * BLOCK_BITS
    parts = [(first | start, first | end) for start, end in runs]
    pieces = [
        (max(start, low), min(end, high))
        for start, end in _to_fids(parts, shift - BLOCK_BITS)
        if start <= high and end >= low
    ]
    rest = (low, (place << bits) - 1) if backward else ((place + 1) << bits, high)
    if backward:
        pieces.reverse()
    return [*pieces, *([rest] if rest[0] <= rest[1] else []), *ranges[1:]]


@lru_cache(maxsize=1024)
def _cells(box: Box) -> tuple[int, int, int, int, int]:
    """First and last column and row of the cells that cover a box, and how many levels they lie above the finest."""
    x0, x1, y0, y1 = _at_level(box, 0)
    shift = 0
    while (x1 - x0 + 1) * (y1 - y0 + 1) > MAX_CELLS:
        x0, x1, y0, y1, shift = x0 >> 1, x1 >> 1, y0 >> 1, y1 >> 1, shift + 1
    return x0, x1, y0, y1, shift


def _at_level(box: Box, shift: int) -> tuple[int, int, int, int]:
    columns = cell(box.xmin, ORIGIN_E) >> shift, cell(box.xmax, ORIGIN_E) >> shift
    return *columns, cell(box.ymin, ORIGIN_N) >> shift, cell(box.ymax, ORIGIN_N) >> shift


def _within(low: int, high: int, start: int) -> tuple[int, int]:
    """The part of columns or rows that lies in the block beginning there, counted from it; 0 and -1 where none does."""
    first, last = max(low - start, 0), min(high - start, LAST)
    return (first, last) if first <= last else (0, -1)


@cache
def _runs(state: int, x0: int, x1: int, y0: int, y1: int) -> tuple[tuple[int, int], ...]:
    """First and last of places that follow each other, of a rectangle of cells within a block; there are 5,184."""
    places = sorted(place for column in BLOCKS[state][x0 : x1 + 1] for place in column[y0 : y1 + 1])
    lows = [place for place in places if place - 1 not in places]
    highs = [place for place in places if place + 1 not in places]
    return tuple(zip(lows, highs, strict=True))


def _to_fids(ranges: list[tuple[int, int]], shift: int) -> list[tuple[int, int]]:
    bits = 2 * shift + SEQUENCE_BITS
    return [(low << bits, (high + 1 << bits) - 1) for low, high in ranges]


def _ranges(x0: int, x1: int, y0: int, y1: int, levels: int) -> list[tuple[int, int]]:
    """Places along the curve of the cells of a rectangle, first and last of those that follow each other; the cells'
    coordinates have so many bits.
    """
    parts: list[tuple[int, int]] = []
    for column in range(x0 >> BLOCK_BITS, (x1 >> BLOCK_BITS) + 1):
        columns = _within(x0, x1, column << BLOCK_BITS)
        for row in range(y0 >> BLOCK_BITS, (y1 >> BLOCK_BITS) + 1):
            place, state = descend(column, row, levels - BLOCK_BITS)
            first = place << 2 * BLOCK_BITS
            runs = _runs(state, *columns, *_within(y0, y1, row << BLOCK_BITS))
            parts += [(first | low, first | high) for low, high in runs]
    parts.sort()
    return _merged(parts)


def _merged(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, without those that follow each other at once, as from block to block."""
    ranges: list[tuple[int, int]] = []
    start, end = parts[0]
    for low, high in parts:
        if low > end + 1:
            ranges.append((start, end))
            start = low
        end = high
    ranges.append((start, end))
    return ranges


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
