"""Points for names and lines of borders in tiles of areas; tiles of several collections, of which none ends early."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import numpy as np
import psycopg
import pytest
import shapely
from psycopg import sql

from server.catalogue import read_collections
from server.pyramid.beside import lines
from server.pyramid.make import refresh
from server.state import State
from server.tiling.batch import read_states
from server.tiling.grid import EXTENT, Tile
from server.tiling.matrixsets import read_grids
from server.tiling.places import occupied

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = {c.id: c for c in read_collections(ROOT / "collections")}
NAMES = ("gemeinde", "kreis", "land")
GRIDS = read_grids(ROOT / "config")


@dataclass(frozen=True)
class Town:
    """A service over the example; the first tile of its municipalities before there were tables, and their states."""

    client: httpx.Client
    url: str
    early: dict[str, Any]
    states: dict[str, State]

    def decode(self, path: str, **parameters: str) -> dict[str, list[dict[str, Any]]]:
        answer = self.client.get(path, params=parameters).raise_for_status()
        decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
        return {name: layer["features"] for name, layer in decoded.items()}

    def tiles(self, grid: str, zoom: int, collection: str = "gemeinde") -> list[Tile]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            (found,) = occupied(connection, self.states[collection], GRIDS[grid], (zoom, zoom))
        return found


@pytest.fixture(scope="module")
def town(cluster: Any, example_template: str, serve_probe: Callable[..., Any]) -> Iterator[Town]:
    url = cluster.create(example_template)
    given = {"OPENNRW_COLLECTIONS_DIR": str(ROOT / "collections")}
    with serve_probe(url, **given) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        tileset = client.get("/collections/gemeinde/tiles/WebMercatorQuad", params={"f": "json"}).json()
        limit = tileset["tileMatrixSetLimits"][0]
        first = Tile(*(int(limit[name]) for name in ("tileMatrix", "minTileRow", "minTileCol")))
        early = Town(client, url, {}, {}).decode(path_of(first, "WebMercatorQuad"))
        for name in NAMES:
            refresh(url, COLLECTIONS[name])
        with psycopg.connect(url, autocommit=True) as connection:
            states = read_states(connection, [COLLECTIONS[name] for name in NAMES])
        yield Town(client, url, early, states)
    cluster.drop(url)


def path_of(tile: Tile, grid: str, above: str = "/collections/gemeinde") -> str:
    return f"{above}/tiles/{grid}/{tile.matrix}/{tile.row}/{tile.col}"


@pytest.mark.parametrize(("grid", "zoom"), [("WebMercatorQuad", 9), ("WebMercatorQuad", 13), ("AdV_25832", 13)])
def test_each_area_has_one_point_for_its_name(town: Town, grid: str, zoom: int) -> None:
    """In one tile alone, but for the buffer; within the area, as far as that is in the tile."""
    named, areas = [], set()
    for tile in town.tiles(grid, zoom):
        layers = town.decode(path_of(tile, grid))
        parts = {f["id"]: shapely.geometry.shape(f["geometry"]) for f in layers["gemeinde"]}
        areas |= {f["properties"]["id"] for f in layers["gemeinde"]}
        for feature in layers.get("gemeinde.names", []):
            x, y = feature["geometry"]["coordinates"]
            assert parts[feature["id"]].buffer(1).contains(shapely.Point(x, y))
            if 0 <= x < EXTENT and 0 <= y < EXTENT:
                named.append(feature["properties"]["id"])
                assert set(feature["properties"]) == {"id", "gn", "kn"}
    assert sorted(named) == sorted(areas)


def read_level(town: Town, collection: str, zoom: int | None) -> tuple[list[Any], list[Any]]:
    """Areas of a level and its lines with their rank."""
    pyramid = town.states[collection].pyramid
    assert pyramid
    relation = pyramid.base if zoom is None else pyramid.levels[zoom]
    with psycopg.connect(town.url) as connection:
        query = sql.SQL("select kn, ST_AsBinary(geom) from {}").format(sql.Identifier("tiles", relation))
        areas = [(key, shapely.from_wkb(wkb)) for key, wkb in connection.execute(query).fetchall()]
        query = sql.SQL("select rank, ST_AsBinary(geom) from {}").format(sql.Identifier("tiles", f"{relation}_borders"))
        return areas, [(rank, shapely.from_wkb(wkb)) for rank, wkb in connection.execute(query).fetchall()]


@pytest.mark.parametrize("zoom", [None, 12, 8])
def test_each_border_is_there_once_with_its_rank(town: Town, zoom: int | None) -> None:
    areas, borders = read_level(town, "gemeinde", zoom)
    drawn = shapely.union_all([line for _, line in borders])
    assert sum(line.length for _, line in borders) == pytest.approx(drawn.length)
    outlines = shapely.union_all([area.boundary for _, area in areas])
    assert drawn.symmetric_difference(outlines).length == pytest.approx(0, abs=1e-6)
    lengths = {"land": 2, "regierungsbezirk": 3, "kreis": 5, "gemeinde": 8}
    for rank, length in lengths.items():
        units = {key[:length] for key, _ in areas}
        edges = [shapely.union_all([area for key, area in areas if key[:length] == unit]).boundary for unit in units]
        upper = [line for name, line in borders if lengths[name] <= length]
        expected = shapely.union_all(edges).length
        assert shapely.union_all(upper).length == pytest.approx(expected, rel=1e-9), rank
    assert {rank for rank, _ in borders} >= {"land", "gemeinde"}


def test_lines_of_areas_with_holes_and_without_neighbours() -> None:
    outer = shapely.box(0, 0, 10, 10).difference(shapely.box(2, 2, 4, 4))
    shapes = np.array([outer, shapely.box(2, 2, 4, 4), shapely.box(10, 0, 20, 5), shapely.box(30, 0, 31, 1)])
    found = {pair: line.length for pair, line in lines(shapes)}
    # the corner of the third is no vertex of the first: each has its own line there
    assert found == {(0, 1): 8, (0, None): 40, (2, None): 30, (3, None): 4}
    shapes[0] = shapely.Polygon([(0, 0), (10, 0), (10, 5), (10, 10), (0, 10)])
    assert {pair: line.length for pair, line in lines(shapes[[0, 2]])} == {(0, 1): 5, (0, None): 35, (1, None): 25}


def test_until_the_tables_are_there_names_and_borders_are_made_of_the_areas(town: Town) -> None:
    assert len(town.early["gemeinde.names"]) > 1
    assert {f["geometry"]["type"] for f in town.early["gemeinde.borders"]} <= {"LineString", "MultiLineString"}
    assert {len(features) for features in town.early.values()} == {len(town.early["gemeinde"])}


def test_metadata_tell_of_the_layers_that_tiles_have(town: Town) -> None:
    (tile,) = town.tiles("WebMercatorQuad", 9)[:1]
    layers = town.decode(path_of(tile, "WebMercatorQuad"))
    assert set(layers) == {"gemeinde", "gemeinde.borders", "gemeinde.names"}
    above = "/collections/gemeinde/tiles/WebMercatorQuad"
    described = {x["id"]: x for x in town.client.get(above, params={"f": "json"}).json()["layers"]}
    assert [x["geometryDimension"] for x in described.values()] == [2, 1, 0]
    told = {x["id"]: set(x["fields"]) for x in town.client.get(f"{above}/tilejson").json()["vector_layers"]}
    assert list(told) == list(described)
    for name, features in layers.items():
        used = {key for feature in features for key in feature["properties"]}
        assert used == told[name] == set(described[name]["propertiesSchema"]["properties"])
    page = town.client.get(above, params={"f": "html", "lang": "en"}).text
    assert "gemeinde.borders" in page
    assert "gemeinde.borders&#34;" not in page

    chosen = {"filter": "kn LIKE '05%'"}
    assert set(town.decode(path_of(tile, "WebMercatorQuad"), **chosen)) == {"gemeinde"}
    told = town.client.get(f"{above}/tilejson", params=chosen).json()["vector_layers"]
    assert [x["id"] for x in told] == ["gemeinde"]
    features = town.client.get(path_of(tile, "WebMercatorQuad"), params={"f": "json"}).json()["features"]
    assert {x["featureType"] for x in features} == {"gemeinde"}


def test_no_collection_ends_before_the_others_in_their_tiles(town: Town) -> None:
    """QGIS asks for tiles of one last level, beyond which it draws these larger."""
    layers = town.client.get("/tiles/WebMercatorQuad/tilejson").json()["vector_layers"]
    assert {x["maxzoom"] for x in layers} == {17}
    chosen = {"collections": "adresse,gemeinde,kreis,land"}
    tileset = town.client.get("/tiles/AdV_25832", params={**chosen, "f": "json"}).json()
    assert {x["maxTileMatrix"] for x in tileset["layers"]} == {tileset["tileMatrixSetLimits"][-1]["tileMatrix"]}
    with psycopg.connect(town.url) as connection:
        address = "select ST_Transform(geom, 3857) as geom from geobasis.adresse limit 1"
        x, y = connection.execute(f"select ST_X(geom), ST_Y(geom) from ({address}) a").fetchone() or (0, 0)
    size = 2 * 20037508.342789244 / 2**16
    place = Tile(16, int((20037508.342789244 - y) // size), int((x + 20037508.342789244) // size))
    layers = town.decode(path_of(place, "WebMercatorQuad", ""), **chosen)
    assert {"adresse", "gemeinde", "kreis", "land"} <= set(layers)
    alone = town.client.get(path_of(place, "WebMercatorQuad"))
    assert alone.status_code == 404
    assert "tileMatrix 16 is not offered here: this tileset has 6 to 14" in alone.json()["detail"]
