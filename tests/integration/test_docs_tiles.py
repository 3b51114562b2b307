"""docs/tiles.md: each address answers and shows something, each snippet is right."""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import shapely
import yaml
from shapely.geometry import shape
from typer.main import get_group

from server.commands.tiles import commands
from server.levels import Tiles
from server.tiling.making import MAX_BYTES
from server.tiling.matrixsets import read_grids
from server.tiling.query import MAX_FEATURES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tiles.md").read_text("utf-8")
OPERATION = (ROOT / "docs" / "tile-cache.md").read_text("utf-8")
EXAMPLES = re.findall(r"^ {4}GET (/.+)$", PAGE, re.MULTILINE)
MVT = "application/vnd.mapbox-vector-tile"


@pytest.fixture(scope="module")
def http(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def place(http: httpx.Client) -> dict[str, str]:
    """Column and row of the tile at level 16 with the first house of a main street."""
    matrix = read_grids(ROOT / "config")["WebMercatorQuad"].by_level[16]
    query = {"crs": "http://www.opengis.net/def/crs/EPSG/0/3857", "filter": "hnr = '1'", "q": "haupt", "limit": 100}
    point = http.get("/collections/adresse/items", params=query).json()["features"][0]["geometry"]["coordinates"]
    x = int((point[0] - matrix.west) / matrix.tile_width)
    return {"x": str(x), "y": str(int((matrix.north - point[1]) / matrix.tile_height))}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_address_answers(http: httpx.Client, place: dict[str, str], example: str) -> None:
    instant = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    answer = http.get(example.format(**place, instant=instant))
    assert answer.status_code == 200, answer.text
    kind = answer.headers["Content-Type"]
    if "/16/" in example:
        assert kind == ("application/geo+json" if "f=json" in example else MVT)
        assert len(answer.content) > 100
    else:
        document = answer.json()
        found = ("tilesets", "tileMatrixSets", "tileMatrices", "layers", "vector_layers")
        assert any(document.get(name) for name in found)


def test_all_parameters_and_grids_have_an_example() -> None:
    for name in ("collections", "filter", "q", "datetime", "asOf", "f"):
        assert any(f"{name}=" in example for example in EXAMPLES)
    for grid in read_grids(ROOT / "config").values():
        assert all(f"`{name}`" in PAGE for name in (grid.id, *grid.aliases))
    assert f"{MAX_BYTES:,} bytes" in PAGE
    assert f"{MAX_FEATURES:,} features" in PAGE


@pytest.mark.parametrize("line", re.findall(r"^ {4}opennrw (tiles .+)$", OPERATION, re.MULTILINE))
def test_the_command_is_one(line: str) -> None:
    """With options that it knows."""
    group, name, *given = line.split()
    options = {option for option in given if option.startswith("--")}
    known = {option for parameter in get_group(commands).commands[name].params for option in parameter.opts}
    assert (group, options - known) == ("tiles", set())


def test_the_addresses_of_archives_are_served(http: httpx.Client) -> None:
    """The example's service has no worker: it says what is missing."""
    found = re.findall(r"^ {4}GET (/.+)$", OPERATION, re.MULTILINE)
    assert len(found) == 2
    for path in found:
        answer = http.get(path)
        assert answer.status_code == 404
        assert "There is no file" in answer.json()["detail"]
        assert "A worker makes it after a delivery" in answer.json()["detail"]


def test_the_yaml_is_right() -> None:
    given = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["tiles"]
    tiles = Tiles.model_validate(given)
    assert (tiles.properties_at(15), tiles.separate) == (("str",), True)


@pytest.mark.parametrize(
    ("tile", "epsg"), [("WebMercatorQuad/8/133/85", 3857), ("AdV_25832/3/2/3", 25832), ("AdV_25832/5/11/15", 25832)]
)
def test_gdal_opens_a_tile(live_server: str, tmp_path: Path, tile: str, epsg: int) -> None:
    """By its address; for EPSG:25832 with the file that the page shows."""
    (tmp_path / "adv.json").write_text(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    metadata = ["-oo", f"METADATA_FILE={tmp_path / 'adv.json'}"] if epsg == 25832 else []
    source = f"MVT:{live_server}/collections/gemeinde/tiles/{tile}.mvt"
    shown = subprocess.run(
        ["ogrinfo", source, "gemeinde", "-so", *metadata], capture_output=True, text=True, check=True
    ).stdout
    assert f'ID["EPSG",{epsg}]]\n' in shown
    [extent] = re.findall(r"Extent: \(([\d.]+), ([\d.]+)\) - \(([\d.]+), ([\d.]+)\)", shown)
    crs = f"http://www.opengis.net/def/crs/EPSG/0/{epsg}"
    answer = httpx.get(f"{live_server}/collections/gemeinde/items", params={"crs": crs, "limit": 1000})
    geometries = [shape(feature["geometry"]) for feature in answer.json()["features"]]
    west, _, _, north = shapely.total_bounds(geometries)
    unit = 2 * abs(float(extent[2]) - float(extent[0])) / 256
    assert float(extent[0]) == pytest.approx(west, abs=unit)
    assert float(extent[3]) == pytest.approx(north, abs=unit)
