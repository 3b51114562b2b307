"""Long answers: complete, told before their first byte, given up when the client leaves, cut where they cannot end."""

import gzip
import json
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from server.formats.table import FORMATS

# keys of formats where nothing has solids
OF_ITEMS = [found.key for found in FORMATS if found.items and not found.solids]

FEATURES = 14_000
BAD = 12_000
TEXTS = ("json", "jsonfg", "gml", "csv", "geojsonl")
STORED = "http://www.opengis.net/def/crs/EPSG/0/25832"


@pytest.fixture(scope="module")
def http(crowd: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=crowd.url, timeout=60) as opened:
        yield opened


def numbers(f: str, content: bytes) -> list[int]:
    """Numbers at the end of the features' ids, in their order."""
    pattern = {
        "csv": rb'^"leer(\d+)"',
        "gml": rb'<nrw:leer gml:id="leer(\d+)"',
        "geojsonl": rb'^\x1e\{"type":"Feature","id":"leer(\d+)"',
    }.get(f, rb'\{"type":"Feature","id":"leer(\d+)"')
    return [int(number) for number in re.findall(pattern, content, re.MULTILINE)]


def ask(crowd: Any, path: str, version: bytes = b"1.1", *lines: bytes) -> socket.socket:
    """A request over a socket that takes little at a time."""
    host, _, port = crowd.url.removeprefix("http://").partition(":")
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    opened.settimeout(60)
    opened.connect((host, int(port)))
    head = b"\r\n".join([b"GET %b HTTP/%b" % (path.encode(), version), b"Host: a", b"Connection: close", *lines])
    opened.sendall(head + b"\r\n\r\n")
    return opened


def read_all(opened: socket.socket) -> tuple[bytes, bool]:
    """All that comes, and whether it ends in a reset."""
    parts = []
    with opened:
        while True:
            try:
                part = opened.recv(1 << 20)
            except ConnectionResetError:
                return b"".join(parts), True
            if not part:
                return b"".join(parts), False
            parts.append(part)


@pytest.mark.parametrize("f", TEXTS)
def test_a_long_answer_is_whole_and_its_headers_are_exact(http: httpx.Client, f: str) -> None:
    answer = http.get("/collections/leer/items", params={"f": f, "limit": 100_000})
    assert "Content-Length" not in answer.headers
    assert answer.headers["OGC-NumberReturned"] == answer.headers["OGC-NumberMatched"] == str(FEATURES)
    assert "next" not in answer.links
    assert numbers(f, answer.content) == list(range(1, FEATURES + 1))


def test_a_long_geojson_is_one_document(http: httpx.Client) -> None:
    document = http.get("/collections/leer/items", params={"limit": 12_000}).json()
    assert (document["numberMatched"], document["numberReturned"]) == (FEATURES, 12_000)
    assert len(document["features"]) == 12_000
    assert {"self", "next"} <= {link["rel"] for link in document["links"]}


@pytest.mark.parametrize("sortby", [None, "-nummer,name"])
def test_long_pages_follow_each_other_and_lead_back(http: httpx.Client, sortby: str | None) -> None:
    given = {"f": "geojsonl", "limit": 11_000, "filter": "nummer < 20", **({"sortby": sortby} if sortby else {})}
    pages = [http.get("/collections/leer/items", params=given)]
    while "next" in pages[-1].links:
        pages.append(http.get(pages[-1].links["next"]["url"]))
    found = [numbers("geojsonl", page.content) for page in pages]
    assert [page.headers["OGC-NumberReturned"] for page in pages] == ["11000", "200"]
    together = [number for page in found for number in page]
    assert sorted(together) == [i for i in range(1, FEATURES + 1) if i % 25 < 20]
    if sortby is None:
        assert together == sorted(together)
    back = http.get(pages[-1].links["prev"]["url"])
    assert numbers("geojsonl", back.content) == found[-2]
    assert back.headers["OGC-NumberReturned"] == "11000"


def test_a_filter_that_fits_on_one_page_is_counted_exactly(http: httpx.Client) -> None:
    answer = http.get("/collections/leer/items", params={"f": "csv", "limit": 50_000, "filter": "nummer > 9"})
    expected = [i for i in range(1, FEATURES + 1) if i % 25 > 9]
    assert answer.headers["OGC-NumberMatched"] == answer.headers["OGC-NumberReturned"] == str(len(expected))
    assert numbers("csv", answer.content) == expected


def test_head_tells_the_same_without_the_features(http: httpx.Client) -> None:
    answer = http.head("/collections/leer/items", params={"f": "csv", "limit": 100_000})
    assert (answer.status_code, answer.headers["OGC-NumberReturned"], answer.content) == (200, str(FEATURES), b"")


def test_hits_of_any_format_are_a_count(http: httpx.Client) -> None:
    for f in OF_ITEMS:
        answer = http.get("/collections/leer/items", params={"f": f, "resultType": "hits", "nummer": 7})
        told = (answer.headers["OGC-NumberMatched"], answer.headers["OGC-NumberReturned"])
        assert told == (str(FEATURES // 25), "0"), f


@pytest.mark.parametrize("f", OF_ITEMS)
def test_an_answer_that_cannot_end_is_cut(crowd: Any, f: str) -> None:
    """A feature in the midst cannot be transformed: no terminating chunk, no regular end of the connection."""
    crs = "&crs=http://www.opengis.net/def/crs/EPSG/0/25833"
    content, reset = read_all(ask(crowd, f"/collections/messpunkt/items?f={f}&limit=100000{crs}"))
    if content.startswith(b"HTTP/1.1 500"):  # a file is made before it is sent
        assert f == "gpkg"
        return
    assert content.startswith(b"HTTP/1.1 200"), content[:200]
    assert reset
    assert b"Transfer-Encoding: chunked" in content[:4000].replace(b"transfer-encoding", b"Transfer-Encoding")
    assert not content.endswith(b"0\r\n\r\n")
    assert b"messpunkt12000" not in content


@pytest.mark.parametrize(("coding", "window"), [("gzip", zlib.MAX_WBITS | 16)])
def test_a_cut_answer_has_no_end_when_it_is_compressed(crowd: Any, coding: str, window: int) -> None:
    path = "/collections/messpunkt/items?f=csv&limit=100000&crs=http://www.opengis.net/def/crs/EPSG/0/25833"
    content, reset = read_all(ask(crowd, path, b"1.1", b"Accept-Encoding: " + coding.encode()))
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head.lower()
    assert reset
    decoder = zlib.decompressobj(window)
    plain = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        plain += decoder.decompress(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    assert plain.startswith(b"id,name,nummer")
    assert not decoder.eof


def test_a_client_of_http_1_0_gets_a_reset_instead_of_an_end(crowd: Any) -> None:
    path = "/collections/messpunkt/items?f=csv&limit=100000&crs=http://www.opengis.net/def/crs/EPSG/0/25833"
    content, reset = read_all(ask(crowd, path, b"1.0"))
    assert content.startswith(b"HTTP/1.")
    assert b"transfer-encoding" not in content[:4000].lower()
    assert reset


def test_what_fails_before_the_first_feature_has_its_status(http: httpx.Client) -> None:
    given = {"f": "csv", "limit": 100_000, "filter": "wert < 1e308 * 100"}
    answer = http.get("/collections/leer/items", params=given)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "filter")
    assert "it cannot be computed: " in answer.json()["detail"]


def test_a_client_that_reads_slowly_is_waited_for_and_one_that_leaves_is_forgotten(crowd: Any) -> None:
    """Nothing is read far ahead of the client, and nothing goes on when it is gone."""
    active = (
        "select count(*) from pg_stat_activity where application_name = 'opennrw-server' and state <> 'idle' "
        "and datname = current_database() and pid <> pg_backend_pid()"
    )
    path = "/collections/leer/items?f=gml&limit=100000&lang=en"
    whole = len(httpx.get(crowd.url + path).content)
    opened = ask(crowd, path)
    assert opened.recv(1000).startswith(b"HTTP/1.1 200")
    with psycopg.connect(crowd.database_url, autocommit=True) as connection:
        wait_for(lambda: connection.execute(active).fetchone() == (0,))
    opened.close()
    wait_for(lambda: len(sent_bytes(crowd, "f=gml&limit=100000&lang=en")) == 2)
    assert sent_bytes(crowd, "f=gml&limit=100000&lang=en")[-1] < 0.8 * whole


def wait_for(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sent_bytes(crowd: Any, query: str) -> list[int]:
    """Of each answer to a query, by the log."""
    logged = [json.loads(line) for line in crowd.log.read_text().splitlines() if '"event":"request"' in line]
    return [line["bytes"] for line in logged if line["query"] == query]


def test_compressed_streams_come_in_pieces(http: httpx.Client) -> None:
    """The first bytes do not wait for the last feature."""
    with http.stream(
        "GET", "/collections/leer/items", params={"f": "csv", "limit": 100_000}, headers={"Accept-Encoding": "gzip"}
    ) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 10
    assert numbers("csv", gzip.decompress(b"".join(pieces))) == list(range(1, FEATURES + 1))
