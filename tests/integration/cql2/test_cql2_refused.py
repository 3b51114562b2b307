"""Filters that are wrong, too large or meant to do harm: a 400 that helps, and the next request is answered."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Refused = Callable[..., str]
Ids = Callable[..., str]
NAMES = "Queryables are: id, text, zahl, wert, tag, beginn, ende, aktiv, liste, zahlen, geom."

MESSAGES = [
    ("strasse = 'x'", f"'strasse' is no queryable of 'werte'. {NAMES}"),
    ("digest = 'x'", "'digest' is no queryable"),
    ('"zahl"" = 1; --" = 1', "'zahl\" = 1; --' is no queryable"),
    ('"exec(java.lang.Runtime)" = 1', "is no queryable"),
    ("zahl.x = 1", "'zahl.x' is no queryable"),
    ("tag = 5", "'tag' is a date, 5 is a number: they cannot be compared. Write DATE('2026-07-01')."),
    ("zahl = '5'", "'zahl' is a number, '5' is a text: they cannot be compared. Write a number without quotes."),
    ("'5' = zahl", "'zahl' is a number, '5' is a text"),
    ("tag = '2026-07-01'", "'tag' is a date, '2026-07-01' is a text: they cannot be compared. Write DATE("),
    ("text > DATE('2026-07-01')", "'text' is a text"),
    ("zahl IN (1, 'x')", "'zahl' is a number, 'x' is a text"),
    ("zahl BETWEEN 1 AND 'x'", "'zahl' is a number, 'x' is a text"),
    ("aktiv = 1", "'aktiv' is true or false, 1 is a number"),
    ("geom = 'x'", "'geom' is a geometry, which = does not compare. Use S_INTERSECTS, S_EQUALS and their like."),
    ("liste = 'a'", "'liste' is a list of a texts, which = does not compare. Use A_EQUALS"),
    ("zahl", "a filter needs true or false, and 'zahl' is a number"),
    ("zahl AND aktiv", "AND needs true or false, and 'zahl' is a number"),
    ("text + 1 = 2", "'+' needs a number, and 'text' is a text"),
    ("zahl LIKE '1%'", "LIKE needs a text, and 'zahl' is a number"),
    ("text LIKE text", "the pattern of LIKE is no text"),
    ("text LIKE 'x\\\\\\'", "the pattern of LIKE ends in a backslash. Double it"),
    ("a < b < c", "'a' is no queryable"),
    ("zahl < wert < 2", "what < gives is true or false"),
    (
        "pg_sleep(10) = 1",
        "there is no function 'pg_sleep'. Functions are: abs, accenti, area, casei, ceil, day, distance",
    ),
    ("pg_read_file('/etc/passwd') = 'x'", "there is no function 'pg_read_file'"),
    ("lo_import('/etc/passwd') = 1", "there is no function 'lo_import'"),
    ("casei() = 'x'", "the arguments of casei do not fit: nothing is given. Call casei(string)."),
    ("casei(text, text) = 'x'", "the arguments of casei do not fit: 'text' is a text, 'text' is a text"),
    ("casei(zahl) = 'x'", "the arguments of casei do not fit: 'zahl' is a number"),
    ("length(zahl) = 1", "Call length(string) or length(geometry)"),
    ("S_INTERSECTS(geom) = true", "S_INTERSECTS has 1 operands. Give it 2."),
    ("S_INTERSECTS(geom, zahl)", "S_INTERSECTS needs a geometry, and 'zahl' is a number"),
    ("S_BUFFER(geom, 1) = 1", "there is no function 's_buffer'"),
    ("T_AFTER(zahl, DATE('2026-01-01'))", "a temporal predicate needs a moment, and 'zahl' is a number"),
    ("T_DURING(tag, INTERVAL('2026-01-01','..'))", "T_DURING compares intervals, not instants. Use T_INTERSECTS"),
    ("T_AFTER(tag, INTERVAL('2026-02-01','2026-01-01'))", "an interval ends before it begins"),
    ("tag = INTERVAL('2026-02-01','..')", "an interval stands where a value is expected"),
    ("A_CONTAINS(liste, text)", "A_CONTAINS needs lists, and 'text' is a text"),
    ("A_CONTAINS(liste, (1))", "they cannot be compared"),
    ("A_CONTAINS(liste, ('a', 1))", "a list holds values of the types number, string"),
    ("tag = DATE('2026-02-30')", "'2026-02-30' is no date"),
    ("beginn = TIMESTAMP('2026-01-01T25:61:00Z')", "'2026-01-01T25:61:00Z' is no moment"),
    ("beginn = TIMESTAMP('2026-01-01T00:00:00')", "is no moment: write TIMESTAMP('2026-07-01T12:00:00Z')"),
    ("S_INTERSECTS(geom, BBOX(1,2,3))", "a box has 4 numbers, or 6 with heights, not 3"),
    ("S_INTERSECTS(geom, BBOX(6,52,7,51))", "the southern side of a box lies north of its northern one"),
    ("S_INTERSECTS(geom, POINT(181 0))", "a geometry lies outside the area of WGS 84 (lon, lat): as its first, second"),
    ("S_INTERSECTS(geom, POLYGON((0 0, 1 1, 1 0, 0 1, 0 0)))", "a geometry is not valid: Self-intersection[0.5 0.5]"),
    ("S_INTERSECTS(geom, POLYGON((0 0, 1 1, 1 0)))", "do not form a closed linestring"),
    ("S_INTERSECTS(geom, LINESTRING(0 0))", "cannot be read"),
    ("S_INTERSECTS(geom, POINT EMPTY)", "'EMPTY' means nothing in a geometry"),
    ("text = 'x", "at character 8: a text is not closed"),
    ("text = 'a' 'b'", "at character 12: ''b'' stands where nothing more is expected"),
    ("(zahl = 1", "at character 10: ')' is expected, not the end"),
    ("zahl = 1)", "at character 9: ')' stands where nothing more is expected"),
    ("zahl == 1", "at character 7: '=' stands where a value or name is expected"),
    ("zahl = 1; DROP TABLE x", "at character 9: ';' means nothing here"),
    ("text ILIKE 'x'", "ILIKE is no part of CQL2: write CASEI(name) LIKE CASEI('haupt%')"),
    ("zahl IN ()", "a list is empty"),
    ("", "at character 1: the text ends where a value or name is expected"),
    # numbers
    ("wert < 1e308 * 100", "it cannot be computed: "),
    ("distance(geom, POINT(7 51)) < 1e308 * 100", "it cannot be computed: "),
    ("zahl = NaN", "'NaN' is no queryable"),
    ("wert = Infinity", "'Infinity' is no queryable"),
    ("wert = 1e999", "the number 1e999 is too large"),
    ("wert > -1e309", "the number -1e309 is too large"),
    ("zahl = 9223372036854775808", "the whole number 9223372036854775808 does not fit into 64 bits"),
    ("zahl = 1_000", "'1_000' is no queryable"),
    ("zahl = ٣", "'٣' is no queryable"),
    ("zahl = 0x10", "'0x10' is no queryable"),
    ("zahl = " + "1" * 500, "a number has more than 400 characters"),
    ("S_INTERSECTS(geom, POINT(nan 1))", "'NAN' means nothing in a geometry"),
    ("S_INTERSECTS(geom, POINT(1e999 1))", "a coordinate of a geometry is no finite number"),
]


@pytest.mark.parametrize(("condition", "message"), MESSAGES, ids=lambda v: str(v)[:60])
def test_a_wrong_filter_is_told(refused: Refused, condition: str, message: str) -> None:
    assert message in refused(condition)


JSON: list[tuple[Any, str]] = [
    ({"op": "=", "args": [{"property": "x'; DROP TABLE y;--"}, 1]}, "is no queryable"),
    ({"op": "=", "args": [{"property": "zahl"}, "a'; DROP TABLE y;--"]}, "they cannot be compared"),
    ({"op": "pg_sleep", "args": [10]}, "there is no function 'pg_sleep'"),
    ({"op": "=", "args": [{"property": "zahl"}]}, "= has 1 operands. Give it 2."),
    ({"op": "and", "args": []}, "AND has no operands"),
    ({"op": "in", "args": [{"property": "zahl"}, []]}, "IN has no list of values"),
    ({"op": "in", "args": [{"property": "zahl"}, 1]}, "IN has no list of values"),
    ({"op": "="}, "an operation has a text 'op' and a list 'args', nothing else"),
    ({"op": 1, "args": []}, "an operation has a text 'op'"),
    ({"x": 1}, "an object is none of CQL2: it has the members x"),
    ({"property": 1}, "a text is expected, not 1"),
    ({"op": "=", "args": [{"date": "x"}, {"property": "tag"}]}, "'x' is no date"),
    (
        {"op": "s_intersects", "args": [{"property": "geom"}, {"type": "Point", "coordinates": []}]},
        "a geometry is empty",
    ),
    (
        {"op": "s_intersects", "args": [{"property": "geom"}, {"type": "Punkt", "coordinates": [1, 2]}]},
        "cannot be read",
    ),
    (
        {"op": "s_intersects", "args": [{"property": "geom"}, {"type": "Point", "coordinates": ["a", 2]}]},
        "cannot be read",
    ),
    ({"op": "s_intersects", "args": [{"property": "geom"}, {"bbox": [1, 2, 3]}]}, "a box has 4 numbers"),
    (
        {"op": "t_after", "args": [{"property": "tag"}, {"interval": ["2026-01-01"]}]},
        "an interval has a start and an end",
    ),
    ({"op": "=", "args": [{"property": "text"}, "a\0b"]}, "a text holds a NUL character"),
    ([1, 2], "a filter needs true or false"),
    (5, "a filter needs true or false, and 5 is a number"),
]


@pytest.mark.parametrize(("condition", "message"), JSON, ids=lambda v: str(v)[:60])
def test_wrong_json_is_told(refused: Refused, condition: Any, message: str) -> None:
    assert message in refused(json.dumps(condition), **{"filter-lang": "cql2-json"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is no JSON"),
        ('{"op":"=","args":[{"property":"zahl"},NaN]}', "it is no JSON"),
        ('{"op":"=","args":[{"property":"zahl"},1e999]}', "it is no JSON"),
        ('{"op":"=","args":[{"property":"text"},"\\ud800"]}', "it is no JSON"),
        ('{"op":"=","args":[{"property":"zahl"},9223372036854775808]}', "does not fit into 64 bits"),
        ('{"op":"=","args":[{"property":"wert"},1e400]}', "it is no JSON"),
        ("zahl = 1", "it is no JSON"),
    ],
)
def test_what_is_no_json_is_told(refused: Refused, text: str, message: str) -> None:
    assert message in refused(text, **{"filter-lang": "cql2-json"})


def test_the_other_parameters_are_checked(refused: Refused) -> None:
    assert "it is no filter language of this service. Use one of: cql2-text, cql2-json, cql-text." in refused(
        "true", **{"filter-lang": "cql"}
    )
    assert "it is not the URI of a CRS" in refused("true", **{"filter-crs": "EPSG:25832"})


@pytest.mark.parametrize(
    ("condition", "crs", "message"),
    [
        ("S_INTERSECTS(geom, POINT(7 51.5))", "25832", "outside the area of ETRS89 / UTM 32N: as its first, second"),
        ("S_INTERSECTS(geom, POINT(5700000 345000))", "25832", "outside the area of ETRS89 / UTM 32N"),
        ("S_INTERSECTS(geom, BBOX(-1e9,-1e9,1e9,1e9))", "3857", "outside the area of WGS 84 / Pseudo-Mercator"),
        ("S_INTERSECTS(geom, POINT(345000 5700000))", "3044", "as its second, first coordinate it has 5700000"),
        ("S_INTERSECTS(geom, BBOX(400000,5600000,300000,5700000))", "25832", "the western side of a box lies east"),
        ("S_INTERSECTS(geom, POINT(345000 5700000))", "4326", "outside the area of WGS 84 (lat, lon)"),
    ],
)
def test_a_geometry_outside_its_crs_is_told(refused: Refused, condition: str, crs: str, message: str) -> None:
    uri = f"http://www.opengis.net/def/crs/EPSG/0/{crs}"
    assert message in refused(condition, **{"filter-crs": uri})


@pytest.mark.parametrize(
    "condition",
    [
        "text = 'a'' OR ''1''=''1'",
        "text = 'a''; DROP TABLE geobasis.werte;--'",
        "text = 'ʼ; DROP TABLE geobasis.werte;--'",
        "text = '\\\\'",
        r"text LIKE '%(c_0)s'",
        "text = '%s %(limit)s $1 {0}'",
        "text LIKE '" + "%" * 5000 + "xyz'",
        "text LIKE '" + "_%" * 5000 + "xyz'",
        "casei(text) LIKE casei('" + "ß%" * 1000 + "')",
    ],
    ids=lambda v: v[:40],
)
def test_what_looks_like_an_attack_is_a_text(ids: Ids, condition: str) -> None:
    assert ids(condition) == ""
    assert ids("true") == "abcdefghij"


NOT = '{"op":"not","args":['
LARGE = {
    "300 (": "(" * 300 + "zahl = 1" + ")" * 300,
    "30 ( unclosed": "(" * 30 + "zahl = 1",
    "3,000 (": "(" * 3000 + "zahl = 1" + ")" * 3000,
    "90,000 (": "(" * 90_000,
    "3,000 NOT": "NOT " * 3000 + "aktiv",
    "3,000 functions": "casei(" * 3000 + "text" + ")" * 3000 + " = 'x'",
    "3,000 IN": "zahl IN (" * 3000 + "1" + ")" * 3000,
    "3,000 minus": "zahl = " + "-" * 3000 + "wert",
    "3,000 terms of a sum": "zahl = " + "+".join(["1"] * 3000),
    "7,000 AND": " AND ".join(["zahl = 1"] * 7000),
    "17,000 values": f"zahl IN ({','.join(map(str, range(17_000)))})",
    "3,000 brackets in WKT": "S_INTERSECTS(geom, GEOMETRYCOLLECTION" + "(" * 3000 + ")" * 3000,
    "300 collections": "S_INTERSECTS(geom, " + "GEOMETRYCOLLECTION(" * 300 + "POINT(1 1)" + ")" * 301,
    "30,000 vertices": "S_INTERSECTS(geom, MULTIPOINT(" + ",".join(["1 1"] * 24_000) + "))",
    "1,600 levels of JSON": NOT * 1600 + "true" + "]}" * 1600,
    "300 levels of JSON": NOT * 300 + "true" + "]}" * 300,
    "a list of lists": "[" * 5000 + "]" * 5000,
    "100,001 characters": "text = '" + "x" * 100_000 + "'",
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_at_once(werte: httpx.Client, name: str) -> None:
    """By POST, as no address would be long enough."""
    condition = LARGE[name]
    language = "cql2-json" if condition[0] in "{[" else "cql2-text"
    answer = werte.post("/collections/werte/items", data={"filter": condition, "filter-lang": language}, timeout=10)
    assert answer.status_code == 400, answer.text
    assert len(answer.text) < 3000
    assert werte.get("/collections/werte/items?limit=1").status_code == 200


def test_what_is_large_but_allowed_is_answered(ids: Ids, werte: httpx.Client) -> None:
    assert ids("(" * 200 + "zahl = 1" + ")" * 200) == "a"
    assert ids("NOT " * 200 + "aktiv") == "a"
    assert ids(f"zahl IN ({','.join(map(str, range(1, 3000)))})") == "abc"
    for condition in (
        " OR ".join(f"zahl = {number}" for number in range(1, 1000)),
        "S_INTERSECTS(geom, MULTIPOINT(" + ",".join(f"{7 + i / 1e5:.5f} 51" for i in range(6000)) + "))",
        NOT * 200 + '{"property":"aktiv"}' + "]}" * 200,
        "casei(" * 200 + "text" + ")" * 200 + " = casei('HAUPTSTRASSE')",
    ):
        data = {"filter": condition, "filter-lang": "cql2-json" if condition.startswith("{") else "cql2-text"}
        assert werte.post("/collections/werte/items", data=data).status_code == 200
