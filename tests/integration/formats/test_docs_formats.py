"""docs/formats.md: each example answers, each format and header is told."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from server.formats.table import OF_ITEMS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "formats.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = re.findall(r"^ {4}GET (/\S+)$", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def http(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=60) as client:
        yield client


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_finds_something(http: httpx.Client, example: str) -> None:
    id_ = http.get("/collections/adresse/items", params={"limit": 1}).json()["features"][0]["id"]
    answer = http.get(example.replace("{id}", quote(id_, safe="")))
    assert answer.status_code == 200, answer.text
    assert answer.content
    if "/items?" in example:
        assert int(answer.headers["OGC-NumberReturned"]) > 0


def test_every_format_is_told_with_its_media_type() -> None:
    for key, media_type in OF_ITEMS.items():
        assert f"`{key}`" in TEXT
        assert f"`{media_type.partition(';')[0]}" in TEXT


def test_the_header_is_the_one_that_is_sent(http: httpx.Client) -> None:
    (told,) = re.findall(r"^ {4}OpenNRW-Coordinates: (.*)$", TEXT, re.MULTILINE)
    assert http.get("/collections/adresse/items", params={"limit": 1}).headers["OpenNRW-Coordinates"] == told
