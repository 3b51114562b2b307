"""The code that /embed and a collection's page offer is run as its button copies it: QGIS, GDAL, Python, R, JavaScript,
curl. What is for web pages is pasted into one in tests/browser.
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.clients
BASH = ["/bin/bash", "-euc"]
RUN = {
    "gdal": BASH,
    "gdal_filter": BASH,
    "curl": BASH,
    "curl_filter": BASH,
    "curl_crs": BASH,
    "python": [sys.executable, "-c"],
    "r": ["Rscript", "-e"],
    "javascript": ["node", "--input-type=module", "-e"],
}
IN_PAGES = {"maplibre", "openlayers", "leaflet"}
Qgis = Callable[..., dict[str, Any]]
Query = Callable[[str], list[tuple[Any, ...]]]


def read_snippets(address: str) -> dict[str, str]:
    """The texts of a page's copy buttons by name."""
    found = re.findall(r'data-snippet="(\w+)".*?data-copy="([^"]*)"', httpx.get(address).text, re.DOTALL)
    return {name: html.unescape(text) for name, text in found}


@pytest.fixture(scope="module")
def snippets(live_server: str) -> dict[str, str]:
    return read_snippets(f"{live_server}/collections/adresse?f=html")


def test_each_tool_has_its_snippet(snippets: dict[str, str]) -> None:
    assert set(snippets) == {*RUN, *IN_PAGES, "qgis_features"}


@pytest.mark.parametrize("name", RUN)
def test_snippet_runs_as_it_is_copied(snippets: dict[str, str], name: str, live_server: str, tmp_path: Path) -> None:
    if name in {"r", "javascript"} and shutil.which(RUN[name][0]) is None:
        pytest.skip(f"{RUN[name][0]} is not installed, so the code for it can not be run")
    done = subprocess.run(
        [*RUN[name], snippets[name]], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    total = httpx.get(f"{live_server}/collections/adresse/items?f=json&limit=1").json()["numberMatched"]
    if name.startswith("curl"):
        assert json.loads(done.stdout)["features"]
    elif name == "gdal":
        told = subprocess.check_output(["ogrinfo", "-so", "-al", tmp_path / "adresse.gpkg"], text=True)
        assert f"Feature Count: {total}" in told
    elif name == "gdal_filter":
        assert "OGRFeature(adresse):" in done.stdout
    elif name == "javascript":
        assert sum(map(int, done.stdout.split())) == total
    else:
        assert str(total) in done.stdout


@pytest.mark.parametrize("name", ["qgis", "qgis_features"])
def test_code_for_qgis_puts_a_layer_on_the_map(
    qgis: Qgis, live_server: str, published: Query, tmp_path: Path, name: str
) -> None:
    """Tiles in the colours of the chosen style, features in one that QGIS chooses."""
    [(longitude, latitude)] = published(
        "select ST_X(p)::text, ST_Y(p)::text from (select ST_Transform(ST_PointOnSurface(geom), 4326) p "
        "from geobasis.hausumring order by ST_Area(geom) desc limit 1) t"
    )
    pages = {
        "qgis": "/embed?collections=gemeinde,hausumring,adresse&style=light",
        "qgis_features": "/collections/hausumring?f=html",
    }
    code, picture = tmp_path / "code.py", tmp_path / "picture.png"
    code.write_text(read_snippets(f"{live_server}{pages[name]}")[name], "utf-8")
    found = qgis("qgis_snippet.py", str(code), longitude, latitude, "3000", str(picture))
    if folder := os.environ.get("OPENNRW_SCREENSHOTS"):
        shutil.copy(picture, Path(folder, f"{name}.png"))
    [(_, valid)] = found["layers"]
    assert valid
    colours = found["colours"]
    if name == "qgis":
        assert sum(colours.get(colour, 0) for colour in ("#d9d2c7", "#d3cdd2", "#e0bfae")) > 500
    else:
        assert sum(n for colour, n in colours.items() if colour != "#ffffff") > 500
