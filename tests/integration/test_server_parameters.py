"""datetime, limit and the queryables as parameters: every form, every type, every mistake with its message."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

Fetch = Callable[..., list[tuple[Any, ...]]]
ITEMS = "/collections/messpunkt/items"


def matching(client: httpx.Client, **parameters: str) -> set[str]:
    answer = client.get(ITEMS, params={**parameters, "limit": "10000"})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["numberReturned"] == len(document["features"]) == document["numberMatched"]
    return {feature["id"] for feature in document["features"]}


def expected(truth: Fetch, condition: str) -> set[str]:
    return {row[0] for row in truth(f"select id from geobasis.messpunkt where {condition}")}


@pytest.mark.parametrize(
    ("datetime", "condition"),
    [
        ("2020-03-05", "datum = '2020-03-05'"),
        ("2020-03-05T00:00:00Z", "datum = '2020-03-05'"),
        ("2020-03-05t23:59:59.999z", "datum = '2020-03-05'"),
        ("2020-03-05T00:30:00+02:00", "datum = '2020-03-04'"),
        ("2020-03-01/2020-03-31", "datum between '2020-03-01' and '2020-03-31'"),
        ("2020-03-01T00:00:00Z/2020-03-31T23:59:59Z", "datum between '2020-03-01' and '2020-03-31'"),
        ("2020-12-30/..", "datum >= '2020-12-30'"),
        ("2020-12-30/", "datum >= '2020-12-30'"),
        ("../2020-01-05", "datum <= '2020-01-05'"),
        ("/2020-01-05", "datum <= '2020-01-05'"),
        ("2020-02-29", "datum = '2020-02-29'"),
        ("0001-01-01/9999-12-31", "true"),
        ("1900-01-01/1900-12-31", "false"),
    ],
)
def test_fc_time_response(client: httpx.Client, truth: Fetch, datetime: str, condition: str) -> None:
    """A feature without a date matches any time."""
    assert matching(client, datetime=datetime) == expected(truth, f"datum is null or {condition}")


@pytest.mark.parametrize(
    "datetime",
    [
        "",
        "..",
        "../..",
        "/",
        "2020",
        "2020-13-01",
        "2020-02-30",
        "2021-02-29",
        "2020-03-05T25:61:00Z",
        "2020-03-05T10:00:00",
        "2020-03-05 10:00:00Z",
        "2020-06-01/2020-01-01",
        "2020-01-01/2020-06-01/2020-12-31",
        "0000-01-01",
        "99999-01-01",
        "٢٠٢٠-٠١-٠١",
        "2016-12-31T23:59:60Z",
        "2020-01-01T00:00:00+99:00",
        "0001-01-01T00:00:00+10:00",
        "yesterday",
        "'; drop table x; --",
        "2020-01-01" * 1000,
    ],
)
def test_fc_time_definition_a_wrong_datetime_is_told(client: httpx.Client, datetime: str) -> None:
    answer = client.get(ITEMS, params={"datetime": datetime})
    problem = answer.json()
    assert answer.status_code == 400
    assert problem["parameter"] == "datetime"
    assert problem["rule"]
    assert "2026-01-01/.." in problem["remedy"]


QUERYABLES = [
    ("name", "Straße 7", "name = 'Straße 7'"),
    ("name", "Größe & Söhne", "name = 'Größe & Söhne'"),
    ("name", 'O\'Hara "Straße"', "id = '50%'"),
    ("name", "<script>alert(1)</script>", "id = 'a+b'"),
    ("name", "Zeile 1\nZeile 2\tTab \\ Ende", "id = 'a&b=c'"),
    ("name", "🏠 Łódź Ω", "id = 'q?x#y'"),
    ("name", "", "name = ''"),
    ("name", "null", "name = 'null'"),
    ("name", "a%20b+c", "name = 'a%20b+c'"),
    ("name", "' or 1=1 --", "false"),
    ("name", "Straße%", "false"),
    ("name", "straße 7", "false"),
    ("nummer", "4", "nummer = 4"),
    ("nummer", "-5", "nummer = -5"),
    ("nummer", "+4", "nummer = 4"),
    ("nummer", "007", "nummer = 7"),
    ("nummer", "9223372036854775807", "nummer = 9223372036854775807"),
    ("wert", "0.5", "wert = 0.5"),
    ("wert", ".5", "wert = 0.5"),
    ("wert", "5e-1", "wert = 0.5"),
    ("wert", "-0", "wert = 0"),
    ("wert", "1e-400", "wert = 0"),
    ("wert", "1.", "wert = 1"),
    ("aktiv", "true", "aktiv"),
    ("aktiv", "false", "not aktiv"),
    ("datum", "2020-03-05", "datum = '2020-03-05'"),
    ("datum", "2020-03-05T00:00:00Z", "datum = '2020-03-05'"),
]


@pytest.mark.parametrize(("name", "value", "condition"), QUERYABLES)
def test_queryables_query_parameters(client: httpx.Client, truth: Fetch, name: str, value: str, condition: str) -> None:
    found = matching(client, **{name: value})
    assert found == expected(truth, condition)
    assert found or condition == "false"


def test_parameters_are_combined_with_and(client: httpx.Client, truth: Fetch) -> None:
    assert matching(client, aktiv="true", nummer="4", datetime="2020-02-01/..", bbox="6,50,8,53") == expected(
        truth,
        "aktiv and nummer = 4 and (datum is null or datum >= '2020-02-01') "
        "and ST_Intersects(ST_Transform(geom, 4326), ST_MakeEnvelope(6, 50, 8, 53, 4326))",
    )


@pytest.mark.parametrize(
    ("name", "value", "type_"),
    [
        *(("nummer", value, "integer") for value in ("", "x", "1.5", "1e3", "1_0", "٣", " 1", "0x1f", str(2**63))),
        ("nummer", str(-(2**63) - 1), "integer"),
        *(("wert", value, "number") for value in ("", "x", "NaN", "Infinity", "-inf", "1e999", "1,5", "1_0", "٣")),
        *(("aktiv", value, "boolean") for value in ("", "TRUE", "1", "yes", "t")),
        *(("datum", value, "date") for value in ("", "2020", "2020-02-30", "05.03.2020", "2020-03-05T25:00:00Z")),
    ],
)
def test_a_value_of_the_wrong_type_is_told(client: httpx.Client, name: str, value: str, type_: str) -> None:
    answer = client.get(ITEMS, params={name: value})
    problem = answer.json()
    assert answer.status_code == 400
    assert (problem["parameter"], problem["value"]) == (name, value)
    assert type_ in problem["rule"]
    assert problem["remedy"].startswith("Give")


@pytest.mark.parametrize("limit", ["0", "-1", "", "unlimited", "10;", "1.5", "1e3", "+5", " 5", "٣", "0x10", "9" * 31])
def test_query_param_invalid_limit(client: httpx.Client, limit: str) -> None:
    answer = client.get(ITEMS, params={"limit": limit})
    problem = answer.json()
    assert answer.status_code == 400
    assert problem["detail"] == (
        f"The value '{limit}' of parameter 'limit' is not valid: it is no whole number from 1 on. Use 1 to 1000000."
    )


@pytest.mark.parametrize(
    "name", ["notiz", "geom", "fid", "digest", "unknown", "BBOX", "offset", "<script>", "a.b", 'n"x', ""]
)
def test_query_param_unknown(client: httpx.Client, name: str) -> None:
    answer = client.get(ITEMS, params={name: "1"})
    problem = answer.json()
    assert (answer.status_code, problem["title"]) == (400, "Unknown parameter")
    assert problem["parameter"] == name
    assert problem["remedy"].startswith("use one of: aktiv, asOf, bbox, bbox-crs, crs, cursor, datetime, datum, ")


def test_unknown_parameters_are_refused_everywhere(client: httpx.Client) -> None:
    at = "/collections/flaeche"
    paths = ["/", "/conformance", "/api", "/api.html", "/collections", at, f"{at}/items/f00300", f"{at}/queryables"]
    paths += [f"{at}/schema", f"{at}/provenance", f"{at}/tiles", f"{at}/tiles/WebMercatorQuad", "/map", "/privacy"]
    paths += [f"{at}/tiles/WebMercatorQuad/5/10/16", f"{at}/tiles/WebMercatorQuad/tilejson", "/tileMatrixSets"]
    for path in paths:
        answer = client.get(path, params={"foo": "1"})
        assert (path, answer.status_code) == (path, 400)
        detail = answer.json()["detail"]
        assert detail.startswith("The parameter 'foo' is not known here. Known parameters: ")
        assert re.search(r"Known parameters: (.*, )?f, (.*, )?lang", detail)


def test_a_parameter_is_given_once(client: httpx.Client) -> None:
    answer = client.get(f"{ITEMS}?limit=5&limit=6")
    assert (answer.status_code, answer.json()["rule"]) == (400, "it is given more than once")


def test_number_matched_is_exact_or_absent(client: httpx.Client, truth: Fetch) -> None:
    total = truth("select count(*) from geobasis.messpunkt")[0][0]
    everything = client.get(ITEMS, params={"limit": 1})
    assert everything.json()["numberMatched"] == total == int(everything.headers["OGC-NumberMatched"])
    on_one_page = client.get(ITEMS, params={"name": "Straße 7", "limit": 1000})
    assert on_one_page.json()["numberMatched"] == on_one_page.json()["numberReturned"]
    for parameters in ({"name": "Straße 7", "limit": 3}, {"bbox": "6,50,8,52", "limit": 3}):
        answer = client.get(ITEMS, params=parameters)
        exact = answer.json().get("numberMatched")
        assert exact is None
        assert "OGC-NumberMatched" not in answer.headers
        following = client.get(next(x["href"] for x in answer.json()["links"] if x["rel"] == "next"))
        assert "numberMatched" not in following.json()


def test_fc_response_members_and_headers(client: httpx.Client) -> None:
    answer = client.get(ITEMS, params={"limit": 3, "aktiv": "true"})
    document = answer.json()
    assert answer.headers["Content-Type"] == "application/geo+json"
    assert answer.headers["OGC-NumberReturned"] == "3"
    assert document["type"] == "FeatureCollection"
    assert document["timeStamp"].endswith("Z")
    header = answer.headers["Link"]
    for link in document["links"]:
        media_type = link["type"].replace('"', r"\"")
        assert f'<{link["href"]}>; rel="{link["rel"]}"; type="{media_type}"' in header
    assert {"self", "alternate", "collection", "next"} == {link["rel"] for link in document["links"]}


def test_f_success_attributes_come_as_they_are(client: httpx.Client, truth: Fetch) -> None:
    features = {f["id"]: f for f in client.get(ITEMS, params={"limit": "10000"}).json()["features"]}
    columns = ("name", "nummer", "wert", "aktiv", "datum", "notiz", "delivery")
    for id_, *values in truth(f"select id, {', '.join(columns)} from geobasis.messpunkt"):
        stored = {n: v.isoformat() if n == "datum" and v else v for n, v in zip(columns, values, strict=True)}
        assert features[id_]["properties"] == stored
        assert list(features[id_]) == ["type", "id", "geometry", "properties"]
    one = client.get("/collections/flaeche/items/f00300").json()
    rels = {"self", "alternate", "collection", "provenance", "version-history"}
    assert rels == {link["rel"] for link in one["links"]}


@pytest.mark.parametrize("id_", ["Ä ö ß", "50%", "a+b", "a&b=c", "q?x#y", '"zitat"', "<b>", "a;b", "ключ"])
def test_f_op_any_id_has_its_url(client: httpx.Client, id_: str) -> None:
    answer = client.get(f"/collections/messpunkt/items/{quote(id_, safe='')}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == id_
    own = next(link["href"] for link in answer.json()["links"] if link["rel"] == "self")
    assert client.get(own).json()["id"] == id_
    page = client.get(next(link["href"] for link in answer.json()["links"] if link["rel"] == "alternate"))
    assert page.status_code == 200
