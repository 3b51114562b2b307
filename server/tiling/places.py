"""Where tiles are in EPSG:3857, and which of them have anything in them."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection, sql

from server.catalogue import Collection
from server.crs import CRS84, Box, around
from server.pyramid.plan import EDGE, SRID
from server.state import State
from server.tilecache import Place
from server.tiling.grid import EXTENT, Limits, Tile, clip_box, limits
from server.tiling.matrixsets import Grid, Matrix

WORLD = Box(-EDGE, -EDGE, EDGE, EDGE)
# What is generalised may reach beyond the features that it was made of by this part of a tile, see pyramid.plan
BEYOND = 1 / 16
ASKED_AT_ONCE = 5000
# one more query for each tile, so that a tile of the open country costs an index's look
OCCUPIED = """
select n from unnest(%s::float8[], %s::float8[], %s::float8[], %s::float8[]) with ordinality
  as b(west, south, east, north, n)
where exists (select from {} t where t.geom && ST_MakeEnvelope(west, south, east, north, 3857)) order by n"""


def place_of(grid: Grid, tile: Tile) -> Place:
    """Where a change touches a tile; a unit more than it shows, because coordinates are rounded to units."""
    matrix = grid.by_level[tile.matrix]
    return Place(matrix.zoom, _area(grid, tile, matrix, 1 / EXTENT))


def _area(grid: Grid, tile: Tile, matrix: Matrix, more: float) -> Box:
    box = clip_box(grid, tile).grown(matrix.tile_width * more, matrix.tile_height * more)
    area = box if grid.srid == SRID else around(box, grid.srid, SRID)
    return area if all(map(math.isfinite, area)) else WORLD


def occupied(
    connection: Connection[Any], state: State, grid: Grid, zooms: tuple[int, int], area: Box | None = None
) -> Iterator[list[Tile]]:
    """The tiles of each level with something in them, from the coarsest level on; of those in an area (degrees, CRS84)
    where one is given. `state` has a pyramid. A tile without anything has nothing below it either.
    """
    assert state.pyramid  # noqa: S101 - see above
    query = sql.SQL(OCCUPIED).format(sql.Identifier("tiles", state.pyramid.base))
    parents: set[tuple[int, int]] | None = None
    for matrix in grid.between(*zooms):
        found = _within(limits(state, grid, matrix), _limits_of(area, grid, matrix))
        candidates = (
            []
            if found is None
            else [
                tile for tile in _tiles(matrix, found) if parents is None or (tile.row >> 1, tile.col >> 1) in parents
            ]
        )
        kept = [tile for part in _parts(candidates) for tile in _ask(connection, query, grid, part)]
        parents = {(tile.row, tile.col) for tile in kept}
        yield kept


def _tiles(matrix: Matrix, found: Limits) -> Iterator[Tile]:
    for row in range(found.min_row, found.max_row + 1):
        for col in range(found.min_col, found.max_col + 1):
            yield Tile(matrix.level, row, col)


def _parts(tiles: Sequence[Tile]) -> Iterator[Sequence[Tile]]:
    for start in range(0, len(tiles), ASKED_AT_ONCE):
        yield tiles[start : start + ASKED_AT_ONCE]


def _ask(connection: Connection[Any], query: sql.Composed, grid: Grid, tiles: Sequence[Tile]) -> list[Tile]:
    boxes = [_area(grid, tile, grid.by_level[tile.matrix], BEYOND) for tile in tiles]
    rows = connection.execute(query, [list(side) for side in zip(*boxes, strict=True)]).fetchall()
    return [tiles[number - 1] for (number,) in rows]


def _limits_of(area: Box | None, grid: Grid, matrix: Matrix) -> Limits | None:
    return limits(State(bbox=area, srid=CRS84.srid), grid, matrix)


def _within(one: Limits | None, other: Limits | None) -> Limits | None:
    if one is None or other is None:
        return one
    both = Limits(
        max(one.min_row, other.min_row),
        min(one.max_row, other.max_row),
        max(one.min_col, other.min_col),
        min(one.max_col, other.max_col),
    )
    return both if both.min_row <= both.max_row and both.min_col <= both.max_col else None


def levels_of(collections: Sequence[Collection]) -> tuple[int, int]:
    """First and last level of WebMercatorQuad at which some of the collections have tiles."""
    return min(c.tiles.minzoom for c in collections), max(c.tiles.maxzoom for c in collections)
