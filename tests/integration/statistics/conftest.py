"""Statistics of invented and of genuine tables over squares that bear the official keys."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from loaders.report import Report
from loaders.run import LoadOptions, load_dataset

KEYS = {
    "L": {"05000000": "Nordrhein-Westfalen"},
    "R": {"05300000": "Köln"},
    "K": {"05315000": "Köln", "05334000": "Städteregion Aachen"},
    "G": {"05315000": "Köln", "05334002": "Aachen", "05334004": "Alsdorf"},
}
LAYERS = {"L": "bld", "R": "rbz", "K": "krs", "G": "gem"}


@pytest.fixture(scope="session")
def write_boundaries() -> Callable[..., Path]:
    """`write_boundaries(folder, keys, size)`: DVG1 with a square of `size` metres for each key and kind."""

    def write(folder: Path, keys: dict[str, dict[str, str]], size: float = 900, stand: str = "20200304") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for art, named in keys.items():
            west = np.arange(len(named)) % 25 * 1000 + 300_000
            south = np.arange(len(named)) // 25 * 1000 + 5_600_000
            squares = shapely.box(west, south, west + size, south + size)
            columns = [[art] * len(named), list(named.values()), list(named), [stand] * len(named)]
            pyogrio.raw.write(
                folder / f"dvg1{LAYERS[art]}_nw.shp",
                geometry=shapely.to_wkb(squares),
                field_data=[np.array(column, dtype=object) for column in columns],
                fields=np.array(["ART", "GN", "KN", "STAND"]),
                geometry_type="Polygon",
                crs="EPSG:25832",
                encoding="UTF-8",
                driver="ESRI Shapefile",
            )
        return folder

    return write


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OPENNRW_HOME of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("OPENNRW_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def bounded_template(
    cluster: Any,
    migrated_template: str,
    write_boundaries: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A database with the squares of KEYS."""
    url = cluster.create(migrated_template)
    folder = write_boundaries(tmp_path_factory.mktemp("dvg1"), KEYS)
    load_dataset("dvg1", LoadOptions(url, tmp_path_factory.mktemp("store"), str(folder)))
    yield url
    cluster.drop(url)


@pytest.fixture
def database(cluster: Any, bounded_template: str, home: Path) -> Iterator[str]:
    """The owner's conninfo of a copy of it, for a home of the test's own."""
    url = cluster.create(bounded_template)
    yield url
    cluster.drop(url)


@pytest.fixture
def rows(database: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Asks the database."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield lambda query: connection.execute(query.encode()).fetchall()


@pytest.fixture
def load(database: str, home: Path) -> Callable[..., Report]:
    """`load("einkommen", path)` into the test's database."""

    def run(dataset: str, source: Path | str, **options: Any) -> Report:
        return load_dataset(dataset, LoadOptions(database, home / "deliveries", str(source), **options))

    return run


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., Path]:
    """`write_table("82411-01-03-4", ["title"], [";;;head"], ["2014;05315;Köln;1"])`, as GENESIS writes a table."""

    def write(
        code: str, title: Sequence[str], head: Sequence[str], data: Sequence[str], encoding: str = "cp1252"
    ) -> Path:
        notes = [
            "__________",
            "Aachen:",
            'ab 2009";"',
            '"© Statistische Ämter',
            'Version 2.0."',
            "Stand: 10.10.2017 / 12:39",
        ]
        lines = [f"GENESIS-Tabelle: {code}", *title, *head, *data, *notes]
        path = tmp_path / f"{code}.csv"
        path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))
        return path

    return write
