"""A Chromium, pages that watch themselves, and axe-core (vendored by scripts/vendor/vendor.sh)."""

import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
)
# said by the software renderer, not by our pages
NOISE = ("GPU stall due to ReadPixels",)
# one copy per page: what a test may ask of its maps
COLLECT_MAPS = "window.testMaps = []; addEventListener('mapready', (event) => testMaps.push(event.detail));"


class Watched:
    """A page with what must not happen on it: console messages, errors, requests to others."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.requested: list[str] = []
        self.given_up: set[str] = set()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)

    def open(self, path: str) -> Page:
        """Go to a path of the service and wait until its maps stand still."""
        self.page.goto(f"{self.base}{path}")
        self.wait_for_maps()
        return self.page

    def wait_for_maps(self) -> None:
        """Until each map on the page has drawn what it shows."""
        self.page.wait_for_function(
            """() => document.querySelectorAll("[data-map]").length === document.querySelectorAll("[data-ready]").length
            && testMaps.every((map) => map.loaded() && !map.isMoving())"""
        )
        # names are placed, and lists written, after a map has come to rest
        self.page.wait_for_timeout(300)
        self.page.wait_for_function("() => testMaps.every((map) => map.loaded())")

    def ask_map(self, expression: str, argument: Any = None) -> Any:
        """The value of a JavaScript expression with `map` and `argument`."""
        return self.page.evaluate(f"(argument) => {{ const map = testMaps[0]; return {expression}; }}", argument)

    def click_map(self, longitude: float, latitude: float) -> None:
        """Click a place on the first map."""
        x, y = self.place(longitude, latitude)
        self.page.mouse.click(x, y)

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Position of a place on the first map, in pixels of the window."""
        point = self.ask_map("map.project(argument)", [longitude, latitude])
        box = self.page.locator("canvas.maplibregl-canvas").bounding_box()
        assert box is not None
        return box["x"] + point["x"], box["y"] + point["y"]

    def check(self) -> None:
        """Nothing happened that must not."""
        assert [text for text in self.complaints if not self._was_given_up(text)] == []
        assert self.foreign == []

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not any(noise in message.text for noise in NOISE):
            self.complaints.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Any) -> None:
        self.requested.append(request.url)
        if not request.url.startswith((f"{self.base}/", "data:")):
            self.foreign.append(request.url)

    def _on_failure(self, request: Any) -> None:
        if request.failure == "net::ERR_ABORTED":  # the browser's own doing: its frame went elsewhere
            self.given_up.add(unquote(request.url))

    def _was_given_up(self, complaint: str) -> bool:
        return "Failed to fetch (0)" in complaint and any(complaint.endswith(url) for url in self.given_up)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(f"No Chromium found (looked for {', '.join(CHROMIUMS)}); `make test-clients` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Opens a browser profile of the test's own: `new_context(locale="en", color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        defaults = {"locale": "de", "viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        context = chromium.new_context(**{**defaults, **options})
        context.add_init_script(COLLECT_MAPS)
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def watch(new_context: Callable[..., BrowserContext], live_server: str) -> Iterator[Callable[..., Watched]]:
    """Opens a watched page; at the test's end each is checked for complaints and foreign requests."""
    pages: list[Watched] = []

    def make(**options: Any) -> Watched:
        pages.append(Watched(new_context(**options).new_page(), live_server))
        return pages[-1]

    yield make
    for page in pages:
        page.check()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


@pytest.fixture
def website(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Somebody else's web site, of another origin, with a body of the test's on its only page: its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()

        def publish(body: str) -> str:
            head = '<meta charset="utf-8"><title>Seite</title><link rel="icon" href="data:,">'
            page = f'<!doctype html><html lang="de">{head}{body}'
            (tmp_path / "index.html").write_text(page, "utf-8")
            return f"http://127.0.0.1:{site.server_port}/"

        yield publish
        site.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def feature_ids(live_server: str) -> dict[str, str]:
    """The id of one feature of each collection."""
    import httpx  # noqa: PLC0415

    ids = {}
    for name in ("gemeinde", "adresse", "hausumring"):
        answer = httpx.get(f"{live_server}/collections/{name}/items", params={"f": "json", "limit": 1})
        ids[name] = answer.raise_for_status().json()["features"][0]["id"]
    return ids


PATHS = (
    "/",
    "/collections",
    "/collections/gemeinde",
    "/collections/adresse",
    "/collections/hausumring",
    "/collections/gemeinde/items",
    "/collections/adresse/items?limit=20",
    "/collections/adresse/items?str=Nirgendwo",
    "/collections/gemeinde/items/{gemeinde}",
    "/collections/adresse/items/{adresse}",
    "/collections/hausumring/items/{hausumring}",
    "/collections/adresse/queryables",
    "/collections/adresse/schema",
    "/collections/adresse/provenance",
    "/collections/adresse/tiles",
    "/collections/adresse/tiles/WebMercatorQuad",
    "/conformance",
    "/api.html",
    "/map",
    "/embed",
    "/embed/map",
    "/accessibility",
    "/privacy",
    "/collections/missing",
    "/collections/adresse/items?limit=x",
)


@pytest.fixture(params=PATHS)
def any_path(request: pytest.FixtureRequest, feature_ids: dict[str, str]) -> str:
    """Each kind of page once."""
    return request.param.format(**feature_ids)
