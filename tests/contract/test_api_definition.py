"""The API definition: valid, complete, small, and true."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from server.app import ROUTES
from server.limits import DEFAULT_LIMIT, MAX_LIMIT

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
PAGES_ONLY = {"/api.html", "/map", "/accessibility", "/privacy", "/healthz", "/readyz", "/metrics"}
Documents = Callable[..., Any]


@pytest.fixture(scope="module")
def api(documents: Documents) -> dict[str, Any]:
    return documents("/api")


def resolve(api: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in found:
        return found
    node: Any = api
    for part in found["$ref"].removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {ref for child in node for ref in references(child)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own | {ref for child in node.values() for ref in references(child)}


@pytest.mark.parametrize("lang", ["de", "en"])
def test_api_definition_success_oas30(service: httpx.Client, lang: str) -> None:
    answer = service.get("/api", params={"lang": lang})
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert answer.json()["openapi"].startswith("3.0.")
    OpenAPIV30SpecValidator(answer.json()).validate()


@pytest.mark.parametrize("accept", [MEDIA_TYPE, "application/vnd.oai.openapi+json", "application/json", "*/*"])
def test_the_media_type_is_exact_whatever_asks_for_it(service: httpx.Client, accept: str) -> None:
    assert service.get("/api", headers={"Accept": accept}).headers["Content-Type"] == MEDIA_TYPE


def test_nothing_refers_to_elsewhere_and_every_component_is_used(api: dict[str, Any]) -> None:
    found = references(api)
    assert all(ref.startswith("#/components/") for ref in found)
    components = {f"#/components/{kind}/{name}" for kind, named in api["components"].items() for name in named}
    assert found == components


def test_it_is_small(service: httpx.Client, documents: Documents) -> None:
    """QGIS reads it before the first feature is drawn."""
    size, count = len(service.get("/api").content), len(documents("/collections")["collections"])
    assert size < 20_000 + 5_000 * count


def test_limit_is_the_component_that_qgis_reads(api: dict[str, Any]) -> None:
    limit = api["components"]["parameters"]["limit"]
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    assert limit["style"] == "form"
    assert limit["explode"] is False


def test_fc_bbox_definition_fc_time_definition_fc_crs_definition(api: dict[str, Any]) -> None:
    parameters = api["components"]["parameters"]
    bbox = parameters["bbox"]
    assert (bbox["in"], bbox["required"], bbox["style"], bbox["explode"]) == ("query", False, "form", False)
    assert bbox["schema"] == {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    assert parameters["datetime"]["schema"]["type"] == "string"
    for name in ("crs", "bbox-crs"):
        assert parameters[name]["schema"]["type"] == "string"


def test_queryables_are_parameters_of_the_literal_path(api: dict[str, Any], documents: Documents) -> None:
    for collection in documents("/collections")["collections"]:
        at = f"/collections/{collection['id']}"
        declared = [resolve(api, p) for p in api["paths"][f"{at}/items"]["get"]["parameters"]]
        by_name = {p["name"]: p for p in declared}
        for name, queryable in documents(f"{at}/queryables")["properties"].items():
            if name == "geom":
                continue
            assert by_name[name]["schema"]["type"] == queryable["type"]
            assert (by_name[name]["style"], by_name[name]["explode"]) == ("form", False)


def test_every_route_is_described_and_every_path_is_a_route(api: dict[str, Any]) -> None:
    patterns = {re.sub(r"\{[^}]*\}", "{}", path) for path in api["paths"]}
    for route in ROUTES.keys() - PAGES_ONLY:
        literal = re.sub(r"\{[^}]*\}", "{}", route.replace("{tileMatrixSetId}", "WebMercatorQuad"))
        named = re.sub(r"^/collections/\{\}", "/collections/adresse", literal)
        assert literal in patterns or named in patterns, route


def test_every_path_answers_as_it_says(service: httpx.Client, api: dict[str, Any], documents: Documents) -> None:
    """Each operation with its example place, in each media type that it names."""
    for path, operations in api["paths"].items():
        url = _fill(path, documents)
        for status, response in operations["get"]["responses"].items():
            assert status in {"200", "204", "304", "400", "404", "406", "503"}
            assert resolve(api, response)["description"]
        for media_type in resolve(api, operations["get"]["responses"]["200"])["content"]:
            answer = service.get(url, headers={"Accept": media_type})
            assert answer.status_code == 200, (url, answer.text[:300])
            assert answer.headers["Content-Type"].replace("; charset=utf-8", "") == media_type
            declared = resolve(api, operations["get"]["responses"]["200"]).get("headers", {})
            assert {"ETag"} <= {name for name in declared if name in answer.headers} | {"ETag"}
            for name in set(declared) - {"Last-Modified", "OGC-NumberMatched", "Link"}:
                assert name in answer.headers, (url, name)
        assert service.get(url, params={"unknown": "1"}).status_code == 400


def _fill(path: str, documents: Documents) -> str:
    collection = re.match(r"/collections/([a-z_0-9]+)", path)
    name = collection[1] if collection else "adresse"
    path = path.replace("{collectionId}", name)
    if "{featureId}" in path:
        return path.replace("{featureId}", documents(f"/collections/{name}/items", limit="1")["features"][0]["id"])
    if "{tileMatrix}" in path:
        x = documents(f"/collections/{name}/tiles/WebMercatorQuad")["tileMatrixSetLimits"][0]
        path = path.replace("{tileMatrix}", x["tileMatrix"]).replace("{tileRow}", str(x["minTileRow"]))
        return path.replace("{tileCol}", str(x["minTileCol"]))
    return path


def test_operation_ids_are_unique_and_tiles_are_recognised(api: dict[str, Any]) -> None:
    ids = [operation["get"]["operationId"] for operation in api["paths"].values()]
    assert len(set(ids)) == len(ids)
    assert any(".vector.getTile" in i for i in ids)
