"""Every page in a browser: accessible in both schemes, without JavaScript, narrow, in two languages, by keyboard."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.clients
Watch = Callable[..., Any]
# what a browser itself says about the status of an error page
STATUS_MESSAGE = "the server responded with a status of"


def test_page_is_accessible(watch: Watch, any_path: str, axe_source: str) -> None:
    """axe in both schemes, large enough targets, no overflow on a phone: one visit, for maps take their time."""
    watched = watch(color_scheme="light")
    page = watched.open(any_path)
    # within the page's policy, so by evaluation and not as a script element
    page.evaluate(axe_source)
    assert serious_violations(page) == []
    assert small_targets(page) == []
    page.emulate_media(color_scheme="dark")
    watched.wait_for_maps()
    assert serious_violations(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    watched.wait_for_maps()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.complaints = [c for c in watched.complaints if STATUS_MESSAGE not in c]


def serious_violations(page: Page) -> list[str]:
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{v['id']}: {v['help']}: {[node['target'] for node in v['nodes'][:3]]}"
        for v in found["violations"]
        if v["impact"] in {"serious", "critical"}
    ]


def small_targets(page: Page) -> list[str]:
    """Controls below 24 px (WCAG 2.2, 2.5.8); links inside sentences may be lower."""
    return page.evaluate("""() => [...document.querySelectorAll("button, input, select, summary, nav a, td a, th a")]
      .filter((e) => e.checkVisibility() && !e.closest(".visually-hidden, .maplibregl-ctrl-attrib"))
      .map((e) => [e.outerHTML.slice(0, 90), (e.closest("label") ?? e).getBoundingClientRect()])
      .filter(([, box]) => box.width && (box.height < 24 || box.width < 24))
      .map(([html, box]) => `${html} ${box.width} x ${box.height}`)""")


def test_page_is_whole_without_script(
    new_context: Callable[..., BrowserContext], live_server: str, any_path: str
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{live_server}{any_path}")
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("main")).to_be_visible()
    # what only works with a script does not show
    expect(page.locator("button.copy:visible, #theme:visible, [role=tablist]")).to_have_count(0)
    if page.locator("[data-map]").count():
        expect(page.locator("[data-map] noscript p")).to_be_visible()


def test_use_it_without_script_shows_every_part(new_context: Callable[..., BrowserContext], live_server: str) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{live_server}/collections/adresse")
    for name in ("QGIS", "GDAL", "Python", "R", "JavaScript", "curl"):
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.locator("pre", has_text="ogr2ogr")).to_be_visible()
    expect(page.locator("pre", has_text="ogr2ogr")).to_contain_text(live_server)


def test_filter_works_without_script(new_context: Callable[..., BrowserContext], live_server: str) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{live_server}/collections/gemeinde/items")
    name = page.locator("tbody th a").first.inner_text()
    page.get_by_label("Filtern nach Name").fill(name)
    page.get_by_role("button", name="Filtern").click()
    expect(page.locator("tbody th a")).to_have_text([name])


def test_language_switch_is_kept_on_the_way(watch: Watch) -> None:
    watched = watch(locale="de")
    page = watched.open("/collections/adresse")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("h1")).to_have_text("Addresses")
    page.get_by_role("link", name="Open the table").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="Deutsch", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    watched.wait_for_maps()


def test_browser_language_is_the_default(watch: Watch) -> None:
    page = watch(locale="en-GB").open("/")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_scheme_follows_the_system_until_chosen(watch: Watch) -> None:
    watched = watch(color_scheme="dark")
    page = watched.open("/")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    button = page.locator("#theme")
    button.click()
    assert page.evaluate(background) != dark
    watched.open("/collections")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    button.click()
    assert page.evaluate(background) == dark
    button.click()
    assert page.evaluate("[localStorage.length, document.documentElement.dataset.theme ?? null]") == [0, None]


def test_no_cookie_is_set(watch: Watch) -> None:
    watched = watch()
    for path in ("/", "/map", "/collections/adresse/items"):
        watched.open(path)
    assert watched.page.context.cookies() == []


def test_tabs_by_keyboard(watch: Watch) -> None:
    page = watch().open("/collections/adresse")
    first = page.get_by_role("tab", name="QGIS")
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="GDAL")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="GDAL")).to_be_visible()
    expect(page.get_by_role("tabpanel", name="QGIS")).to_be_hidden()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="curl")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(first).to_be_focused()


def test_copy_button_copies_the_address(watch: Watch, live_server: str) -> None:
    watched = watch(permissions=["clipboard-read", "clipboard-write"])
    page = watched.open("/")
    page.get_by_role("button", name="Kopieren: Adresse des Dienstes").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"{live_server}/"


def test_skip_link_is_the_first_stop(watch: Watch) -> None:
    page = watch().open("/collections")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Zum Inhalt")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_filter_leaves_empty_fields_out_of_the_address(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/collections/adresse/items?limit=5")
    street = page.locator("tbody th a").first.inner_text().splitlines()[0]
    page.get_by_label("Filtern nach Straße", exact=True).fill(street)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("str="))
    assert set(re.findall(r"[?&](\w+)=", page.url)) == {"str", "limit"}
    expect(page.get_by_label("Filtern nach Straße", exact=True)).to_have_value(street)
    watched.wait_for_maps()


def test_empty_result_says_why_and_what_to_change(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/collections/gemeinde/items?gn=Nirgendwo")
    expect(page.get_by_role("heading", name="Keine Objekte gefunden")).to_be_visible()
    page.get_by_role("link", name="ohne gn").click()
    expect(page.locator("tbody tr")).not_to_have_count(0)
    watched.wait_for_maps()


def test_pages_by_next_and_previous(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/collections/gemeinde/items?limit=3")
    names = page.locator("tbody th a")
    first = names.all_inner_texts()
    page.get_by_role("link", name="Weiter").click()
    page.wait_for_url(re.compile("cursor="))
    second = names.all_inner_texts()
    assert len(first) == len(second) == 3
    assert set(first).isdisjoint(second)
    watched.wait_for_maps()
    page.get_by_role("link", name="Zurück").click()
    expect(names).to_have_text(first)
    watched.wait_for_maps()
