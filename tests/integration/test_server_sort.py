"""sortby: every feature once, in PostgreSQL's own order, under ties, nulls, both directions and several keys."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from server.catalogue import Collection, read_collections
from server.features.cursor import parse_cursor, to_token
from server.features.params import parse_items_query

Fetch = Callable[..., list[tuple[Any, ...]]]
ITEMS = "/collections/messpunkt/items"
OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
BOX = "340000,5640000,360000,5710000"

# sortby and the order in SQL; a null is greater than any value
ORDERS = [
    ("+name", "name asc nulls last, fid asc"),
    ("-name", "name desc nulls first, fid desc"),
    ("nummer", "nummer asc nulls last, fid asc"),
    ("-wert", "wert desc nulls first, fid desc"),
    ("aktiv", "aktiv asc nulls last, fid asc"),
    ("-datum", "datum desc nulls first, fid desc"),
    ("id", "id asc"),
    ("-id", "id desc"),
    ("+aktiv,-nummer", "aktiv asc nulls last, nummer desc nulls first, fid asc"),
    ("-nummer,+aktiv,-wert", "nummer desc nulls first, aktiv asc nulls last, wert desc nulls first, fid desc"),
    ("-aktiv,-datum,name,id", "aktiv desc nulls first, datum desc nulls first, name asc nulls last, id asc"),
]
FILTERS: list[tuple[dict[str, str], str]] = [
    ({}, "true"),
    ({"bbox": BOX, "bbox-crs": UTM, "aktiv": "false"}, f"geom && ST_MakeEnvelope({BOX}, 25832) and not aktiv"),
    ({"datetime": "2020-03-01/2020-06-30"}, "(datum is null or datum between '2020-03-01' and '2020-06-30')"),
]


def link(document: dict[str, Any], rel: str) -> str | None:
    return next((x["href"] for x in document["links"] if x["rel"] == rel), None)


def pages(client: httpx.Client, url: str, rel: str = "next") -> Iterator[dict[str, Any]]:
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        url = link(answer.json(), rel) or ""


def ids(document: dict[str, Any]) -> list[str]:
    return [feature["id"] for feature in document["features"]]


@pytest.mark.parametrize(
    ("sortby", "order", "given", "condition"),
    [
        *((*order, *FILTERS[0]) for order in ORDERS),
        *((*ORDERS[number], *where) for number in (1, 2, 9) for where in FILTERS[1:]),
    ],
)
def test_sorting_response(
    client: httpx.Client, truth: Fetch, sortby: str, order: str, given: dict[str, str], condition: str
) -> None:
    """Forward to the end and back to the same first page."""
    expected = [row[0] for row in truth(f"select id from geobasis.messpunkt where {condition} order by {order}")]
    assert len(expected) > 50
    url = str(httpx.URL(ITEMS, params={**given, "sortby": sortby, "limit": max(41, len(expected) // 7)}))
    forward = list(pages(client, url))
    assert [i for page in forward for i in ids(page)] == expected
    assert link(forward[0], "prev") is None
    back = [forward[-1], *pages(client, link(forward[-1], "prev") or "", "prev")]
    assert [ids(page) for page in reversed(back)] == [ids(page) for page in forward]
    second = client.get(link(forward[1], "prev") or "").json()
    assert ids(client.get(link(second, "next") or "").json()) == ids(forward[1]), "next after prev"


@pytest.mark.parametrize("sortby", ["nummer,-aktiv", "-name", "-nummer"])
def test_pages_of_one_feature_lose_nothing_at_ties_and_nulls(client: httpx.Client, truth: Fetch, sortby: str) -> None:
    box = "360990,5699990,361020,5700020"
    expected = list(pages(client, str(httpx.URL(ITEMS, params={"bbox": box, "bbox-crs": UTM, "sortby": sortby}))))
    single = pages(client, str(httpx.URL(ITEMS, params={"bbox": box, "bbox-crs": UTM, "sortby": sortby, "limit": 1})))
    found = [i for page in single for i in ids(page)]
    assert found == [i for page in expected for i in ids(page)]
    assert len(found) == len(set(found)) > 100


def test_a_plus_sign_that_was_not_encoded_is_ascending(client: httpx.Client) -> None:
    assert (
        client.get(f"{ITEMS}?sortby=+name,-wert").json()["features"]
        == (client.get(ITEMS, params={"sortby": "name,-wert"}).json()["features"])
    )


def test_other_representations_keep_the_order(client: httpx.Client) -> None:
    given = {"sortby": "-datum", "limit": "7"}
    first = client.get(ITEMS, params=given).json()
    page = client.get(ITEMS, params={**given, "f": "html"}).text
    places = [page.index(f'data-id="{i}"') for i in ids(first)]
    assert places == sorted(places)
    assert 'aria-sort="descending"' in page
    in_utm = httpx.URL(link(first, "next") or "").copy_set_param("crs", UTM)
    assert ids(client.get(in_utm).json()) == ids(client.get(link(first, "next") or "").json())


REMEDY = "Give up to 4 of id, name, nummer, wert, aktiv, datum, each with + or - before it, as +a,-b"


@pytest.mark.parametrize(
    ("sortby", "rule"),
    [
        ("", "the features cannot be sorted by ''"),
        ("notiz", "the features cannot be sorted by 'notiz'"),
        ("geom", "the features cannot be sorted by 'geom'"),
        ("fid", "the features cannot be sorted by 'fid'"),
        ("NAME", "the features cannot be sorted by 'NAME'"),
        ("name,", "the features cannot be sorted by ''"),
        ("--name", "the features cannot be sorted by '--name'"),
        ("name desc", "the features cannot be sorted by 'name desc'"),
        ('name" desc; drop table x; --', "the features cannot be sorted by"),
        ("name,-name", "it names a property twice"),
        ("name,nummer,wert,aktiv,datum", "it has more than 4 keys"),
        ("name" + ",name" * 500, "it has more than 4 keys"),
    ],
)
def test_a_wrong_sortby_is_told(client: httpx.Client, sortby: str, rule: str) -> None:
    answer = client.get(ITEMS, params={"sortby": sortby})
    assert answer.status_code == 400
    assert answer.json()["rule"].startswith(rule)
    assert answer.json()["remedy"] == REMEDY


def test_a_cursor_belongs_to_its_order(client: httpx.Client) -> None:
    first = client.get(ITEMS, params={"sortby": "name", "limit": 5}).json()
    cursor = parse_qs(urlsplit(link(first, "next") or "").query)["cursor"][0]
    for other in ({}, {"sortby": "-name"}, {"sortby": "nummer"}, {"sortby": "name,id"}):
        answer = client.get(ITEMS, params={**other, "cursor": cursor})
        assert answer.status_code == 400, other
        assert answer.json()["rule"] == "it was altered or belongs to another query"
        assert "leave the parameter out to begin anew" in answer.json()["remedy"]


def test_every_altered_character_of_a_sorted_cursor_is_seen(client: httpx.Client) -> None:
    first = client.get(ITEMS, params={"sortby": "name", "limit": 300}).json()
    cursor = parse_qs(urlsplit(link(first, "next") or "").query)["cursor"][0]
    for place in range(0, len(cursor), 3):
        other = "B" if cursor[place] == "A" else "A"
        altered = cursor[:place] + other + cursor[place + 1 :]
        assert client.get(ITEMS, params={"sortby": "name", "cursor": altered}).status_code == 400, place


def test_a_forged_cursor_is_400(client: httpx.Client, collections: dict[str, Collection]) -> None:
    """Who computes the checksum himself gets no further than to an error of his own."""
    query = parse_items_query(collections["messpunkt"], {"sortby": "nummer"})
    page = client.get(ITEMS, params={"sortby": "nummer", "limit": 1}).json()
    live = parse_qs(urlsplit(link(page, "next") or "").query)["cursor"][0]
    for values in (("x' or 1=1 --",), ("1e999",), ("",)):
        forged = _like(live, query.identity, values)
        answer = client.get(ITEMS, params={"sortby": "nummer", "cursor": forged})
        assert answer.status_code == 400, values
        assert answer.json()["rule"] == "it was altered or belongs to another query"


def _like(token: str, identity: str, values: tuple[str, ...]) -> str:
    """A token of the same state with other values."""
    return to_token(replace(parse_cursor(token, identity), values=values), identity)


@pytest.fixture(scope="module")
def collections(collections_dir: Path) -> dict[str, Collection]:
    return {c.id: c for c in read_collections(collections_dir)}


def test_get_sortables_op_and_link(client: httpx.Client) -> None:
    collection = client.get("/collections/messpunkt").json()
    [found] = [x for x in collection["links"] if x["rel"] == f"{OGC_REL}sortables"]
    assert found["type"] == "application/schema+json"
    answer = client.get(found["href"])
    schema = answer.json()
    assert answer.headers["Content-Type"] == "application/schema+json"
    assert schema["$id"] == found["href"]
    assert list(schema["properties"]) == ["id", "name", "nummer", "wert", "aktiv", "datum"]
    assert schema["properties"]["datum"]["format"] == "date"
    assert schema["additionalProperties"] is False
    for name in schema["properties"]:
        assert client.get(ITEMS, params={"sortby": name}).status_code == 200
    assert "sortby=-wert" in client.get(found["href"], params={"f": "html"}).text
