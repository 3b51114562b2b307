"""docs/features.md: each example answers, and finds something."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "features.md"
EXAMPLES = re.findall(r"^ {4}GET (/\S+)$", PAGE.read_text("utf-8"), re.MULTILINE)
PARAMETERS = (
    *("bbox", "bbox-crs", "datetime", "sortby", "limit", "properties", "exclude-properties", "skipGeometry"),
    *("zoom-level", "crs", "resultType", "asOf"),
)


@pytest.fixture(scope="module")
def http(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=30) as client:
        yield client


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_finds_something(http: httpx.Client, example: str) -> None:
    id_ = http.get("/collections/adresse/items", params={"limit": 1}).json()["features"][0]["id"]
    instant = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    answer = http.get(example.replace("{id}", quote(id_, safe="")).replace("{instant}", instant))
    assert answer.status_code == 200, answer.text
    if answer.headers["Content-Type"].startswith("text/html"):
        return
    document = answer.json()
    if "resultType=hits" in example:
        assert document["numberMatched"] > 0
    else:
        assert document.get("features") or document["properties"]


def test_every_parameter_has_an_example() -> None:
    assert [name for name in PARAMETERS if not any(f"{name}=" in example for example in EXAMPLES)] == []
