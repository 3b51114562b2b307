"""Files of one's own: a home of the test's own, made files, and a service that watches its folder of collections."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from loaders.files.compose import Wishes
from loaders.files.prepare import Prepared, prepare
from loaders.progress import Quiet
from loaders.report import Report
from loaders.run import LoadOptions, load_manifest

# an invented table with what goes wrong easily: umlauts, signs, keys with a zero first, a gap, a German date
PLACES: dict[str, list[Any]] = {
    "Straße / Nr.": ["Hauptstr. 1", "Nebenstr. 2", "Am Öhr 3"],
    "AGS": ["05113000", "05113000", "05111000"],
    "Fläche m²": [1.5, 2.5, None],
    "Stand": ["01.02.2024", "2.2.2024", "03.02.2024"],
    "nummer": ["007", "008", "009"],
}
EAST, NORTH = 361_380.312, 5_699_565.45
DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OPENNRW_HOME of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("OPENNRW_HOME", str(folder))
    return folder


@pytest.fixture
def look(home: Path) -> Callable[..., Prepared]:
    """`look("spielplatz", path, crs="EPSG:25832")`: what would be loaded, and how."""
    return lambda name, path, **wishes: prepare(name, str(path), Wishes(**wishes), home / "deliveries", Quiet())


@pytest.fixture
def load_as(look: Callable[..., Prepared], database_url: str, home: Path) -> Callable[..., Report]:
    """`load_as("spielplatz", path, key="nummer")` into the test's database."""

    def run(name: str, path: Path, *, dry_run: bool = False, accept_shrink: bool = False, **wishes: Any) -> Report:
        prepared = look(name, path, **wishes)
        options = LoadOptions(
            database_url,
            home / "deliveries",
            str(path),
            dry_run=dry_run,
            accept_shrink=accept_shrink,
            stored=prepared.stored,
        )
        return load_manifest(prepared.manifest, options)

    return run


@pytest.fixture
def rows(database_url: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Asks the database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield lambda query: connection.execute(query.encode()).fetchall()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write("a.gpkg", columns, shapes, crs="EPSG:25832")`: a file by GDAL; without columns PLACES as points."""

    def make(
        name: str, columns: dict[str, list[Any]] | None = None, shapes: list[Any] | None = None, **how: Any
    ) -> Path:
        path = tmp_path / name
        fields = PLACES if columns is None else columns
        points = [shapely.Point(EAST + i, NORTH) for i in range(3)] if shapes is None else shapes
        # GDAL writes what it is told of: a type for all unless the file may hold several
        kinds = {shape.geom_type for shape in points if shape is not None}
        options = {"crs": "EPSG:25832", "geometry_type": kinds.pop() if len(kinds) == 1 else "Unknown", **how}
        pyogrio.raw.write(
            path,
            geometry=np.array([None if s is None else shapely.to_wkb(s) for s in points], dtype=object),
            field_data=[_to_array(values) for values in fields.values()],
            fields=np.array(list(fields)),
            driver=DRIVERS[path.suffix],
            **options,
        )
        return path

    return make


def _to_array(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {float}:
        return np.array([np.nan if value is None else value for value in values])
    return np.array(values, dtype=object) if kinds != {int} else np.array(values)


@pytest.fixture
def service(database_url: str, home: Path, start_server: Callable[..., Any]) -> Any:
    """A service over the test's database and home, started before anything is loaded."""
    home.mkdir(exist_ok=True)
    return start_server(database_url, OPENNRW_HOME=str(home))
