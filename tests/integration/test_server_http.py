"""HTTP as RFC 9110 has it: negotiation, methods, validators, compression, CORS."""

import gzip
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import brotli
import httpx
import pytest
import zstandard

from server.formats.table import FORMATS

# media types by f where nothing has solids
OF_ITEMS = {found.key: found.media_type for found in FORMATS if found.items and not found.solids}

ITEMS = "/collections/messpunkt/items"
GEOJSON, HTML = "application/geo+json", "text/html; charset=utf-8"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
VARYING = {"date", "x-request-id", "content-length"}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", GEOJSON),
        ("*/*", GEOJSON),
        ("application/*", GEOJSON),
        ("application/json", GEOJSON),
        (GEOJSON, GEOJSON),
        ("APPLICATION/GEO+JSON", GEOJSON),
        ("text/html", HTML),
        ("text/*", HTML),
        (BROWSER, HTML),
        ("application/geo+json;q=0.5, text/html;q=0.9", HTML),
        ("application/geo+json;q=0.9, text/html;q=0.5", GEOJSON),
        ("text/html; level=1; q=0.1, application/json;q=0.2", GEOJSON),
        ("application/geo+json;q=0, application/json;q=0, */*", HTML),
        ("text/html;q=0, */*;q=0.1", GEOJSON),
        ("image/png, text/html;q=0.001", HTML),
        (",,;;q=1,text/html", HTML),
    ],
)
def test_accept_chooses_the_format(client: httpx.Client, accept: str, media_type: str) -> None:
    answer = client.get(ITEMS, params={"limit": 2}, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)
    assert {"accept", "accept-language"} <= {name.strip().lower() for name in answer.headers["Vary"].split(",")}


@pytest.mark.parametrize("accept", ["image/png", "*/*;q=0", "application/vnd.geo+json", "junk", "text/html;q=x"])
def test_not_acceptable_is_told(client: httpx.Client, accept: str) -> None:
    answer = client.get(ITEMS, headers={"Accept": accept})
    problem = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (406, "application/problem+json")
    assert accept in problem["detail"]
    assert problem["available"] == ["application/geo+json", "text/html", *list(OF_ITEMS.values())[1:]]


def test_f_wins_over_accept(client: httpx.Client) -> None:
    assert client.get(ITEMS, params={"f": "html"}, headers={"Accept": GEOJSON}).headers["Content-Type"] == HTML
    assert client.get(ITEMS, params={"f": "json"}, headers={"Accept": "image/png"}).headers["Content-Type"] == GEOJSON
    for f in ("xml", "JSON", "", "<script>", "json,html"):
        problem = client.get(ITEMS, params={"f": f}).json()
        assert (problem["status"], problem["parameter"], problem["value"]) == (400, "f", f)
        assert problem["remedy"] == f"Use one of: json, html, {', '.join(list(OF_ITEMS)[1:])}"


@pytest.mark.parametrize(
    ("lang", "accept", "language"),
    [
        (None, None, "de"),
        (None, "en", "en"),
        (None, "en-GB, de;q=0.5", "en"),
        (None, "en;q=0.3, de-AT;q=0.7", "de"),
        (None, "fr, en;q=0.1", "en"),
        (None, "fr", "de"),
        (None, "*", "de"),
        (None, "en;q=0", "de"),
        (None, "junk;;,q", "de"),
        ("en", "de", "en"),
        ("de", "en", "de"),
    ],
)
def test_language(client: httpx.Client, lang: str | None, accept: str | None, language: str) -> None:
    answer = client.get(
        "/collections/flaeche",
        params={"lang": lang} if lang else {},
        headers={"Accept-Language": accept} if accept else {},
    )
    assert answer.headers["Content-Language"] == language
    assert answer.json()["title"] == {"de": "Größe flaeche", "en": "Size flaeche"}[language]


def test_an_unknown_language_is_told(client: httpx.Client) -> None:
    problem = client.get("/", params={"lang": "fr"}).json()
    assert problem["detail"] == (
        "The value 'fr' of parameter 'lang' is not valid: it is no language of this service. Use one of: de, en."
    )


AT = "/collections/flaeche"
TILE = f"{AT}/tiles/WebMercatorQuad/6/21/33"
PATHS = [
    *("/", "/api", "/api.html", "/conformance", "/collections", AT, f"{AT}/items?limit=3", f"{AT}/items/f00300"),
    *(f"{AT}/queryables", f"{AT}/schema", f"{AT}/provenance", f"{AT}/tiles", f"{AT}/tiles/WebMercatorQuad"),
    *(TILE, f"{AT}/tiles/WebMercatorQuad/tilejson", "/tileMatrixSets"),
    *("/tileMatrixSets/WebMercatorQuad", "/map", "/accessibility", "/privacy", "/healthz", "/readyz", "/metrics"),
]


@pytest.mark.parametrize("path", PATHS)
def test_every_resource_answers_head_and_options(client: httpx.Client, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert whole.status_code == head.status_code == 200
    assert head.content == b""
    got, headed = ({k: v for k, v in a.headers.items() if k not in VARYING} for a in (whole, head))
    assert headed == got
    options = client.options(path)
    assert (options.status_code, options.headers["Allow"], options.content) == (204, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/collections", f"{ITEMS}/p00100"])
def test_other_methods_are_not_allowed(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.json()["detail"] == f"The method {method} is not allowed here. Use one of: GET, HEAD, OPTIONS."


@pytest.mark.parametrize("method", ["get", "FETCH"])
def test_what_is_no_method_is_refused(client: httpx.Client, method: str) -> None:
    """Methods are case-sensitive; httpx would write them in capitals."""
    request = client.build_request("GET", "/")
    request.method = method
    answer = client.send(request)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert "RFC 9112" in answer.json()["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_safe_headers_cors_and_caching_on_everything(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Origin": "https://example.org"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert {"Link", "Content-Crs", "ETag", "OGC-NumberMatched", "OGC-NumberReturned"} <= exposed
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"]
    if path in {"/healthz", "/readyz", "/metrics"}:
        assert answer.headers["Cache-Control"] == "no-store"
    else:
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert answer.headers["ETag"].startswith('W/"')


def test_cors_preflight(client: httpx.Client) -> None:
    asked = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-request-id, if-none-match",
    }
    answer = client.options(ITEMS, headers=asked)
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert "if-none-match" in answer.headers["Access-Control-Allow-Headers"].lower()


def test_errors_can_be_read_across_origins(client: httpx.Client) -> None:
    answer = client.get(f"{ITEMS}?foo=1", headers={"Origin": "https://example.org"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (400, "*")


DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "identity": bytes,
}


@pytest.mark.parametrize("coding", DECODERS)
@pytest.mark.parametrize("path", [f"{ITEMS}?limit=300", "/api", "/map", "/collections", f"{AT}/schema"])
def test_compression_round_trip(client: httpx.Client, path: str, coding: str) -> None:
    with client.stream("GET", path, headers={"Accept-Encoding": coding}) as answer:
        sent = b"".join(answer.iter_raw())
    plain = client.get(path, headers={"Accept-Encoding": "identity"}).content
    assert answer.headers.get("Content-Encoding", "identity") == coding
    assert "accept-encoding" in answer.headers["Vary"].lower()
    found = DECODERS[coding](sent)
    assert len(found) == len(plain)
    assert found.partition(b'"timeStamp"')[0] == plain.partition(b'"timeStamp"')[0]
    assert coding == "identity" or len(sent) < len(plain) / 2


def test_small_and_tile_answers_are_sent_well(client: httpx.Client) -> None:
    assert "Content-Encoding" not in client.get("/healthz").headers
    tile = client.get(TILE, headers={"Accept-Encoding": "gzip"})
    assert tile.headers["Content-Encoding"] == "gzip"


def test_validators_differ_by_variant_and_stay_the_same_otherwise(client: httpx.Client, probe: object) -> None:
    utm = "http://www.opengis.net/def/crs/EPSG/0/25832"
    variants = [{}, {"f": "json"}, {"f": "html"}, {"lang": "en"}, {"limit": "5"}, {"crs": utm}, {"aktiv": "true"}]
    etags = [client.get(ITEMS, params=p).headers["ETag"] for p in variants]
    etags += [client.get(ITEMS, headers={"Accept-Language": "en"}).headers["ETag"]]
    etags += [client.get(ITEMS, headers={"Accept": "text/html"}).headers["ETag"]]
    etags += [client.get(ITEMS, headers={"Host": "example.org"}).headers["ETag"]]
    etags += [client.get("/collections/flaeche/items").headers["ETag"]]
    assert len(set(etags)) == len(etags)
    assert [client.get(ITEMS, params=p).headers["ETag"] for p in variants] == etags[: len(variants)]


@pytest.mark.parametrize("path", [p for p in PATHS if p not in {"/healthz", "/readyz", "/metrics"}])
def test_not_modified(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    etag = first.headers["ETag"]
    for sent in (etag, etag.removeprefix("W/"), f'"x", {etag} , "y"', "*"):
        again = client.get(path, headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert ("accept-language" in again.headers["Vary"].lower()) == (path != TILE)  # a tile has no words
    changed = client.get(
        path, headers={"If-None-Match": '"other"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    )
    assert changed.status_code == 200, "If-None-Match decides where both are given"


@pytest.mark.parametrize("path", [f"{ITEMS}?limit=3", f"{ITEMS}/p00100", TILE, AT])
def test_modified_since(client: httpx.Client, path: str) -> None:
    published = datetime(2026, 7, 1, 12, tzinfo=UTC)
    first = client.get(path)
    assert parsedate_to_datetime(first.headers["Last-Modified"]) == published
    expected = {
        first.headers["Last-Modified"]: 304,
        "Fri, 01 Jan 2100 00:00:00 GMT": 304,
        "Wed, 01 Jul 2026 11:59:59 GMT": 200,
        "yesterday": 200,
        "": 200,
        "Wed, 99 Jul 2026 11:59:59 GMT": 200,
        "Wed, 01 Jul 2026 12:00:00 -0000": 200,
    }
    for since, status in expected.items():
        assert client.get(path, headers={"If-Modified-Since": since}).status_code == status, since


def test_request_ids_are_taken_on_where_they_are_plain(client: httpx.Client) -> None:
    assert client.get("/", headers={"X-Request-ID": "abc-1.2_3"}).headers["X-Request-ID"] == "abc-1.2_3"
    for junk in ("a b", "x" * 65, '"><script>', "ä".encode().decode("latin-1"), ""):
        answer = client.get("/", headers=[(b"x-request-id", junk.encode("latin-1"))])
        assert answer.headers["X-Request-ID"] != junk
        assert len(answer.headers["X-Request-ID"]) == 16


def test_static_files_are_cached_by_their_hash(client: httpx.Client) -> None:
    page = client.get("/", headers={"Accept": "text/html"}).text
    url = page.partition('href="/static/')[2].partition('"')[0].replace("&amp;", "&")
    hashed, plain = client.get(f"/static/{url}"), client.get(f"/static/{url.partition('?')[0]}")
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.headers["Cache-Control"] == "no-cache"
    assert hashed.content == plain.content
    assert client.get(f"/static/{url}", headers={"If-None-Match": hashed.headers["ETag"]}).status_code == 304
    missing = client.get("/static/none.css")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/problem+json")
    assert "immutable" not in client.get("/static/none.css?v=1").headers.get("Cache-Control", "")
    assert zlib.crc32(plain.content)
