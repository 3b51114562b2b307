"""What the README shows is run as it stands there, against the example of `make demo`; only the port is another."""

import http.server
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.run import LoadOptions, load_dataset
from server.demo import DATASETS

README = Path(__file__).resolve().parents[2] / "README.md"
PUBLIC = "http://localhost:8080"
CLIENTS = {"ogr2ogr", "ogrinfo", "curl"}
# these have tests of their own
OTHERS = {"make", ".venv/bin/opennrw", "docker"}
IN_QGIS = """
from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
{snippet}
assert layer.isValid()
print(layer.featureCount())
QgsProject.instance().clear()
application.exitQgis()
"""


def snippets(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def demo_database_url(cluster: Any, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the example at the size of `make demo`."""
    url = cluster.create(migrated_template)
    folder = tmp_path_factory.mktemp("demo")
    write_deliveries(folder, ExampleOptions())
    for dataset in DATASETS:
        load_dataset(dataset, LoadOptions(url, folder / "store", source=str(folder)))
    yield url
    cluster.drop(url)


@pytest.fixture
def demo(demo_database_url: str, start_server: Callable[..., Any]) -> str:
    """Base URL of a server over it."""
    return start_server(demo_database_url).url


def test_every_command_of_the_readme_runs(demo: str, tmp_path: Path) -> None:
    commands = [line for block in snippets("sh") for line in block.splitlines()]
    names = {shlex.split(command, comments=True)[0] for command in commands}
    assert names - OTHERS == CLIENTS
    for command in commands:
        words = shlex.split(command.replace(PUBLIC, demo), comments=True)
        if words[0] not in CLIENTS:
            continue
        quiet = ["-fsS"] if words[0] == "curl" else []
        done = subprocess.run(
            [words[0], *quiet, *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stderr}"
        if words[0] == "curl":
            assert '"type":"Feature"' in done.stdout, f"{command} finds nothing"
    for path in tmp_path.glob("*.gpkg"):
        assert "Feature Count: 20000" in subprocess.check_output(["ogrinfo", "-so", "-al", path], text=True)


def test_python_of_the_readme_runs(demo: str, tmp_path: Path) -> None:
    for snippet in snippets("python"):
        if "Qgs" not in snippet:
            script = snippet.replace(PUBLIC, demo)
            done = subprocess.run(
                [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), f"{snippet}\n{done.stderr}"
            assert done.stdout.strip()


@pytest.mark.clients
def test_the_readme_adds_a_layer_to_qgis(demo: str, tmp_path: Path) -> None:
    [snippet] = [snippet for snippet in snippets("python") if "Qgs" in snippet]
    script = IN_QGIS.format(snippet=snippet.replace(PUBLIC, demo))
    tmp_path.chmod(0o700)
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        [os.environ.get("OPENNRW_QGIS_PYTHON", "/usr/bin/python3"), "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "20000"


@pytest.fixture
def website(demo: str, tmp_path: Path) -> Iterator[str]:
    """Somebody else's web site with the README's map on its only page."""
    [snippet] = snippets("html")
    page = f'<!doctype html><title>Map</title><link rel="icon" href="data:,">{snippet.replace(PUBLIC, demo)}'
    (tmp_path / "index.html").write_text(page, "utf-8")
    handler = partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the base class)
        """Nothing."""


@pytest.mark.clients
def test_the_readmes_map_is_drawn_on_a_web_page(website: str) -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only installed for the tests of clients)

    complaints: list[str] = []
    tiles: list[int] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("response", lambda answer: tiles.append(answer.status) if ".mvt" in answer.url else None)
        page.goto(website)
        page.wait_for_selector("canvas.maplibregl-canvas")
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1000)
        browser.close()
    assert complaints == []
    assert 200 in tiles
    assert set(tiles) <= {200, 204}


def chromium() -> str:
    names = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
    return next(name for name in names if Path(name).exists())
