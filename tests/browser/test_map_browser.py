"""Maps in a browser: tiles, popups, layers, permalink, keyboard, the list beside the map, rows and features."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.clients
Watch = Callable[..., Any]
VISIBLE = "map.queryRenderedFeatures({ layers: [argument] }).length"


@pytest.fixture(scope="session")
def house(live_server: str) -> tuple[float, float]:
    """A place in the middle of a building outline."""
    answer = httpx.get(f"{live_server}/collections/hausumring/items", params={"f": "json", "limit": 1})
    ring = answer.json()["features"][0]["geometry"]["coordinates"][0][0][:-1]
    return sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)


def test_overview_shows_the_extent_of_the_data(watch: Watch, live_server: str) -> None:
    watched = watch()
    watched.open("/map")
    assert watched.ask_map(VISIBLE, "gemeinde:hit") > 0
    assert watched.ask_map(VISIBLE, "names") > 0, "municipalities bear their names"
    west, south, east, north = httpx.get(f"{live_server}/collections/gemeinde", params={"f": "json"}).json()["extent"][
        "spatial"
    ]["bbox"][0]
    seen = watched.ask_map("map.getBounds().toArray().flat()")
    assert seen[0] <= west
    assert seen[1] <= south
    assert seen[2] >= east
    assert seen[3] >= north
    tiles = [url for url in watched.requested if re.search(r"/tiles/WebMercatorQuad/\d+/\d+/\d+", url)]
    assert tiles


def test_town_shows_houses_addresses_and_numbers(watch: Watch, house: tuple[float, float]) -> None:
    watched = watch()
    watched.open(f"/map#18/{house[1]}/{house[0]}")
    for layer in ("hausumring:hit", "adresse:hit", "adresse:label0"):
        assert watched.ask_map(VISIBLE, layer) > 0, f"{layer} is empty"


def test_popup_tells_and_leads_to_the_feature(watch: Watch, house: tuple[float, float]) -> None:
    watched = watch()
    page = watched.open(f"/map#18/{house[1]}/{house[0]}")
    watched.click_map(*house)
    popup = page.locator(".maplibregl-popup")
    expect(popup.locator("h3")).to_be_visible()
    link = popup.get_by_role("link", name="Objekt öffnen")
    expect(link).to_be_focused()
    expect(popup).to_contain_text("Auch hier:")
    popup.get_by_role("button", name=re.compile("^Gemeinden: ")).click()
    expect(popup.locator(".kind")).to_have_text("Gemeinden")
    popup.get_by_role("link", name="Objekt öffnen").click()
    page.wait_for_url(re.compile("/collections/gemeinde/items/"))
    watched.wait_for_maps()
    assert watched.ask_map("map.queryRenderedFeatures({ layers: ['page:fill'] }).length") > 0


def test_layer_switch_and_its_permalink(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map")
    box = page.get_by_label("Gemeinden", exact=True)
    expect(box).to_be_checked()
    box.uncheck()
    watched.wait_for_maps()
    assert watched.ask_map(VISIBLE, "gemeinde:hit") == 0
    assert "gemeinde" not in page.url
    assert "kreis" in page.url
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    watched.wait_for_maps()
    expect(page.get_by_label("Gemeinden", exact=True)).not_to_be_checked()
    expect(page.get_by_label("Land", exact=True)).to_be_checked()


def test_generalised_boundaries_are_off_at_first(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map")
    expect(page.locator("input[value=gemeinde_generalisiert]")).not_to_be_checked()
    assert not [url for url in watched.requested if "_generalisiert/tiles" in url]


def test_permalink_sets_the_view(watch: Watch, house: tuple[float, float]) -> None:
    watched = watch()
    page = watched.open(f"/map#16.5/{house[1]:.5f}/{house[0]:.5f}/hausumring")
    view = watched.ask_map("[map.getZoom(), map.getCenter().lat, map.getCenter().lng]")
    assert view == pytest.approx([16.5, house[1], house[0]], abs=1e-4)
    assert page.locator("[data-layers] input:checked").evaluate_all("e => e.map((i) => i.value)") == ["hausumring"]


def test_broken_permalink_is_ignored(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map#x/y/z/<b>")
    assert watched.ask_map(VISIBLE, "gemeinde:hit") > 0
    expect(page.get_by_label("Gemeinden", exact=True)).to_be_checked()


def test_map_by_keyboard(watch: Watch, house: tuple[float, float]) -> None:
    watched = watch()
    page = watched.open(f"/map#18/{house[1]}/{house[0]}")
    canvas = page.get_by_role("region", name="Karte", exact=True)
    canvas.focus()
    page.keyboard.press("Enter")
    popup = page.locator(".maplibregl-popup")
    expect(popup.get_by_role("link", name="Objekt öffnen")).to_be_focused()
    page.keyboard.press("Escape")
    expect(popup).to_have_count(0)
    expect(canvas).to_be_focused()
    before = watched.ask_map("[map.getCenter().lng, map.getZoom()]")
    page.keyboard.press("ArrowRight")
    watched.wait_for_maps()
    page.keyboard.press("-")
    watched.wait_for_maps()
    after = watched.ask_map("[map.getCenter().lng, map.getZoom()]")
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_list_is_the_twin_of_the_map(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map")
    drawn = watched.ask_map(
        "[...new Set(map.queryRenderedFeatures({ layers: ['gemeinde:hit'] }).map((f) => f.properties.gn))]"
    )
    group = page.locator("[data-list-groups] > div", has=page.get_by_role("heading", name=re.compile("^Gemeinden ")))
    assert sorted(group.get_by_role("button").all_inner_texts()) == sorted(drawn)
    entry = group.get_by_role("button").first
    name = entry.inner_text()
    entry.focus()
    assert (
        watched.ask_map(
            "map.queryRenderedFeatures({ layers: ['gemeinde:hit'] }).find((f) => f.state.lit)?.properties.gn"
        )
        == name
    )
    page.keyboard.press("Enter")
    expect(page.locator(".maplibregl-popup h3")).to_have_text(name)
    page.keyboard.press("Escape")
    expect(entry).to_be_focused()


def test_row_and_feature_mark_each_other(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/collections/gemeinde/items")
    row = page.locator("tr[data-id]").nth(1)
    row.hover()
    lit = (
        "map.querySourceFeatures('page').map((f) => f.id)"
        ".filter((id) => map.getFeatureState({ source: 'page', id })?.lit)"
    )
    assert set(watched.ask_map(lit)) == {row.get_attribute("data-id")}
    page.mouse.move(0, 0)
    assert watched.ask_map(lit) == []
    name, place = watched.ask_map(
        "map.queryRenderedFeatures({ layers: ['names'] }).map((f) => [f.properties.name, f.geometry.coordinates])[0]"
    )
    page.mouse.move(*watched.place(*place))
    expect(page.locator("tr.lit")).to_have_count(1)
    expect(page.locator("tr.lit")).to_contain_text(name)


def test_scheme_changes_the_map(watch: Watch) -> None:
    watched = watch(color_scheme="light")
    page = watched.open("/map")
    ground = "map.getPaintProperty('background', 'background-color')"
    light = watched.ask_map(ground)
    page.emulate_media(color_scheme="dark")
    watched.wait_for_maps()
    assert watched.ask_map(ground) != light
    page.wait_for_function("() => testMaps[0].queryRenderedFeatures({ layers: ['names'] }).length > 0")


def test_missing_webgl_is_said(watch: Watch) -> None:
    watched = watch()
    watched.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null;")
    watched.page.goto(f"{watched.base}/map")
    expect(watched.page.locator("[data-map-note]")).to_contain_text("WebGL")
    watched.complaints = [c for c in watched.complaints if "WebGL" not in c]
