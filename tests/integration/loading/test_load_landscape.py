"""Roads, protected areas and the landscape model: codes, columns that are not known, layers that are missing or new."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

PLACE = shapely.Point(400_000, 5_700_000)
AREA = shapely.box(400_000, 5_700_000, 400_100, 5_700_100)
LINE = shapely.LineString([(400_000, 5_700_000), (400_100, 5_700_000)])
SECTION = {"ABS": "4507030A4507031O", "STRBEZ": "B 1", "STRKL": "B", "STRNR": 1, "ABSAST": "Abschnitt", "LAENGE": 100.5,
           "NETZSTAND": "2026-07-01"}  # fmt: skip
NODE = {"NKNR": 4507030, "NKNAME": "AK Dortmund", "NKARTKNZ": 2, "NKPKTFKNZ": 4, "ASARTKNZ": "AK",
        "NETZSTAND": "20260701"}  # fmt: skip
OBJECT = {"OBJART": "42003", "OBJART_TXT": "AX_Strassenachse", "OBJID": "DENWAT0000000001",
          "BEGINN": "2025-03-25T10:43:54Z", "ENDE": "", "WDM": "1307", "BRF": -9998.0, "NAM": "Süd"}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("Netzknoten", [{…}, …], point)`: a Shape file whose records have the same shape; its folder."""

    def make(layer: str, rows: Sequence[dict[str, Any]], shape: Any, archive: str = "") -> Path:
        folder = tmp_path / "delivery"
        target = tmp_path / layer if archive else folder
        for needed in (folder, target):
            needed.mkdir(exist_ok=True)
        pyogrio.raw.write(
            target / f"{layer}.shp",
            shapely.to_wkb(np.array([shape] * len(rows), dtype=object)),
            [np.array([row[name] for row in rows]) for name in rows[0]], np.array(list(rows[0])),
            geometry_type=shape.geom_type, crs="EPSG:25832", encoding="UTF-8", driver="ESRI Shapefile",
        )  # fmt: skip
        if archive:
            with zipfile.ZipFile(folder / archive, "w") as packed:
                for part in target.iterdir():
                    packed.write(part, part.name)
        return folder

    return make


def _told(report: Report, rule: str) -> list[str]:
    return [check.detail for check in report.checks if check.rule == rule]


def test_roads_and_what_the_manifest_does_not_name(load: Load, connection: Connection, write: Write) -> None:
    write("Netzknoten", [NODE], PLACE)
    folder = write(
        "AbschnitteAeste", [SECTION | {"DTV": 9, "OD": "x"}, SECTION | {"ABS": "17", "DTV": 1, "OD": ""}], LINE
    )
    report = load("strassennetz", folder, only=("strassenabschnitt", "netzknoten"))
    assert report.collections["strassenabschnitt"] == Counts(read=2, inserted=1, rejected=1)
    assert _told(report, "further") == ["AbschnitteAeste.shp has in addition DTV, OD, which are not loaded"]
    section = connection.execute("select id, klasse, strnr, laenge, netzstand::text from geobasis.strassenabschnitt")
    assert section.fetchall() == [("4507030A4507031O", "Bundesstraße", 1, 100.5, "2026-07-01")]
    node = connection.execute("select id, nkart, nkpktfknz, nkpktf, asart from geobasis.netzknoten").fetchone()
    assert node == (
        "4507030", "planfrei (höhenungleich)", "04",
        "planfreie Kreuzung von 2-streifigen oder 2-bahnigen Straßen", "Autobahnkreuz",
    )  # fmt: skip
    (reason,) = connection.execute("select reason from provenance.reject").fetchone() or ("",)
    assert reason == "ABS is '17', it must be two zero points such as 4507030A4507031O"


def test_roads_without_a_layer_or_a_column(load: Load, write: Write) -> None:
    folder = write("Netzknoten", [{"NKNAME": "x", "NETZSTAND": "2026-07-01"}], PLACE)
    with pytest.raises(DeliveryRefused, match=r"Netzknoten\.shp lacks NKNR; the loader knows the columns"):
        load("strassennetz", folder, only=("netzknoten",))
    with pytest.raises(DeliveryRefused, match=r"nullpunkte\?.*\.shp is missing from the delivery"):
        load("strassennetz", folder, only=("nullpunkt",))


def test_protected_areas_replace_those_of_their_archive(load: Load, connection: Connection, write: Write) -> None:
    reserve = {"KENNUNG": "E-003", "GEBIETSNAM": "NSG Ruhraue", "INKRAFT": 1992.0, "NEU": "?"}
    archive = "Naturschutzgebiete_EPSG25832_Shape.zip"
    folder = write("vw_nsg", [reserve, reserve | {"GEBIETSNAM": "Teil 2"}, reserve | {"KENNUNG": ""}], AREA, archive)
    report = load("schutzgebiete", folder)
    assert report.collections["schutzgebiet"] == Counts(read=3, inserted=2, rejected=1)
    assert _told(report, "further") == ["vw_nsg.shp has in addition NEU, which are not loaded"]
    (folder / archive).unlink()
    write("vw_lsg", [{"KENNUNG": "E-003"}], AREA, "Landschaftsschutzgebiete_EPSG25832_Shape.zip")
    load("schutzgebiete", folder)
    assert connection.execute("select id, art, inkraft from geobasis.schutzgebiet order by id").fetchall() == [
        ("LSG-E-003", "Landschaftsschutzgebiet", None),
        ("NSG-E-003", "Naturschutzgebiet", "1992"),
        ("NSG-E-003-2", "Naturschutzgebiet", "1992"),
    ]


def test_themes_of_the_landscape_model(load: Load, connection: Connection, write: Write) -> None:
    """A layer that no edition had is its theme's; collections whose layers a delivery lacks stay as they are."""
    rows = [OBJECT, OBJECT | {"OBJID": ""}, OBJECT | {"OBJID": "DENWAT0000000003", "BEGINN": "gestern"}]
    write("ver01_l", rows, LINE)
    track = {"OBJART": "42008", "OBJART_TXT": "AX_Fahrwegachse", "OBJID": "DENWAT0000000004", "BEGINN": "2022-07-13",
             "FKT": "5212", "BEMERKUNG": "neu"}  # fmt: skip
    write("ver09_l", [track], LINE)
    lake = {name: value for name, value in OBJECT.items() if name not in ("WDM", "BRF")}
    folder = write("gew01_f", [lake | {"OBJART": "44006", "OBJART_TXT": "AX_StehendesGewaesser"}], AREA)
    themes = ("dlm_verkehr", "dlm_gewaesser", "dlm_gewaesser_linie")
    report = load("basis_dlm", folder, only=themes)
    counts = {name: (found.read, found.inserted, found.rejected) for name, found in report.collections.items()}
    assert counts == {"dlm_verkehr": (4, 2, 2), "dlm_gewaesser": (1, 1, 0), "dlm_gewaesser_linie": (0, 0, 0)}
    assert _told(report, "further") == ["ver09_l.shp has in addition BEMERKUNG, which are not loaded"]
    query = "select objektart, widmung, funktion, brf, beginn::text from geobasis.dlm_verkehr order by id"
    assert connection.execute(query).fetchall() == [
        ("Straßenachse", "Gemeindestraße", None, -9998.0, "2025-03-25"),
        ("Fahrwegachse", None, "Wirtschaftsweg", None, "2022-07-13"),
    ]
    reasons = [reason for (reason,) in connection.execute("select reason from provenance.reject order by reason")]
    assert reasons == [
        "OBJID is empty, every object must have one",
        "beginn 'gestern' is no date; it must look like 2026-07-01",
    ]
    live = connection.execute("select collection from provenance.collection order by 1").fetchall()
    assert live == [("dlm_gewaesser",), ("dlm_verkehr",)]
    with pytest.raises(DeliveryRefused, match=r"The layer zzz01_f\.shp is unknown to the loader basis_dlm"):
        load("basis_dlm", write("zzz01_f", [lake], AREA), only=themes)
