"""The map in three dimensions, and its attribution of several publishers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import expect

from loaders.example.city import write_city
from loaders.example.options import ExampleOptions
from loaders.run import LoadOptions, load_dataset

pytestmark = pytest.mark.clients
ROOT = Path(__file__).resolve().parents[2]
OTHERS = {
    "attribution": {"de": "Stadt <Beispiel>, dl-de/by-2-0", "en": "City of <Example>, dl-de/by-2-0"},
    "licence": {"title": "dl-de/by-2-0", "url": "https://www.govdata.de/dl-de/by-2-0"},
}
SHOWN = "map.queryRenderedFeatures({ layers: [0, 1, 2].map((n) => `gebaeude_3d:block${n}`) }).length"
Watch = Callable[..., Any]


@pytest.fixture
def city(example_database_url: str, start_server: Callable[..., Any], tmp_path: Path) -> str:
    """A service with 3D buildings."""
    folder = write_city(tmp_path, ExampleOptions(addresses=500), 1)["lod2"]
    load_dataset("lod2", LoadOptions(example_database_url, tmp_path / "store", source=str(folder)))
    return start_server(example_database_url).url


@pytest.fixture
def shared(example_database_url: str, start_server: Callable[..., Any], tmp_path: Path) -> str:
    """A service whose buildings are of another publisher than the rest."""
    for name in ("land", "gemeinde", "hausumring"):
        given = yaml.safe_load((ROOT / "collections" / f"{name}.yaml").read_text("utf-8"))
        more = {"rights": OTHERS} if name == "hausumring" else {}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**given, **more}, allow_unicode=True), "utf-8")
    return start_server(example_database_url, OPENNRW_COLLECTIONS_DIR=str(tmp_path)).url


def open_map(watched: Any, service: str, collection: str) -> Any:
    """The map around a building."""
    features = httpx.get(f"{service}/collections/{collection}/items?f=json&limit=20").json()["features"]
    x, y = features[-1]["geometry"]["coordinates"][0][0][0][:2]
    watched.base = service
    return watched.open(f"/map#15/{y:.5f}/{x:.5f}/gemeinde,hausumring")


def test_buildings_stand_as_blocks_where_asked_for(watch: Watch, city: str) -> None:
    watched = watch()
    page = open_map(watched, city, "gebaeude_3d")
    button = page.get_by_role("button", name="3D-Ansicht")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("3D-Gebäude (LoD2)")).to_be_checked()
    page.wait_for_url(re.compile("gebaeude_3d//-20,55$"))
    watched.wait_for_maps()
    assert watched.ask_map("map.getZoom()") > 15
    assert watched.ask_map(SHOWN) > 0
    page.get_by_role("region", name="Karte", exact=True).focus()
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_url(lambda url: "/-20,55" not in url)
    address, turned = page.url, watched.ask_map("map.getBearing()")
    page.goto("about:blank")
    page.goto(address)
    watched.wait_for_maps()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert watched.ask_map("[map.getBearing(), map.getPitch()]") == pytest.approx([turned, 55], abs=0.6)
    assert watched.ask_map(SHOWN) > 0
    page.get_by_label("Dunkel", exact=True).check()
    watched.wait_for_maps()
    assert watched.ask_map(SHOWN) > 0, "another style has blocks, too"
    button.click()
    page.wait_for_url(re.compile("gebaeude_3d/dark$"))
    assert watched.ask_map("[map.getBearing(), map.getPitch(), map.getMaxPitch()]") == [0, 0, 0]
    assert watched.ask_map(SHOWN) == 0
    watched.open("/collections/gebaeude_3d")
    assert watched.ask_map("map.queryRenderedFeatures({ layers: ['gebaeude_3d:hit'] }).length") > 0


def test_credits_are_of_the_publishers_that_are_shown(watch: Watch, shared: str) -> None:
    watched = watch(locale="en")
    page = open_map(watched, shared, "hausumring")
    own, theirs = "Land NRW, dl-de/zero-2-0, state of", "City of <Example>, dl-de/by-2-0, state of"
    expect(page.get_by_role("link", name=own)).to_have_count(1)
    expect(page.get_by_role("link", name=theirs)).to_have_attribute("href", OTHERS["licence"]["url"])
    page.get_by_label("Building outlines", exact=True).uncheck()
    expect(page.get_by_role("link", name=theirs)).to_have_count(0)
    expect(page.get_by_role("link", name=own)).to_be_visible()
    page.get_by_label("Municipalities", exact=True).uncheck()
    page.get_by_label("Building outlines", exact=True).check()
    expect(page.get_by_role("link", name=theirs)).to_be_visible()
    expect(page.get_by_role("link", name=own)).to_have_count(0)
    watched.open("/embed/map?collections=gemeinde,hausumring")
    expect(page.get_by_role("link", name=own)).to_be_visible()
    expect(page.get_by_role("link", name=theirs)).to_be_visible()
