"""Files of whole collections over HTTP: what links say of them, headers, ranges, resumption."""

import hashlib
import subprocess
from base64 import b64decode
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import pytest

AT = "/collections/adresse/downloads"
FILE = f"{AT}/adresse.geojsonl"
KINDS = ("gpkg", "fgb", "parquet", "geojsonl", "csv", "shp.zip")


@pytest.fixture(scope="module")
def whole(web: httpx.Client) -> bytes:
    """The content of FILE."""
    return web.get(FILE).raise_for_status().content


def test_a_file_is_sent_as_it_is_and_says_what_it_is(web: httpx.Client, offered: Any, whole: bytes) -> None:
    """Never compressed on its way: ranges and the ETag are those of the file itself."""
    answer = web.get(FILE, headers={"Accept-Encoding": "gzip, br, zstd"})
    digest = hashlib.sha256(whole)
    assert answer.content == whole
    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"] == f'"{digest.hexdigest()}"'
    assert b64decode(answer.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")) == digest.digest()
    stored = offered.maker.shelf.offer("adresse").files["geojsonl"]
    assert len(whole) == stored.size == int(answer.headers["content-length"])
    assert whole.count(b'"type":"Feature"') == stored.features == int(answer.headers["ogc-numberreturned"])
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/geo+json-seq"
    assert answer.headers["content-disposition"] == 'attachment; filename="adresse.geojsonl"'
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"


@pytest.mark.parametrize("document", ["/collections/adresse", AT])
def test_links_to_files_tell_length_digest_and_date(web: httpx.Client, document: str) -> None:
    links = [x for x in web.get(document, params={"f": "json"}).json()["links"] if x["rel"] == "enclosure"]
    assert [link["href"].rsplit("/", 1)[1] for link in links] == [f"adresse.{kind}" for kind in KINDS]
    for link in links:
        answer = web.get(link["href"])
        assert len(answer.content) == link["length"]
        assert hashlib.sha256(answer.content).hexdigest() == link["sha256"]
        assert answer.headers["content-type"].split(";")[0] == link["type"].split(";")[0]
        assert link["updated"].endswith("Z")


def test_the_list_of_collections_has_the_links_too(web: httpx.Client) -> None:
    collections = {c["id"]: c for c in web.get("/collections", params={"f": "json"}).json()["collections"]}
    counts = {name: sum(x["rel"] == "enclosure" for x in c["links"]) for name, c in collections.items()}
    assert (counts["adresse"], counts["land"]) == (len(KINDS), 0)


def test_checksums_are_those_that_sha256sum_reads(web: httpx.Client, tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / f"adresse.{kind}").write_bytes(web.get(f"{AT}/adresse.{kind}").content)
    answer = web.get(f"{AT}/SHA256SUMS")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    (tmp_path / "SHA256SUMS").write_bytes(answer.content)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert checked.stdout.count(b": OK\n") == len(KINDS)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-99", 10, 99),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("Bytes= 5-9", 5, 9),
        ("bytes=0-99999999999", 0, None),
        ("bytes=-99999999999", 0, None),
        ("bytes=5-9,0-4", 0, 9),
        ("bytes=5-9,99999999999-", 5, 9),
    ],
)
def test_a_range(web: httpx.Client, whole: bytes, header: str, first: int, last: int | None) -> None:
    answer = web.get(FILE, headers={"Range": header})
    wanted = whole[first:] if last is None else whole[first : last + 1]
    start = first % len(whole)
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(whole)}"


def test_several_ranges_come_as_parts(web: httpx.Client, whole: bytes) -> None:
    answer = web.get(FILE, headers={"Range": "bytes=-10, 0-9, 100-199"})
    assert answer.status_code == 206
    assert len(answer.content) == int(answer.headers["content-length"])
    head = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n"
    parts = message_from_bytes(head + answer.content, policy=policy.HTTP).get_payload()
    found = {part["content-range"]: part.get_payload(decode=True) for part in parts}  # pyright: ignore
    size = len(whole)
    assert found == {
        f"bytes 0-9/{size}": whole[:10],
        f"bytes 100-199/{size}": whole[100:200],
        f"bytes {size - 10}-{size - 1}/{size}": whole[-10:],
    }


@pytest.mark.parametrize("header", ["bytes=9-5", "bytes=a-b", "bytes=-", "lines=0-1", "bytes", "bytes=1-2-3"])
def test_what_is_no_range_of_bytes_is_ignored(web: httpx.Client, whole: bytes, header: str) -> None:
    answer = web.get(FILE, headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, whole)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("bytes=999999999-", "No range of 'bytes=999999999-' lies in the file, which has"),
        ("bytes=-0", "Ask for bytes from 0 to"),
        ("bytes=", "leave the header out"),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 200, 2)), "asks for 100 parts; 64 are sent in one answer"),
    ],
)
def test_ranges_that_cannot_be_sent(web: httpx.Client, whole: bytes, header: str, text: str) -> None:
    answer = web.get(FILE, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(whole)}"
    assert text in answer.json()["detail"]


def test_conditions(web: httpx.Client, whole: bytes) -> None:
    head = web.head(FILE)
    etag, modified = head.headers["etag"], head.headers["last-modified"]
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))
    expected = {
        ("If-None-Match", etag): 304,
        ("If-None-Match", f'"x", {etag}'): 304,
        ("If-None-Match", '"x"'): 206,
        ("If-Modified-Since", modified): 304,
        ("If-Range", etag): 206,
        ("If-Range", modified): 206,
        ("If-Range", '"x"'): 200,
        ("If-Range", f"W/{etag}"): 200,
        ("If-Range", "Mon, 01 Jan 2024 00:00:00 GMT"): 200,
        ("If-Match", etag): 206,
        ("If-Match", "*"): 206,
        ("If-Match", '"x"'): 412,
        ("If-Unmodified-Since", modified): 206,
        ("If-Unmodified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"): 412,
        ("If-Unmodified-Since", "yesterday"): 206,
    }
    found = {
        (name, value): web.get(FILE, headers={name: value, "Range": "bytes=0-9"}).status_code
        for name, value in expected
    }
    assert found == expected


def test_a_part_of_another_file_is_refused_with_the_remedy(web: httpx.Client) -> None:
    answer = web.get(FILE, headers={"If-Match": '"x"'})
    assert answer.status_code == 412
    assert "Begin the download again without a condition" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{AT}/adresse.dwg", "Files of this collection: adresse.gpkg, adresse.fgb"),
        (f"{AT}/kreis.gpkg", "There is no file 'kreis.gpkg'"),
        (f"{AT}/..%2F..%2Fserver.log", "There is no file"),
        (f"{AT}/manifest.json", "There is no file 'manifest.json'"),
        ("/collections/land/downloads/land.gpkg", "A worker makes it after a delivery; ask again later."),
        ("/collections/nix/downloads", "There is no collection 'nix'"),
    ],
)
def test_files_that_are_not_there(web: httpx.Client, path: str, text: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 404
    assert text in answer.json().get("detail", "") or "There is nothing at" in answer.json()["detail"]


def test_curl_resumes_a_download(web: httpx.Client, offered: Any, whole: bytes, tmp_path: Path) -> None:
    part = tmp_path / "adresse.geojsonl"
    part.write_bytes(whole[:1000])
    command = ["curl", "--silent", "--show-error", "--fail", "--continue-at", "-", "--output", str(part)]
    subprocess.run([*command, offered.url + FILE], check=True, timeout=60)
    assert part.read_bytes() == whole


def test_the_page_offers_files_and_parts_in_both_languages(web: httpx.Client) -> None:
    for lang, words in {"de": ("Herunterladen", "Bitte wählen"), "en": ("Download", "Please choose")}.items():
        page = web.get("/collections/adresse", params={"f": "html", "lang": lang}).text
        assert all(word in page for word in words)
        assert f'<form class="cut" action="/collections/adresse/download?lang={lang}" method="get"' in page
        assert all(f"/collections/adresse/downloads/adresse.{kind}" in page for kind in KINDS)
    page = web.get(AT, params={"f": "html", "lang": "de"}).text
    assert all(word in page for word in ("Herunterladen", "Bitte wählen"))
