"""Paging by key: every feature exactly once, forward and back, under every kind of query."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from server.limits import MAX_LIMIT

ITEMS = "/collections/messpunkt/items"
UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
# queries with many, some and no matches; their conditions in SQL
BOX = "340000,5640000,360000,5710000"
QUERIES: list[tuple[dict[str, str], str]] = [
    ({}, "true"),
    (
        {"bbox": BOX, "bbox-crs": UTM},
        f"geom && ST_MakeEnvelope({BOX}, 25832)",
    ),
    ({"name": "Straße 7"}, "name = 'Straße 7'"),
    ({"aktiv": "true", "nummer": "4"}, "aktiv and nummer = 4"),
    ({"datetime": "2020-03-01/2020-06-30"}, "datum is null or datum between '2020-03-01' and '2020-06-30'"),
    (
        {"bbox": "280000,5577000,531800,5820000", "bbox-crs": UTM, "aktiv": "false", "datetime": "2020-06-01/.."},
        "not aktiv and (datum is null or datum >= '2020-06-01')",
    ),
    ({"name": "gibt es nicht"}, "false"),
]


def link(document: dict[str, Any], rel: str) -> str | None:
    return next((x["href"] for x in document["links"] if x["rel"] == rel), None)


def pages(client: httpx.Client, url: str, rel: str = "next") -> Iterator[dict[str, Any]]:
    """A page and those that its links lead to."""
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        yield document
        url = link(document, rel) or ""


def ids(document: dict[str, Any]) -> list[str]:
    return [feature["id"] for feature in document["features"]]


@pytest.fixture(params=range(len(QUERIES)), ids=lambda i: "&".join(QUERIES[i][0]) or "everything")
def query(request: pytest.FixtureRequest, truth: Callable[..., list[tuple[str]]]) -> tuple[dict[str, str], list[str]]:
    """Parameters of a query and the ids that it must find, in the order of the key."""
    parameters, condition = QUERIES[request.param]
    found = truth(f"select id from geobasis.messpunkt where {condition} order by fid")
    return parameters, [row[0] for row in found]


@pytest.mark.parametrize("limit", [1, 7, 150, 1000, MAX_LIMIT])
def test_every_feature_once_forward_and_back_to_the_same_first_page(
    client: httpx.Client, query: tuple[dict[str, str], list[str]], limit: int
) -> None:
    parameters, expected = query
    if limit < 10:  # a part of it says enough
        parameters = {**parameters, "name": "Straße 7"}
        expected = [i for page in pages(client, _url({**parameters, "limit": 1000})) for i in ids(page)]
    forward = list(pages(client, _url({**parameters, "limit": limit})))
    assert [i for page in forward for i in ids(page)] == expected
    assert all(page["numberReturned"] == len(page["features"]) for page in forward)
    assert len(forward) == max(1, -(-len(expected) // limit)), "a full last page must not lead to an empty one"
    assert link(forward[0], "prev") is None
    back = [forward[-1], *pages(client, link(forward[-1], "prev") or "", "prev")]
    assert [ids(page) for page in reversed(back)] == [ids(page) for page in forward]
    assert link(back[-1], "prev") is None


def _url(parameters: dict[str, Any]) -> str:
    return str(httpx.URL(ITEMS, params=parameters))


def test_next_after_prev_goes_on_where_it_was(client: httpx.Client) -> None:
    first, second, third = (page for page, _ in zip(pages(client, f"{ITEMS}?limit=10"), range(3), strict=False))
    before = client.get(link(third, "prev") or "").json()
    assert ids(before) == ids(second)
    assert ids(client.get(link(before, "next") or "").json()) == ids(third)
    assert ids(client.get(link(before, "prev") or "").json()) == ids(first)


def test_order_is_the_same_every_time(client: httpx.Client) -> None:
    box = {"bbox": "6,50,8,52", "limit": "500"}
    assert ids(client.get(ITEMS, params=box).json()) == ids(client.get(ITEMS, params=box).json())


def test_limit_may_change_between_pages(client: httpx.Client) -> None:
    first = client.get(ITEMS, params={"limit": 10}).json()
    following = str(httpx.URL(link(first, "next") or "").copy_set_param("limit", "5"))
    everything = client.get(ITEMS, params={"limit": 15}).json()
    assert ids(first) + ids(client.get(following).json()) == ids(everything)


def test_links_keep_format_language_and_parameters(client: httpx.Client) -> None:
    given = {"limit": "5", "lang": "en", "f": "json", "crs": UTM, "bbox": "6,50,8,52", "aktiv": "true"}
    document = client.get(ITEMS, params=given).json()
    for rel in ("next", "self", "alternate"):
        found = {name: values[0] for name, values in parse_qs(urlsplit(link(document, rel) or "").query).items()}
        if rel == "alternate":
            assert found.pop("f") == "html"
        assert given.items() >= {k: v for k, v in found.items() if k != "cursor"}.items()


def test_fc_limit_response_1_above_the_maximum_is_the_maximum(client: httpx.Client) -> None:
    answer = client.get(ITEMS, params={"limit": "99999999999999999999"})
    assert answer.status_code == 200
    assert answer.json()["numberReturned"] == min(MAX_LIMIT, answer.json()["numberMatched"])


def test_a_cursor_belongs_to_its_query(client: httpx.Client) -> None:
    first = client.get(ITEMS, params={"limit": 5, "bbox": "6,50,8,52"}).json()
    cursor = parse_qs(urlsplit(link(first, "next") or "").query)["cursor"][0]
    altered = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    last = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    wrong = {
        "it was altered or belongs to another query": [
            {"cursor": cursor},
            {"cursor": cursor, "bbox": "6,50,8,52.5"},
            {"cursor": cursor, "bbox": "6,50,8,52", "aktiv": "true"},
            {"cursor": altered, "bbox": "6,50,8,52"},
            {"cursor": last, "bbox": "6,50,8,52"},
            {"cursor": cursor + "AAAA", "bbox": "6,50,8,52"},
            {"cursor": cursor, "bbox": "6,50,8,52", "sortby": "name"},
        ],
        "it is no cursor of this service": [
            {"cursor": text} for text in ("", "0", "ä", "<script>", cursor[:-3], "a b")
        ],
    }
    for rule, requests in wrong.items():
        for parameters in requests:
            answer = client.get(ITEMS, params=parameters)
            assert answer.status_code == 400, parameters
            assert rule in answer.json()["detail"]
            assert "links next and prev" in answer.json()["remedy"]
    other = client.get("/collections/flaeche/items", params={"cursor": cursor, "bbox": "6,50,8,52"})
    assert other.status_code == 400


def test_a_page_may_be_asked_for_in_another_crs_or_format(client: httpx.Client) -> None:
    first = client.get(ITEMS, params={"limit": 5}).json()
    following = httpx.URL(link(first, "next") or "")
    in_utm = client.get(following.copy_set_param("crs", UTM)).json()
    assert ids(in_utm) == ids(client.get(following).json())
    assert client.get(following.copy_set_param("f", "html")).status_code == 200


def test_an_empty_collection_answers_with_nothing(client: httpx.Client) -> None:
    for parameters in ({}, {"bbox": "6,50,8,52"}, {"name": "x"}):
        document = client.get("/collections/leer/items", params=parameters).json()
        assert (document["numberReturned"], document["numberMatched"], document["features"]) == (0, 0, [])
        assert link(document, "next") is link(document, "prev") is None
