"""Unfallatlas: what the columns are called and where they stand in each year, keys, months, other states."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

HEADERS = {
    2019: "OBJECTID;ULAND;UREGBEZ;UKREIS;UGEMEINDE;UJAHR;UMONAT;USTUNDE;UWOCHENTAG;UKATEGORIE;UART;UTYP1;ULICHTVERH;"
    "IstRad;IstPKW;IstFuss;IstKrad;IstGkfz;IstSonstige;LINREFX;LINREFY;XGCSWGS84;YGCSWGS84;STRZUSTAND",
    2021: "OID_;ULAND;UREGBEZ;UKREIS;UGEMEINDE;UJAHR;UMONAT;USTUNDE;UWOCHENTAG;UKATEGORIE;UART;UTYP1;IstRad;IstPKW;"
    "IstFuss;IstKrad;IstSonstige;ULICHTVERH;IstGkfz;LINREFX;LINREFY;XGCSWGS84;YGCSWGS84;UIDENTSTLAE;"
    "IstStrassenzustand",
    2025: "UIDENTSTLAE;ULAND;UREGBEZ;UKREIS;UGEMEINDE;UJAHR;UMONAT;USTUNDE;UWOCHENTAG;UKATEGORIE;UART;UTYP1;"
    "ULICHTVERH;IstStrassenzustand;IstRad;IstPKW;IstFuss;IstKrad;IstGkfz;IstSonstige;LINREFX;LINREFY;XGCSWGS84;"
    "YGCSWGS84;PLST",
}
ROW = {
    "OBJECTID": "7", "OID_": "7", "UIDENTSTLAE": "05210401120104112021", "ULAND": "05", "UREGBEZ": "3",
    "UKREIS": "15", "UGEMEINDE": "000", "UMONAT": "02", "USTUNDE": "17", "UWOCHENTAG": "6", "UKATEGORIE": "2",
    "UART": "5", "UTYP1": "3", "ULICHTVERH": "0", "STRZUSTAND": "1", "IstStrassenzustand": "1", "IstRad": "1",
    "IstPKW": "1", "IstFuss": "0", "IstKrad": "0", "IstGkfz": "0", "IstSonstige": "0",
    "LINREFX": "356480,123400000020000", "LINREFY": "5645000,5", "XGCSWGS84": "6,95", "YGCSWGS84": "50,94",
    "PLST": "1",
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write({…}, {…}, year=2025)`: a year's table in that year's layout; its folder."""

    def make(*rows: dict[str, str], year: int = 2025, header: str = "", encoding: str = "utf-8-sig") -> Path:
        names = (header or HEADERS[year]).split(";")
        lines = [";".join((ROW | {"UJAHR": str(year)} | row).get(name, "") for name in names) for row in rows]
        folder = tmp_path / "unfaelle"
        folder.mkdir(exist_ok=True)
        content = "\r\n".join([";".join(names), *lines]) + "\r\n"
        (folder / f"Unfallorte_{year}_LR_BasisDLM.csv").write_bytes(content.encode(encoding))
        return folder

    return make


@pytest.mark.parametrize("year", HEADERS)
def test_every_layout_gives_the_same(load: Load, connection: Connection, write: Write, year: int) -> None:
    report = load("unfaelle", write({"ULAND": "5", "UGEMEINDE": "0"} if year == 2019 else {}, year=year))
    assert report.status == "published"
    assert report.packages == [str(year)]
    row = connection.execute(
        """select id, ags, monat_von::text, monat_bis::text, ustunde, kategorie, typ, licht, zustand, istrad, istfuss,
             ST_AsText(geom, 3) from geobasis.unfaelle"""
    ).fetchone()
    given = "7" if year == 2019 else ROW["UIDENTSTLAE"]
    assert row == (
        f"{year}-{given}", "05315000", f"{year}-02-01", f"{year}-02-28", 17, "Unfall mit Schwerverletzten",
        "Einbiegen/Kreuzen-Unfall", "Tageslicht", "Nass, feucht oder schlüpfrig", True, False,
        "POINT(356480.123 5645000.5)",
    )  # fmt: skip


def test_other_states_are_told_not_loaded(load: Load, write: Write) -> None:
    report = load("unfaelle", write({}, {"ULAND": "01"}, {"ULAND": "09", "LINREFX": "800000"}))
    assert report.collections["unfaelle"] == Counts(read=1, inserted=1)
    assert [c.detail for c in report.checks if c.rule == "left_out"] == [
        "2 rows are not loaded: accidents in other states"
    ]


def test_rows_that_do_not_fit(load: Load, connection: Connection, write: Write) -> None:
    cases = [
        ({"UGEMEINDE": "00x"}, "the municipality's key is '0531500x'; it must be eight digits"),
        ({"UKATEGORIE": "4"}, "UKATEGORIE is '4', it must be 1, 2 or 3"),
        ({"UMONAT": "13"}, "UJAHR is '2025' and UMONAT '13', which is no month"),
        ({"IstRad": "2"}, "istrad '2' is neither 0 nor 1"),
        ({"LINREFX": "6,95"}, "are outside North Rhine-Westphalia"),
        ({"UIDENTSTLAE": ""}, "the accident has neither UIDENTSTLAE nor OBJECTID"),
        ({"UJAHR": "2024"}, "ujahr is '2024', this delivery holds the packages 2025 only"),
    ]
    report = load("unfaelle", write({}, *(change for change, _ in cases)))
    assert report.collections["unfaelle"] == Counts(read=8, inserted=1, rejected=7)
    reasons = connection.execute("select reason from provenance.reject order by line").fetchall()
    for (reason,), (_, expected) in zip(reasons, cases, strict=True):
        assert expected in reason


def test_unknown_columns_and_years_without_the_state(load: Load, write: Write, tmp_path: Path) -> None:
    folder = write({}, header=HEADERS[2025].replace("PLST", "NEU"))
    with pytest.raises(DeliveryRefused, match="has in addition neu; the loader knows the columns uland, uregbez"):
        load("unfaelle", folder)
    (folder / "Unfallorte_2025_LR_BasisDLM.csv").rename(tmp_path / "Unfallorte2018_LinRef.csv")
    with pytest.raises(DeliveryRefused, match=r"Unfallorte2018_LinRef\.csv does not say which package it holds"):
        load("unfaelle", tmp_path / "Unfallorte2018_LinRef.csv")
