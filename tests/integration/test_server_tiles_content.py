"""Tiles of all grids, decoded: neighbours agree, forms agree, several collections, what is asked for, how much."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import numpy as np
import psycopg
import pyproj
import pytest
import shapely
import yaml
from shapely.geometry import box, shape

from server.catalogue import Collection, read_collections
from server.crs import Box
from server.pyramid.sources import live_source
from server.state import State
from server.tiling.grid import BUFFER, EXTENT, Tile, clip_box, limits, tile_box
from server.tiling.making import MAX_BYTES, LayerRow, Share, Wanted, layer_steps
from server.tiling.matrixsets import Grid, read_grids
from server.tiling.query import MAX_FEATURES, Form

Fetch = Callable[..., list[tuple[Any, ...]]]
Features = dict[Any, dict[str, Any]]
GRIDS = read_grids(Path(__file__).resolve().parents[2] / "config")
WEST, SOUTH, EAST, NORTH = 280_000, 5_577_000, 531_800, 5_820_000  # of the probe
LEFT_OUT = "OpenNRW-Left-Out"
# a level of each grid with tiles of some 80 km, and one of some 10 km
LEVELS = {"WebMercatorQuad": (8, 11), "WorldCRS84Quad": (7, 10), "AdV_25832": (4, 7)}


def url(tile: Tile, grid: Grid, collection: str | None = None) -> str:
    above = f"/collections/{collection}" if collection else ""
    return f"{above}/tiles/{grid.id}/{tile.matrix}/{tile.row}/{tile.col}"


def layers(answer: httpx.Response) -> dict[str, Features]:
    """Features by layer and feature id, y downwards."""
    assert answer.status_code in {200, 204}, answer.text
    decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
    assert all(layer["extent"] == EXTENT for layer in decoded.values())
    return {name: {f["id"]: f for f in layer["features"]} for name, layer in decoded.items()}


def placed(feature: dict[str, Any], tile: Tile, grid: Grid) -> Any:
    """Geometry of a feature in the grid's CRS."""
    west, south, east, north = tile_box(grid, tile)
    scale = [(east - west) / EXTENT, (south - north) / EXTENT]
    return shapely.transform(shape(feature["geometry"]), lambda xy: xy * scale + [west, north])


def tiles_of(grid: Grid, level: int, area: Box) -> list[Tile]:
    """The tiles that a box in EPSG:25832 touches."""
    found = limits(State(bbox=area), grid, grid.by_level[level])
    assert found is not None
    rows, cols = range(found.min_row, found.max_row + 1), range(found.min_col, found.max_col + 1)
    return [Tile(level, row, col) for row in rows for col in cols]


def middle(grid: Grid, level: int) -> Tile:
    """A tile in the thick of the probe."""
    return tiles_of(grid, level, Box(356_000, 5_706_000, 356_001, 5_706_001))[0]


def polygons(feature: dict[str, Any]) -> list[Any]:
    geometry = shape(feature["geometry"])
    return list(getattr(geometry, "geoms", [geometry]))


@pytest.mark.parametrize("name", LEVELS)
def test_the_parts_of_neighbouring_tiles_make_up_the_feature(client: httpx.Client, truth: Fetch, name: str) -> None:
    """No hairline along the edges of tiles, nothing doubled, nothing lost."""
    grid, (level, _) = GRIDS[name], LEVELS[name]
    parts: dict[int, list[Any]] = {}
    for tile in tiles_of(grid, level, Box(WEST, SOUTH, EAST, NORTH)):
        answer = client.get(url(tile, grid, "bezirk"))
        for fid, feature in layers(answer).get("bezirk", {}).items():
            part = placed(feature, tile, grid).intersection(box(*tile_box(grid, tile)))
            parts.setdefault(fid, []).append(part)
    unit = grid.by_level[level].tile_width / EXTENT
    rows = truth(f"select fid, ST_AsBinary(ST_Transform(geom, {grid.srid})) from geobasis.bezirk")
    large = [(fid, shapely.from_wkb(wkb)) for fid, wkb in rows if len(wkb) > 1000]
    assert len(large) == 21
    for fid, right in large:
        drawn = shapely.union_all(parts[fid], grid_size=unit / 1000)
        assert right.buffer(-2 * unit).difference(drawn).is_empty
        assert drawn.difference(right.buffer(2 * unit)).is_empty


@pytest.mark.parametrize("name", LEVELS)
def test_neighbouring_features_meet_and_are_wound_rightly(client: httpx.Client, name: str) -> None:
    """Districts that share vertices leave no gap in a tile; outer rings have a positive area, y downwards."""
    grid, (_, level) = GRIDS[name], LEVELS[name]
    whole = box(-BUFFER, -BUFFER, EXTENT + BUFFER, EXTENT + BUFFER)
    for tile in tiles_of(grid, level, Box(325_000, 5_693_000, 336_000, 5_704_000)):
        features = layers(client.get(url(tile, grid, "bezirk")))["bezirk"]
        found = [polygon for feature in features.values() for polygon in polygons(feature)]
        assert all(polygon.exterior.is_ccw for polygon in found)
        assert not any(ring.is_ccw for polygon in found for ring in polygon.interiors)
        assert all(polygon.is_valid for polygon in found)
        assert shapely.union_all(found).equals(whole), "gaps between districts, or the buffer is not filled"


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("collection", ["messpunkt", "flaeche"])
def test_every_grid_shows_the_same_features(client: httpx.Client, truth: Fetch, name: str, collection: str) -> None:
    grid, (_, level) = GRIDS[name], LEVELS[name]
    rows = truth(f"select fid, id, ST_AsBinary(ST_Transform(geom, {grid.srid})) from geobasis.{collection}")
    geometries = shapely.from_wkb([row[2] for row in rows])
    for tile in tiles_of(grid, level, Box(350_000, 5_700_000, 360_000, 5_710_000)):
        unit = grid.by_level[level].tile_width / EXTENT
        found = layers(client.get(url(tile, grid, collection))).get(collection, {})
        seen = box(*tile_box(grid, tile))
        for (fid, id_, _), geometry in zip(rows, geometries, strict=True):
            if collection == "messpunkt" and seen.contains(geometry):
                assert fid in found, (tile, id_)
            if geometry.intersection(seen).area > 9 * unit**2:
                assert fid in found, (tile, id_)
            if fid in found:
                assert found[fid]["properties"]["id"] == id_
                assert placed(found[fid], tile, grid).distance(geometry) <= unit


def test_the_two_german_grids_are_one(client: httpx.Client) -> None:
    """Counted from another corner, tiles of EU_25832 are those of AdV_25832; an alias is the grid itself."""
    for level, row, col in ((4, 7, 4), (7, 61, 40)):
        answer = client.get(url(Tile(level, row, col), GRIDS["AdV_25832"]))
        europe = Tile(level, row + 2 * 2**level, col + 3 * 2**level)
        other = client.get(url(europe, GRIDS["EU_25832"]))
        assert answer.status_code == 200
        assert other.content == answer.content
        assert other.headers["ETag"] == answer.headers["ETag"]
        alias = client.get(f"/tiles/DE_EPSG_25832_ADV/{level:02}/{row}/{col}")
        assert alias.content == answer.content


@pytest.mark.parametrize("name", LEVELS)
def test_a_geojson_tile_shows_what_the_mvt_tile_shows(client: httpx.Client, name: str) -> None:
    grid, (level, _) = GRIDS[name], LEVELS[name]
    tile = middle(grid, level)
    mvt = layers(client.get(url(tile, grid)))
    answer = client.get(url(tile, grid), params={"f": "json"})
    assert answer.headers["Content-Type"] == "application/geo+json"
    features = answer.json()["features"]
    by_kind: dict[str, dict[str, Any]] = {}
    for feature in features:
        by_kind.setdefault(feature["featureType"], {})[feature["id"]] = feature
    assert {kind: len(found) for kind, found in by_kind.items()} == {kind: len(found) for kind, found in mvt.items()}
    to_degrees = pyproj.Transformer.from_crs(grid.srid, 4326, always_xy=True).transform
    for kind, found in mvt.items():
        for feature in found.values():
            twin = by_kind[kind][feature["properties"].pop("id")]
            assert {k: v for k, v in twin["properties"].items() if v is not None} == feature["properties"]
            expected = shapely.transform(placed(feature, tile, grid), lambda xy: np.stack(to_degrees(*xy.T), axis=1))
            assert shape(twin["geometry"]).hausdorff_distance(expected) < 1e-6
            if "Polygon" in twin["geometry"]["type"]:
                assert all(polygon.exterior.is_ccw for polygon in polygons(twin))
    accepted = client.get(url(tile, grid), headers={"Accept": "application/geo+json"})
    assert accepted.json() == answer.json()


def test_an_empty_geojson_tile_is_an_empty_collection(client: httpx.Client) -> None:
    grid = GRIDS["WebMercatorQuad"]
    path = url(middle(grid, 8), grid, "messpunkt")
    answer = client.get(path, params={"filter": "id = 'none'"})
    assert (answer.status_code, answer.content) == (204, b"")
    answer = client.get(path, params={"filter": "id = 'none'", "f": "json"})
    assert answer.json() == {"type": "FeatureCollection", "features": []}


def test_query_collections_and_collections_response(client: httpx.Client) -> None:
    """A tile of several collections has their layers one after the other, in the catalogue's order."""
    grid = GRIDS["WebMercatorQuad"]
    tile = middle(grid, 9)
    parts = [client.get(url(tile, grid, name)).content for name in ("bezirk", "flaeche", "messpunkt")]
    assert client.get(url(tile, grid)).content == b"".join(parts)
    for asked in ("messpunkt,bezirk", "bezirk,messpunkt,bezirk"):
        assert client.get(url(tile, grid), params={"collections": asked}).content == parts[0] + parts[2]
    wrong = client.get(url(tile, grid), params={"collections": "bezirk,nix"})
    assert wrong.status_code == 400
    assert "there is no collection 'nix'. Use some of: bezirk,flaeche,leer,messpunkt" in wrong.json()["detail"]
    own = client.get(url(tile, grid, "bezirk"), params={"collections": "bezirk"})
    assert "The parameter 'collections' is not known here" in own.json()["detail"]
    chosen = client.get(
        "/tiles/WebMercatorQuad", params={"collections": "leer,messpunkt", "filter": "nummer = 3"}
    ).json()
    assert [layer["id"] for layer in chosen["layers"]] == ["leer", "messpunkt"]
    [template] = [x["href"] for x in chosen["links"] if x["rel"] == "item" and "mapbox" in x["type"]]
    query = "collections=leer,messpunkt&filter=nummer%20%3D%203&f=mvt"
    assert template.endswith(f"/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?{query}")
    names = {"{tileMatrix}": "9", "{tileRow}": str(tile.row), "{tileCol}": str(tile.col)}
    for name, value in names.items():
        template = template.replace(name, value)
    assert {f["properties"]["nummer"] for f in layers(client.get(template))["messpunkt"].values()} == {3}


def test_the_path_of_xyz_clients(client: httpx.Client) -> None:
    place = Tile(9, 170, 266)
    for above in ("", "/collections/messpunkt"):
        standard = client.get(f"{above}/tiles/WebMercatorQuad/9/{place.row}/{place.col}")
        xyz = client.get(f"{above}/tiles/WebMercatorQuad/9/{place.col}/{place.row}.mvt")
        assert (xyz.status_code, xyz.content) == (200, standard.content)
        assert "Vary" in standard.headers
        assert "Accept," not in xyz.headers.get("Vary", "") + ","
    wrong = client.get("/tiles/WebMercatorQuad/9/266/170.mvt", params={"f": "json"})
    assert "it is no format of this resource. Use one of: mvt." in wrong.json()["detail"]


def test_filter_q_and_datetime_choose_features(client: httpx.Client) -> None:
    grid = GRIDS["AdV_25832"]
    tile = middle(grid, 4)
    everything = layers(client.get(url(tile, grid, "messpunkt")))["messpunkt"]
    some = layers(client.get(url(tile, grid, "messpunkt"), params={"filter": "nummer > 5 AND name LIKE 'Str%'"}))
    wanted = {
        fid
        for fid, f in everything.items()
        if f["properties"].get("nummer", 0) > 5 and f["properties"].get("name", "").startswith("Str")
    }
    assert some["messpunkt"].keys() == wanted
    assert 0 < len(wanted) < len(everything)
    dated = layers(client.get(url(tile, grid, "messpunkt"), params={"datetime": "2020-06-01/2020-08-31"}))["messpunkt"]
    days = {fid: f["properties"].get("datum") for fid, f in everything.items()}
    assert dated.keys() == {fid for fid, day in days.items() if day is None or "2020-06-01" <= day <= "2020-08-31"}
    assert 0 < len(dated) < len(everything)
    wrong = client.get(url(tile, grid), params={"filter": "nix = 1"}).json()["detail"]
    assert "the tile shows several collections, and for 'bezirk' 'nix' is no queryable of 'bezirk'" in wrong
    assert "Name by collections those that it fits." in wrong
    past = client.get(url(tile, grid, "messpunkt"), params={"asOf": "2020-01-01T00:00:00Z"})
    assert "no former states of 'messpunkt' are kept" in past.json()["detail"]
    paths = (url(tile, grid, "messpunkt"), "/collections/messpunkt/tiles/AdV_25832", "/tiles/AdV_25832/tilejson")
    for name, value in (("filter", "nummer >"), ("datetime", "x"), ("asOf", "x"), ("q", "x")):
        for path in paths:
            assert client.get(path, params={name: value}).status_code == 400, (path, name)


def test_what_is_smaller_than_a_unit_is_told(client: httpx.Client, truth: Fetch) -> None:
    grid, tile = GRIDS["AdV_25832"], Tile(0, 0, 0)
    answer = client.get(url(tile, grid, "flaeche"))
    drawn = len(layers(answer)["flaeche"])
    [(total,)] = truth("select count(*) from geobasis.flaeche")
    assert answer.headers[LEFT_OUT] == f"flaeche={total - drawn}"
    assert 0 < drawn < total
    everything = client.get(url(tile, grid), headers={"If-None-Match": client.get(url(tile, grid)).headers["ETag"]})
    assert everything.status_code == 304
    assert f"flaeche={total - drawn}" in everything.headers[LEFT_OUT]
    assert LEFT_OUT not in client.get(url(Tile(7, 61, 40), grid, "flaeche")).headers


@pytest.fixture(scope="module")
def make(collections_dir: Path, truth: Fetch, probe: Any) -> Iterator[Callable[..., LayerRow]]:
    """Makes a layer of the probe by its statements, as small as the test wants it."""
    collections: dict[str, Collection] = {c.id: c for c in read_collections(collections_dir)}
    with psycopg.connect(probe.database_url, autocommit=True) as connection:

        def run(name: str, grid: Grid, tile: Tile, share: Share, form: Form = "mvt") -> LayerRow:
            [(version, bbox)] = truth("select version, bbox from provenance.collection where collection = %s", [name])
            state = State(version=version, bbox=Box(*bbox))
            collection = collections[name]
            steps = layer_steps(Wanted(collection, grid, tile, form), state, live_source(collection), share=share)
            try:
                step = next(steps)
                while True:
                    step = steps.send(connection.execute(step.text, step.parameters).fetchone() or ())
            except StopIteration as end:
                return end.value

        yield run


def features_of(row: LayerRow) -> Features:
    decoded = mapbox_vector_tile.decode(bytes(row[1] or b""), default_options={"y_coord_down": True})
    return {f["id"]: f for layer in decoded.values() for f in layer["features"]}


@pytest.mark.parametrize("collection", ["messpunkt", "flaeche"])
@pytest.mark.parametrize("share", [Share(features=60), Share(size=4000)], ids=["features", "bytes"])
def test_too_much_is_thinned_so_that_neighbours_agree(
    make: Callable[..., LayerRow], collection: str, share: Share
) -> None:
    """What a neighbour shows, too, stays; then the larger ones; the number left out is told; again is the same."""
    grid = GRIDS["AdV_25832"]
    tile = middle(grid, 6)
    whole, thinned = make(collection, grid, tile, Share()), make(collection, grid, tile, share)
    everything, found = features_of(whole), features_of(thinned)
    assert 0 < len(found) == thinned[2] < len(everything)
    assert thinned[3] == len(everything) - len(found) + whole[3]
    assert len(found) <= share.features
    assert len(bytes(thinned[1] or b"")) <= share.size
    assert all(found[fid] == everything[fid] for fid in found)
    assert make(collection, grid, tile, share) == thinned
    inner = box(BUFFER, BUFFER, EXTENT - BUFFER, EXTENT - BUFFER)
    shared = {fid for fid, f in everything.items() if not inner.contains(shape(f["geometry"]))}
    assert shared <= found.keys()
    if collection == "flaeche":
        kept = min(shape(found[fid]["geometry"]).area for fid in found.keys() - shared)
        lost = max(shape(everything[fid]["geometry"]).area for fid in everything.keys() - found.keys())
        assert lost <= kept + 4 * shape(everything[max(everything)]["geometry"]).length


def test_a_thinned_geojson_layer_is_small_enough(make: Callable[..., LayerRow]) -> None:
    tile = middle(GRIDS["AdV_25832"], 6)
    version, content, drawn, left_out = make("flaeche", GRIDS["AdV_25832"], tile, Share(size=3000), "json")
    assert version == 1
    assert len(content or b"") <= 3000
    assert drawn > 0
    assert left_out > 0
    assert make("flaeche", GRIDS["AdV_25832"], tile, Share(size=10))[2] == 0, "not even one fits"


CROWD = """
insert into geobasis.messpunkt (fid, id, name, delivery, digest, geom)
select 9000000000000000 + i, 'm' || i, 'Menge', 1, '\\x00',
  ST_SetSRID(ST_MakePoint(400000 + i % 300 * 2, 5700000 + i / 300 * 2), 25832)
from generate_series(1, 60000) i;
insert into geobasis.flaeche (fid, id, name, delivery, digest, geom)
select 9000000000000000 + i, 'm' || i, 'Menge', 1, '\\x00',
  ST_Multi(ST_Buffer(ST_SetSRID(ST_MakePoint(400000 + i % 80 * 8, 5700000 + i / 80 * 8), 25832), 5 + i % 3 / 3.0, 24))
from generate_series(1, 8000) i
"""


@pytest.fixture(scope="module")
def crowded(
    cluster: Any, probe_template: str, collections_dir: Path, serve_probe: Callable[..., Any], tmp_path_factory: Any
) -> Iterator[httpx.Client]:
    """The probe with more in one place than a tile may show; attributes begin at levels, one collection is separate."""
    url_ = cluster.create(probe_template)
    with psycopg.connect(url_, autocommit=True) as connection:
        connection.execute(CROWD.encode())
    folder = tmp_path_factory.mktemp("crowd")
    for path in collections_dir.glob("*.yaml"):
        collection = yaml.safe_load(path.read_text("utf-8"))
        collection["tiles"]["properties"] = {"name": 5, "nummer": 14}
        collection["tiles"]["separate"] = path.stem == "bezirk"
        (folder / path.name).write_text(yaml.safe_dump(collection, allow_unicode=True), "utf-8")
    with serve_probe(url_, OPENNRW_COLLECTIONS_DIR=str(folder)) as served, httpx.Client(base_url=served.url) as client:
        yield client
    cluster.drop(url_)


def test_no_tile_is_too_large_and_the_header_says_what_is_missing(crowded: httpx.Client, truth: Fetch) -> None:
    grid = GRIDS["AdV_25832"]
    tile = tiles_of(grid, 9, Box(400_300, 5_700_200, 400_301, 5_700_201))[0]
    sides = clip_box(grid, tile)
    there = {"messpunkt": 60_000, "flaeche": 8_000}
    for name in there:
        in_it = f"ST_Intersects(geom, ST_MakeEnvelope({sides.xmin}, {sides.ymin}, {sides.xmax}, {sides.ymax}, 25832))"
        there[name] += truth(f"select count(*) from geobasis.{name} where {in_it}")[0][0]
    for name in ("messpunkt", "flaeche", None):
        answer = crowded.get(url(tile, grid, name))
        assert 300_000 < len(answer.content) <= MAX_BYTES
        drawn = {layer: len(found) for layer, found in layers(answer).items()}
        assert sum(drawn.values()) <= MAX_FEATURES
        told = (part.split("=") for part in answer.headers[LEFT_OUT].split(", "))
        left_out = {layer: int(number) for layer, number in told}
        for layer, number in drawn.items():
            assert number + left_out.get(layer, 0) == there[layer]
        assert crowded.get(url(tile, grid, name)).content == answer.content
    geojson = crowded.get(url(tile, grid), params={"f": "json"})
    assert len(geojson.content) <= MAX_BYTES
    assert geojson.json()["features"]
    said = crowded.get("/tiles/AdV_25832").json()["tileLimits"]
    assert (said["maxBytes"], said["maxFeatures"], said["leftOutHeader"]) == (MAX_BYTES, MAX_FEATURES, LEFT_OUT)
    assert "fehlt" in said["description"]


def test_attributes_begin_at_their_levels_and_doubles_are_asked_for(crowded: httpx.Client) -> None:
    grid = GRIDS["AdV_25832"]
    attributes = {}
    for level in (4, 9):  # those of 9 and of 14 in WebMercatorQuad
        found = layers(crowded.get(url(middle(grid, level), grid)))
        assert "bezirk" not in found
        attributes[level] = {name for f in found["flaeche"].values() for name in f["properties"]}
    assert attributes == {4: {"id", "name"}, 9: {"id", "name", "nummer"}}
    named = crowded.get(url(middle(grid, 4), grid), params={"collections": "bezirk"})
    assert list(layers(named)) == ["bezirk"]
    metadata = crowded.get("/collections/flaeche/tiles/AdV_25832", params={"lang": "en"}).json()
    schema = metadata["layers"][0]["propertiesSchema"]["properties"]
    assert schema["nummer"]["description"] == "From tileMatrix 9 on"
    assert "description" not in schema["name"]
    shown = crowded.get("/tiles/AdV_25832").json()["layers"]
    assert [layer["id"] for layer in shown] == ["flaeche", "leer", "messpunkt"]
