"""properties, exclude-properties, skipGeometry, zoom-level, resultType; and what the schemas say of it all."""

from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import psycopg
import pytest
from jsonschema import Draft202012Validator
from shapely.geometry import shape

Fetch = Callable[..., list[tuple[Any, ...]]]
ITEMS = "/collections/messpunkt/items"
AREAS = "/collections/flaeche/items"
UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
ALL = ["name", "nummer", "wert", "aktiv", "datum", "notiz", "delivery"]


def features(client: httpx.Client, path: str = ITEMS, **parameters: str) -> list[dict[str, Any]]:
    answer = client.get(path, params={name.replace("_", "-"): value for name, value in parameters.items()})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    return document.get("features", [document])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"properties": "wert,name"}, ["name", "wert"]),
        ({"properties": "delivery"}, ["delivery"]),
        ({"properties": "geom"}, []),
        ({"properties": "notiz,notiz"}, ["notiz"]),
        ({"exclude_properties": "wert,name"}, ["nummer", "aktiv", "datum", "notiz", "delivery"]),
        ({"exclude_properties": ",".join(ALL)}, []),
        ({"skipGeometry": "true"}, ALL),
        ({"skipGeometry": "false"}, ALL),
        ({"skipGeometry": "true", "properties": "name"}, ["name"]),
        ({"exclude_properties": "geom"}, ALL),
    ],
)
@pytest.mark.parametrize("path", [ITEMS, f"{ITEMS}/p00100"])
def test_properties_response(client: httpx.Client, path: str, given: dict[str, str], names: list[str]) -> None:
    """Part 6: only what is selected, in the order of the schema; the rest of a feature is as it always is."""
    plain = features(client, path)
    bare = given.get("skipGeometry") == "true" or given.get("exclude_properties") == "geom"
    for selected, whole in zip(features(client, path, **given), plain, strict=True):
        assert list(selected["properties"]) == names
        assert selected["properties"].items() <= whole["properties"].items()
        assert selected["geometry"] == (None if bare else whole["geometry"])
        assert selected["id"] == whole["id"]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("properties", "", "the collection has no property ''"),
        ("properties", "name,fid", "the collection has no property 'fid'"),
        ("properties", "name, wert", "the collection has no property ' wert'"),
        ("properties", 'name" from x; --', "the collection has no property"),
        ("exclude-properties", "digest", "the collection has no property 'digest'"),
        ("skipGeometry", "1", "it is neither true nor false"),
        ("skipGeometry", "", "it is neither true nor false"),
        ("zoom-level", "-1", "it is no decimal number from 0 on"),
        ("zoom-level", "NaN", "it is no decimal number from 0 on"),
        ("zoom-level", "1e3", "it is no decimal number from 0 on"),
        ("zoom-level", "12,5", "it is no decimal number from 0 on"),
        ("zoom-level", "9" * 400, "it is no decimal number from 0 on"),
        ("resultType", "HITS", "it is neither results nor hits"),
    ],
)
def test_wrong_values_are_told(client: httpx.Client, name: str, value: str, rule: str) -> None:
    answer = client.get(ITEMS, params={name: value})
    problem = answer.json()
    assert (answer.status_code, problem["parameter"]) == (400, name)
    assert problem["rule"].startswith(rule)
    assert problem["remedy"]


def test_only_one_of_properties_and_exclude_properties(client: httpx.Client) -> None:
    answer = client.get(ITEMS, params={"properties": "name", "exclude-properties": "wert"})
    assert answer.json()["detail"] == (
        "The value 'wert' of parameter 'exclude-properties' is not valid: properties is given, too. "
        "Give one of the two."
    )


@pytest.mark.parametrize("path", [AREAS, f"{AREAS}/f00100"])
def test_zoom_level_response(client: httpx.Client, path: str) -> None:
    """Part 7: fewer points the smaller the level, of the same type, valid, nowhere off by more than half a pixel."""
    parameters = {"crs": UTM, "limit": "500"} if path == AREAS else {"crs": UTM}
    plain = [shape(f["geometry"]) for f in features(client, path, **parameters)]
    former = 10**9
    for level in (14.0, 11.5, 8.0, 0.0):
        found = [shape(f["geometry"]) for f in features(client, path, **parameters, zoom_level=str(level))]
        pixel = 156_543.034 / 2**level * 0.6225
        for simple, whole in zip(found, plain, strict=True):
            assert simple.geom_type == "MultiPolygon"
            assert simple.is_valid
            assert not simple.is_empty
            assert simple.hausdorff_distance(whole) <= pixel / 2 + 0.01
        points = sum(g.count(",") for g in map(str, found))
        assert points <= former
        former = points
    assert former < sum(g.count(",") for g in map(str, plain))


def test_zoom_level_leaves_points_and_the_finest_levels_alone(client: httpx.Client) -> None:
    assert features(client, zoom_level="3") == features(client)
    for level in ("26", "30.5", "99999999999999999999"):
        assert features(client, AREAS, zoom_level=level) == features(client, AREAS)


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({}, "true"),
        ({"name": "Straße 7"}, "name = 'Straße 7'"),
        ({"datetime": "2020-03-01/.."}, "datum is null or datum >= '2020-03-01'"),
        (
            {"bbox": "340000,5640000,360000,5710000", "bbox-crs": UTM, "aktiv": "true"},
            "aktiv and geom && ST_MakeEnvelope(340000, 5640000, 360000, 5710000, 25832)",
        ),
        ({"bbox": "0,0,1,1"}, "false"),
    ],
)
def test_hits_are_exact(client: httpx.Client, truth: Fetch, given: dict[str, str], condition: str) -> None:
    answer = client.get(ITEMS, params={**given, "resultType": "hits", "limit": "1"})
    document = answer.json()
    assert document["numberMatched"] == truth(f"select count(*) from geobasis.messpunkt where {condition}")[0][0]
    assert int(answer.headers["OGC-NumberMatched"]) == document["numberMatched"]
    assert (document["features"], document["numberReturned"]) == ([], 0)
    assert {link["rel"] for link in document["links"]} == {"self", "alternate", "collection"}


def test_a_page_for_people_keeps_what_it_needs(client: httpx.Client) -> None:
    """Its map needs geometries; its table has the chosen columns."""
    given = {"f": "html", "properties": "wert", "skipGeometry": "true", "resultType": "hits", "limit": "5"}
    page = client.get(ITEMS, params=given).text
    assert page.count("data-id=") == 5
    assert 'name="wert"' in page
    assert 'name="nummer"' not in page


@pytest.mark.parametrize("collection", ["messpunkt", "flaeche"])
def test_the_exact_schema_holds_for_every_feature(client: httpx.Client, collection: str) -> None:
    """With its nulls; the schema that GDAL reads has the types of values only."""
    schema = client.get(f"/collections/{collection}/schema", params={"f": "geojson"}).json()
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/collections/{collection}/schema?f=geojson")
    schema["properties"]["geometry"] = {"type": "object"}  # its schema is on the internet
    validator = Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    page = client.get(f"/collections/{collection}/items", params={"limit": 10_000}).json()["features"]
    assert any(value is None for feature in page for value in feature["properties"].values())
    assert [error.message for feature in page for error in validator.iter_errors(feature)] == []
    wrong = {**page[0], "properties": {**page[0]["properties"], "nummer": "4"}}
    assert not validator.is_valid(wrong)


def test_ids_with_slashes_are_reachable(serve_probe: Callable[..., Any], probe_database_url: str) -> None:
    ids = ["a/b", "/a", "a/", "a//b", "../x", "a/versions"]
    with psycopg.connect(probe_database_url, autocommit=True) as connection:
        for number, id_ in enumerate(ids):
            connection.execute("update geobasis.messpunkt set id = %s where id = %s", [id_, f"p{200 + number:05}"])
    with serve_probe(probe_database_url) as served, httpx.Client(base_url=served.url) as client:
        for id_ in ids:
            quoted = "".join(f"%{byte:02X}" for byte in id_.encode())
            answer = client.get(f"{ITEMS}/{quoted}")
            if id_ == "a/versions":  # the versions of a feature 'a', which is not there
                assert answer.status_code == 404
                continue
            assert (answer.status_code, answer.json()["id"]) == (200, id_)
            for link in answer.json()["links"]:
                if link["rel"] in {"self", "version-history"}:
                    followed = client.get(link["href"])
                    assert followed.status_code == 200, link
                    assert id_ in followed.text
