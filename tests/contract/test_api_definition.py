"""The API definition: what clients read of it, and that it is whole."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from server.app import ROUTES
from server.limits import DEFAULT_LIMIT, MAX_LIMIT

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
PAGES_ONLY = {
    "/api.html",
    "/map",
    "/embed",
    "/embed/map",
    "/accessibility",
    "/privacy",
    "/healthz",
    "/readyz",
    "/metrics",
}
Documents = Callable[..., Any]


@pytest.fixture(scope="module")
def api(documents: Documents) -> dict[str, Any]:
    return documents("/api")


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {ref for child in node for ref in references(child)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own | {ref for child in node.values() for ref in references(child)}


@pytest.mark.parametrize("accept", [MEDIA_TYPE, "application/vnd.oai.openapi+json", "application/json", "*/*"])
def test_the_media_type_is_exact_whatever_asks_for_it(service: httpx.Client, accept: str) -> None:
    assert service.get("/api", headers={"Accept": accept}).headers["Content-Type"] == MEDIA_TYPE


def test_nothing_refers_to_elsewhere_and_every_component_is_used(api: dict[str, Any]) -> None:
    found = references(api)
    assert all(ref.startswith("#/components/") for ref in found)
    components = {f"#/components/{kind}/{name}" for kind, named in api["components"].items() for name in named}
    assert found ^ components == set()


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


def test_every_route_is_described(api: dict[str, Any]) -> None:
    """But for those of the staff, which are nobody else's concern."""
    patterns = {re.sub(r"\{[^}]*\}", "{}", path) for path in api["paths"]}
    assert not any(path.startswith("/admin") for path in patterns)
    for route in {route for route in ROUTES if not route.startswith("/admin/")} - PAGES_ONLY:
        literal = re.sub(r"\{[^}]*\}", "{}", route)
        named = re.sub(r"^/collections/\{\}", "/collections/adresse", literal)
        assert literal in patterns or named in patterns, route
