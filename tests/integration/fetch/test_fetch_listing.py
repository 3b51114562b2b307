"""Listings and addresses that are not what they should be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loaders.errors import SourceError

Fetching = Any
Publisher = Any
Faults = Any
Resource = Callable[[bytes], Any]
PAGE = b"\n<!DOCTYPE html><html><title>Wartungsarbeiten</title></html>"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PAGE, r"\(it is a web page or XML\)"),
        (b'{"datasets": ' + b"[" * 200_000, r"\(it is nested too deeply\)"),
        (b'{"datasets": [', r"\(JSONDecodeError: "),
        (b'{"metafiles": [{"name": "a.zip", "size": "-1"}]}', r"the size -1 of a\.zip is negative"),
        (
            b'{"metafiles": [{"name": "a.zip", "size": "1", "timestamp": 7}]}',
            r"the timestamp 7 of a\.zip is not a text",
        ),
        (b'{"metafiles": [{"name": "' + b"a" * 256 + b'", "size": "1"}]}', r"is longer than 255 bytes"),
        (b'{"metafiles": [{"name": "../../etc/cron.d/x", "size": "1"}]}', r"is not the name of a file"),
        (b'{"metafiles": [{"name": ["a.zip"], "size": "1"}]}', r"is not the name of a file"),
    ],
)
def test_what_is_no_listing(
    fetching: Fetching, publisher: Publisher, resource: Resource, content: bytes, reason: str
) -> None:
    publisher.files["/lk/index.json"] = resource(content)
    with pytest.raises(
        SourceError, match=rf"/lk/index\.json is not a listing of OpenGeodata\.NRW \(?.*{reason}"
    ) as failed:
        fetching()
    assert "Give the URL of a folder with a valid index.json, or a local folder or file." in str(failed.value)


def test_a_listing_that_does_not_end(fetching: Fetching, publisher: Publisher, resource: Resource) -> None:
    publisher.files["/lk/index.json"] = resource(b" " * (17 << 20))
    with pytest.raises(SourceError, match=r"/lk/index\.json is larger than 16777216 bytes: it is no listing\. Check"):
        fetching()


def test_folders_without_end(fetching: Fetching, publisher: Publisher, resource: Resource) -> None:
    """Each holds the next one: after some levels nobody expects the delivery there."""
    listing = resource(b'{"folders": [{"name": "tiefer"}]}')
    publisher.files |= {"/" + "tiefer/" * depth + "index.json": listing for depth in range(30)}
    with pytest.raises(
        SourceError, match=r"is listed at .* \(8 folders were read, at most 8 below each other\)"
    ) as failed:
        fetching("")
    assert "if it is elsewhere, give that folder with --from" in str(failed.value)


def test_more_folders_than_anyone_has(fetching: Fetching, publisher: Publisher, resource: Resource) -> None:
    names = [f"ordner{number}" for number in range(600)]
    publisher.files["/index.json"] = resource(json.dumps({"folders": [{"name": name} for name in names]}).encode())
    publisher.files |= {f"/{name}/index.json": resource(b"{}") for name in names}
    with pytest.raises(SourceError, match=r"\(500 folders were read"):
        fetching("")


def test_a_listing_on_a_bad_day(fetching: Fetching, publisher: Publisher, faults: Faults) -> None:
    publisher.put(b"PK")
    publisher.fail("/lk/index.json", faults.answer(503), faults.truncate(20), faults.stall(5))
    assert len(fetching(tries=4, stall=1)) == 1
    publisher.fail("/lk/index.json", faults.answer(304))
    with pytest.raises(SourceError, match=r"/lk/index\.json answered 304"):
        fetching()


def test_two_files_of_one_name_in_a_listing(fetching: Fetching, publisher: Publisher) -> None:
    publisher.put(b"PK")
    document = json.loads(publisher.files["/lk/index.json"].content)
    document["metafiles"] = document["datasets"][0]["files"]
    publisher.files["/lk/index.json"].content = json.dumps(document).encode()
    with pytest.raises(SourceError, match="bear the same name, so it is not clear which belongs to the delivery"):
        fetching()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("http://127.0.0.1:99999/lk/", r"is not a valid address: Port out of range 0-65535\. Correct it"),
        ("https:///lk/", r"is not a valid address: it must begin with https:// and a host\. Correct it"),
        (f"http://{'a' * 64}.example/lk/", r"is not a valid address: .*label"),
        ("http://[::1/lk/", r"is not a valid address: Invalid IPv6 URL"),
        ("http://ich:geheim@127.0.0.1/lk/", r"^The address of 127\.0\.0\.1 holds a user's name or password, which the"),
        ("http://127.0.0.1/..%2F..%2Fetc.zip", r"does not name a file: '\.\./\.\./etc\.zip' is not the name of a file"),
        ("http://127.0.0.1/a%00b.zip", r"does not name a file: 'a\x00b\.zip' is not the name of a file"),
    ],
)
def test_addresses_that_cannot_be(fetching: Fetching, tmp_path: Path, source: str, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        fetching(source)
    assert fetching.kept() == []
