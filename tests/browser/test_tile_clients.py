"""Pages of another origin draw the service's tiles: OpenLayers in the grids of UTM, Web Mercator and degrees, MapLibre,
also from the archive of the whole map, Leaflet. What they drew is seen on the picture of the page.
"""

import base64
import mimetypes
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from loaders.progress import Quiet
from server.catalogue import read_collections, read_service
from server.exports.archives import Archives
from server.pyramid.make import refresh
from server.settings import Settings

pytestmark = pytest.mark.clients
ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = "gemeinde,hausumring,adresse"
BUILDING, ADDRESS = (0xD9, 0x48, 0x0F), (0x2B, 0x8A, 0x3E)
# number of pixels of a colour, and whether the middle of the picture is of it
LOOK = """async ([picture, colour]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const near = (data, i) => colour.every((value, band) => Math.abs(data[i + band] - value) < 12);
  const { data } = canvas.getImageData(0, 0, image.width, image.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += near(data, i);
  return [count, near(canvas.getImageData(image.width / 2, image.height / 2, 1, 1).data, 0)];
}"""


class Files(SimpleHTTPRequestHandler):
    """Files of the project."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another origin: a web server of its own with the clients' pages."""
    mimetypes.add_type("text/javascript", ".mjs")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(ROOT))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/tests/browser/tile_clients"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def place(live_server: str) -> dict[str, Any]:
    """A place that every client shows."""
    return find_place(live_server)


def find_place(service: str) -> dict[str, Any]:
    """A place within the largest building of a hundred, without an address on it."""
    query = {"f": "json", "limit": 100}
    features = httpx.get(f"{service}/collections/hausumring/items", params=query).json()["features"]
    rings = [feature["geometry"]["coordinates"][0][0][:-1] for feature in features]
    ring = max(rings, key=lambda points: max(x for x, _ in points) - min(x for x, _ in points))
    middle = sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)
    # a third of the way to a corner: the address lies in the middle
    x, y = (m + (corner - m) / 3 for m, corner in zip(middle, ring[0], strict=True))
    return {"x": x, "y": y, "collections": COLLECTIONS}


@pytest.mark.parametrize(
    ("client", "grid"),
    [
        ("openlayers", "WebMercatorQuad"),
        ("openlayers", "AdV_25832"),
        ("openlayers", "WorldCRS84Quad"),
        ("maplibre", "WebMercatorQuad"),
        ("leaflet", "WebMercatorQuad"),
    ],
)
def test_a_page_of_another_origin_draws_the_tiles(
    new_context: Callable[..., Any], live_server: str, elsewhere: str, place: dict[str, Any], client: str, grid: str
) -> None:
    address = f"{elsewhere}/{client}.html?{urlencode({**place, 'service': live_server, 'grid': grid})}"
    seen = draw(new_context, address, f"{client}-{grid}")
    fetched = [url for status, url in seen if f"/tiles/{grid}/" in url and status == 200 and "tilejson" not in url]
    assert len(fetched) >= 2
    assert {status for status, url in seen if "/tiles/" in url} <= {200, 204}


def draw(new_context: Callable[..., Any], address: str, name: str) -> list[tuple[int, str]]:
    """Open a page and look at what it drew; status and address of all that it fetched."""
    page = new_context(viewport={"width": 800, "height": 600}).new_page()
    complaints: list[str] = []
    seen: list[tuple[int, str]] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: seen.append((answer.status, answer.url)))
    page.goto(address)
    page.wait_for_function("() => window.failed || window.drawn && Object.keys(window.drawn).length >= 2")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.failed ?? null") is None
    picture = page.screenshot()
    if folder := os.environ.get("OPENNRW_SCREENSHOTS"):
        (Path(folder) / f"{name}.png").write_bytes(picture)
    encoded = base64.b64encode(picture).decode()
    buildings, in_the_middle = page.evaluate(LOOK, [encoded, BUILDING])
    addresses, _ = page.evaluate(LOOK, [encoded, ADDRESS])
    assert in_the_middle, "the building is not where it belongs"
    assert buildings > 3000
    assert addresses > 200
    assert complaints == []
    return seen


@pytest.fixture
def archive(example_database_url: str, start_server: Callable[..., Any], tmp_path: Path) -> str:
    """A service that offers the archive of a map of some collections."""
    chosen = tmp_path / "collections"
    chosen.mkdir()
    for name in COLLECTIONS.split(","):
        text = (ROOT / "collections" / f"{name}.yaml").read_text("utf-8")
        (chosen / f"{name}.yaml").write_text(text.replace("maxzoom: 16", "maxzoom: 14"), "utf-8")
    given = {"OPENNRW_COLLECTIONS_DIR": str(chosen), "OPENNRW_HOME": str(tmp_path)}
    settings = Settings(database_url=example_database_url, **given)  # pyright: ignore[reportArgumentType, reportCallIssue]
    collections = read_collections(chosen)
    for collection in collections:
        refresh(example_database_url, collection)
    assert Archives(settings, read_service(ROOT / "config"), Quiet()).make_map(collections) == "made"
    return start_server(example_database_url, **given).url


def test_maplibre_draws_the_archive_by_its_ranges(
    new_context: Callable[..., Any], archive: str, elsewhere: str
) -> None:
    given = {**find_place(archive), "service": archive, "archive": "/downloads/map.pmtiles"}
    seen = draw(new_context, f"{elsewhere}/maplibre.html?{urlencode(given)}", "maplibre-pmtiles")
    assert [status for status, url in seen if url.startswith(archive)].count(206) >= 3
    assert not [url for _, url in seen if url.startswith(archive) and "/downloads/" not in url]
