"""Filters over HTTP: long ones by POST, paging, counts, tiles, and the documents that tell of them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import mapbox_vector_tile
import pytest
import yaml

from server.common.conformance import CQL2

Ids = Callable[..., str]
ITEMS = "/collections/werte/items"
CQL_JSON = {"op": "=", "args": [{"property": "text"}, "Hauptstraße"]}
SPEC = "http://www.opengis.net/spec"


def found(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return "".join(sorted(feature["id"] for feature in answer.json()["features"]))


def test_a_filter_is_anded_with_the_other_parameters(ids: Ids) -> None:
    assert ids("zahl < 3", aktiv="true") == "a"
    assert ids("zahl < 3", text="HAUPTSTRASSE") == "b"
    assert ids("zahl < 3", id="a") == "a"
    assert ids("zahl < 3", **{"bbox": "345050,5699000,345150,5701000", "bbox-crs": f"{EPSG}25832"}) == "a"


EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


def test_filter_lang_and_filter_crs_alone_change_nothing(werte: httpx.Client) -> None:
    answer = werte.get(ITEMS, params={"filter-lang": "cql2-json", "filter-crs": f"{EPSG}25832"})
    assert answer.json()["numberMatched"] == 10


def test_pages_of_a_filter(werte: httpx.Client) -> None:
    seen: list[str] = []
    answer = werte.get(ITEMS, params={"filter": "zahl IS NOT NULL", "limit": "3"})
    while True:
        page = answer.json()
        seen += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        assert "filter=zahl%20IS%20NOT%20NULL" in following[0]
        answer = werte.get(following[0])
    assert sorted(seen) == list("abcdefhi")
    forged = following or [link["href"] for link in page["links"] if link["rel"] == "prev"]
    other = werte.get(forged[0].replace("IS%20NOT%20NULL", "%3E%200"))
    assert other.status_code == 400
    assert "it was altered or belongs to another query" in other.json()["detail"]


def test_hits_and_order_of_a_filter(werte: httpx.Client) -> None:
    hits = werte.get(ITEMS, params={"filter": "zahl > 0", "resultType": "hits"}).json()
    assert (hits["numberMatched"], hits["features"]) == (5, [])
    sorted_ = werte.get(ITEMS, params={"filter": "zahl > 0 AND zahl < 10", "sortby": "-zahl"}).json()
    assert [feature["id"] for feature in sorted_["features"]] == ["c", "b", "a"]


def test_a_filter_in_json_is_posted_as_the_body(werte: httpx.Client) -> None:
    assert found(werte.post(f"{ITEMS}?limit=5", json=CQL_JSON)) == "a"
    assert found(werte.post(ITEMS, json=CQL_JSON, headers={"Content-Type": "application/query-cql-json"})) == "a"
    crs = {"op": "s_intersects", "args": [{"property": "geom"}, {"type": "Point", "coordinates": [345100, 5700000]}]}
    assert found(werte.post(ITEMS, params={"filter-crs": f"{EPSG}25832"}, json=crs)) == "a"


def test_parameters_are_posted_as_a_form(werte: httpx.Client) -> None:
    assert found(werte.post(ITEMS, data={"filter": "zahl < 3", "aktiv": "true"})) == "a"
    assert found(werte.post(f"{ITEMS}?aktiv=true", data={"filter": "zahl < 3", "limit": "1"})) == "a"


def test_a_long_filter_is_paged_by_post(werte: httpx.Client) -> None:
    condition = " OR ".join(f"zahl = {number}" for number in range(1000))
    assert len(condition) > 10_000
    answer = werte.post(ITEMS, params={"limit": "3"}, data={"filter": condition})
    links = {link["rel"]: link for link in answer.json()["links"]}
    assert (links["next"]["method"], links["next"]["body"]) == ("POST", {"filter": condition})
    assert "method" not in links["collection"]
    assert 'rel="next"' not in answer.headers["Link"]
    assert len(answer.headers["Link"]) < 1000
    second = werte.post(links["next"]["href"], data=links["next"]["body"])
    assert sorted(found(answer) + found(second)) == list("abcd")


def test_a_short_filter_that_was_posted_is_paged_by_get(werte: httpx.Client) -> None:
    answer = werte.post(ITEMS, params={"limit": "3"}, json={"op": ">=", "args": [{"property": "zahl"}, 0]})
    [following] = [link for link in answer.json()["links"] if link["rel"] == "next"]
    assert "method" not in following
    assert sorted(found(answer) + found(werte.get(following["href"]))) == list("abcdef")


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (
            {"content": b"x", "headers": {"Content-Type": "text/xml"}},
            415,
            "The Content-Type 'text/xml' is not read here.",
        ),
        (
            {"content": b"x"},
            415,
            "The Content-Type '' is not read here. Send a form (application/x-www-form-urlencoded)",
        ),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "it is no JSON"),
        ({"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 400, "it is not UTF-8. Send UTF-8."),
        ({"json": CQL_JSON, "params": {"filter": "true"}}, 400, "it is given in the address and in the body"),
        ({"json": CQL_JSON, "params": {"filter-lang": "cql2-text"}}, 400, "it is given in the address and in the body"),
        ({"data": {"nichts": "1"}}, 400, "The parameter 'nichts' is not known here."),
        ({"data": {"filter": "x" * 1_100_000}}, 413, "The body has more than 1000000 bytes"),
        ({"json": CQL_JSON, "params": {"foo": "1"}}, 400, "The parameter 'foo' is not known here."),
    ],
)
def test_a_wrong_post_is_told(werte: httpx.Client, request_: dict[str, Any], status: int, message: str) -> None:
    answer = werte.post(ITEMS, **request_)
    assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
    assert werte.get(f"{ITEMS}?limit=1").status_code == 200


def test_nothing_else_is_posted_and_options_tells_nothing_of_it(werte: httpx.Client) -> None:
    """QGIS takes POST in Allow for leave to add features."""
    assert werte.post(f"{ITEMS}/a", json=CQL_JSON).status_code == 405
    assert werte.post("/collections", json=CQL_JSON).status_code == 405
    answer = werte.options(ITEMS)
    assert "POST" not in answer.headers["Allow"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


def test_tiles_show_what_the_filter_finds(werte: httpx.Client) -> None:
    tileset = werte.get("/collections/werte/tiles/WebMercatorQuad").json()
    [limits] = [found for found in tileset["tileMatrixSetLimits"] if found["tileMatrix"] == "10"]
    tile = f"/collections/werte/tiles/WebMercatorQuad/10/{limits['minTileRow']}/{limits['minTileCol']}"

    def shown(**parameters: str) -> list[str]:
        answer = werte.get(tile, params=parameters)
        assert answer.status_code in {200, 204}, answer.text
        layer = mapbox_vector_tile.decode(answer.content).get("werte", {"features": []})
        return sorted(feature["properties"]["id"] for feature in layer["features"])

    assert shown() == list("abcdefghij")
    assert shown(filter="CASEI(text) LIKE CASEI('haupt%')") == ["a", "b"]
    assert shown(filter=json.dumps(CQL_JSON), **{"filter-lang": "cql2-json"}) == ["a"]
    assert shown(filter="zahl = 4711") == []
    wrong = werte.get(tile, params={"filter": "strasse = 'x'"})
    assert (wrong.status_code, "'strasse' is no queryable" in wrong.json()["detail"]) == (400, True)


def test_conformance(werte: httpx.Client) -> None:
    classes = set(werte.get("/conformance").json()["conformsTo"])
    assert {f"{SPEC}/cql2/1.0/conf/{name}" for name in CQL2} <= classes
    assert {
        f"{SPEC}/ogcapi-features-3/1.0/conf/{name}"
        for name in ("queryables", "queryables-query-parameters", "filter", "features-filter")
    } <= classes


def test_queryables(werte: httpx.Client) -> None:
    answer = werte.get("/collections/werte/queryables")
    assert answer.headers["Content-Type"] == "application/schema+json"
    schema = answer.json()
    jsonschema.Draft202012Validator.check_schema(schema)
    properties = schema["properties"]
    attributes = ["text", "zahl", "wert", "tag", "beginn", "ende", "aktiv", "liste", "zahlen"]
    assert list(properties) == ["id", *attributes, "geom"]
    assert properties["id"]["x-ogc-role"] == "id"
    assert properties["tag"] == {**properties["tag"], "type": "string", "format": "date"}
    assert properties["beginn"] == {**properties["beginn"], "type": "string", "format": "date-time"}
    assert properties["liste"] == {**properties["liste"], "type": "array", "items": {"type": "string"}}
    # QGIS takes a geometry only with $ref and without type
    assert properties["geom"] == {
        "$ref": "https://geojson.org/schema/Point.json",
        "format": "geometry-point",
        "x-ogc-role": "primary-geometry",
    }


def test_functions(werte: httpx.Client, standards: Any) -> None:
    document = werte.get("/functions", params={"lang": "en"}).json()
    schema = yaml.safe_load((standards / "features/cql2/standard/schema/functions.yml").read_text("utf-8"))
    jsonschema.validate(document, schema)
    names = [function["name"] for function in document["functions"]]
    assert {"casei", "accenti", "area", "length", "distance", "year", "upper", "lower"} <= set(names)
    [casei] = [function for function in document["functions"] if function["name"] == "casei"]
    assert casei["args"] == [{"type": ["string"]}]
    assert casei["returns"] == ["string"]
    rel = "http://www.opengis.net/def/rel/ogc/1.0/functions"
    assert [link["href"] for link in werte.get("/").json()["links"] if link["rel"] == rel] == [
        f"{werte.base_url}/functions".replace("//functions", "/functions")
    ]


def test_every_function_can_be_called(werte: httpx.Client) -> None:
    """As the suite asks: with the arguments that /functions lists."""
    values = {"string": "text", "number": "zahl", "geometry": "geom", "datetime": "tag"}
    equals = {"string": "'x'", "number": "1"}
    for function in werte.get("/functions").json()["functions"]:
        arguments = ", ".join(values[argument["type"][0]] for argument in function["args"])
        for operator in ("=", "<>", ">"):
            condition = f"{function['name']}({arguments}) {operator} {equals[function['returns'][0]]}"
            assert werte.get(ITEMS, params={"filter": condition}).status_code == 200, condition


def test_the_api_definition_lists_the_parameters_for_gdal_and_qgis(werte: httpx.Client) -> None:
    api = werte.get("/api").json()
    operation = api["paths"][ITEMS]["get"]
    refs = {p["$ref"] for p in operation["parameters"] if "$ref" in p}
    assert {f"#/components/parameters/filter{name}" for name in ("", "-lang", "-crs")} <= refs
    languages = api["components"]["parameters"]["filter-lang"]["schema"]
    assert languages == {"type": "string", "enum": ["cql2-text", "cql2-json", "cql-text"], "default": "cql2-text"}
    names = {p["name"] for p in operation["parameters"] if "name" in p}
    assert {"id", "text", "zahl", "tag", "beginn", "aktiv"} <= names
    assert not {"liste", "zahlen", "geom"} & names
    assert api["paths"][ITEMS]["post"]["requestBody"]["content"].keys() == {
        "application/json",
        "application/x-www-form-urlencoded",
    }


def test_queryables_are_query_parameters(werte: httpx.Client) -> None:
    assert found(werte.get(ITEMS, params={"beginn": "2026-07-01T12:00:00Z"})) == "h"
    assert found(werte.get(ITEMS, params={"id": "c"})) == "c"
    answer = werte.get(ITEMS, params={"beginn": "gestern"})
    assert "the property is a moment. Give it as YYYY-MM-DDThh:mm:ssZ" in answer.json()["detail"]


def test_a_collection_in_degrees(natural_earth: httpx.Client) -> None:
    at = "/collections/ne_110m_populated_places_simple"
    box = natural_earth.get(at).json()["extent"]["spatial"]["bbox"][0]
    assert box == pytest.approx([-175.220564, -41.299988, 179.216647, 64.150024], abs=1e-5)
    inside = natural_earth.get(f"{at}/items", params={"bbox": "0,40,10,50"}).json()
    assert inside["numberMatched"] == 7
    [luxembourg] = natural_earth.get(f"{at}/items", params={"name": "Luxembourg"}).json()["features"]
    assert luxembourg["geometry"]["coordinates"] == pytest.approx([6.1300028, 49.6116604])


@pytest.mark.parametrize("lang", ["de", "en"])
@pytest.mark.parametrize("path", ["", "/schema", "/queryables", "/sortables", "/items", "/items/e"])
def test_pages_show_properties_of_every_type(werte: httpx.Client, path: str, lang: str) -> None:
    answer = werte.get(f"/collections/werte{path}", params={"f": "html", "lang": lang})
    assert answer.status_code == 200, answer.text
    assert "<h1" in answer.text
    if path == "/schema":
        names = ("Liste von Texten", "Zeitpunkt") if lang == "de" else ("list of texts", "instant")
        assert all(f"<td>{name}</td>" in answer.text for name in names)
