"""Shape files whose parts lie about each other or about their content: refused or rejected, with the words."""

import struct
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
from loaders.shp import Records

Load = Callable[..., Report]
WriteLayer = Callable[..., Path]
Square = Callable[..., shapely.Polygon]
Connection = psycopg.Connection[Any]
Columns = dict[str, Sequence[str | None]]
Outlines = Callable[..., Path]

LAYOUT = "If the publisher changed the layout, the loader, its table and its collection must follow."
E, N = 400_000.0, 5_700_000.0


@pytest.fixture
def outlines(write_layer: WriteLayer, square: Square) -> Outlines:
    """Writes outlines of buildings: squares, or the shapes given; gives the path of the .shp."""

    def write(*shapes: Any, encoding: str = "UTF-8", gfk: str = "31001_1000", date: str = "2026-07-01") -> Path:
        shapes = shapes or (square(), square(200), square(400))
        count = len(shapes)
        ids = [f"DENW{number}" for number in range(count)]
        columns: Columns = {"AGS": ["05978036"] * count, "OI": ids, "GFK": [gfk] * count, "AKTUALITAE": [date] * count}
        return write_layer("hu_shp", shapes, columns, encoding=encoding) / "hu_shp.shp"

    return write


def _edit(path: Path, at: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(data)


def _fields(path: Path) -> dict[str, int]:
    """Where the columns of a .dbf are described."""
    data = path.read_bytes()
    starts = range(32, int.from_bytes(data[8:10], "little") - 1, 32)
    return {data[at : at + 11].split(b"\0")[0].decode(): at for at in starts}


def _refused(load: Load, shp: Path) -> str:
    with pytest.raises(DeliveryRefused) as refused:
        load("hausumringe", shp.parent)
    return str(refused.value).partition("nothing was changed.\n")[2]


def _reasons(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("select line, rule, reason from provenance.reject order by line").fetchall()


def test_original_of_a_repaired_geometry_is_kept(load: Load, connection: Connection, outlines: Outlines) -> None:
    bow_tie = shapely.Polygon([(E, N), (E + 100, N + 100), (E + 100, N), (E, N + 100)])
    shp = outlines(bow_tie, shapely.box(E + 500, N, E + 510, N + 10))
    report = load("hausumringe", shp.parent)
    assert report.collections["hausumring"] == Counts(read=2, inserted=2, repaired=1)
    rows = connection.execute(
        "select delivery, collection, feature, file, line, reason, original from provenance.repair"
    ).fetchall()
    delivered = pyogrio.raw.read(shp)[2][0]
    reason = f"Self-intersection[{E + 50:.0f} {N + 50:.0f}]; 0.000 m² became 5000.000 m²"
    assert rows == [(report.delivery, "hausumring", "DENW0", "hu_shp.shp", 1, reason, delivered)]
    (check,) = (check for check in report.checks if check.rule == "geometry")
    assert (check.passed, check.detail) == (
        True,
        "all geometries are valid; 1 repaired, their originals are in provenance.repair",
    )


def test_what_is_wrong_inside_records(load: Load, connection: Connection, outlines: Outlines, square: Square) -> None:
    """Each in a record of its own; GDAL would close, drop or null them without a word."""
    shp = outlines(*(square(200 * number) for number in range(7)))
    starts = struct.unpack(">14i", (shp.parent / "hu_shp.shx").read_bytes()[100:])[::2]
    record = [2 * start + 8 for start in starts]  # type, box, rings, vertices, starts of rings, vertices
    _edit(shp, record[0] + 36, struct.pack("<i", 1_000_000))
    _edit(shp, record[1] + 40, struct.pack("<i", 1_000_000))
    _edit(shp, record[2] + 44, struct.pack("<i", 3))
    _edit(shp, record[3] + 48, struct.pack("<d", E + 600.001))
    _edit(shp, record[4] + 48 + 16, struct.pack("<d", float("nan")))
    _edit(shp, record[5] + 48 + 16, struct.pack("<d", float("inf")))
    report = load("hausumringe", shp.parent)
    assert report.collections["hausumring"] == Counts(read=7, inserted=1, rejected=6)
    reasons = _reasons(connection)
    assert [(line, rule) for line, rule, _ in reasons] == [
        *((line, "geometry") for line in (1, 2, 3, 4, 5)), (6, "area")
    ]  # fmt: skip
    assert [reason for _, _, reason in reasons[:4]] == [
        "the record says that it has 1000000 rings and 5 vertices, which do not fit into its 128 bytes",
        "the record says that it has 1 rings and 1000000 vertices, which do not fit into its 128 bytes",
        "the parts of the record begin where it has no vertices",
        "a ring is not closed: its last vertex must be its first",
    ]
    assert "has a coordinate that is no finite number" in reasons[4][2]
    assert reasons[5][2].endswith("coordinates must be finite numbers: look at how the delivery was written")


def test_heights_are_left_out(load: Load, connection: Connection, tmp_path: Path, square: Square) -> None:
    columns = {"AGS": "05978036", "OI": "DENW1", "GFK": "1", "AKTUALITAE": "2026-07-01"}
    pyogrio.raw.write(
        tmp_path / "hu_shp.shp",
        geometry=shapely.to_wkb([shapely.force_3d(square(), 77.0)], output_dimension=3),
        field_data=[np.array([value], dtype=object) for value in columns.values()],
        fields=list(columns),
        geometry_type="Polygon Z",
        crs="EPSG:25832",
        driver="ESRI Shapefile",
    )
    load("hausumringe", tmp_path / "hu_shp.shp")
    assert connection.execute("select ST_CoordDim(geom), ST_Area(geom) from geobasis.hausumring").fetchall() == [
        (2, 10_000)
    ]


def test_index_that_leads_out(load: Load, outlines: Outlines) -> None:
    shp = outlines()
    for at, content, text in (
        (100, struct.pack(">i", 0x7FFFFFFF), "hu_shp.shx places record 1 at byte 4294967294 with 128 bytes"),
        (108, struct.pack(">i", -5), "hu_shp.shx places record 2 at byte -10 with 128 bytes"),
        (120, struct.pack(">i", 0x7FFFFFFF), "hu_shp.shx places record 3 at byte"),
    ):
        index = shp.with_suffix(".shx")
        intact = index.read_bytes()
        _edit(index, at, content)
        refusal = _refused(load, shp)
        assert refusal.startswith(text)
        assert refusal.endswith("where hu_shp.shp has no record: they must agree. Fetch the delivery again.")
        index.write_bytes(intact)


def test_numbers_of_records_that_differ(load: Load, outlines: Outlines) -> None:
    table = outlines().with_suffix(".dbf")
    _edit(table, 4, struct.pack("<I", 2))
    assert _refused(load, table) == (
        "hu_shp.shx has 3 records, hu_shp.dbf has 2: they must agree. Fetch the delivery again."
    )


def test_no_polygons(load: Load, outlines: Outlines) -> None:
    shp = outlines()
    _edit(shp, 32, struct.pack("<i", 1))
    assert _refused(load, shp) == (
        "hu_shp.shp holds points; it must hold polygons. Give the delivery that the loader is made for."
    )
    _edit(shp, 0, b"PK\x03\x04")
    assert _refused(load, shp) == "hu_shp.shp does not begin like a Shape file. Fetch the delivery again."


def test_empty_layer(load: Load, outlines: Outlines) -> None:
    shp = outlines()
    for suffix in (".shp", ".shx"):
        path = shp.with_suffix(suffix)
        path.write_bytes(path.read_bytes()[:100])
        _edit(path, 24, struct.pack(">i", 50))
    _edit(shp.with_suffix(".dbf"), 4, bytes(4))
    assert _refused(load, shp) == "hausumring: 0 of 0 rows can be used. See the rejects for the reasons."


TABLES = {
    "length of a record": (10, b"\xff\x00", "says that a record has 255 bytes, but its columns have"),
    "number of records": (4, b"\xff\xff\xff\x7f", "its header tells of 2147483647 records"),
    "length of the header": (8, b"\xff\xff", "has no header of a table, or one that is cut off"),
    "end of the header": (8, b"\x21\x00", "has no header of a table, or one that is cut off"),
}


@pytest.mark.parametrize("case", TABLES)
def test_header_of_the_table_that_lies(load: Load, outlines: Outlines, case: str) -> None:
    at, content, text = TABLES[case]
    table = outlines().with_suffix(".dbf")
    _edit(table, at, content)
    refusal = _refused(load, table)
    assert refusal.startswith("hu_shp.dbf ")
    assert text in refusal
    assert refusal.endswith("Fetch the delivery again.")


def test_columns_of_another_name_or_type(load: Load, outlines: Outlines) -> None:
    table = outlines().with_suffix(".dbf")
    at = _fields(table)
    _edit(table, at["AGS"] + 11, b"N")
    known = f"the loader knows the columns AGS, OI, GFK, AKTUALITAE. {LAYOUT}"
    assert _refused(load, table) == f"hu_shp.shp has of another type AGS (N, not C); {known}"
    _edit(table, at["AGS"] + 11, b"C")
    _edit(table, at["GFK"], b"OI\0")
    assert _refused(load, table) == "hu_shp.dbf has two columns 'OI'. Fetch the delivery again."


def test_date_of_a_day_that_is_none(load: Load, connection: Connection, outlines: Outlines) -> None:
    """A column of dates, which GDAL would read as 2 March."""
    table = outlines(date="20260701").with_suffix(".dbf")
    at = _fields(table)["AKTUALITAE"]
    data = bytearray(table.read_bytes())
    width = data[at + 16]
    data = data.replace(b"20260701", b"20260230", 1)
    data = data.replace(b"20260701", b"00000000", 1)
    data[at + 11] = ord("D")
    table.write_bytes(data)
    assert width >= 8
    report = load("hausumringe", table.parent)
    assert report.collections["hausumring"] == Counts(read=3, inserted=2, rejected=1)
    assert _reasons(connection) == [(1, "date", "AKTUALITAE '20260230' is no date; it must look like 2026-07-01")]
    dates = connection.execute("select aktualitaet::text from geobasis.hausumring order by id").fetchall()
    assert dates == [(None,), ("2026-07-01",)]


def test_encoding_that_is_declared_the_other_way_round(load: Load, connection: Connection, outlines: Outlines) -> None:
    shp = outlines(gfk="Größe", encoding="UTF-8")
    shp.with_suffix(".cpg").write_text("ISO-8859-1")
    assert _refused(load, shp) == (
        "hu_shp.cpg says 'iso-8859-1', but all texts of hu_shp.dbf are UTF-8. "
        "If they read right in UTF-8, write UTF-8 into hu_shp.cpg."
    )
    table = shp.with_suffix(".dbf")
    data = table.read_bytes().replace("Größe".encode(), b"Gr\xf6\xdfe  ", 1)
    table.write_bytes(data.replace("Größe".encode(), b"Gr\x81\xdfe  ", 1))
    report = load("hausumringe", shp.parent)
    assert report.collections["hausumring"] == Counts(read=3, inserted=1, rejected=2)
    assert _reasons(connection) == [
        (2, "encoding", "GFK: byte 0x81 at position 3 is not in cp1252"),
        (3, "encoding", "GFK: 'GrÃ¶ÃŸe' reads 'Größe' in UTF-8: the row must be cp1252 as declared"),
    ]
    assert connection.execute("select gfk from geobasis.hausumring").fetchall() == [("Größe",)]


def test_encoding_that_is_unknown(load: Load, outlines: Outlines) -> None:
    shp = outlines()
    shp.with_suffix(".cpg").write_text("EBCDIC" * 1000)
    refusal = _refused(load, shp)
    assert refusal.startswith(f"hu_shp.cpg says '{('ebcdic' * 10)}'; known are 1252, 65001, 88591")
    assert refusal.endswith("Correct it or remove it.")


def test_zero_byte_inside_a_text(load: Load, connection: Connection, outlines: Outlines) -> None:
    """GDAL would end the text there."""
    table = outlines(gfk="31001_1000").with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"31001_1000", b"31001\x001000", 1))
    report = load("hausumringe", table.parent)
    assert report.collections["hausumring"] == Counts(read=3, inserted=2, rejected=1)
    assert _reasons(connection) == [(1, "encoding", "GFK holds a zero byte; text must not")]
    raw = connection.execute("select raw from provenance.reject").fetchone()
    assert raw == ("AGS=05978036; OI=DENW0; GFK=31001\\x001000; AKTUALITAE=2026-07-01",)


def test_numbers_that_are_none(load: Load, connection: Connection, write_layer: WriteLayer, square: Square) -> None:
    """Columns of numbers, of which GDAL would make 0 or the nearest integer."""
    vertices: list[str | None] = ["7", "12.00", None, "1.5", "viele", "9999999999", "1e3", "***"]
    count = len(vertices)
    columns: Columns = {
        "ART": ["K"] * count,
        "GN": ["Unna"] * count,
        "KN": [f"0597800{number}" for number in range(count)],
        "STAND": ["2018-01-24"] * count,
        "KOORD_ORI": vertices,
    }
    folder = write_layer("dvg2krs_nw", [square(200 * number) for number in range(count)], columns)
    table = folder / "dvg2krs_nw.dbf"
    _edit(table, _fields(table)["KOORD_ORI"] + 11, b"N")
    report = load("dvg2", folder, only=("kreis_generalisiert",))
    assert report.collections["kreis_generalisiert"] == Counts(read=8, inserted=4, rejected=4)
    stored = connection.execute("select koord_ori from geobasis.kreis_generalisiert order by id").fetchall()
    assert stored == [(7,), (12,), (None,), (1000,)]
    assert [reason for _, _, reason in _reasons(connection)] == [
        "KOORD_ORI '1.5' is no integer of 32 bits",
        "KOORD_ORI 'viele' is no number; it must look like 349925.060 or 349925,060",
        "KOORD_ORI '9999999999' is no integer of 32 bits",
        "KOORD_ORI '***' is no number; it must look like 349925.060 or 349925,060",
    ]


def test_names_that_differ_by_case_only(load: Load, outlines: Outlines) -> None:
    shp = outlines()
    shp.with_name("HU_SHP.SHP").write_bytes(shp.read_bytes())
    assert _refused(load, shp) == (
        "The delivery holds both HU_SHP.SHP and hu_shp.shp, so it is not clear which counts. Leave one of them."
    )


def test_record_of_more_vertices_than_a_country_has(load: Load, outlines: Outlines) -> None:
    """It is refused by its size, before anything takes it into memory."""
    shp = outlines()
    size = shp.stat().st_size + 17_000_000
    with shp.open("r+b") as file:
        file.truncate(size)
    _edit(shp, 24, struct.pack(">i", size // 2))
    _edit(shp.with_suffix(".shx"), 120, struct.pack(">i", 64 + 8_500_000))
    assert _refused(load, shp) == (
        "hu_shp.shp, record 3 has 17000128 bytes, about 1062508 vertices; at most 1000000 are allowed. "
        "Divide the area at the source."
    )


def test_records_of_any_size_fit_into_memory(outlines: Outlines) -> None:
    """As many at once as have few bytes together, wherever in the file the large ones are."""
    turns = np.linspace(0, 6.28, 999)
    large = shapely.Polygon(np.column_stack([E + 99 * np.cos(turns), N + 99 * np.sin(turns)]))
    small = shapely.box(E, N, E + 9, N + 9)
    shp = outlines(*([small] * 60), large, large, *([small] * 40))
    records = Records(shp, shp.with_suffix(".shx"))
    assert [records.batch(most) for most in (1 << 20, 44_000, 40_000, 20_000)] == [16_384, 64, 32, 1]
