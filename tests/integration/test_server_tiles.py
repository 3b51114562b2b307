"""Vector tiles, decoded, against the database: which features, where, with which attributes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import pytest
import shapely
from shapely.geometry import box, shape

from server.tiling.grid import BUFFER, EXTENT, Tile, tile_box
from server.tiling.matrixsets import Grid, read_grids

Fetch = Callable[..., list[tuple[Any, ...]]]
MVT = "application/vnd.mapbox-vector-tile"
GRIDS = read_grids(Path(__file__).resolve().parents[2] / "config")
MERCATOR = GRIDS["WebMercatorQuad"]


def at(collection: str, tile: Tile, grid: Grid = MERCATOR) -> str:
    return f"/collections/{collection}/tiles/{grid.id}/{tile.matrix}/{tile.row}/{tile.col}"


def tile_of(x: float, y: float, level: int, grid: Grid = MERCATOR) -> Tile:
    """The tile of a place in the grid's CRS."""
    matrix = grid.by_level[level]
    return Tile(level, int((matrix.north - y) / matrix.tile_height), int((x - matrix.west) / matrix.tile_width))


def decoded(client: httpx.Client, collection: str, tile: Tile, grid: Grid = MERCATOR) -> list[dict[str, Any]]:
    answer = client.get(at(collection, tile, grid))
    if answer.status_code == 204:
        return []
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, MVT)
    layers = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
    assert list(layers) == [collection]
    assert layers[collection]["extent"] == EXTENT
    return layers[collection]["features"]


def placed(geometry: Any, tile: Tile, grid: Grid = MERCATOR) -> Any:
    """A geometry of a tile in the grid's CRS."""
    west, south, east, north = tile_box(grid, tile)
    scale = [(east - west) / EXTENT, (south - north) / EXTENT]
    return shapely.transform(geometry, lambda xy: xy * scale + [west, north])


@pytest.fixture(scope="module")
def places(truth: Fetch) -> list[Tile]:
    """Tiles of all zoom levels around a few features of each kind."""
    rows = truth(
        "select ST_X(c), ST_Y(c) from (select ST_Transform(ST_Centroid(geom), 3857) c from geobasis.flaeche "
        "where id in ('f00301', 'f00011', 'f00100') union all select ST_Transform(geom, 3857) from geobasis.messpunkt "
        "where id in ('p01000', 'p01400')) t"
    )
    return sorted({tile_of(x, y, matrix) for x, y in rows for matrix in (6, 9, 12, 14, 16)})


@pytest.mark.parametrize("collection", ["messpunkt", "flaeche", "bezirk"])
def test_a_tile_holds_what_is_in_it_and_its_buffer(
    client: httpx.Client, truth: Fetch, places: list[Tile], collection: str
) -> None:
    rows = truth(
        f"select fid, id, name, nummer, datum::text, ST_AsBinary(ST_Transform(geom, 3857)) from geobasis.{collection}"
    )
    geometries = shapely.from_wkb([row[5] for row in rows])
    for tile in places:
        bounds = tile_box(MERCATOR, tile)
        unit = (bounds.xmax - bounds.xmin) / EXTENT
        features = {f["id"]: f for f in decoded(client, collection, tile)}
        certain, possible = (box(*bounds.grown(*[(BUFFER + d) * unit] * 2)) for d in (-1, 1))
        for (fid, id_, name, nummer, datum, _), geometry in zip(rows, geometries, strict=True):
            if fid not in features:
                # what is smaller than a unit of the tile may vanish
                gone = geometry.intersection(certain)
                assert gone.is_empty or (collection != "messpunkt" and gone.area < 4 * unit * max(unit, gone.length))
                continue
            found = features[fid]
            assert geometry.intersects(possible)
            expected = {"id": id_, "name": name, "nummer": nummer, "datum": datum}
            assert found["properties"] == {k: v for k, v in expected.items() if v is not None}
            drawn, right = placed(shape(found["geometry"]), tile), geometry.intersection(possible)
            assert drawn.hausdorff_distance(right) < 3 * unit or drawn.symmetric_difference(
                right
            ).area < 8 * unit * max(unit, right.length)


def test_points_are_placed_to_a_unit(client: httpx.Client, truth: Fetch, places: list[Tile]) -> None:
    stored = dict(truth("select fid, ST_AsBinary(ST_Transform(geom, 3857)) from geobasis.messpunkt"))
    seen = 0
    for tile in places:
        unit = (tile_box(MERCATOR, tile).xmax - tile_box(MERCATOR, tile).xmin) / EXTENT
        for feature in decoded(client, "messpunkt", tile):
            drawn = placed(shape(feature["geometry"]), tile)
            assert drawn.distance(shapely.from_wkb(stored[feature["id"]])) <= unit
            seen += 1
    assert seen > 500


def test_tc_success_and_204(client: httpx.Client) -> None:
    metadata = client.get("/collections/flaeche/tiles/WebMercatorQuad").json()
    limits = {int(x["tileMatrix"]): x for x in metadata["tileMatrixSetLimits"]}
    assert sorted(limits) == list(range(5, 17))
    empty = filled = 0
    for matrix in (7, 10):
        x = limits[matrix]
        for row in range(x["minTileRow"], x["maxTileRow"] + 1):
            for col in range(x["minTileCol"], x["maxTileCol"] + 1):
                answer = client.get(at("flaeche", Tile(matrix, row, col)))
                assert answer.status_code in {200, 204}
                if answer.status_code == 204:
                    assert answer.content == b""
                    assert answer.headers["ETag"]
                empty, filled = empty + (answer.status_code == 204), filled + (answer.status_code == 200)
    assert empty > 5
    assert filled > 5


def test_tc_error_outside_the_limits(client: httpx.Client) -> None:
    metadata = client.get("/collections/flaeche/tiles/WebMercatorQuad").json()
    for x in metadata["tileMatrixSetLimits"]:
        matrix = int(x["tileMatrix"])
        for row, col in (
            (x["minTileRow"] - 1, x["minTileCol"]),
            (x["maxTileRow"] + 1, x["minTileCol"]),
            (x["minTileRow"], x["minTileCol"] - 1),
            (x["minTileRow"], x["maxTileCol"] + 1),
        ):
            assert client.get(at("flaeche", Tile(matrix, row, col))).status_code == 404


def test_every_feature_of_the_extent_is_in_a_tile_within_the_limits(client: httpx.Client, truth: Fetch) -> None:
    """Points on the edge of the extent, whose sides are curves in Web Mercator."""
    rows = truth(
        "select fid, ST_X(p), ST_Y(p) from (select fid, ST_Transform(geom, 3857) p from geobasis.messpunkt "
        "where ST_Y(geom) in (5577000, 5820000) or ST_X(geom) in (280000, 531800)) t"
    )
    for fid, x, y in rows[::3]:
        for matrix in (5, 16):
            assert fid in {f["id"] for f in decoded(client, "messpunkt", tile_of(x, y, matrix))}


def test_f_mvt_head_and_validators(client: httpx.Client, truth: Fetch, places: list[Tile]) -> None:
    url = at("flaeche", next(t for t in places if t.matrix == 9))
    plain, named = client.get(url), client.get(url, params={"f": "mvt"})
    assert plain.content == named.content
    assert plain.headers["Last-Modified"] == "Wed, 01 Jul 2026 12:00:00 GMT"
    assert client.get(url, headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304
    assert client.get(url, headers={"Accept": "*/*"}).status_code == 200
    assert client.get(url, headers={"Accept": MVT}).status_code == 200
    assert client.get(url, headers={"Accept": "image/png"}).status_code == 406


def test_templates_lead_to_tiles(client: httpx.Client) -> None:
    """OGC's names in the tileset, bare braces in TileJSON; with f=mvt or .mvt, by which GDAL knows the format."""
    tileset = client.get("/collections/flaeche/tiles/WebMercatorQuad").json()
    template, geojson = (x for x in tileset["links"] if x["rel"] == "item")
    x = tileset["tileMatrixSetLimits"][0]
    place = {"tileMatrix": x["tileMatrix"], "tileRow": str(x["minTileRow"]), "tileCol": str(x["minTileCol"])}
    url = template["href"]
    for name, value in place.items():
        url = url.replace(f"{{{name}}}", value)
    assert template["templated"] is True
    assert client.get(url).headers["Content-Type"] == template["type"] == MVT
    assert geojson["type"] == "application/geo+json"
    assert geojson["href"] == template["href"].replace("f=mvt", "f=json")
    tilejson = client.get("/collections/flaeche/tiles/WebMercatorQuad/tilejson").json()
    assert tilejson["tiles"][0].endswith("/{z}/{x}/{y}.mvt")
    names = {"z": place["tileMatrix"], "x": place["tileCol"], "y": place["tileRow"]}
    assert client.get(tilejson["tiles"][0].format(**names)).content == client.get(url).content
    assert (tilejson["minzoom"], tilejson["maxzoom"]) == (5, 16)
    assert tilejson["vector_layers"][0]["id"] == "flaeche"


def test_an_empty_collection_has_a_tileset_without_tiles(client: httpx.Client) -> None:
    tileset = client.get("/collections/leer/tiles/WebMercatorQuad").json()
    assert tileset["tileMatrixSetLimits"] == []
    assert "bounds" not in client.get("/collections/leer/tiles/WebMercatorQuad/tilejson").json()
