"""Tiles of simplified areas: neighbouring areas meet in each tile, neighbouring tiles make up each area."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import psycopg
import pytest
import shapely
from psycopg import sql
from shapely.geometry import box, shape

from server.catalogue import read_collections
from server.pyramid.make import refresh
from server.settings import Settings
from server.tiling.batch import Maker, Order, read_states
from server.tiling.grid import EXTENT, Tile, tile_box
from server.tiling.matrixsets import Grid, read_grids
from server.tiling.places import occupied

ROOT = Path(__file__).resolve().parents[3]
GEMEINDE = next(c for c in read_collections(ROOT / "collections") if c.id == "gemeinde")
GRIDS = read_grids(ROOT / "config")
ZOOMS = (7, 9, 11)


@dataclass(frozen=True)
class Level:
    """Tiles of a level, their features by fid in units of the tile, and the areas as the pyramid has them."""

    grid: Grid
    tiles: dict[Tile, dict[int, Any]]
    areas: dict[int, Any]

    def placed(self, part: Any, tile: Tile) -> Any:
        """A part of an area in the grid's CRS, without what lies in the tile's buffer."""
        west, south, east, north = tile_box(self.grid, tile)
        scale = [(east - west) / EXTENT, (south - north) / EXTENT]
        return shapely.transform(part, lambda xy: xy * scale + [west, north]).intersection(
            box(west, south, east, north)
        )


@pytest.fixture(scope="module")
def prepared_url(cluster: Any, example_template: str) -> Iterator[str]:
    url = cluster.create(example_template)
    refresh(url, GEMEINDE)
    yield url
    cluster.drop(url)


@pytest.fixture(
    scope="module",
    params=[(name, zoom) for name in ("WebMercatorQuad", "AdV_25832", "WorldCRS84Quad") for zoom in ZOOMS],
    ids=lambda given: f"{given[0]}-{given[1]}",
)
def level(request: pytest.FixtureRequest, prepared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Level:
    name, zoom = request.param
    grid = GRIDS[name]
    chosen = tmp_path_factory.mktemp("collections")
    shutil.copy(ROOT / "collections" / "gemeinde.yaml", chosen)
    settings = Settings(OPENNRW_COLLECTIONS_DIR=chosen)  # pyright: ignore[reportCallIssue]
    with psycopg.connect(prepared_url, autocommit=True) as connection:
        state = read_states(connection, [GEMEINDE])["gemeinde"]
        assert state.pyramid
        (tiles,) = occupied(connection, state, grid, (zoom, zoom))
        query = sql.SQL("select fid, ST_AsBinary(ST_Transform(geom, {})) from {}").format(
            grid.srid, sql.Identifier("tiles", state.pyramid.levels[zoom])
        )
        areas = {fid: shapely.from_wkb(wkb) for fid, wkb in connection.execute(query).fetchall()}
    with closing(Maker(Order(settings, prepared_url, {"gemeinde": state.pyramid.made}, name))) as maker:
        contents = {tile: maker.make(tile).plain for tile in tiles}
    decoded = {
        tile: mapbox_vector_tile.decode(content, default_options={"y_coord_down": True})
        for tile, content in contents.items()
    }
    found = {
        tile: {f["id"]: shape(f["geometry"]) for f in layers.get("gemeinde", {}).get("features", [])}
        for tile, layers in decoded.items()
    }
    return Level(grid, found, areas)


def polygons(shapes: Any) -> list[Any]:
    return [part for found in shapes for part in getattr(found, "geoms", [found])]


def test_areas_meet_within_a_tile(level: Level) -> None:
    """No gap, no overlap, rightly wound, nothing invalid."""
    for tile, features in level.tiles.items():
        parts = polygons(features.values())
        assert all(part.is_valid and part.exterior.is_ccw for part in parts), tile
        assert not any(ring.is_ccw for part in parts for ring in part.interiors)
        union = shapely.union_all(parts)
        assert sum(part.area for part in parts) == pytest.approx(union.area, abs=1e-6)
        assert not [ring for part in polygons([union]) for ring in part.interiors]


def test_tiles_make_up_the_areas(level: Level) -> None:
    """No hairline along the edges of tiles; no area is lost that is larger than some units."""
    unit = level.grid.by_level[next(iter(level.tiles)).matrix].tile_width / EXTENT
    drawn: dict[int, list[Any]] = {}
    for tile, features in level.tiles.items():
        for fid, part in features.items():
            drawn.setdefault(fid, []).append(level.placed(part, tile))
    assert all(area.area < 4 * unit**2 for fid, area in level.areas.items() if fid not in drawn)
    for fid, parts in drawn.items():
        union = shapely.union_all(parts, grid_size=unit / 1000)
        assert level.areas[fid].buffer(-2 * unit).difference(union).is_empty
        assert union.difference(level.areas[fid].buffer(2 * unit)).is_empty
