"""The service's documents, each requirement of the standards by its name: links, API definition, metadata, schemas.

What the OGC's executable test suites look at, so that it stays as they found it, and what they leave out.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from server.features.params import OWN_PARAMETERS
from server.formats.table import FORMATS

# media types by f where nothing has solids
OF_ITEMS = {found.key: found.media_type for found in FORMATS if found.items and not found.solids}

Query = Callable[[str], list[tuple[Any, ...]]]

OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
FEATURES = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/"
# of which the example has features
COLLECTIONS = [
    *("adresse", "gemeinde", "gemeinde_generalisiert", "hausumring", "kreis", "kreis_generalisiert"),
    *("land", "land_generalisiert", "regierungsbezirk", "regierungsbezirk_generalisiert"),
]
GRIDS = ["WebMercatorQuad", "WorldCRS84Quad", "AdV_25832", "EU_25832"]
MVT = "application/vnd.mapbox-vector-tile"
# Documents by path, with the schema of the standard for each
DOCUMENTS = {
    "/": "features/core/openapi/schemas/landingPage.yaml",
    "/conformance": "features/core/openapi/schemas/confClasses.yaml",
    "/collections": "features/core/openapi/schemas/collections.yaml",
    "/collections/adresse": "features/core/openapi/schemas/collection.yaml",
    "/collections/adresse/items": "features/core/openapi/schemas/featureCollectionGeoJSON.yaml",
    "/collections/hausumring/items": "features/core/openapi/schemas/featureCollectionGeoJSON.yaml",
    "/collections/gemeinde/items/{id}": "features/core/openapi/schemas/featureGeoJSON.yaml",
    "/collections/hausumring/tiles/WebMercatorQuad": "tms/schemas/tms/2.0/json/tileSet.json",
    "/collections/hausumring/tiles/WebMercatorQuad/tilejson": "tilejson/3.0.0.json",
    **{f"/tileMatrixSets/{grid}": "tms/schemas/tms/2.0/json/tileMatrixSet.json" for grid in GRIDS},
    **{f"/tiles/{grid}": "tms/schemas/tms/2.0/json/tileSet.json" for grid in GRIDS},
    **{f"/collections/adresse/tiles/{grid}": "tms/schemas/tms/2.0/json/tileSet.json" for grid in GRIDS},
    **{f"/tiles/{grid}/tilejson": "tilejson/3.0.0.json" for grid in GRIDS},
}


@pytest.fixture(scope="module")
def http(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def api(http: httpx.Client) -> dict[str, Any]:
    return document(http, "/api")


@pytest.fixture(scope="module")
def features(http: httpx.Client) -> dict[str, dict[str, Any]]:
    """A feature of each collection."""
    return {name: document(http, f"/collections/{name}/items?limit=1")["features"][0] for name in COLLECTIONS}


def document(http: httpx.Client, path: str) -> Any:
    answer = http.get(path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json()


def by_rel(links: list[dict[str, Any]], rel: str) -> list[dict[str, Any]]:
    return [link for link in links if link["rel"] == rel]


def collection_paths() -> list[str]:
    names = ("", "/items?limit=1", "/queryables", "/schema", "/provenance", "/tiles", "/tiles/WebMercatorQuad")
    tiles = [
        "/tileMatrixSets",
        "/tiles",
        "/tiles/AdV_25832?collections=adresse,kreis",
        "/collections/land/tiles/EU_25832",
    ]
    return [*(f"/collections/{collection}{name}" for collection in COLLECTIONS for name in names), *tiles]


def test_root_success(http: httpx.Client) -> None:
    links = document(http, "/")["links"]
    assert [link["type"] for link in by_rel(links, "service-desc")] == [OPENAPI]
    assert [link["type"] for link in by_rel(links, "service-doc")] == ["text/html"]
    assert by_rel(links, "conformance")
    assert by_rel(links, "data")


def test_api_definition_success_and_oas_definition_1(http: httpx.Client, api: dict[str, Any]) -> None:
    """Valid OpenAPI 3.0, no reference to anywhere else, or clients and the suites stop here."""
    assert http.get("/api").headers["content-type"] == OPENAPI
    OpenAPIV30SpecValidator(api).validate()
    assert set(re.findall(r'"\$ref":"(.)', orjson.dumps(api).decode())) == {"#"}


def test_api_definition_stays_small(http: httpx.Client) -> None:
    """QGIS freezes over a large one: what a collection adds is what counts, the rest is there once."""
    collections = document(http, "/collections")["collections"]
    assert len(http.get("/api").content) < 66_000 + 5_700 * len(collections)


def test_conformance_success(http: httpx.Client) -> None:
    classes = document(http, "/conformance")["conformsTo"]
    assert len(classes) == len(set(classes))
    assert {FEATURES + name for name in ("core", "oas30", "html", "geojson")} <= set(classes)
    both = (
        "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/",
        "http://www.opengis.net/spec/ogcapi-common-3/1.0/conf/",
    )
    assert {part + "schemas" for part in both} <= set(classes)


def parameters(api: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    """Parameters of a path's GET by name, references resolved."""
    found = {}
    for given in api["paths"][path]["get"]["parameters"]:
        name = given.get("$ref", "").rpartition("/")[2]
        parameter = api["components"]["parameters"][name] if name else given
        found[parameter["name"]] = parameter
    return found


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_fc_limit_bbox_and_time_definition(api: dict[str, Any], collection: str) -> None:
    """As the suite and the clients look for them: under the literal path, `limit` as a shared component."""
    found = parameters(api, f"/collections/{collection}/items")
    assert {"minimum": 1, "maximum": 1_000_000, "default": 100}.items() <= found["limit"]["schema"].items()
    assert found["bbox"]["schema"] == {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    assert found["datetime"]["schema"] == {"type": "string"}
    for name in ("limit", "bbox", "datetime"):
        assert found[name] == api["components"]["parameters"][name]
        assert (found[name]["in"], found[name]["style"], found[name]["explode"]) == ("query", "form", False)
        assert not found[name].get("required")


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_queryables_are_parameters(http: httpx.Client, api: dict[str, Any], collection: str) -> None:
    """/req/queryables-query-parameters/parameters: what can be filtered by is declared, and the other way round."""
    queryables = document(http, f"/collections/{collection}/queryables")["properties"]
    declared = parameters(api, f"/collections/{collection}/items")
    assert set(declared) - set(OWN_PARAMETERS) - {"f", "lang"} == set(queryables) - {"geom"}
    for name in set(declared) & set(queryables):
        assert declared[name]["schema"]["type"] == queryables[name]["type"]
        assert (declared[name]["style"], declared[name]["explode"]) == ("form", False)


def test_oas_completeness_everything_declared_answers_as_declared(
    http: httpx.Client, api: dict[str, Any], features: dict[str, dict[str, Any]]
) -> None:
    tile = document(http, "/collections/adresse/tiles/WebMercatorQuad")["tileMatrixSetLimits"][-1]
    values = {
        "styleId": "light",
        "fontstack": "Open Sans Regular",
        "range": "0-255",
        "tileMatrixSetId": "WebMercatorQuad",
        "tileMatrix": tile["tileMatrix"],
        "tileRow": tile["minTileRow"],
        "tileCol": tile["minTileCol"],
    }
    for path, operations in api["paths"].items():
        collection = path.split("/")[2] if path.startswith("/collections/") else "adresse"
        if "/download" in path or ("{featureId}" in path and collection not in {*features, "{collectionId}"}):
            continue  # files have tests of their own; of some collections the example has no feature
        id_ = features[collection if collection in features else "adresse"]["id"]
        declared = {
            status: api["components"]["responses"][answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer
            for status, answer in operations["get"]["responses"].items()
        }
        formats = parameters(api, path)["f"]["schema"]["enum"] if "f" in parameters(api, path) else [None]
        for f in formats:
            wanted = {**({"f": f} if f else {}), **({"q": "haupt"} if path == "/search" else {})}
            answer = http.get(path.format(collectionId="adresse", featureId=id_, **values), params=wanted)
            assert answer.status_code in {200, 204}, (path, f)
            assert str(answer.status_code) in declared, (path, f)
            if answer.status_code == 200:
                media_type = answer.headers["content-type"].removesuffix("; charset=utf-8")
                assert media_type in declared["200"]["content"], (path, f)


def test_oas_operation_ids_are_unique_and_name_tiles(api: dict[str, Any]) -> None:
    """/req/oas30/operation-id of Tiles: an operation of tiles ends with .getTile."""
    ids = [operation["get"]["operationId"] for operation in api["paths"].values()]
    assert len(ids) == len(set(ids))
    assert any(id_.endswith("vector.getTile") for id_ in ids)


@pytest.mark.parametrize("path", ["/", "/conformance", "/collections", *collection_paths()])
def test_every_link_leads_to_what_it_promises(http: httpx.Client, live_server: str, path: str) -> None:
    """root-links, fc-md-links, fc-md-items-links, fc-links, f-links: absolute, complete, and of the type they name."""
    links = document(http, path).get("links", [])
    assert all(link["href"].startswith("http") for link in links)
    for link in links:
        if link.get("templated") or not link["href"].startswith(live_server):
            continue
        answer = http.head(link["href"])
        assert answer.status_code == 200, link
        assert answer.headers["content-type"].removesuffix("; charset=utf-8") == link["type"], link


@pytest.mark.parametrize("path", ["/", "/collections", *collection_paths()])
def test_self_and_alternate_links(http: httpx.Client, path: str) -> None:
    answer = document(http, path)
    if "$schema" in answer:
        return  # a JSON Schema has no links
    assert len(by_rel(answer["links"], "self")) == 1
    assert "text/html" in [link["type"] for link in by_rel(answer["links"], "alternate")]


def test_sfc_md_success_the_same_as_in_the_list(http: httpx.Client) -> None:
    """And complete in the list, because GDAL reads nothing else."""
    listed = {collection["id"]: collection for collection in document(http, "/collections")["collections"]}
    assert set(COLLECTIONS) <= listed.keys()
    for name, collection in listed.items():
        assert document(http, f"/collections/{name}") == collection


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_fc_md_items_links_extent_and_crs(http: httpx.Client, published: Query, collection: str) -> None:
    found = document(http, f"/collections/{collection}")
    assert [link["type"] for link in by_rel(found["links"], "items")] == [*OF_ITEMS.values(), "text/html"]
    assert found["crs"][0] == CRS84
    assert found["storageCrs"] in found["crs"]
    assert by_rel(found["links"], f"{OGC_REL}schema")[0]["type"] == "application/schema+json"
    assert by_rel(found["links"], f"{OGC_REL}queryables")[0]["type"] == "application/schema+json"
    [(count, west, south, east, north)] = published(
        "select count(*), min(ST_XMin(g)), min(ST_YMin(g)), max(ST_XMax(g)), max(ST_YMax(g)) "
        f"from (select ST_Transform(geom, 4326) g from geobasis.{collection}) t"
    )
    assert found["itemCount"] == count
    [box] = found["extent"]["spatial"]["bbox"]
    assert len(box) == 4
    assert box[0] <= west
    assert box[1] <= south
    assert box[2] >= east
    assert box[3] >= north


@pytest.mark.parametrize("name", ["queryables", "schema", "schema?f=feature"])
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_get_queryables_response_and_schema(http: httpx.Client, live_server: str, collection: str, name: str) -> None:
    """Valid JSON Schema 2020-12 whose $id is the URI it is found at."""
    answer = http.get(f"/collections/{collection}/{name}")
    assert answer.headers["content-type"] == "application/schema+json"
    schema = answer.json()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{live_server}/collections/{collection}/{name}"
    described = schema["properties"]["properties"] if name.endswith("f=feature") else schema
    assert (described["type"], described["additionalProperties"]) == ("object", False)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_features_are_valid_by_their_own_schema(
    http: httpx.Client, features: dict[str, dict[str, Any]], collection: str
) -> None:
    """A null says that there is no value; the schema, like the clients that read it, knows the type of values only."""
    schema = document(http, f"/collections/{collection}/schema?f=feature")
    schema["properties"]["geometry"] = {"type": "object"}  # its schema is on the internet
    validator = Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    page = document(http, f"/collections/{collection}/items?limit=1000")["features"]
    for feature in [*page, document(http, f"/collections/{collection}/items/{features[collection]['id']}")]:
        given = {name: value for name, value in feature["properties"].items() if value is not None}
        validator.validate({**feature, "properties": given})
        assert list(feature["properties"]) == list(schema["properties"]["properties"]["properties"])


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_are_valid_by_the_standards_schemas(
    http: httpx.Client, standards: Path, features: dict[str, dict[str, Any]], path: str
) -> None:
    found = document(http, path.format(id=features["gemeinde"]["id"]))
    root = (standards / DOCUMENTS[path]).as_uri()
    registry = Registry(retrieve=read_schema)  # pyright: ignore[reportCallIssue]
    errors = Draft202012Validator({"$ref": root}, registry=registry).iter_errors(found)
    assert [error.message for error in errors] == []


def read_schema(uri: str) -> Resource[Any]:
    """A schema of the standards' folder by its file: URI."""
    text = Path(httpx.URL(uri).path).read_text("utf-8")
    load = orjson.loads if uri.endswith(".json") else yaml.safe_load
    schema = load(re.sub(r"type: null\b", 'type: "null"', text))
    for keyword in ("$id", "$schema"):  # so that references are resolved against the folder
        schema.pop(keyword, None)
    return Resource.from_contents(schema, default_specification=DRAFT202012)


def test_tile_matrix_set_is_the_registered_one(http: httpx.Client, standards: Path) -> None:
    path = standards / "tms/schemas/tms/2.0/json/examples/tilematrixset/WebMercatorQuad.json"
    registered = orjson.loads(path.read_bytes())
    found = document(http, "/tileMatrixSets/WebMercatorQuad")
    assert found["uri"] == registered["uri"]
    for ours, theirs in zip(found["tileMatrices"], registered["tileMatrices"], strict=False):
        assert ours["id"] == theirs["id"]
        assert ours["pointOfOrigin"] == pytest.approx(theirs["pointOfOrigin"])
        assert ours["cellSize"] == pytest.approx(theirs["cellSize"])
        for name in ("tileWidth", "tileHeight", "matrixWidth", "matrixHeight"):
            assert ours[name] == theirs[name]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_tileset_links_and_limits(http: httpx.Client, collection: str) -> None:
    """/req/geodata-tilesets/desc-links, /req/tilesets-list/tileset-links, /req/tileset/description"""
    links = by_rel(document(http, f"/collections/{collection}")["links"], f"{OGC_REL}tilesets-vector")
    tilesets = document(http, links[0]["href"])["tilesets"]
    assert [listed["tileMatrixSetId"] for listed in tilesets] == GRIDS
    for listed in tilesets:
        tileset = document(http, by_rel(listed["links"], "self")[0]["href"])
        for name in ("tileMatrixSetURI", "tileMatrixSetLimits", "crs"):
            assert listed[name] == tileset[name]
        templates = by_rel(tileset["links"], "item")
        assert [template["type"] for template in templates] == [MVT, "application/geo+json"]
        names = ("tileMatrix", "tileRow", "tileCol")
        assert all(f"{{{name}}}" in template["href"] for template in templates for name in names)
        tilejson = document(http, by_rel(tileset["links"], "describedby")[0]["href"])
        matrices = [int(limit["tileMatrix"]) for limit in tileset["tileMatrixSetLimits"]]
        assert matrices == list(range(tilejson["minzoom"], tilejson["maxzoom"] + 1))
        assert tilejson["vector_layers"][0]["id"] == collection
        assert {layer["id"].split(".")[0] for layer in tilejson["vector_layers"]} == {collection}


@pytest.mark.parametrize("place", ["6/2147483647/33", "6/21/2147483647", "6/64/33", "2147483647/0/0", "x/21/33"])
def test_tc_error(http: httpx.Client, place: str) -> None:
    answer = http.get(f"/collections/gemeinde/tiles/WebMercatorQuad/{place}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
