"""Rules of the house that no linter knows."""

import re
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql

from loaders import grid
from loaders import spatial_key as loaders_key
from server import spatial_key as server_key
from server.catalogue import Collection, read_collections, read_service
from server.crs import Box
from server.schema_check import COLUMN_TYPES, OWN_COLUMNS, SOLID_COLUMNS
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = read_collections(ROOT / "collections")
PACKAGES = ("server", "loaders", "processes")


def test_data_folders_hold_no_code() -> None:
    """A collections/__init__.py would shadow the standard library: the interpreter would not start."""
    assert [path for folder in ("collections", "config") for path in (ROOT / folder).rglob("*.py*")] == []


def test_our_package_names_are_ours_alone() -> None:
    distributions = packages_distributions()
    assert {name: set(distributions.get(name, ())) for name in PACKAGES} == {name: {"opennrw-geo"} for name in PACKAGES}


def test_packages_have_empty_init_files_and_no_standard_names() -> None:
    for package in ("server", "loaders"):
        for path in (ROOT / package).rglob("__init__.py"):
            assert path.read_text() == "", path
        names = {path.stem for path in (ROOT / package).rglob("*.py")}
        assert not names & {"types", "logging", "collections", "http", "json", "typing"}


def test_service_yaml_is_valid() -> None:
    assert read_service(Settings().config_dir).licence.url.startswith("https://")


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda c: c.id)
def test_yaml_and_table_have_the_same_columns(migrated_template: str, collection: Collection) -> None:
    """The migrations and the YAML are written apart; the server would refuse to start where they differ."""
    columns = _columns(migrated_template, collection.id)
    properties = {p.name: COLUMN_TYPES[p.type] for p in collection.properties}
    solids = SOLID_COLUMNS.keys() if collection.lod else set()
    assert columns.keys() - OWN_COLUMNS.keys() - {"geom"} - solids == properties.keys()
    assert solids <= columns.keys()
    for name, types in properties.items():
        assert columns[name] in types


def _columns(template: str, collection: str) -> dict[str, str]:
    """Asked through a connection that ends at once: nobody may be connected to a template that is copied."""
    with psycopg.connect(template) as connection:
        rows = connection.execute(
            sql.SQL(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute "
                "where attrelid = {}::regclass and attnum > 0 and not attisdropped"
            ).format(sql.Literal(f"geobasis.{collection}"))
        ).fetchall()
    return dict(rows)


def test_both_spatial_keys_agree() -> None:
    """The loaders number the features, the server covers boxes with the numbers."""
    assert (server_key.ORIGIN_E, server_key.ORIGIN_N) == (grid.ORIGIN_EAST, grid.ORIGIN_NORTH)
    assert (server_key.CELL, server_key.BITS, server_key.SEQUENCE_BITS) == (grid.CELL, grid.BITS, grid.SEQUENCE_BITS)
    rng = np.random.default_rng(16)
    east, north = rng.uniform(250_000, 560_000, 3000), rng.uniform(5_540_000, 5_850_000, 3000)
    east[:4], north[:4] = [274_000, 536_143.999, 536_144, 274_003.999], [5_568_000, 5_830_143.9, 5_830_144, 5_568_004]
    for x, y, code in zip(east, north, loaders_key.hilbert_codes(east, north).tolist(), strict=True):
        first = code << server_key.SEQUENCE_BITS
        last = ((code + 1) << server_key.SEQUENCE_BITS) - 1
        assert list(server_key.covering(Box(x, y, x, y))) == [(first, last)]


def test_the_key_is_the_classic_hilbert_curve() -> None:
    """Against the algorithm of the textbook, so that both implementations cannot be wrong alike."""

    def xy2d(x: int, y: int) -> int:
        d, s = 0, 1 << 15
        while s:
            rx, ry = int((x & s) > 0), int((y & s) > 0)
            d += s * s * ((3 * rx) ^ ry)
            if not ry:
                if rx:
                    x, y = 65535 - x, 65535 - y
                x, y = y, x
            s >>= 1
        return d

    rng = np.random.default_rng(4)
    cells = rng.integers(0, 65536, (1000, 2))
    places = (np.array([274_001.0, 5_568_001.0]) + cells * 4.0).astype(np.float64)
    codes = loaders_key.hilbert_codes(places[:, 0], places[:, 1])
    assert codes.tolist() == [xy2d(int(x), int(y)) for x, y in cells]


@pytest.mark.parametrize("pattern", [r"/home/[a-z]", r"\bTODO\b", r"\bFIXME\b"])
def test_the_tree_names_no_machine_and_no_unfinished_work(pattern: str, tracked: Callable[[], list[Path]]) -> None:
    own = Path(__file__)
    hits = [str(p) for p in tracked() if p != own and re.search(pattern, p.read_text("utf-8", "ignore"))]
    assert hits == []


@pytest.fixture
def tracked() -> Callable[[], list[Path]]:
    """Our own sources: code, data and texts."""

    def find() -> list[Path]:
        folders = ("server", "loaders", "collections", "config", "tests", "scripts")
        suffixes = {".py", ".yaml", ".sql", ".html", ".md", ".sh", ".toml"}
        return [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in suffixes and "vendor" not in p.parts]

    return find
