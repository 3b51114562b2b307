"""Every document against the standards' own schemas."""

from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from server.catalogue import read_collections
from server.common.conformance import CONFORMANCE
from server.crs import CRS84, ETRS89_UTM32, OFFERED
from server.settings import Settings

FEATURES = "features/core/openapi/schemas"
TMS = "tms/schemas/tms/2.0/json"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
COLLECTIONS = [collection.id for collection in read_collections(Settings().collections_dir)]
each_collection = pytest.mark.parametrize("collection", COLLECTIONS)

Documents = Callable[..., Any]
Conforms = Callable[[Any, str], None]


def rels(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for link in document["links"]:
        found.setdefault(link["rel"], []).append(link)
    return found


@pytest.mark.parametrize("lang", ["de", "en"])
def test_root_success(documents: Documents, conforms: Conforms, lang: str) -> None:
    page = documents("/", lang=lang)
    conforms(page, f"{FEATURES}/landingPage.yaml")
    links = rels(page)
    assert links["service-desc"][0]["type"] == "application/vnd.oai.openapi+json;version=3.0"
    assert links["service-doc"][0]["type"] == "text/html"
    assert {"self", "alternate", "conformance", "data", "license"} <= links.keys()


def test_conformance_success(documents: Documents, conforms: Conforms) -> None:
    declared = documents("/conformance")
    conforms(declared, f"{FEATURES}/confClasses.yaml")
    assert declared["conformsTo"] == list(CONFORMANCE)
    spec = "http://www.opengis.net/spec"
    needed = {f"{spec}/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson", "html", "oas30")}
    needed |= {f"{spec}/ogcapi-features-2/1.0/conf/crs", f"{spec}/ogcapi-tiles-1/1.0/conf/core"}
    needed |= {f"{spec}/{part}/1.0/conf/schemas" for part in ("ogcapi-features-5", "ogcapi-common-3")}
    assert needed <= set(CONFORMANCE)
    assert len(set(CONFORMANCE)) == len(CONFORMANCE)


@pytest.mark.parametrize("lang", ["de", "en"])
def test_fc_md_success(documents: Documents, conforms: Conforms, lang: str) -> None:
    listed = documents("/collections", lang=lang)
    conforms(listed, f"{FEATURES}/collections.yaml")
    assert [c["id"] for c in listed["collections"]] == COLLECTIONS
    assert listed["crs"][0] == CRS84.uri
    assert {"self", "alternate", "license"} <= rels(listed).keys()
    for collection in listed["collections"]:
        assert collection == documents(f"/collections/{collection['id']}", lang=lang), (
            "sfc-md-success: the same in both"
        )


@each_collection
def test_sfc_md_success(documents: Documents, conforms: Conforms, collection: str) -> None:
    found = documents(f"/collections/{collection}")
    conforms(found, f"{FEATURES}/collection.yaml")
    assert found["itemType"] == "feature"
    assert found["storageCrs"] == ETRS89_UTM32.uri
    assert found["crs"] == [crs.uri for crs in OFFERED]
    assert found["license"].startswith("https://")
    assert len(found["extent"]["spatial"]["bbox"][0]) == 4
    links = rels(found)
    assert links["items"][0]["type"] == "application/geo+json"
    for name in ("queryables", "schema"):
        assert links[OGC + name][0]["type"] == "application/schema+json"
    assert {"self", "alternate", "describedby", "provenance", "license", f"{OGC}tilesets-vector"} <= links.keys()


@each_collection
def test_item_count_and_extent_are_those_of_the_items(documents: Documents, collection: str) -> None:
    found, items = documents(f"/collections/{collection}"), documents(f"/collections/{collection}/items", limit="10000")
    assert found["itemCount"] == items["numberMatched"] == items["numberReturned"] > 0
    west, south, east, north = found["extent"]["spatial"]["bbox"][0]
    pairs = [pair for feature in items["features"] for pair in _pairs(feature["geometry"]["coordinates"])]
    assert west <= min(x for x, _ in pairs)
    assert max(x for x, _ in pairs) <= east
    assert south <= min(y for _, y in pairs)
    assert max(y for _, y in pairs) <= north


def _pairs(coordinates: Any) -> list[tuple[float, float]]:
    if isinstance(coordinates[0], float | int):
        return [(coordinates[0], coordinates[1])]
    return [pair for part in coordinates for pair in _pairs(part)]


@each_collection
def test_fc_response_and_f_success(documents: Documents, conforms: Conforms, collection: str) -> None:
    page = documents(f"/collections/{collection}/items", limit="3")
    conforms(page, f"{FEATURES}/featureCollectionGeoJSON.yaml")
    id_ = page["features"][0]["id"]
    feature = documents(f"/collections/{collection}/items/{id_}")
    conforms(feature, f"{FEATURES}/featureGeoJSON.yaml")
    assert {k: feature[k] for k in page["features"][0]} == page["features"][0]
    assert isinstance(feature["properties"]["delivery"], int)


@each_collection
@pytest.mark.parametrize("name", ["queryables", "schema", "schema?f=feature"])
def test_json_schemas_are_valid_and_fit_the_features(
    service: httpx.Client, documents: Documents, collection: str, name: str
) -> None:
    answer = service.get(f"/collections/{collection}/{name}")
    schema = answer.json()
    assert answer.headers["Content-Type"] == "application/schema+json"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == str(service.base_url.join(f"/collections/{collection}/{name}"))
    if name == "schema":
        members = dict(schema["properties"])
        geometry = members.pop("geom")
        assert (geometry["x-ogc-role"], geometry["format"].partition("-")[0]) == ("primary-geometry", "geometry")
        assert members.pop("id")["x-ogc-role"] == "id"
        validator = jsonschema.Draft202012Validator({"properties": {k: _nullable(v) for k, v in members.items()}})
        for feature in documents(f"/collections/{collection}/items", limit="200")["features"]:
            validator.validate(feature["properties"])
            assert feature["properties"].keys() == members.keys()


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


@each_collection
def test_queryables_geometry_is_known_to_qgis(documents: Documents, collection: str) -> None:
    queryables = documents(f"/collections/{collection}/queryables")["properties"]
    geometry = queryables.pop("geom")
    assert geometry["$ref"].startswith("https://geojson.org/schema/")
    assert geometry["format"].startswith("geometry-")
    assert "type" not in geometry
    assert queryables


@each_collection
def test_tileset_metadata(documents: Documents, conforms: Conforms, collection: str) -> None:
    tileset = documents(f"/collections/{collection}/tiles/WebMercatorQuad")
    conforms(tileset, f"{TMS}/tileSet.json")
    conforms(tileset, "tiles/openapi/schemas/tms/tileSet.yaml")
    assert tileset["dataType"] == "vector"
    assert tileset["tileMatrixSetLimits"]
    assert {f"{OGC}tiling-scheme", "item", "self"} <= rels(tileset).keys()
    listed = documents(f"/collections/{collection}/tiles")
    for entry in listed["tilesets"]:
        conforms(entry, "tiles/openapi/schemas/tms/tileSet-item.yaml")
        assert entry["tileMatrixSetURI"] == tileset["tileMatrixSetURI"]


@each_collection
def test_tilejson(documents: Documents, conforms: Conforms, collection: str) -> None:
    tilejson = documents(f"/collections/{collection}/tiles/WebMercatorQuad/tilejson")
    conforms(tilejson, "tilejson/3.0.0.json")
    assert tilejson["attribution"]
    assert tilejson["tiles"][0].startswith("http")


def test_tile_matrix_set(documents: Documents, conforms: Conforms) -> None:
    assert documents("/tileMatrixSets")["tileMatrixSets"][0]["id"] == "WebMercatorQuad"
    conforms(documents("/tileMatrixSets/WebMercatorQuad"), f"{TMS}/tileMatrixSet.json")


@pytest.mark.parametrize("lang", ["de", "en"])
def test_every_link_leads_somewhere(service: httpx.Client, documents: Documents, lang: str) -> None:
    """All links of the metadata documents, with the media type that they promise."""
    at = f"/collections/{COLLECTIONS[0]}"
    pages = ["/", "/collections", at, f"{at}/items?limit=2", f"{at}/tiles", f"{at}/tiles/WebMercatorQuad"]
    pages += [f"{at}/provenance", "/tileMatrixSets"]
    links = {
        (link["href"], link.get("type"))
        for page in pages
        for link in service.get(page, params={"lang": lang} if "?" not in page else None).json()["links"]
        if link["rel"] != "license" and not link.get("templated")
    }
    for href, media_type in sorted(links, key=str):
        answer = service.get(href, headers={"Accept": media_type or "*/*"})
        assert answer.status_code == 200, href
        if media_type:
            assert answer.headers["Content-Type"].replace("; charset=utf-8", "") == media_type, href
