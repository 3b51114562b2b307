"""Bodenrichtwerte: years beside each other, texts that are no numbers, rows of two encodings, names of layers."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import shapely

from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report

Load = Callable[..., Report]
WriteLayer = Callable[..., Path]
Square = Callable[..., shapely.Polygon]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

ZONE = {
    "BRW": "280", "STAG": "2026-01-01", "BRWZNR": "12", "GENU": "3144", "NUTA": "W", "ENTW": "B", "ERGNUTA": "EFH",
    "BAUW": "o", "GESL": "5113000", "GEMA": "Essen", "ORTST": "Rüttenscheid",
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path, write_layer: WriteLayer, square: Square) -> Write:
    """`write({…}, {…}, year=2026, layer="BRW_2026_Polygon")`: a year's archive; its folder."""

    def make(*rows: dict[str, str], year: int = 2026, layer: str = "", archive: str = "", **given: Any) -> Path:
        zones = [ZONE | {"STAG": f"{year}-01-01"} | row for row in rows]
        columns = {name: [zone.get(name) for zone in zones] for zone in zones for name in zone}
        layer = layer or f"BRW_{year}_Polygon"
        folder = write_layer(layer, [square(i * 50) for i in range(len(zones))], columns, **given)
        target = tmp_path / "boris"
        target.mkdir(exist_ok=True)
        with zipfile.ZipFile(target / (archive or f"BRW_{year}_EPSG25832_Shape.zip"), "w") as packed:
            for path in sorted(folder.glob(f"{layer}.*")):
                packed.write(path, path.name)
        return target

    return make


def test_zone_with_its_codes_and_number(load: Load, connection: Connection, write: Write) -> None:
    report = load("bodenrichtwert", write({}))
    assert report.status == "published"
    assert report.packages == ["2026"]
    row = connection.execute(
        """select id, jahr, bodenrichtwert, brw, stag::text, gilt_bis::text, zone, entwicklungszustand, nutzung,
             ergaenzung, bauweise, gesl, ortst from geobasis.bodenrichtwert"""
    ).fetchone()
    assert row == (
        "2026-31440012", "2026", 280, "280", "2026-01-01", "2026-12-31", "31440012", "Baureifes Land", "Wohnbaufläche",
        "Ein- und Zweifamilienhäuser", "Offene Bauweise", "05113000", "Rüttenscheid",
    )  # fmt: skip


def test_values_are_texts(load: Load, connection: Connection, write: Write) -> None:
    texts = {"1.250,00": 1250, "1,2": 1.2, "0.8": 0.8, "12.345.678": 12345678, "-": None, "ca. 3": None, "1.25,0": None}
    load("bodenrichtwert", write(*({"BRW": text, "BRWZNR": str(n)} for n, text in enumerate(texts))))
    assert dict(connection.execute("select brw, bodenrichtwert from geobasis.bodenrichtwert").fetchall()) == texts


def test_rows_of_two_encodings_in_one_table(load: Load, connection: Connection, write: Write) -> None:
    """Both rows read right; the one that was cp1252 is counted, its bytes are kept."""
    folder = write({"ORTST": "Süd"}, {"ORTST": "Höhe", "BRWZNR": "13"})
    archive = folder / "BRW_2026_EPSG25832_Shape.zip"
    with zipfile.ZipFile(archive) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    members["BRW_2026_Polygon.dbf"] = members["BRW_2026_Polygon.dbf"].replace(
        "Höhe".encode(), "Höhe".encode("cp1252") + b" "
    )
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    report = load("bodenrichtwert", folder)
    assert report.collections["bodenrichtwert"] == Counts(read=2, inserted=2, repaired=1)
    assert connection.execute("select ortst from geobasis.bodenrichtwert order by id").fetchall() == [
        ("Süd",),
        ("Höhe",),
    ]
    assert connection.execute("select reason, original from provenance.repair").fetchall() == [
        ("ORTST was cp1252 in a table of UTF-8", b"H\xf6he")
    ]


def test_a_zone_of_several_areas_and_uses_is_whole(load: Load, connection: Connection, write: Write) -> None:
    report = load("bodenrichtwert", write({}, {}, {"NUTA": "LF", "ENTW": "LF"}))
    assert report.collections["bodenrichtwert"] == Counts(read=3, inserted=3)
    ids = connection.execute("select id, nuta from geobasis.bodenrichtwert order by id").fetchall()
    assert ids == [("2026-31440012", "W"), ("2026-31440012-2", "W"), ("2026-31440012-3", "LF")]


def test_a_year_replaces_itself_alone(load: Load, connection: Connection, write: Write, tmp_path: Path) -> None:
    """Also where the archive does not bear the year, as that of the current one, and layers differ in their names."""
    load("bodenrichtwert", write({}, {"BRWZNR": "13"}, year=2011, layer="brw2011"))
    current = write({}, archive="BRW_EPSG25832_Shape.zip") / "BRW_EPSG25832_Shape.zip"
    assert load("bodenrichtwert", current).packages == ["2026"]
    again = write({"BRW": "300"}, {"BRWZNR": "14"}) / "BRW_2026_EPSG25832_Shape.zip"
    counts = load("bodenrichtwert", again).collections["bodenrichtwert"]
    assert counts == Counts(read=2, inserted=1, updated=1)
    rows = connection.execute("select jahr, count(*), max(brw) from geobasis.bodenrichtwert group by 1 order by 1")
    assert rows.fetchall() == [("2011", 2, "280"), ("2026", 2, "300")]


def test_rows_and_layers_that_do_not_fit(load: Load, connection: Connection, write: Write) -> None:
    folder = write({}, {"GENU": "?"}, {"STAG": "2026-02-30"}, year=2025)
    assert load("bodenrichtwert", folder).collections["bodenrichtwert"] == Counts(read=3, inserted=1, rejected=2)
    assert [reason for (reason,) in connection.execute("select reason from provenance.reject order by line")] == [
        "GENU is '?' and BRWZNR '12', both must be numbers",
        "STAG '2026-02-30' is no date; it must look like 2026-07-01",
    ]
    unknown = write({}, layer="IRW_2024") / "BRW_2026_EPSG25832_Shape.zip"
    with pytest.raises(DeliveryRefused, match=r"The layer IRW_2024\.shp is unknown to the loader bodenrichtwert"):
        load("bodenrichtwert", unknown)
    nameless = write({}, layer="BRW", archive="BRW_EPSG25832_Shape.zip") / "BRW_EPSG25832_Shape.zip"
    with pytest.raises(DeliveryRefused, match=r"BRW_EPSG25832_Shape\.zip does not say which package it holds"):
        load("bodenrichtwert", nameless)
