"""Tiles of a grid: which exist, where they are, where their features are looked for. Pure."""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from server.catalogue import STORAGE_SRID, Collection
from server.crs import CRS84, Box, around, to_frame
from server.errors import NotFound, shorten
from server.levels import Tiles
from server.state import State
from server.tiling.matrixsets import Grid, Matrix

EXTENT = 4096
BUFFER = 64

# Around a search area in another CRS, metres: pyproj and PostGIS may differ by that much for old data (see server.crs)
MARGIN = 10
# Where features of a former state may lie, degrees: well beyond Germany, and where ETRS89 / UTM 32N is defined
FORMER = Box(0, 45, 20, 57)
# CRSs in which a box of degrees stays a box
WORLDWIDE = (3857, 4326)


class Tile(NamedTuple):
    """A tile: level, row from the top, column from the left."""

    matrix: int
    row: int
    col: int


class Limits(NamedTuple):
    """First and last row and column of a level that touch a collection, both included."""

    min_row: int
    max_row: int
    min_col: int
    max_col: int

    def holds(self, tile: Tile) -> bool:
        """Whether a tile lies within."""
        return self.min_row <= tile.row <= self.max_row and self.min_col <= tile.col <= self.max_col

    def around(self, other: "Limits") -> "Limits":
        """What holds both."""
        return Limits(
            min(self.min_row, other.min_row),
            max(self.max_row, other.max_row),
            min(self.min_col, other.min_col),
            max(self.max_col, other.max_col),
        )


def parse_tile(matrix: str, row: str, col: str) -> Tile:
    """The tile of a path's three parts. Raises NotFound where they are no plain numbers."""
    for name, text in (("tileMatrix", matrix), ("tileRow", row), ("tileCol", col)):
        if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
            raise NotFound(f"{name} '{shorten(text)}' is no whole number from 0 on. See the tileset for its range.")
    return Tile(int(matrix), int(row), int(col))


def limits(state: State, grid: Grid, matrix: Matrix) -> Limits | None:
    """Rows and columns that a collection reaches at a level, the buffer included; None while it is empty."""
    return _limits(state.bbox, state.srid, grid, matrix) if state.bbox else None


@lru_cache(maxsize=4096)
def _limits(extent: Box, srid: int, grid: Grid, matrix: Matrix) -> Limits:
    found = _placed(extent, srid, grid)
    if found is None:
        return all_tiles(matrix)
    box = found.grown(*_buffer(matrix))
    cols = [_clamped((x - matrix.west) / matrix.tile_width, matrix.cols) for x in (box.xmin, box.xmax)]
    rows = [_clamped((matrix.north - y) / matrix.tile_height, matrix.rows) for y in (box.ymax, box.ymin)]
    return Limits(rows[0], rows[1], cols[0], cols[1])


def _placed(extent: Box, srid: int, grid: Grid) -> Box | None:
    """An extent in the grid's CRS; None where that cannot be said: of data of the world in a projection of a part."""
    if srid != STORAGE_SRID and grid.srid not in WORLDWIDE:
        return None
    box = around(extent, srid, grid.srid)
    return box if all(map(math.isfinite, box)) else None


def _buffer(matrix: Matrix) -> tuple[float, float]:
    """What a tile shows beyond its edges, in units of the grid's CRS."""
    return matrix.tile_width * BUFFER / EXTENT, matrix.tile_height * BUFFER / EXTENT


def _clamped(value: float, count: int) -> int:
    return min(max(int(value // 1), 0), count - 1)


def find_matrix(grid: Grid, tile: Tile, minzoom: int, maxzoom: int) -> Matrix:
    """The level of a tile. Raises NotFound where the tileset has it not."""
    matrix = grid.by_level.get(tile.matrix)
    if matrix is None or not minzoom <= matrix.zoom <= maxzoom:
        offered = grid.between(minzoom, maxzoom)
        there = f"has {offered[0].level} to {offered[-1].level}" if offered else "has none"
        raise NotFound(f"tileMatrix {tile.matrix} is not offered here: this tileset {there}.")
    return matrix


def all_tiles(matrix: Matrix) -> Limits:
    """Those of a level, wherever the data are."""
    return Limits(0, matrix.rows - 1, 0, matrix.cols - 1)


def check_tile(tile: Tile, found: Limits | None) -> None:
    """Raise NotFound for a tile outside the tileset's limits (Tiles Part 1, /req/core/tc-error)."""
    if found is None:
        raise NotFound("The collection is empty: it has no tiles yet.")
    if not found.holds(tile):
        raise NotFound(
            f"Tile {tile.matrix}/{tile.row}/{tile.col} lies outside the tileset: at tileMatrix {tile.matrix} it has "
            f"rows {found.min_row} to {found.max_row} and columns {found.min_col} to {found.max_col}."
        )


def last_level(collections: Iterable[Collection]) -> int:
    """The last level of tiles of these collections together. All of them are in them as far as that: clients such as
    QGIS ask for tiles of the tileset's last level beyond it, and no layer of a tile may end before.
    """
    return max((c.tiles.maxzoom for c in collections), default=0)


def is_offered(tiles: Tiles, matrix: Matrix, last: int) -> bool:
    """Whether a collection is in tiles of a level; `last`: of those that it is together with, see `last_level`."""
    return tiles.minzoom <= matrix.zoom <= last


def tile_box(grid: Grid, tile: Tile) -> Box:
    """The tile's box in the grid's CRS, x to the east."""
    matrix = grid.by_level[tile.matrix]
    west = matrix.west + tile.col * matrix.tile_width
    north = matrix.north - tile.row * matrix.tile_height
    return Box(west, north - matrix.tile_height, west + matrix.tile_width, north)


def clip_box(grid: Grid, tile: Tile) -> Box:
    """The same with its buffer: what a tile shows."""
    return tile_box(grid, tile).grown(*_buffer(grid.by_level[tile.matrix]))


def search_box(grid: Grid, tile: Tile, state: State, srid: int, *, former: bool = False) -> Box | None:
    """Box in the CRS `srid` that holds all features of the tile and its buffer; None where none can be.

    former: features of a former state are looked for, which may have reached further than those of today.
    """
    if state.bbox is None and not former:
        return None
    box: Box | None = clip_box(grid, tile)
    if former and state.srid == STORAGE_SRID:
        box = box.common(around(FORMER, CRS84.srid, grid.srid)) if box else None
    elif state.bbox and not former:
        extent = _placed(state.bbox.grown(MARGIN, MARGIN), state.srid, grid)
        box = box.common(extent) if box and extent else box
    if box is None or srid == grid.srid:
        return box
    return to_frame(box, grid.srid, srid).outer.grown(MARGIN, MARGIN)


def inner_box(grid: Grid, tile: Tile, srid: int) -> Box | None:
    """Box in the CRS `srid`: a feature within it is seen by no other tile of the level; None where there is none."""
    dx, dy = _buffer(grid.by_level[tile.matrix])
    return to_frame(tile_box(grid, tile).grown(-dx, -dy), grid.srid, srid).inner
