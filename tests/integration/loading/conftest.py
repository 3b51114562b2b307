"""Deliveries made by hand, and loading them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely

from loaders.manifest import read_manifest
from loaders.report import Report
from loaders.run import LoadOptions, load_dataset

Load = Callable[..., Report]
WriteLayer = Callable[..., Path]


@pytest.fixture
def load(database_url: str, tmp_path: Path) -> Load:
    """`load("gebref", folder, only=…, dry_run=…, accept_shrink=…, progress=…)` into the test's database."""

    def run(dataset: str, source: Path | str, **options: Any) -> Report:
        return load_dataset(dataset, LoadOptions(database_url, tmp_path / "store", str(source), **options))

    return run


@pytest.fixture
def write_addresses(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of addresses from lines; gives its folder."""

    def write(*lines: str | bytes, name: str = "gebref.txt", end: bytes = b"\r\n", start: bytes = b"") -> Path:
        folder = tmp_path / "gebref"
        folder.mkdir(exist_ok=True)
        encoded = [line.encode() if isinstance(line, str) else line for line in lines]
        (folder / name).write_bytes(start + b"".join(line + end for line in encoded))
        return folder

    return write


@pytest.fixture
def address() -> Callable[..., str]:
    """A line of 21 columns; any column can be given by name."""

    def line(oid: str, **columns: str) -> str:
        given = f"N;{oid};A;05;Nordrhein-Westfalen;9;Arnsberg;62;Märkischer Kreis;052;Plettenberg;0000;;02418;Marl;2;;"
        values = f"{given}32;420565.275;5673959.771;2026-07-01".split(";")
        row = dict(zip(read_manifest("gebref").collections["adresse"].columns, values, strict=True))
        assert columns.keys() <= row.keys()
        return ";".join({**row, **columns}.values())

    return line


@pytest.fixture
def write_layer(tmp_path: Path) -> WriteLayer:
    """Writes a Shape file from geometries and text columns; gives its folder."""

    def write(
        layer: str,
        geometries: Sequence[Any],
        columns: dict[str, Sequence[str | None]],
        crs: str = "EPSG:25832",
        encoding: str = "UTF-8",
    ) -> Path:
        folder = tmp_path / "shapes"
        folder.mkdir(exist_ok=True)
        pyogrio.raw.write(
            folder / f"{layer}.shp",
            geometry=shapely.to_wkb(np.array(geometries, dtype=object)),
            field_data=[np.array(values, dtype=object) for values in columns.values()],
            fields=np.array(list(columns)),
            geometry_type="Polygon",
            crs=crs,
            encoding=encoding,
            driver="ESRI Shapefile",
        )
        return folder

    return write


@pytest.fixture
def square() -> Callable[..., Any]:
    """A square of 100 m inside the state, its ring clockwise as Shape files have it; moved by easting and northing."""

    def make(east: float = 0, north: float = 0) -> Any:
        e, n = 400_000 + east, 5_700_000 + north
        return shapely.Polygon([(e, n), (e, n + 100), (e + 100, n + 100), (e + 100, n)])

    return make
