"""What users get wrong and attackers try: a clear 4xx, nothing echoed into HTML, and the next request is answered."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jsonschema
import pytest

ITEMS = "/collections/messpunkt/items"
TILES = "/collections/flaeche/tiles/WebMercatorQuad"
Send = Callable[[bytes], tuple[int, dict[str, str], bytes]]

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "minLength": 3},
        "status": {"type": "integer", "minimum": 400, "maximum": 499},
        "detail": {"type": "string", "minLength": 20, "maxLength": 2500},
        "instance": {"type": "string"},
    },
}

# path, status, what the detail says
ERRORS = [
    ("/nothing", 404, "There is nothing at '/nothing'. The resources are listed at / and in /api."),
    ("/collections/", 404, "There is nothing at '/collections/'"),
    ("/collections/none", 404, "There is no collection 'none'. Collections: bezirk, flaeche, leer, messpunkt."),
    ("/collections/none/items", 404, "There is no collection 'none'"),
    ("/collections/none/items/1", 404, "There is no collection 'none'"),
    ("/collections/none/queryables", 404, "There is no collection 'none'"),
    ("/collections/none/schema", 404, "There is no collection 'none'"),
    ("/collections/none/provenance", 404, "There is no collection 'none'"),
    ("/collections/none/tiles/WebMercatorQuad/1/1/1", 404, "There is no collection 'none'"),
    (f"{ITEMS}/none", 404, "The collection 'messpunkt' has no feature 'none'. Take an id from http"),
    (f"{ITEMS}/{'x' * 5000}", 404, "has no feature 'xxx"),
    (
        "/collections/flaeche/tiles/None",
        404,
        "There is no tile matrix set 'None'. Available: WebMercatorQuad, ",
    ),
    ("/tileMatrixSets/None", 404, "There is no tile matrix set 'None'"),
    (f"{TILES}/4/0/0", 404, "tileMatrix 4 is not offered here: this tileset has 5 to 16."),
    (f"{TILES}/99/0/0", 404, "tileMatrix 99 is not offered here"),
    (f"{TILES}/6/2147483647/33", 404, "at tileMatrix 6 it has rows 20 to 21 and columns 33 to 33"),
    (f"{TILES}/6/21/2147483647", 404, "lies outside the tileset"),
    (f"{TILES}/6/-1/33", 404, "tileRow '-1' is no whole number from 0 on"),
    (f"{TILES}/6/1e3/33", 404, "tileRow '1e3' is no whole number"),
    (f"{TILES}/6/1.5/33", 404, "tileRow '1.5' is no whole number"),
    (f"{TILES}/6/21/%D9%A3", 404, "tileCol '٣' is no whole number"),
    (f"{TILES}/99999999999/0/0", 404, "tileMatrix '99999999999' is no whole number"),
    (f"{TILES}/6/21/33?f=png", 400, "The value 'png' of parameter 'f' is not valid"),
    ("/collections/leer/tiles/WebMercatorQuad/6/21/33", 404, "The collection is empty: it has no tiles yet."),
    (f"{ITEMS}?limit=0", 400, "The value '0' of parameter 'limit' is not valid: it is no whole number from 1 on."),
    (f"{ITEMS}?bbox=1,2,3", 400, "The value '1,2,3' of parameter 'bbox' is not valid: it has not 4 or 6 numbers"),
    (f"{ITEMS}?crs=EPSG:25832", 400, "it is not the URI of a CRS that this service offers"),
    (f"{ITEMS}?datetime=x", 400, "'x' is no date or date-time with zone of RFC 3339"),
    (f"{ITEMS}?nummer=x", 400, "The value 'x' of parameter 'nummer' is not valid: the property is of type integer."),
    (f"{ITEMS}?cursor=x", 400, "it is no cursor of this service"),
    (f"{ITEMS}?foo=1", 400, "The parameter 'foo' is not known here. Known parameters: aktiv, asOf, bbox"),
    (f"{ITEMS}?f=xml", 400, "it is no format of this resource. Use one of: json, html, jsonfg,"),
    (f"{ITEMS}?lang=xx", 400, "it is no language of this service. Use one of: de, en."),
    (f"{ITEMS}?limit=1&limit=2", 400, "it is given more than once. Give it once."),
    (f"{ITEMS}?name=%FF", 400, "it is not UTF-8. Percent-encode its UTF-8 bytes."),
    (f"{ITEMS}?%FF=1", 400, "it is not UTF-8"),
    (f"{ITEMS}?name=%C0%AF", 400, "it is not UTF-8"),
    (f"{ITEMS}?name=%ED%A0%80", 400, "it is not UTF-8"),
    (f"{ITEMS}?name=a%00b", 400, "it holds a NUL character. Leave it out."),
    (f"{ITEMS}?name={'x' * 40_000}", 414, "The query string has 40005 bytes; this service reads 32768. Shorten it."),
    (f"{ITEMS}?" + "&".join(f"a{i}=1" for i in range(5000)), 414, "The query string has"),
    (f"{ITEMS}?" + "&".join("a" for i in range(10_000)), 400, "The parameter 'a' is not known here"),
    (f"{ITEMS}?" + "&" * 10_000 + "limit=1", 400, "The parameter '&&"),
]


@pytest.fixture(autouse=True)
def the_next_request_is_answered(client: httpx.Client) -> Iterator[None]:
    yield
    assert client.get(f"{ITEMS}?limit=1").status_code == 200


@pytest.mark.parametrize(("path", "status", "detail"), ERRORS, ids=[f"{e[1]} {e[0][:60]}" for e in ERRORS])
def test_each_error_is_told(client: httpx.Client, path: str, status: int, detail: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert detail in problem["detail"]
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"
    jsonschema.validate(problem, PROBLEM)
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text


SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "path",
    [
        f"/{SCRIPT}",
        f"/collections/{SCRIPT}",
        f"{ITEMS}/{SCRIPT}",
        f"{ITEMS}/%22onload=alert(1)%3E",
        f"{ITEMS}?bbox={SCRIPT}",
        f"{ITEMS}?{SCRIPT}=1",
        f"{ITEMS}?cursor={SCRIPT}",
        f"{ITEMS}?name={SCRIPT}&limit=0",
        f"{ITEMS}?f=html&lang={SCRIPT}",
        f"{TILES}/{SCRIPT}/1/1",
        f"/tileMatrixSets/{SCRIPT}",
    ],
)
def test_pages_of_errors_escape_what_they_echo(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script>alert" not in answer.text
    assert '"onload' not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_pages_escape_what_the_data_hold(client: httpx.Client) -> None:
    for path in (f"{ITEMS}?limit=10000", f"{ITEMS}?name={SCRIPT}", f"{ITEMS}/a+b", f"{ITEMS}/%3Cb%3E"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<b>" not in answer.text
    assert "&lt;script&gt;alert" in client.get(f"{ITEMS}/a+b?f=html").text


@pytest.mark.parametrize(
    "host",
    [
        b'evil"><script>',
        b"a b",
        b"localhost:port",
        b"localhost:123456",
        b"user@host",
        b"a/b",
        b"[::1",
        b"-x",
        b"",
        b"\xff",
    ],
)
def test_host_header_junk_is_refused(raw: Send, host: bytes) -> None:
    status, headers, body = raw(b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
    assert status == 400
    assert b"<script>" not in body or headers["content-type"] == "application/problem+json"


def test_hosts_that_are_fine(raw: Send) -> None:
    for host in (b"localhost", b"geo.example.org:8443", b"[::1]:8080", b"127.0.0.1"):
        status, _, body = raw(b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
        assert status == 200
        assert b"http://" + host + b"/collections" in body


def test_forwarded_headers_of_strangers_change_no_link(client: httpx.Client, probe: Any) -> None:
    forged = {"X-Forwarded-Host": 'evil"><script>', "X-Forwarded-Proto": "javascript", "Forwarded": "host=evil"}
    answer = client.get("/collections", headers=forged)
    assert "evil" not in answer.text
    assert f"{probe.url}/collections" in answer.text


REQUESTS = {
    "URL of 100 kB": b"GET /collections?name=" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "path of 100 kB": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "10,000 parameters": b"GET /collections?" + b"a=1&" * 10_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "header of 1 MB": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000 + b"\r\nConnection: close\r\n\r\n",
    "1,000 headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * 1000 + b"Connection: close\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b c\r\nConnection: close\r\n\r\n",
    "raw UTF-8 in the path": "GET /collections/größe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(),
    "raw bytes in the query": b"GET /collections?a=\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "NUL in the path": b"GET /collections/messpunkt/items/%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "bad UTF-8 in the path": b"GET /collections/messpunkt/items/%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "surrogate in the path": b"GET /collections/%ED%A0%80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "half an escape": b"GET /collections/%2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HTTP/1.0 without host": b"GET / HTTP/1.0\r\n\r\n",
    "HTTP/3.7": b"GET / HTTP/3.7\r\nHost: a\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "body to nowhere": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    "endless chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
    "absolute form": b"GET http://evil/ HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
    "bad Accept": b"GET / HTTP/1.1\r\nHost: a\r\nAccept: \xff;q=\xff,;;\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_malformed_requests_are_refused(raw: Send, name: str) -> None:
    status, _, body = raw(REQUESTS[name])
    assert 400 <= status < 500, (status, body[:500])
    assert b"Traceback" not in body


@pytest.mark.parametrize(
    "path",
    [
        *(f"{base}/{dots}etc/passwd" for base in ("/static", "/collections") for dots in ("../" * 8, "..%2f" * 8)),
        *("/static/../pages.py", "/static/..%2fpages.py", "/static/%2e%2e/pages.py", "/static/....//pages.py"),
        *("/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/..\\pages.py", "/static/..%5cpages.py"),
        *("/static/", "/static", "/static/map", "/static/app.css%00.html", "/static/%ff"),
        *(
            "/../../etc/passwd",
            "//etc/passwd",
            "/collections/..",
            "/collections/%2e%2e/settings",
            "/static/../../cli.py",
        ),
    ],
)
def test_no_path_leads_out(raw: Send, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    status, _, body = raw(request)
    assert status in {400, 404}, (status, body[:300])
    assert b"root:" not in body
    assert b"import" not in body


@pytest.mark.parametrize(
    "value", ["' or '1'='1", '"; drop table x; --', "%'", "\\'", "$1", "%(limit)s", "{0}", "%s", ";"]
)
def test_values_are_bound_never_spliced(client: httpx.Client, value: str) -> None:
    assert client.get(ITEMS, params={"name": value}).json()["numberMatched"] == 0
    assert client.get(f"{ITEMS}/{value.replace('%', '%25').replace('?', '%3F')}").status_code == 404
