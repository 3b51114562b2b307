"""Where a box is searched: in EPSG:25832, by ranges of the spatial key or by the spatial index. Pure."""

from dataclasses import dataclass, replace
from functools import lru_cache

from server.catalogue import STORAGE_SRID
from server.crs import Box, around, to_frame
from server.features.cursor import Cursor
from server.features.params import ItemsQuery
from server.spatial_key import cell_size, covering, sharpened
from server.state import State

CROWDED = 10  # times as many features lie on a square kilometre of a town as on average

NOWHERE = Box(-2.0, -2.0, -1.0, -1.0)

# Metres by which a searched area must be larger: pyproj is up to 2 m off in DHDN (`crs.transformer`), and the index
# holds boxes as floats, which are rounded to 0.5 m at 5,800 km.
SLACK = 3.0


# The state in EPSG:25832 with a wide margin: wherever a former version of a feature may have been
ANYWHERE = Box(180_000, 5_470_000, 630_000, 5_920_000)


@dataclass(frozen=True)
class Area:
    """A box, ready for the search: `outer` and `inner` in EPSG:25832, `exact` in its own CRS."""

    exact: Box
    outer: Box
    inner: Box


def search_areas(query: ItemsQuery, state: State) -> tuple[Area, ...]:
    """The boxes that touch the collection's extent, each cut to it so that it can be transformed."""
    if state.bbox is None:
        return ()
    srid = query.bbox_crs.srid
    extent = around(state.bbox.grown(SLACK, SLACK), state.srid, srid)
    return tuple(to_area(box, cut, srid, state.srid) for box in query.boxes if (cut := box.common(extent)))


def widened(state: State) -> State:
    """The state with an extent that holds its former features, too."""
    box = state.bbox or ANYWHERE
    corners = zip(box, ANYWHERE, (min, min, max, max), strict=True)
    return replace(state, bbox=Box(*(choose(a, b) for a, b, choose in corners)))


@lru_cache(maxsize=1024)
def to_area(box: Box, cut: Box, srid: int, storage: int = STORAGE_SRID) -> Area:
    """A box whose part `cut` is searched.

    The margin makes up for the sagitta between two points of the outline, too.
    """
    frame = to_frame(cut, srid, storage)
    margin = SLACK + 1e-4 * max(frame.outer.xmax - frame.outer.xmin, frame.outer.ymax - frame.outer.ymin)
    inner = frame.inner.grown(-margin, -margin) if frame.inner else NOWHERE
    usable = inner.xmin < inner.xmax and inner.ymin < inner.ymax
    return Area(box, frame.outer.grown(margin, margin), inner if usable else NOWHERE)


def prefers_keys(areas: tuple[Area, ...], state: State, limit: int) -> bool:
    """Whether the key's ranges read fewer rows than the spatial index, by the collection's mean density.

    The ranges cover the box enlarged by the largest feature but stop when the page is full; the index reads and
    sorts all that match.
    """
    if state.bbox is None:
        return False
    density = state.features / max(_square(state.bbox), 1.0)
    by_keys = by_index = 0.0
    for area in areas:
        matching = density * _square(area.outer)
        enlarged = density * _square(area.outer.grown(state.half_width, state.half_height))
        by_keys += min(enlarged, limit * enlarged / max(matching, 1e-9))
        by_index += 2 * matching
    return by_keys <= 2 * by_index + 500


def _square(box: Box) -> float:
    return (box.xmax - box.xmin) * (box.ymax - box.ymin)


def key_ranges(areas: tuple[Area, ...], state: State, cursor: Cursor, limit: int) -> list[tuple[int, int]]:
    """Ranges of fid that hold the areas' features, from the cursor on, in reading order, without overlaps."""
    grown = [area.outer.grown(state.half_width + 1, state.half_height + 1) for area in areas]
    ranges = list(covering(grown[0])) if len(grown) == 1 else _united(grown)
    if cursor.backward:
        ranges = [(low, min(high, cursor.fid)) for low, high in reversed(ranges) if low <= cursor.fid]
    else:
        ranges = [(max(low, cursor.fid), high) for low, high in ranges if high >= cursor.fid]
    return _sharpened(ranges, grown[0], state, limit, cursor) if len(grown) == 1 else ranges


def _united(boxes: list[Box]) -> list[tuple[int, int]]:
    """Ranges that hold what several boxes cover."""
    ranges: list[tuple[int, int]] = []
    for low, high in sorted(found for box in boxes for found in covering(box)):
        if ranges and low <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
        else:
            ranges.append((low, high))
    return ranges


def _sharpened(
    ranges: list[tuple[int, int]], box: Box, state: State, limit: int, cursor: Cursor
) -> list[tuple[int, int]]:
    """Ranges whose first cells don't hold many times the features of a page.

    Features are not evenly spread: where they are dense, there are CROWDED times as many as on average.
    """
    crowd = CROWDED * state.features / max(_square(state.bbox or box), 1.0) * cell_size(box) ** 2
    return sharpened(box, ranges, backward=cursor.backward) if crowd > limit else ranges
