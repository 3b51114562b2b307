"""The code that /embed offers for other people's pages, pasted into one of another origin: what it draws."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.clients
VENDOR = Path(__file__).parent / "vendor"
ENOUGH = 100  # of lines one pixel wide, without their soft edges
AREA = "7.646,51.427,7.654,51.432"
# number of pixels of each of the colours
COUNT = """async ([picture, colours]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.width, image.height);
  const wanted = colours.map((colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
  const found = colours.map(() => 0);
  for (let i = 0; i < data.length; i += 4) {
    const at = wanted.findIndex((colour) => colour.every((value, band) => Math.abs(data[i + band] - value) < 4));
    if (at >= 0) found[at] += 1;
  }
  return found;
}"""
# what each draws houses and addresses with: MapLibre by the service's style, the others as they do by themselves
COLOURS = {"maplibre": ["#d9d2c7"], "openlayers": ["#3399cc"], "leaflet": ["#3388ff"]}


def from_npm(route: Route) -> None:
    """The page's files of npm are those that this project took from there."""
    package, *_, name = route.request.url.partition("/node_modules/")[2].split("/")
    route.fulfill(path=VENDOR / package / name)


def fetch_snippet(context: Any, service: str, name: str) -> str:
    page = context.new_page()
    page.goto(f"{service}/embed?collections=gemeinde,hausumring,adresse&style=light&bbox={AREA}")
    text = page.locator(f"[data-snippet={name}] [data-copy]").get_attribute("data-copy")
    page.close()
    assert text
    return text


def wait_until_drawn(page: Page, colours: list[str], name: str) -> list[int]:
    """Number of pixels of each colour, as soon as there are enough."""
    found: list[int] = []
    for _ in range(40):
        picture = page.screenshot()
        found = page.evaluate(COUNT, [base64.b64encode(picture).decode(), colours])
        if min(found) > ENOUGH:
            break
        page.wait_for_timeout(250)
    if folder := os.environ.get("OPENNRW_SCREENSHOTS"):
        (Path(folder) / f"snippet-{name}.png").write_bytes(page.screenshot())
    return found


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("maplibre", "WebMercatorQuad"),
        ("openlayers", "AdV_25832"),
        ("openlayers", "WebMercatorQuad"),
        ("leaflet", "WebMercatorQuad"),
    ],
)
def test_snippet_draws_the_map_on_another_page(
    new_context: Callable[..., Any], live_server: str, website: Callable[[str], str], name: str, grid: str
) -> None:
    context = new_context(viewport={"width": 800, "height": 500}, color_scheme="light")
    text = fetch_snippet(context, live_server, name)
    if name == "openlayers" and grid == "WebMercatorQuad":
        text = text.replace("AdV_25832", grid).replace('"EPSG:25832"', '"EPSG:3857"')
    context.route("**/node_modules/**", from_npm)
    page = context.new_page()
    complaints: list[str] = []
    tiles: list[int] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: tiles.append(answer.status) if f"/tiles/{grid}/" in answer.url else None)
    page.goto(website(text))
    found = wait_until_drawn(page, COLOURS[name], f"{name}-{grid}")
    assert min(found) > ENOUGH, f"pixels of {COLOURS[name]}: {found}; {complaints}"
    assert len(tiles) >= 2
    assert set(tiles) <= {200, 204}
    if name == "openlayers":
        page.locator(".ol-attribution button").click()
    expect(page.get_by_text("Land NRW, dl-de/zero-2-0").first).to_be_visible()
    assert complaints == []
