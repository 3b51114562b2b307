"""The invented cadastre: parcels that tile a municipality, around its houses, along its streets and over its fields.

Parcels are made of the houses that the first delivery knows, so later deliveries leave them where they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from loaders.example.batches import Batch
from loaders.example.kinds import KIND
from loaders.example.noise import Bools, Floats, Ints, Warp, waves

FIELD = 150.0  # metres between fields
GARDEN = 55.0  # metres around houses where no field begins
HALF_STREET = 3.0  # metres: houses stand farther from the middle of a street
STEP = 25.0  # metres between the vertices of a street
GRID = 0.001
PER_FLUR = 120
HOUSE, STREET, LAND = range(3)
HOMES, MIXED, WORKS, TRAFFIC, FARM, FOREST, GROVE = (
    "Wohnbaufläche", "Fläche gemischter Nutzung", "Industrie- und Gewerbefläche", "Straßenverkehr", "Landwirtschaft",
    "Wald", "Gehölz",
)  # fmt: skip
SPLIT = 0.12  # share of fields that have two uses


@dataclass(frozen=True)
class Parcels:
    """Of one municipality. `place`: index into its batches; `house`: in that settlement, -1 where none; `flur` and
    `number` (Zähler, Nenner) within the place's Gemarkung. `parts`: areas of one use each, of the parcel `part_of`.
    """

    shape: Any
    place: Ints
    house: Ints
    flur: Ints
    number: Ints
    parts: Any
    part_of: Ints
    use: Any


def lay_out(area: shapely.Geometry, batches: list[Batch], warp: Warp, rng: np.random.Generator) -> Parcels:
    """Parcels of a municipality, whose batches are its places."""
    houses, owner = _houses(batches)
    fields = _fields(area, houses, rng)
    sites = np.concatenate([houses, fields])
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(sites), extend_to=area, ordered=True))
    cells = np.where(shapely.contains_properly(area, cells), cells, shapely.intersection(cells, area))
    cells, roads, street_place = _cut_streets(cells, batches, warp)
    own, pieces, largest = _split(cells)
    built = (own < len(houses)) & largest
    shape = np.concatenate([pieces, roads])
    place = np.concatenate([_nearest(batches, sites, owner)[own], street_place])
    house = np.full(len(shape), -1)
    house[np.flatnonzero(built)] = owner[own[built], 1]
    kind = np.concatenate([np.where(built, HOUSE, LAND), np.full(len(roads), STREET)])
    order, flur, number = _number(shape, place, rng)
    shape, place, house, kind = shape[order], place[order], house[order], kind[order]
    parts, part_of, use = _uses(shape, kind, (batches, place, house), rng)
    return Parcels(shape, place, house, flur, number, parts, part_of, use)


def _split(cells: Any) -> tuple[Ints, Any, Bools]:
    """The cell of each piece that the streets left, the piece, and whether it is the largest of its cell."""
    pieces, cell = shapely.get_parts(cells, return_index=True)
    kept = shapely.area(pieces) > 1
    pieces, cell = pieces[kept], cell[kept]
    order = np.lexsort((-shapely.area(pieces), cell))
    pieces, cell = pieces[order], cell[order]
    return cell, shapely.multipolygons(pieces, indices=np.arange(len(pieces))), np.append(True, cell[1:] != cell[:-1])


def _houses(batches: list[Batch]) -> tuple[Floats, Ints]:
    """Middles of the houses of the first delivery, and their place and number in it."""
    middles, owner = [], []
    for number, batch in enumerate(batches):
        outlines = batch.settlement.outlines
        rows = np.flatnonzero(outlines.main & (outlines.house < batch.settlement.wanted))
        middles.append(outlines.claim[rows].mean(axis=1))
        owner.append(np.column_stack([np.full(rows.size, number), outlines.house[rows]]))
    return np.concatenate(middles), np.concatenate(owner)


def _fields(area: shapely.Geometry, houses: Floats, rng: np.random.Generator) -> Floats:
    west, south, east, north = shapely.bounds(area)
    grid = np.stack(np.meshgrid(np.arange(west, east, FIELD), np.arange(south, north, FIELD)), axis=-1).reshape(-1, 2)
    grid += rng.uniform(-0.4, 0.4, grid.shape) * FIELD
    near = shapely.STRtree(_points(houses)).query(_points(grid), predicate="dwithin", distance=GARDEN)[0]
    free = np.ones(len(grid), dtype=bool)
    free[near] = False
    return grid[free & shapely.contains_xy(area, grid)]


def _cut_streets(cells: Any, batches: list[Batch], warp: Warp) -> tuple[Any, Any, Ints]:
    """The cells without their streets, the streets in one piece each, and the place of each street."""
    surfaces, place = _streets(batches, warp)
    cell, street = shapely.STRtree(surfaces).query(cells, predicate="intersects")
    turn = np.arange(cell.size) - np.searchsorted(cell, cell)
    pieces, owner = [], []
    for number in range(int(turn.max(initial=-1)) + 1):  # each cell's first street, then its second
        now = turn == number
        pieces.append(shapely.intersection(cells[cell[now]], surfaces[street[now]]))
        owner.append(street[now])
        cells[cell[now]] = shapely.difference(cells[cell[now]], surfaces[street[now]])
    pieces, owner = np.concatenate(pieces), np.concatenate(owner)
    roads = np.array([shapely.union_all(pieces[owner == number]) for number in range(len(surfaces))], dtype=object)
    roads = _areas(roads)
    filled = ~shapely.is_empty(roads)
    return _areas(cells), roads[filled], place[filled]


def _streets(batches: list[Batch], warp: Warp) -> tuple[Any, Ints]:
    """Surfaces of the streets along which houses stand, and the place of each."""
    surfaces, place = [], []
    for number, batch in enumerate(batches):
        plan = batch.settlement.plan
        for street in np.unique(plan.line_street[batch.settlement.houses.line[: batch.settlement.wanted]]).tolist():
            lines = []
            for front in np.flatnonzero(plan.line_street[plan.front_line] == street).tolist():
                start, end = plan.fronts[front, :2], plan.fronts[front, 2:]
                share = np.linspace(0, 1, 2 + int(np.hypot(*(end - start)) / STEP))[:, None]
                lines.append(shapely.linestrings(warp.apply(start + share * (end - start) + batch.place.centre)))
            surfaces.append(shapely.union_all(shapely.buffer(np.array(lines, dtype=object), HALF_STREET, quad_segs=2)))
            place.append(number)
    return np.array(surfaces, dtype=object), np.array(place, dtype=np.int64)


def _areas(shapes: Any) -> Any:
    """Only their areas, in whole millimetres."""
    parts, owner = shapely.get_parts(shapely.set_precision(shapes, GRID), return_index=True)
    kept = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 0.01)
    areas = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    owners, index = np.unique(owner[kept], return_inverse=True)
    areas[owners] = shapely.multipolygons(parts[kept], indices=index)
    return areas


def _nearest(batches: list[Batch], sites: Floats, owner: Ints) -> Ints:
    """The place of each site: that of its house, for fields the nearest one."""
    centres = shapely.STRtree(_points(np.array([batch.place.centre for batch in batches])))
    places = np.asarray(centres.nearest(_points(sites)))
    places[: len(owner)] = owner[:, 0]
    return places


def _points(coordinates: Floats) -> Any:
    return shapely.points(coordinates)


def _number(shape: Any, place: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Order, Flur and (Zähler, Nenner) of each parcel: Fluren are compact, and every third parcel was divided once."""
    middle = shapely.get_coordinates(shapely.point_on_surface(shape))
    flur = np.zeros(len(shape), dtype=np.int64)
    for number in np.unique(place):
        rows = np.flatnonzero(place == number)
        seeds = rows[rng.permutation(rows.size)[: max(1, rows.size // PER_FLUR)]]
        flur[rows] = 1 + shapely.STRtree(_points(middle[seeds])).nearest(_points(middle[rows]))
    order = np.lexsort((middle[:, 0], -np.floor(middle[:, 1] / 60), flur, place))
    flur, place = flur[order], place[order]
    first = np.append(True, (flur[1:] != flur[:-1]) | (place[1:] != place[:-1]))
    divided = (rng.random(len(shape)) < 0.3) & ~first
    total = np.cumsum(~divided)
    begin = np.flatnonzero(first)
    counter = 1 + total - np.repeat(total[begin], np.diff(np.append(begin, len(shape))))
    run = np.arange(len(shape)) - np.maximum.accumulate(np.where(divided, 0, np.arange(len(shape))))
    has = divided | np.append(divided[1:], False)
    return order, flur, np.column_stack([counter, np.where(has, run + 1, 0)])


def _uses(
    shape: Any, kind: Ints, living: tuple[list[Batch], Ints, Ints], rng: np.random.Generator
) -> tuple[Any, Ints, Any]:
    """Areas of one use each, whose parcel they are part of, and the name of the use."""
    batches, place, house = living
    quarter = [batch.settlement.houses.kind for batch in batches]
    middle = shapely.get_coordinates(shapely.point_on_surface(shape))
    wild = waves(rng, (700.0, 1300.0, 2900.0), 0.001).at(middle)
    use = np.where(wild > 0.35, FOREST, np.where(wild > 0.3, GROVE, FARM)).astype(object)
    use[kind == STREET] = TRAFFIC
    for row in np.flatnonzero(kind == HOUSE).tolist():
        use[row] = _use_of(int(quarter[place[row]][house[row]]))
    two: Bools = (kind == LAND) & (use == FARM) & (rng.random(len(shape)) < SPLIT)
    parts, part_of, uses = [], [], []
    for row, area in enumerate(shape):
        halves = _halves(area, middle[row]) if two[row] else [area]
        for half, name in zip(halves, (use[row], GROVE), strict=False):
            parts.append(half)
            part_of.append(row)
            uses.append(name)
    return np.array(parts, dtype=object), np.array(part_of), np.array(uses, dtype=object)


def _use_of(quarter: int) -> str:
    if quarter == KIND["works"]:
        return WORKS
    return MIXED if quarter in (KIND["core"], KIND["village"], KIND["farm"]) else HOMES


def _halves(area: shapely.Geometry, middle: Floats) -> list[shapely.Geometry]:
    """South and north of a point."""
    west, south, east, north = shapely.bounds(area)
    boxes = [shapely.box(west, south, east, middle[1]), shapely.box(west, middle[1], east, north)]
    halves = _areas(shapely.intersection(area, np.array(boxes, dtype=object)))
    return [area] if shapely.is_empty(halves).any() else halves.tolist()
