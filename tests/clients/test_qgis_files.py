"""QGIS opens whole collections by the addresses of their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.progress import Quiet
from server.catalogue import read_collections, read_service
from server.exports.whole import Files
from server.settings import ROOT, Settings

pytestmark = pytest.mark.clients


@pytest.fixture
def files(example_database_url: str, start_server: Callable[..., Any], tmp_path: Path) -> str:
    """Where the files of `adresse` are."""
    home = tmp_path / "home"
    settings = Settings(database_url=example_database_url, OPENNRW_HOME=home)  # pyright: ignore
    collection = next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")
    assert Files(settings, read_service(ROOT / "config"), Quiet()).make(collection).outcome == "made"
    server = start_server(example_database_url, OPENNRW_HOME=str(home))
    return f"{server.url}/collections/adresse/downloads/adresse"


def test_files_by_their_addresses(qgis: Callable[..., Any], files: str, example_database_url: str) -> None:
    with psycopg.connect(example_database_url) as connection:
        rows = connection.execute("select id, ST_X(geom), ST_Y(geom) from geobasis.adresse").fetchall()
    ids = sorted(row[0] for row in rows)
    for extension in ("fgb", "gpkg"):
        layer = qgis("qgis_file.py", f"{files}.{extension}")
        assert (layer["crs"], layer["count"], sorted(layer["ids"])) == ("EPSG:25832", len(ids), ids)
    west, south, east, north = rows[0][1] - 200, rows[0][2] - 200, rows[0][1] + 200, rows[0][2] + 200
    inside = sorted(id_ for id_, x, y in rows if west <= x <= east and south <= y <= north)
    shown = qgis("qgis_file.py", f"{files}.fgb", *map(str, (west, south, east, north)))
    assert sorted(shown["ids"]) == inside
    assert len(inside) < len(ids)
