"""The map in other people's pages, and the page that makes the snippets for it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.clients
Watch = Callable[..., Any]
AREA = "7.64,51.425,7.66,51.435"


def snippet(page: Page, name: str) -> str:
    """The text that its button copies."""
    text = page.locator(f"[data-snippet={name}] [data-copy]").get_attribute("data-copy")
    assert text
    return text


def complaints_of(page: Page) -> list[str]:
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console",
        lambda m: found.append(m.text) if m.type in {"error", "warning"} and "GPU stall" not in m.text else None,
    )
    return found


def test_iframe_snippet_shows_the_map_on_another_page(
    new_context: Callable[..., Any], live_server: str, website: Callable[[str], str]
) -> None:
    context = new_context()
    maker = context.new_page()
    maker.goto(f"{live_server}/embed?collections=gemeinde,hausumring&style=grey&bbox={AREA}")
    address = website(snippet(maker, "iframe"))
    page = context.new_page()
    complaints = complaints_of(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    frame = page.frame_locator("iframe")
    expect(frame.locator("[data-map][data-ready]")).to_be_visible(timeout=30_000)
    [inner] = [f for f in page.frames if f.url.startswith(live_server)]
    inner.wait_for_function("() => testMaps[0].loaded() && testMaps[0].areTilesLoaded()")
    west, south, east, north = inner.evaluate("testMaps[0].getBounds().toArray().flat()")
    rim = 1e-4
    assert west < 7.64 + rim
    assert south < 51.425 + rim
    assert east > 7.66 - rim
    assert north > 51.435 - rim
    inner.wait_for_function("() => testMaps[0].queryRenderedFeatures({ layers: ['gemeinde:hit'] }).length > 0")
    licence = frame.get_by_role("link", name="Land NRW, dl-de/zero-2-0")
    expect(licence).to_be_visible()
    expect(licence).to_have_attribute("href", "https://www.govdata.de/dl-de/zero-2-0")
    tiles = {urlsplit(url).path.split("/")[2] for url in asked if "/tiles/WebMercatorQuad/" in url}
    assert tiles == {"gemeinde", "hausumring"}
    assert {urlsplit(url).netloc for url in asked} - {""} == {urlsplit(address).netloc, urlsplit(live_server).netloc}
    with context.expect_page() as opened:
        frame.get_by_role("link", name="Größere Karte").click()
    assert "/map#" in opened.value.url
    assert "gemeinde,hausumring" in opened.value.url
    assert context.cookies() == []
    assert complaints == []


def test_no_other_page_can_be_framed(
    new_context: Callable[..., Any], live_server: str, website: Callable[[str], str]
) -> None:
    page = new_context().new_page()
    complaints = complaints_of(page)
    page.goto(website(f'<iframe title="Karte" src="{live_server}/map"></iframe>'))
    page.wait_for_timeout(500)
    assert page.frames[1].url.startswith("chrome-error:")
    assert any("frame-ancestors" in complaint for complaint in complaints)
    for path in ("/", "/embed", "/collections/gemeinde/items?f=html", "/collections/missing"):
        assert "frame-ancestors 'none'" in httpx.get(f"{live_server}{path}").headers["Content-Security-Policy"]


def test_choice_goes_into_address_preview_and_snippets(watch: Watch) -> None:
    watched = watch()
    page = watched.page
    page.goto(f"{watched.base}/embed")
    expect(page.frame_locator("[data-preview]").locator("[data-map][data-ready]")).to_be_visible()
    page.get_by_label("Adressen", exact=True).uncheck()
    expect(page.locator("[data-snippet=iframe] code")).not_to_contain_text("adresse")
    page.get_by_label("Dunkel", exact=True).check()
    expect(page.locator("[data-snippet=iframe] code")).to_contain_text("style=dark")
    page.get_by_role("tab", name="QGIS").click()
    page.get_by_label("Hausumringe", exact=True).uncheck()
    expect(page.locator("[data-snippet=qgis] code")).not_to_contain_text("hausumring")
    expect(page.get_by_role("tab", name="QGIS")).to_have_attribute("aria-selected", "true")
    query = parse_qs(urlsplit(page.url).query)
    assert query["style"] == ["dark"]
    assert "adresse" not in query["collections"][0].split(",")
    preview = page.frame_locator("[data-preview]")
    expect(preview.locator("html")).to_have_attribute("data-theme", "dark")
    expect(preview.locator("[data-map][data-ready]")).to_be_visible()
    preview.get_by_role("button", name="Heranzoomen").click()
    expect(page.get_by_label("Ausschnitt")).not_to_have_value("")
    west, south, east, north = map(float, page.get_by_label("Ausschnitt").input_value().split(","))
    assert west < east
    assert south < north
    expect(page.locator("[data-snippet=iframe] code")).to_contain_text(f"bbox={west:g}"[:9])


def test_map_leads_to_the_snippets_for_its_view(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map#15/51.4195/7.6555/gemeinde,adresse")
    page.get_by_role("link", name="Einbetten").click()
    page.wait_for_url(lambda url: "/embed?" in url)
    query = parse_qs(urlsplit(page.url).query)
    assert query["collections"] == ["gemeinde,adresse"]
    assert float(query["bbox"][0].split(",")[0]) == pytest.approx(7.6555, abs=0.05)
    expect(page.get_by_label("Adressen", exact=True)).to_be_checked()
    expect(page.frame_locator("[data-preview]").locator("[data-map][data-ready]")).to_be_visible()
