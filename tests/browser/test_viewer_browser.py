"""The viewer in a browser: search with suggestions, coordinates, measuring, pictures, print, provenance, permalink."""

import base64
import math
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from pyproj import Transformer

pytestmark = pytest.mark.clients
Watch = Callable[..., Any]
# size of a picture, number of the map's colours, columns in which the strip below it begins and ends to be dark
LOOK = """async (encoded) => {
  const image = new Image();
  image.src = `data:image/png;base64,${encoded}`;
  await image.decode();
  const { width, height } = image;
  const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  canvas.drawImage(image, 0, 0);
  const map = canvas.getImageData(0, 0, width, height - 36).data;
  const colours = new Set();
  for (let i = 0; i < map.length; i += 4) colours.add(map[i] * 65536 + map[i + 1] * 256 + map[i + 2]);
  const strip = canvas.getImageData(0, height - 36, width, 36).data;
  const dark = [];
  for (let i = 0; i < strip.length; i += 4) {
    if (strip[i] + strip[i + 1] + strip[i + 2] < 300) dark.push((i / 4) % width);
  }
  return [width, height, colours.size, [Math.min(...dark), Math.max(...dark)]];
}"""
TO_UTM = Transformer.from_crs("EPSG:4258", "EPSG:25832", always_xy=True)


@pytest.fixture(scope="session")
def address(live_server: str) -> dict[str, Any]:
    """An address with a name that can be searched for."""
    answer = httpx.get(f"{live_server}/collections/adresse/items", params={"f": "json", "limit": 1})
    return answer.json()["features"][0]


def numbers(text: str) -> list[float]:
    """The German numbers of a text."""
    return [float(n.replace(".", "").replace(",", ".")) for n in re.findall(r"-?\d[\d.]*(?:,\d+)?", text)]


def box(page: Page) -> Any:
    return page.get_by_role("combobox", name="Adresse, Straße oder Ort")


def test_a_suggestion_leads_to_the_place(watch: Watch, address: dict[str, Any]) -> None:
    watched = watch()
    page = watched.open("/map")
    values = address["properties"]
    asked = f"{values['str']} {values['hnr']}{values['adz'] or ''} {values['gmd']}"
    box(page).fill(asked)
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    expect(options.first).to_contain_text("Adresse")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    assert box(page).get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    label = options.first.evaluate("e => e.firstChild.textContent")
    page.keyboard.press("Enter")
    popup = page.locator(".maplibregl-popup")
    expect(popup.locator("h3")).to_have_text(label)
    watched.wait_for_maps()
    expect(options.first).to_be_hidden()
    seen = watched.ask_map("[map.getCenter().lng, map.getCenter().lat, map.getZoom()]")
    assert seen[:2] == pytest.approx(address["geometry"]["coordinates"], abs=1e-4)
    assert seen[2] >= 17
    popup.get_by_role("link", name="Objekt öffnen").click()
    page.wait_for_url(re.compile("/collections/adresse/items/"))
    watched.wait_for_maps()


def test_search_takes_the_first_and_says_when_there_is_none(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map")
    box(page).fill("Xyzzyqwert 99999")
    page.keyboard.press("Enter")
    expect(page.locator("[data-search] [role=status]")).to_have_text("Nichts gefunden. Prüfen Sie die Schreibweise.")
    before = watched.ask_map("map.getZoom()")
    box(page).fill("haupt")
    page.keyboard.press("Enter")
    expect(page.locator(".maplibregl-popup h3")).to_contain_text("Hauptstraße")
    watched.wait_for_maps()
    assert watched.ask_map("map.getZoom()") > before


def test_coordinates_of_the_pointer_and_of_the_centre(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map#16/51.4195/7.6555")
    position = page.locator("[data-position]")
    expect(position.locator("[data-what]")).to_have_text("Mitte:")
    east, north = TO_UTM.transform(7.6555, 51.4195)
    assert numbers(position.locator("[data-utm]").inner_text()) == pytest.approx([east, north], abs=0.6)
    assert position.locator("[data-degrees]").inner_text() == "51,41950° N, 7,65550° O"
    page.mouse.move(*watched.place(7.657, 51.42))
    expect(position.locator("[data-what]")).to_have_text("Zeiger:")
    shown = numbers(position.locator("[data-utm]").inner_text())
    assert shown == pytest.approx(TO_UTM.transform(7.657, 51.42), abs=2)  # a pixel is 1.5 m


def test_utm_is_proj_s(watch: Watch) -> None:
    """In the state's corners and middle, to the millimetre."""
    watched = watch()
    page = watched.open("/map")
    places = [(5.86, 50.32), (5.86, 52.54), (9.47, 50.32), (9.47, 52.54), (7.65, 51.4), (9.0, 51.0)]
    module = f"{watched.base}/static/map/utm.js"
    found = page.evaluate(f"async (places) => places.map((await import('{module}')).toUtm)", places)
    for place, (east, north) in zip(places, found, strict=True):
        assert (east, north) == pytest.approx(TO_UTM.transform(*place), abs=0.001)


def test_distance_and_area_are_those_of_the_plane(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map#16/51.4195/7.6555/land")
    corners = [(7.653, 51.4185), (7.658, 51.4185), (7.658, 51.4205)]
    planar = [TO_UTM.transform(*corner) for corner in corners]
    button = page.get_by_role("button", name="Strecke messen")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    for corner in corners:
        watched.click_map(*corner)
        page.wait_for_timeout(350)  # else two clicks are a double click
    status = page.locator("[data-measure] [role=status]")
    length = math.dist(planar[0], planar[1]) + math.dist(planar[1], planar[2])
    assert numbers(status.inner_text())[0] == pytest.approx(length, abs=4)
    expect(page.locator(".maplibregl-popup")).to_have_count(0)
    page.get_by_role("button", name="Letzten Punkt löschen").click()
    assert numbers(status.inner_text())[0] == pytest.approx(math.dist(planar[0], planar[1]), abs=4)
    page.get_by_role("button", name="Fläche messen").click()
    expect(button).to_have_attribute("aria-pressed", "false")
    for corner in corners:
        watched.click_map(*corner)
        page.wait_for_timeout(350)
    (ax, ay), (bx, by), (cx, cy) = planar
    size = abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2
    assert numbers(status.inner_text())[0] == pytest.approx(size, rel=0.02)
    assert watched.ask_map("map.queryRenderedFeatures({ layers: ['measure:fill'] }).length") > 0
    page.get_by_role("button", name="Beenden").click()
    expect(page.locator("[data-measure]")).to_be_hidden()
    watched.wait_for_maps()
    assert watched.ask_map("map.queryRenderedFeatures({ layers: ['measure:fill'] }).length") == 0


def test_measuring_by_keyboard(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map#16/51.4195/7.6555/land")
    page.get_by_role("button", name="Strecke messen").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Karte", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    watched.wait_for_maps()
    page.keyboard.press("Enter")
    status = page.locator("[data-measure] [role=status]")
    expect(status).to_contain_text("Länge:")
    assert numbers(status.inner_text())[0] > 50
    page.keyboard.press("Escape")
    expect(page.locator("[data-measure]")).to_be_hidden()


def test_picture_shows_the_map_and_its_attribution(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Bild speichern").click()
    assert waiting.value.suggested_filename == "karte.png"
    encoded = base64.b64encode(waiting.value.path().read_bytes()).decode()
    width, height, colours, dark = page.evaluate(LOOK, encoded)
    canvas = page.locator("canvas.maplibregl-canvas").bounding_box()
    assert canvas is not None
    assert (width, height) == (canvas["width"], canvas["height"] + 36)
    assert colours > 50, "the map is not on it"
    assert dark[0] < 20, "the scale bar is missing"
    assert dark[1] > width - 30, "the attribution is missing"


def test_print_has_the_picture_and_the_legend_of_what_is_shown(watch: Watch) -> None:
    watched = watch()
    page = watched.open("/map#13/51.4195/7.6555/gemeinde,hausumring")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    picture = page.locator("[data-print-picture]")
    expect(picture).to_be_visible()
    assert picture.evaluate("(e) => e.decode().then(() => e.naturalWidth)") > 500
    labels = page.locator(".layers label").filter(visible=True)
    expect(labels).to_have_text(["Gemeinden", "Hausumringe"])
    expect(page.locator("[data-print-address]")).to_contain_text("/map#13/")
    expect(page.locator("[data-map]")).to_be_hidden()


def test_popup_names_all_attributes_and_the_delivery(watch: Watch, live_server: str, address: dict[str, Any]) -> None:
    watched = watch()
    longitude, latitude = address["geometry"]["coordinates"]
    page = watched.open(f"/map#19/{latitude}/{longitude}/adresse")
    watched.click_map(longitude, latitude)
    popup = page.locator(".maplibregl-popup")
    number = address["properties"]["delivery"]
    expect(popup.locator(".origin")).to_contain_text(f"Herkunft: Lieferung {number} (gebref) vom ")
    expect(popup.locator("dd", has_text=address["properties"]["ags"])).to_be_visible()
    expect(popup.locator("dt", has_text="Amtlicher Gemeindeschlüssel")).to_be_visible()
    popup.get_by_role("link", name="Lieferungen und Prüfsummen").click()
    page.wait_for_url(re.compile("/collections/adresse/provenance"))


def test_clusters_say_what_they_are(watch: Watch) -> None:
    """What stands for several features has no id, but may have their number."""
    page = watch().open("/map")
    texts = page.evaluate("""async () => {
      const { popupContent } = await import("/static/map/popup.js");
      const { makeWords } = await import("/static/map/words.js");
      const words = makeWords(JSON.parse(document.querySelector("[data-map-config]").textContent));
      const found = [{ layer: { title: "Adressen", properties: [] }, feature: { properties: { count: 1234 } } }];
      return popupContent(found, words).textContent;
    }""")
    assert texts == "Adressen: 1.234Hier sind mehrere Objekte zusammengefasst. Zoomen Sie näher heran."


def test_link_is_copied(watch: Watch) -> None:
    watched = watch(permissions=["clipboard-read", "clipboard-write"])
    page = watched.open("/map#15/51.4195/7.6555/land,kreis")
    page.get_by_role("button", name="Link kopieren").click()
    expect(page.get_by_role("button", name="Kopiert")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/map#15/51.41950/7.65550/land,kreis")


def test_style_is_chosen_kept_in_the_address_and_restored(watch: Watch) -> None:
    watched = watch(color_scheme="light")
    page = watched.open("/map#13/51.4195/7.6555/gemeinde,hausumring")
    ground = "map.getPaintProperty('background', 'background-color')"
    light = watched.ask_map(ground)
    page.get_by_label("Dunkel", exact=True).check()
    page.wait_for_url(re.compile("/dark$"))
    watched.wait_for_maps()
    dark = watched.ask_map(ground)
    assert dark != light
    assert watched.ask_map("map.queryRenderedFeatures({ layers: ['hausumring:hit'] }).length") > 0
    page.goto("about:blank")
    page.goto(f"{watched.base}/map#13/51.41950/7.65550/gemeinde,hausumring/dark")
    watched.wait_for_maps()
    expect(page.get_by_label("Dunkel", exact=True)).to_be_checked()
    assert watched.ask_map(ground) == dark
