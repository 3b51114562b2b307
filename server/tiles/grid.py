"""Tiles of WebMercatorQuad: which exist, and where they are."""

import re
from functools import lru_cache
from typing import NamedTuple

import morecantile

from server.catalogue import Tiles
from server.crs import Box, around
from server.errors import NotFound, shorten
from server.state import State

NAME = "WebMercatorQuad"
URI = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{NAME}"
SRID = 3857
EXTENT = 4096
BUFFER = 64

# Edge of the square that Web Mercator maps the world to, metres
EDGE = 20037508.342789244


class Tile(NamedTuple):
    """A tile: zoom level, row from the top, column from the left."""

    matrix: int
    row: int
    col: int


class Limits(NamedTuple):
    """First and last row and column of a tile matrix that touch a collection, both included."""

    min_row: int
    max_row: int
    min_col: int
    max_col: int


@lru_cache(maxsize=1)
def matrix_set() -> morecantile.TileMatrixSet:
    """The definition of WebMercatorQuad."""
    return morecantile.tms.get(NAME)


def parse_tile(matrix: str, row: str, col: str) -> Tile:
    """The tile of a path's three parts. Raises NotFound where they are no plain numbers."""
    for name, text in (("tileMatrix", matrix), ("tileRow", row), ("tileCol", col)):
        if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
            raise NotFound(f"{name} '{shorten(text)}' is no whole number from 0 on. See the tileset for its range.")
    return Tile(int(matrix), int(row), int(col))


def limits(state: State, matrix: int) -> Limits | None:
    """Rows and columns that a collection reaches at a zoom level, its buffer included; None while it is empty."""
    if state.bbox is None:
        return None
    box = around(state.bbox, state.srid, SRID)
    size = 2 * EDGE / 2**matrix
    buffer = size * BUFFER / EXTENT
    cols = [_clamped((x + EDGE) / size, matrix) for x in (box.xmin - buffer, box.xmax + buffer)]
    rows = [_clamped((EDGE - y) / size, matrix) for y in (box.ymax + buffer, box.ymin - buffer)]
    return Limits(rows[0], rows[1], cols[0], cols[1])


def _clamped(value: float, matrix: int) -> int:
    return min(max(int(value // 1), 0), 2**matrix - 1)


def check_tile(tile: Tile, tiles: Tiles, state: State) -> None:
    """Raise NotFound for a tile outside the tileset's limits (Tiles Part 1, /req/core/tc-error)."""
    if not tiles.minzoom <= tile.matrix <= tiles.maxzoom:
        raise NotFound(
            f"tileMatrix {tile.matrix} is not offered here: this tileset has {tiles.minzoom} to {tiles.maxzoom}."
        )
    found = limits(state, tile.matrix)
    if found is None:
        raise NotFound("The collection is empty: it has no tiles yet.")
    if not (found.min_row <= tile.row <= found.max_row and found.min_col <= tile.col <= found.max_col):
        raise NotFound(
            f"Tile {tile.matrix}/{tile.row}/{tile.col} lies outside the tileset: at tileMatrix {tile.matrix} it has "
            f"rows {found.min_row} to {found.max_row} and columns {found.min_col} to {found.max_col}."
        )


def tile_box(tile: Tile) -> Box:
    """The tile's box in EPSG:3857, metres."""
    size = 2 * EDGE / 2**tile.matrix
    west, north = tile.col * size - EDGE, EDGE - tile.row * size
    return Box(west, north - size, west + size, north)


def search_box(tile: Tile, state: State) -> Box | None:
    """Box in the collection's CRS that holds all features of the tile and its buffer; None where none can be."""
    if state.bbox is None:
        return None
    box = tile_box(tile)
    buffer = (box.xmax - box.xmin) * BUFFER / EXTENT
    cut = box.grown(buffer, buffer).common(around(state.bbox.grown(10, 10), state.srid, SRID))
    return around(cut, SRID, state.srid).grown(10, 10) if cut else None
