"""3D buildings as a client gets them: the genuine tiles, counted against their files, and what the standards say."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from referencing import Registry, Resource

from loaders.run import LoadOptions, load_dataset

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
WITH_HEIGHTS = f"http://www.opengis.net/def/crs-compound?1={EPSG}25832&2={EPSG}7837"
TILES = {
    "gebaeude_3d": ("lod2", "LoD2_280_5657_1_NW.gml"),
    "gebaeude_3d_lod1": ("lod1", "LoD1_32_280_5657_1_NW.gml"),
}
Object = dict[str, Any]


@pytest.fixture(scope="module")
def city(
    cluster: Any,
    migrated_template: str,
    samples: Path,
    tmp_path_factory: pytest.TempPathFactory,
    serve_probe: Callable[..., Any],
) -> Iterator[httpx.Client]:
    """A service over the two genuine tiles."""
    url = cluster.create(migrated_template)
    store = tmp_path_factory.mktemp("store")
    for dataset, name in TILES.values():
        load_dataset(dataset, LoadOptions(url, store, source=str(samples / dataset / name)))
    root = Path(__file__).resolve().parents[3]
    with (
        serve_probe(url, OPENNRW_COLLECTIONS_DIR=str(root / "collections")) as served,
        httpx.Client(base_url=f"{served.url}/collections/", timeout=30) as client,
    ):
        yield client
    cluster.drop(url)


@pytest.fixture(scope="module")
def texts(samples: Path) -> dict[str, str]:
    """The tiles' files by their collections."""
    return {name: (samples / dataset / file).read_text("utf-8") for name, (dataset, file) in TILES.items()}


def _get(city: httpx.Client, path: str, **parameters: str) -> Any:
    answer = city.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _refused(city: httpx.Client, path: str, status: int = 400, **parameters: str) -> str:
    answer = city.get(path, params=parameters)
    assert answer.status_code == status
    return answer.json()["detail"]


def _solids(objects: dict[str, Object]) -> list[Object]:
    return [solid for found in objects.values() for solid in found.get("geometry", [])]


def _count(text: str, name: str) -> int:
    return len(re.findall(rf"<bldg:{name}[ >]", text))


@pytest.mark.parametrize("collection", TILES)
def test_cityjson_has_all_that_the_file_has(city: httpx.Client, texts: dict[str, str], collection: str) -> None:
    document, text = _get(city, f"{collection}/items", f="cityjson", limit="1000"), texts[collection]
    objects = document["CityObjects"]
    kinds = [found["type"] for found in objects.values()]
    assert (kinds.count("Building"), kinds.count("BuildingPart")) == (
        _count(text, "Building"),
        _count(text, "BuildingPart"),
    )
    solids = _solids(objects)
    assert len(solids) == text.count("<gml:Solid>")
    assert sum(len(solid["boundaries"][0]) for solid in solids) == text.count("<gml:Polygon")
    for name in ("RoofSurface", "WallSurface", "GroundSurface", "ClosureSurface"):
        found = [
            solid["semantics"]["surfaces"][value]["type"]
            for solid in solids
            if "semantics" in solid
            for value in solid["semantics"]["values"][0]
        ]
        written = re.findall(rf"<bldg:{name}[ >].*?</bldg:{name}>", text, re.DOTALL)
        assert found.count(name) == sum(surface.count("<gml:Polygon") for surface in written)
    for found in objects.values():
        for child in found.get("children", []):
            assert objects[child]["parents"] == [next(key for key, value in objects.items() if value is found)]


def test_cityjson_has_the_positions_of_the_file(city: httpx.Client, texts: dict[str, str]) -> None:
    document, text = _get(city, "gebaeude_3d/items", f="cityjson", limit="1000"), texts["gebaeude_3d"]
    rings = re.findall(r"<gml:LinearRing[^>]*>\s*<gml:posList[^>]*>([^<]*)<", text)
    written = {tuple(map(float, ring.split()[at : at + 3])) for ring in rings for at in range(0, len(ring.split()), 3)}
    scale, shift = document["transform"]["scale"], document["transform"]["translate"]
    read = {tuple(round(v * s + t, 3) for v, s, t in zip(p, scale, shift, strict=True)) for p in document["vertices"]}
    assert read == written
    used = {n for s in _solids(document["CityObjects"]) for p in s["boundaries"][0] for ring in p for n in ring}
    assert used == set(range(len(document["vertices"])))


def test_cityjson_says_what_it_is(city: httpx.Client) -> None:
    answer = city.get("gebaeude_3d/items", params={"f": "cityjson", "limit": "2"})
    assert answer.headers["content-type"] == "application/city+json"
    assert answer.headers["content-crs"] == f"<{WITH_HEIGHTS}>"
    assert answer.headers["opennrw-coordinates"] == "official"
    assert 'rel="next"' in answer.headers["link"]
    document = answer.json()
    assert (document["type"], document["version"]) == ("CityJSON", "2.0")
    assert document["metadata"]["referenceSystem"].endswith("/EPSG/0/25832")
    assert document["metadata"]["verticalReferenceSystem"].endswith("/EPSG/0/7837")
    single = _get(city, "gebaeude_3d/items/DENW43AL00001j7x", f="cityjson")
    building = single["CityObjects"]["DENW43AL00001j7x"]
    assert building["attributes"] == {
        "function": "31001_1010", "creationDate": "2019-12-13", "Gemeindeschluessel": "05370024",
    }  # fmt: skip
    assert building["address"] == [
        {"CountryName": "Germany", "LocalityName": "Selfkant", "ThoroughfareName": "Von-Byland-Straße",
         "ThoroughfareNumber": "51"}
    ]  # fmt: skip
    part = single["CityObjects"][building["children"][0]]
    assert part["attributes"]["measuredHeight"] == 7.978
    assert part["attributes"]["roofType"] == "3100"
    assert part["geometry"][0]["lod"] == "2"


def test_cityjson_is_valid(city: httpx.Client, standards: Path) -> None:
    folder = standards / "cityjson"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: it would hold the schemas of CityJSON 2.0")
    for collection in TILES:
        document = _get(city, f"{collection}/items", f="cityjson", limit="1000")
        schema = json.loads((folder / "cityjson.min.schema.json").read_text("utf-8"))
        assert list(jsonschema.Draft7Validator(schema).iter_errors(document)) == []


@pytest.mark.parametrize("collection", TILES)
def test_a_sequence_has_the_same_buildings(city: httpx.Client, collection: str) -> None:
    answer = city.get(f"{collection}/items", params={"f": "cityjsonseq", "limit": "1000"})
    assert answer.headers["content-type"] == "application/city+json-seq"
    head, *features = [json.loads(line) for line in answer.text.splitlines()]
    whole = _get(city, f"{collection}/items", f="cityjson", limit="1000")
    assert (head["type"], head["CityObjects"], head["vertices"]) == ("CityJSON", {}, [])
    assert {key for feature in features for key in feature["CityObjects"]} == whole["CityObjects"].keys()
    for feature in features:
        assert feature["type"] == "CityJSONFeature"
        assert feature["CityObjects"][feature["id"]]["type"] == "Building"
        numbers = {n for s in _solids(feature["CityObjects"]) for p in s["boundaries"][0] for ring in p for n in ring}
        assert max(numbers) < len(feature["vertices"])


def test_jsonfg_has_polyhedra_in_place(city: httpx.Client, texts: dict[str, str], standards: Path) -> None:
    document = _get(city, "gebaeude_3d/items", f="jsonfg", limit="1000")
    assert document["coordRefSys"] == WITH_HEIGHTS
    assert document["geometryDimension"] == 3
    assert "http://www.opengis.net/spec/json-fg-1/1.0/conf/polyhedra" in document["conformsTo"]
    places = {feature["id"]: feature["place"] for feature in document["features"]}
    solids = [
        solid
        for place in places.values()
        for solid in (place["coordinates"] if place["type"] == "MultiPolyhedron" else [place["coordinates"]])
    ]
    text = texts["gebaeude_3d"]
    assert len(solids) == text.count("<gml:Solid>")
    assert sum(len(solid[0]) for solid in solids) == text.count("<gml:Polygon")
    assert places["DENW43AL00001j7x"]["type"] == "MultiPolyhedron"
    assert {feature["geometry"]["type"] for feature in document["features"]} == {"MultiPolygon"}
    assert len(document["features"][0]["geometry"]["coordinates"][0][0][0]) == 2
    schemas = [json.loads(path.read_bytes()) for path in (standards / "json-fg/core/schemas").glob("*.json")]
    known = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in schemas if "$id" in s])
    place = jsonschema.Draft202012Validator({"$ref": "https://schemas.opengis.net/json-fg/place.json"}, registry=known)
    for found in places.values():
        place.validate(found)
    flat = _get(city, "gebaeude_3d/items", f="jsonfg", limit="1", crs=f"{EPSG}25832")
    assert flat["geometryDimension"] == 2
    assert flat["features"][0]["place"]["type"] == "MultiPolygon"


def test_geojson_has_heights_in_the_crs_with_heights(city: httpx.Client, texts: dict[str, str]) -> None:
    document = _get(city, "gebaeude_3d/items", crs=WITH_HEIGHTS, limit="1000")
    polygons = [polygon for feature in document["features"] for polygon in feature["geometry"]["coordinates"]]
    assert len(polygons) == texts["gebaeude_3d"].count("<gml:Polygon")
    assert all(len(position) == 3 for polygon in polygons for ring in polygon for position in ring)
    single = _get(city, "gebaeude_3d/items/DENW43AL00001j7x", crs=WITH_HEIGHTS)
    assert [280986.414, 5657433.423, 47.283] in [p for poly in single["geometry"]["coordinates"] for p in poly[0]]
    flat = _get(city, "gebaeude_3d/items/DENW43AL00001j7x")
    assert all(len(position) == 2 for polygon in flat["geometry"]["coordinates"] for position in polygon[0])
    collection = _get(city, "gebaeude_3d")
    assert collection["crs"][-1] == WITH_HEIGHTS
    for form in ("fgb", "parquet", "gpkg", "gml", "csv"):
        answer = city.get("gebaeude_3d/items", params={"f": form, "crs": WITH_HEIGHTS, "limit": "5"})
        assert (answer.status_code, answer.headers["content-crs"]) == (200, f"<{WITH_HEIGHTS}>")


def test_buildings_are_found_by_height_and_roof(city: httpx.Client) -> None:
    high = _get(city, "gebaeude_3d/items", filter="hoehe > 9", limit="1000")["features"]
    assert high
    assert all(feature["properties"]["hoehe"] > 9 for feature in high)
    gabled = _get(city, "gebaeude_3d/items", filter="A_CONTAINS(dachformen, ('3100'))", limit="1000")["features"]
    assert all("3100" in feature["properties"]["dachformen"] for feature in gabled)
    assert len(gabled) > len(_get(city, "gebaeude_3d/items", dachform="3100", limit="1000")["features"])


def test_what_other_collections_have_not(city: httpx.Client) -> None:
    assert "it is no format of this resource. Use one of: json, html" in _refused(
        city, "hausumring/items", f="cityjson"
    )
    assert "is not the URI of a CRS that this service offers" in _refused(city, "hausumring/items", crs=WITH_HEIGHTS)
    answer = city.get("hausumring/items", headers={"Accept": "application/city+json"})
    assert answer.status_code == 406
    assert "application/city+json" not in answer.json()["available"]
    assert "it is no format" in _refused(city, "hausumring/download", f="cityjsonseq")


def test_buildings_come_whole(city: httpx.Client) -> None:
    path = "gebaeude_3d/items"
    assert "CityJSON holds whole buildings. Leave it out" in _refused(city, path, f="cityjson", properties="hoehe")
    assert "CityJSON has the official coordinates with heights. Leave it out, or use http" in _refused(
        city, path, f="cityjson", crs=f"{EPSG}4326"
    )
    wrong = _refused(city, path, 400, **{"crs": WITH_HEIGHTS, "zoom-level": "12"})
    assert "solids are not simplified. Leave it out, or ask for a crs without heights" in wrong
