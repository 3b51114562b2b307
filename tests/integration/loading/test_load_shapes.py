"""Shape files: parts, encodings, CRSs, geometries, keys; with the words that a user reads."""

from collections.abc import Callable, Sequence
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
Columns = dict[str, Sequence[str | None]]

KREIS: Columns = {"ART": ["K"], "GN": ["Düren"], "KN": ["05358000"], "STAND": ["2026-01-01"]}
WGS84_UTM = (
    'PROJCS["WGS_1984_UTM_Zone_32N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",9.0],'
    'PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


@pytest.fixture
def load_kreis(load: Load) -> Callable[[Path], Report]:
    return lambda folder: load("dvg1", folder, only=("kreis",))


def _reasons(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("select file, line, reason from provenance.reject order by line").fetchall()


@pytest.mark.parametrize(("encoding", "cpg"), [("UTF-8", True), ("UTF-8", False), ("CP1252", True), ("CP1252", False)])
def test_umlauts_with_and_without_cpg(
    load_kreis: Any, connection: Connection, write_layer: WriteLayer, square: Square, encoding: str, cpg: bool
) -> None:
    folder = write_layer("dvg1krs_nw", [square()], KREIS, encoding=encoding)
    if not cpg:
        (folder / "dvg1krs_nw.cpg").unlink()
    load_kreis(folder)
    assert connection.execute("select gn, stand::text from geobasis.kreis").fetchall() == [("Düren", "2026-01-01")]


def test_cpg_that_lies(load_kreis: Any, connection: Connection, write_layer: WriteLayer, square: Square) -> None:
    columns: Columns = {
        "ART": ["K", "K"],
        "GN": ["Unna", "Düren"],
        "KN": ["05978000", "05358000"],
        "STAND": ["2026-01-01"] * 2,
    }
    folder = write_layer("dvg1krs_nw", [square(), square(200)], columns, encoding="CP1252")
    (folder / "dvg1krs_nw.cpg").write_text("UTF-8")
    assert load_kreis(folder).collections["kreis"] == Counts(read=2, inserted=1, rejected=1)
    assert _reasons(connection) == [
        (
            "dvg1krs_nw.shp",
            2,
            "GN: byte 0xfc at position 2 is not UTF-8; in cp1252 it reads 'Düren': the row must be UTF-8",
        )
    ]


def test_zone_prefix_of_4647_is_taken_away(
    load_kreis: Any, connection: Connection, write_layer: WriteLayer, square: Square
) -> None:
    load_kreis(write_layer("dvg1krs_nw", [square(32_000_000.123)], KREIS, crs="EPSG:4647"))
    assert connection.execute("select ST_AsText(geom) from geobasis.kreis").fetchall() == [
        (
            "MULTIPOLYGON(((400000.123 5700000,400100.123 5700000,400100.123 5700100,400000.123 5700100,"
            "400000.123 5700000)))",
        )
    ]


@pytest.mark.parametrize(
    ("prj", "geometry", "remedy"),
    [
        ("EPSG:25832", (32_000_000, 0), "the easting bears the zone 32 as EPSG:4647 has it: check the delivery's .prj"),
        ("EPSG:25832", (5_300_000, -5_300_000), "northing and easting seem to be swapped"),
        ("EPSG:25832", (-200_000, 0), "check the delivery's CRS"),
        (
            "EPSG:4647",
            (0, 0),
            "the easting lacks the zone 32, which EPSG:4647 puts before it",
        ),
    ],
)
def test_prj_that_lies(
    load_kreis: Any, write_layer: WriteLayer, square: Square, prj: str, geometry: tuple[int, int], remedy: str
) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        load_kreis(write_layer("dvg1krs_nw", [square(*geometry)], KREIS, crs=prj))
    assert "kreis: 0 of 1 rows can be used. See the rejects" in str(refused.value)
    (reject,) = refused.value.report.first_rejects
    assert (reject.file, reject.line) == ("dvg1krs_nw.shp", 1)
    assert "are outside North Rhine-Westphalia (EPSG:25832: E 274000 to 536144" in reject.reason
    assert remedy in reject.reason


@pytest.mark.parametrize("prj", [WGS84_UTM, "no projection", ""])
def test_other_crs_is_refused(load_kreis: Any, write_layer: WriteLayer, square: Square, prj: str) -> None:
    folder = write_layer("dvg1krs_nw", [square()], KREIS)
    (folder / "dvg1krs_nw.prj").write_text(prj)
    with pytest.raises(DeliveryRefused, match=r"which is neither EPSG:25832 nor EPSG:4647\. Reproject the delivery"):
        load_kreis(folder)


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf", ".prj"])
def test_missing_part(load_kreis: Any, write_layer: WriteLayer, square: Square, suffix: str) -> None:
    folder = write_layer("dvg1krs_nw", [square()], KREIS)
    (folder / f"dvg1krs_nw{suffix}").unlink()
    with pytest.raises(DeliveryRefused, match=rf"dvg1krs_nw\{suffix} is missing from the delivery; a Shape file needs"):
        load_kreis(folder)


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
def test_part_that_was_cut_off(load_kreis: Any, write_layer: WriteLayer, square: Square, suffix: str) -> None:
    path = write_layer("dvg1krs_nw", [square()], KREIS) / f"dvg1krs_nw{suffix}"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DeliveryRefused, match=r"they must agree. Fetch the delivery again"):
        load_kreis(path.parent)


def test_unknown_layer(load_kreis: Any, write_layer: WriteLayer, square: Square) -> None:
    write_layer("dvg1krs_nw", [square()], KREIS)
    with pytest.raises(DeliveryRefused) as refused:
        load_kreis(write_layer("dvg1xyz_nw", [square()], KREIS))
    assert "The layer dvg1xyz_nw.shp is unknown to the loader dvg1, which knows dvg1bld_nw" in str(refused.value)
    assert "add it to loaders/dvg1/source.yaml, under collections or ignored" in str(refused.value)


def test_municipalities_without_cities_are_left_out(
    load: Load, connection: Connection, write_layer: WriteLayer, square: Square
) -> None:
    columns: Columns = {"ART": ["G"], "GN": ["Unna"], "KN": ["05978036"], "STAND": ["2026-01-01"]}
    write_layer("dvg1gem_nw", [square()], columns)
    report = load("dvg1", write_layer("dvg1gem_nw_o", [square(500)], columns), only=("gemeinde",))
    assert report.collections["gemeinde"] == Counts(read=1, inserted=1)
    assert connection.execute("select ST_XMin(geom) from geobasis.gemeinde").fetchall() == [(400_000,)]
    details = [check.detail for check in report.checks if check.rule == "members"]
    assert details == [
        "not loaded: dvg1gem_nw_o (the municipalities without the 22 independent cities; dvg1gem_nw holds them all)"
    ]


def test_columns_changed(load_kreis: Any, write_layer: WriteLayer, square: Square) -> None:
    columns = {("NAME" if name == "GN" else name): values for name, values in KREIS.items()}
    with pytest.raises(DeliveryRefused) as refused:
        load_kreis(write_layer("dvg1krs_nw", [square()], columns))
    assert "dvg1krs_nw.shp lacks GN and has in addition NAME" in str(refused.value)


def test_keys_and_kinds(load_kreis: Any, connection: Connection, write_layer: WriteLayer, square: Square) -> None:
    columns: Columns = {
        "ART": ["K", "G", None, "K", "K", "K"],
        "GN": ["Unna", "Unna", "Unna", "Unna", None, "Hamm"],
        "KN": ["05978000", "05978036", "05978000", "5978000", "05915000", "05915000"],
        "STAND": ["2026-01-01", "2026-01-01", "2026-01-01", "2026-01-01", "2026-01-01", "01.01.26"],
    }
    report = load_kreis(write_layer("dvg1krs_nw", [square()] * 6, columns))
    assert report.collections["kreis"] == Counts(read=6, inserted=1, rejected=5)
    assert [reason for _, _, reason in _reasons(connection)] == [
        "ART is 'G', all rows of this layer must be 'K'",
        "ART is 'None', all rows of this layer must be 'K'",
        "KN is '5978000', it must be a key of North Rhine-Westphalia: eight digits that begin with 05",
        "GN is empty, every area must have a name",
        "STAND '01.01.26' is no date; it must look like 2026-07-01",
    ]


def test_geometries(load: Load, connection: Connection, write_layer: WriteLayer, square: Square) -> None:
    bow_tie = shapely.Polygon([(400_000, 5_700_000), (400_100, 5_700_100), (400_100, 5_700_000), (400_000, 5_700_100)])
    flat = shapely.Polygon([(400_000, 5_700_000), (400_100, 5_700_100), (400_000, 5_700_000)])
    hole = square().difference(shapely.box(400_020, 5_700_020, 400_040, 5_700_040))
    parts = shapely.MultiPolygon([square(), square(300)])
    columns: Columns = {
        "AGS": ["05978000"] * 6,
        "OI": ["square", "hole", "parts", "bow tie", "flat", "none"],
        "GFK": ["1010", None, "2000", "2000", "2000", "2000"],
        "AKTUALITAE": ["2026-07-01", "20260701", "01.07.2026", None, None, None],
    }
    folder = write_layer("hu_shp", [square(), hole, parts, bow_tie, flat, None], columns)
    report = load("hausumringe", folder)
    assert report.collections["hausumring"] == Counts(read=6, inserted=4, rejected=2, repaired=1)
    rows = connection.execute(
        """select id, aktualitaet::text, ST_NumGeometries(geom), ST_Area(geom) from geobasis.hausumring
           where ST_IsValid(geom) and ST_IsPolygonCCW(geom) and GeometryType(geom) = 'MULTIPOLYGON' order by id"""
    ).fetchall()
    assert rows == [
        ("bow tie", None, 2, 5000),
        ("hole", "2026-07-01", 1, 9600),
        ("parts", "2026-07-01", 2, 20000),
        ("square", "2026-07-01", 1, 10000),
    ]
    assert [(line, reason[:70]) for _, line, reason in _reasons(connection)] == [
        (5, "the geometry is invalid (Too few points in geometry component[400000 5"),
        (6, "the record has no geometry"),
    ]


def test_deleted_records_are_no_rows(
    load_kreis: Any, connection: Connection, write_layer: WriteLayer, square: Square
) -> None:
    columns: Columns = {
        "ART": ["K", "K"],
        "GN": ["Unna", "Hamm"],
        "KN": ["05978000", "05915000"],
        "STAND": ["2026-01-01"] * 2,
    }
    path = write_layer("dvg1krs_nw", [square(), square(200)], columns) / "dvg1krs_nw.dbf"
    content = bytearray(path.read_bytes())
    content[int.from_bytes(content[8:10], "little")] = ord("*")
    path.write_bytes(content)
    assert load_kreis(path.parent).collections["kreis"] == Counts(read=1, inserted=1)
    assert connection.execute("select gn from geobasis.kreis").fetchall() == [("Hamm",)]
