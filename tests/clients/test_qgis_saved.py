"""Files and answers that a user of QGIS has saved: FlatGeobuf and GeoPackage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.clients

UTM32 = "http://www.opengis.net/def/crs/EPSG/0/25832"

Query = Callable[[str], list[tuple[Any, ...]]]
Qgis = Callable[..., dict[str, Any]]


def save(url: str, path: Path, **query: str) -> Path:
    answer = httpx.get(url, params=query, timeout=120, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    return path


def told(layer: dict[str, Any], names: list[str]) -> list[list[Any]]:
    """The features as lists of values, points of a boundary and place, in the order of their ids."""
    rows = [
        [*(feature["properties"][name] for name in names), feature["points"], feature["x"], feature["y"]]
        for feature in layer["features"]
    ]
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.parametrize("key", ["fgb", "gpkg"])
def test_saved_items(qgis: Qgis, live_server: str, published: Query, tmp_path: Path, key: str) -> None:
    query = {"f": key, "limit": "100000", "crs": UTM32}
    path = save(f"{live_server}/collections/adresse/items", tmp_path / f"adresse.{key}", **query)
    layer = qgis("qgis_saved.py", str(path))
    names = ["id", "ags", "gmd", "str", "hnr", "adz", "datum"]
    columns = ", ".join(name if name != "datum" else "datum::text" for name in names)
    rows = published(f'select {columns}, 1, ST_X(geom), ST_Y(geom) from geobasis.adresse order by id collate "C"')
    assert told(layer, names) == [list(row) for row in rows]
    assert (layer["crs"], layer["count"]) == ("EPSG:25832", len(rows))
    assert layer["types"]["datum"] == {"fgb": "datetime", "gpkg": "date"}[key]


@pytest.mark.parametrize("key", ["fgb", "gpkg"])
def test_a_saved_file_is_drawn_by_its_index(
    qgis: Qgis, live_server: str, published: Query, tmp_path: Path, key: str
) -> None:
    [(ags,)] = published("select ags from geobasis.hausumring group by 1 order by count(*) desc limit 1")
    path = save(f"{live_server}/collections/hausumring/download", tmp_path / f"cut.{key}", area=ags, f=key)
    whole = qgis("qgis_saved.py", str(path))
    assert whole["count"] == len(whole["features"]) > 100
    place = whole["features"][whole["count"] // 2]
    west, south, east, north = place["x"] - 150, place["y"] - 150, place["x"] + 150, place["y"] + 150
    shown = qgis("qgis_saved.py", str(path), *map(str, (west, south, east, north)))
    box = f"ST_MakeEnvelope({west}, {south}, {east}, {north}, 25832)"
    wanted = published(f"select id from geobasis.hausumring where ags = '{ags}' and ST_Intersects(geom, {box})")
    assert {feature["properties"]["id"] for feature in shown["features"]} == {id_ for (id_,) in wanted}
    assert 0 < len(wanted) < whole["count"]
    assert shown["indexed"]
    if key == "fgb":  # of a GeoPackage newer programs show the titles, too
        assert shown["aliases"]["gfk"] == "Gebäudefunktion"


@pytest.mark.parametrize("query", [{}, {"crs": UTM32}, {"skipGeometry": "true"}], ids=["crs84", "utm32", "bare"])
def test_geopackages_are_valid(
    validate_geopackage: Callable[[Path], str], live_server: str, tmp_path: Path, query: dict[str, str]
) -> None:
    path = save(f"{live_server}/collections/gemeinde/items", tmp_path / "gemeinde.gpkg", f="gpkg", **query)
    assert validate_geopackage(path) == ""
    path.write_bytes(path.read_bytes().replace(b"gpkg_metadata_reference", b"gpkg_metadata_referencf"))
    assert "gpkg_metadata_reference" in validate_geopackage(path), "it does look"
