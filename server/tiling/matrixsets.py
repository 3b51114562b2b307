"""Tile matrix sets (OGC 17-083r4): two of the standard's own, and those of config/tilematrixsets/*.json."""

import math
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import morecantile
import orjson
from morecantile.models import TileMatrix
from pydantic import ValidationError
from pyproj.exceptions import CRSError

from server.crs import CRS84, EPSG
from server.errors import ConfigurationError

MERCATOR = "WebMercatorQuad"
STANDARD = (MERCATOR, "WorldCRS84Quad")
# Axes that lead to the east and then to the north, as all geometries here do
EAST_FIRST = {("X", "Y"), ("E", "N"), ("Lon", "Lat")}
# Scale of WebMercatorQuad's first level: each level halves it
SCALE = 559_082_264.0287178


@dataclass(frozen=True)
class Matrix:
    """A level of a grid: the edges of a tile and the north-western corner in the CRS's units, x to the east; the
    number of columns and rows.

    zoom: the level of WebMercatorQuad with this scale; by it the collections say what they show where.
    """

    level: int
    zoom: int
    tile_width: float
    tile_height: float
    west: float
    north: float
    cols: int
    rows: int


@dataclass(frozen=True, eq=False)
class Grid:
    """A tile matrix set. `aliases`: what else it is called in paths; `document`: its definition as it is served."""

    id: str
    srid: int
    crs: str
    uri: str | None
    aliases: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    document: dict[str, Any]

    @cached_property
    def by_level(self) -> dict[int, Matrix]:
        """The levels by their number."""
        return {matrix.level: matrix for matrix in self.matrices}

    def between(self, minzoom: int, maxzoom: int) -> tuple[Matrix, ...]:
        """The levels whose scales lie between those of two levels of WebMercatorQuad, both included."""
        return tuple(m for m in self.matrices if minzoom <= m.zoom <= maxzoom)


@lru_cache(maxsize=8)
def read_grids(config_dir: Path) -> dict[str, Grid]:
    """All grids by id, those of the standard first. Raises ConfigurationError that names the file."""
    found = [_standard(name) for name in STANDARD]
    for path in sorted((config_dir / "tilematrixsets").glob("*.json")):
        grid = _read(path)
        if grid.id != path.stem:
            raise ConfigurationError(
                f"{path}: id is '{grid.id}', but a tile matrix set's file bears its id: rename one."
            )
        found.append(grid)
    return {grid.id: grid for grid in found}


@lru_cache(maxsize=8)
def grids_by_name(config_dir: Path) -> dict[str, Grid]:
    """The same by id and by alias."""
    grids = read_grids(config_dir)
    return {alias: grid for grid in grids.values() for alias in grid.aliases} | grids


def _standard(name: str) -> Grid:
    model = morecantile.tms.get(name)
    return _to_grid(model, orjson.loads(model.model_dump_json(exclude_none=True)), name)


def _read(path: Path) -> Grid:
    try:
        text = path.read_bytes()
        return _to_grid(morecantile.TileMatrixSet.model_validate_json(text), orjson.loads(text), str(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except CRSError as error:
        raise ConfigurationError(f"{path}: crs: {error}. Give {EPSG}<code> or {CRS84.uri}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ConfigurationError(f"{path}: {where}: {first['msg']}. It must be a tile matrix set (TMS 2.0).") from error


def _to_grid(model: morecantile.TileMatrixSet, document: dict[str, Any], source: str) -> Grid:
    crs = str(document["crs"])
    if tuple(document.get("orderedAxes", ())) not in EAST_FIRST:
        raise ConfigurationError(f"{source}: orderedAxes must name the axis to the east first, such as E, N.")
    matrices = tuple(_to_matrix(matrix, source) for matrix in model.tileMatrices)
    aliases = tuple(document.get("keywords", ()))
    return Grid(str(model.id), _srid(crs, source), crs, document.get("uri"), aliases, matrices, document)


def _to_matrix(matrix: TileMatrix, source: str) -> Matrix:
    if matrix.id.startswith("-") or matrix.cornerOfOrigin != "topLeft" or matrix.variableMatrixWidths:
        rule = "levels are numbered, begin at the top left and have columns of one width"
        raise ConfigurationError(f"{source}: tile matrix '{matrix.id}' is not supported here: {rule}.")
    west, north = matrix.pointOfOrigin
    return Matrix(
        level=int(matrix.id),
        zoom=round(math.log2(SCALE / matrix.scaleDenominator)),
        tile_width=matrix.cellSize * matrix.tileWidth,
        tile_height=matrix.cellSize * matrix.tileHeight,
        west=west,
        north=north,
        cols=matrix.matrixWidth,
        rows=matrix.matrixHeight,
    )


def _srid(crs: str, source: str) -> int:
    if crs == CRS84.uri:
        return CRS84.srid
    if found := re.fullmatch(re.escape(EPSG) + r"(\d{4,6})", crs):
        return int(found[1])
    raise ConfigurationError(f"{source}: crs '{crs}' is not supported: give {EPSG}<code> or {CRS84.uri}.")
