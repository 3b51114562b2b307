"""The code that a collection's page offers is run as its button copies it: GDAL, Python, R, curl."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

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
}


@pytest.fixture(scope="module")
def snippets(live_server: str) -> dict[str, str]:
    page = httpx.get(f"{live_server}/collections/adresse?f=html").text
    found = re.findall(r'data-snippet="(\w+)".*?data-copy="([^"]*)"', page, re.DOTALL)
    return {name: html.unescape(text) for name, text in found}


def test_each_tool_has_its_snippet(snippets: dict[str, str]) -> None:
    assert set(snippets) == {*RUN, "qgis_features", "javascript", "maplibre", "openlayers", "leaflet"}


@pytest.mark.parametrize("name", RUN)
def test_snippet_runs_as_it_is_copied(snippets: dict[str, str], name: str, live_server: str, tmp_path: Path) -> None:
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
    else:
        assert str(total) in done.stdout
