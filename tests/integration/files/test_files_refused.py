"""What a file leaves open is asked for by name; a newer file goes by the YAML that the first one left."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely

from loaders.errors import DeliveryRefused, LoadError, ManifestError
from loaders.files.prepare import Prepared
from loaders.report import Report

Rows = Callable[..., list[tuple[Any, ...]]]
Write = Callable[..., Path]
Load = Callable[..., Report]
Look = Callable[..., Prepared]

CSV = """Nr;Straße;Kosten;Ost;Nord
007;Ährenweg 1;1.250,50;361380,312;5699565,450
008;"Weg; 2";;361381,312;5699565,450
009;Weg 3;3,00;361382,312;5699565,450
"""


def test_a_table_tells_no_crs_so_it_is_asked_for(load_as: Load, look: Look, rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "orte.csv"
    path.write_text(CSV + "010;zu kurz\n", "cp1252")
    with pytest.raises(
        LoadError, match=r"orte.csv does not say in which CRS.*look like those of EPSG:25832.*--crs EPSG"
    ):
        look("orte", path)
    report = load_as("orte", path, crs="EPSG:25832")
    assert [(reject.line, reject.reason) for reject in report.first_rejects] == [
        (5, "the line has 2 cells, it must have 5")
    ]
    assert rows('select id, strasse, "Kosten", ST_X(geom) from geobasis.orte order by id') == [
        ("007", "Ährenweg 1", 1250.5, 361380.312),
        ("008", "Weg; 2", None, 361381.312),
        ("009", "Weg 3", 3.0, 361382.312),
    ]
    path.write_text("a;b\n1;2\n")
    with pytest.raises(
        LoadError, match=r"none of its columns is named like coordinates: a, b. Name them: --coordinates X,Y"
    ):
        look("anders", path)


def test_wkt_and_degrees_need_no_crs_but_for_wkt(load_as: Load, rows: Rows, tmp_path: Path) -> None:
    wkt = tmp_path / "flaechen.csv"
    wkt.write_text('id,wkt\n1,"POLYGON((361000 5699000,361010 5699000,361010 5699010,361000 5699000))"\n')
    assert load_as("flaechen", wkt, crs="EPSG:25832").status == "published"
    degrees = tmp_path / "punkte.csv"
    degrees.write_text("id\tlon\tlat\na\t7.0\t51.4\n")
    assert load_as("punkte", degrees).status == "published"
    assert rows("select ST_Area(geom), GeometryType(geom) from geobasis.flaechen") == [(50.0, "MULTIPOLYGON")]
    assert rows("select round(ST_X(geom)), round(ST_Y(geom)) from geobasis.punkte") == [(360877, 5696206)]


def test_numbers_of_a_spreadsheet_that_are_keys(load_as: Load, rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "mappe.xlsx"
    columns: dict[str, Any] = {
        "AGS": np.array([5113000, 5111000]),
        "PLZ": np.array([45127, 40213]),
        "Straße": np.array(["Ährenweg 1", "Weg 2"], dtype=object),
        "Ost": np.array([361380.312, 361381.5]),
        "Nord": np.array([5699565.45, 5699565.0]),
    }
    names = np.array(list(columns))
    pyogrio.raw.write(
        path, None, list(columns.values()), names, driver="XLSX", layer="Orte", geometry_type=None, crs=None
    )
    assert load_as("mappe", path, crs="EPSG:25832", key="AGS").status == "published"
    assert rows('select id, "AGS", "PLZ", strasse from geobasis.mappe order by id') == [
        ("05111000", "05111000", "40213", "Weg 2"),
        ("05113000", "05113000", "45127", "Ährenweg 1"),
    ]


def test_geoparquet_is_in_degrees_unless_it_says_otherwise(load_as: Load, rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "orte.parquet"
    wkb = [shapely.to_wkb(shapely.Point(7.0, 51.4)), shapely.to_wkb(shapely.Point(7.1, 51.4))]
    told = {"encoding": "WKB", "geometry_types": []}
    geo = json.dumps({"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": told}}).encode()
    table = pa.table(
        {"id": ["a", "b"], "wert": [1.5, None], "liste": [["x"], []], "geometry": pa.array(wkb, pa.binary())}
    )
    pq.write_table(table.replace_schema_metadata({b"geo": geo}), path)
    assert load_as("orte", path).status == "published"
    assert rows("select id, wert, liste, round(ST_X(geom)) from geobasis.orte order by id") == [
        ("a", 1.5, '["x"]', 360877),
        ("b", None, "[]", 367833),
    ]


def test_a_newer_file_goes_by_the_edited_yaml(load_as: Load, write: Write, rows: Rows, home: Path) -> None:
    columns = {"nr": [f"{n:03}" for n in range(1, 21)], "wert": [float(n) for n in range(20)]}
    shapes = [shapely.Point(361_000 + n, 5_699_000) for n in range(20)]
    load_as("orte", write("eins.gpkg", columns, shapes))
    path = home / "collections" / "orte.yaml"
    edited = path.read_text("utf-8").replace("title: {de: wert, en: wert}", "title: {de: Messwert, en: Value}")
    path.write_text(edited, "utf-8")
    columns["wert"][3] = 99.0
    report = load_as("orte", write("zwei.gpkg", columns, shapes))
    counts = report.collections["orte"]
    assert (counts.updated, counts.unchanged, path.read_text("utf-8")) == (1, 19, edited)
    assert rows("select id, wert from history.orte") == [("004", 3.0)]

    fewer = {name: values[:10] for name, values in columns.items()}
    with pytest.raises(DeliveryRefused, match=r"a delivery must hold at least 90%"):
        load_as("orte", write("drei.gpkg", fewer, shapes[:10]))
    with pytest.raises(
        DeliveryRefused, match=r"lacks wert and has in addition menge.*edit .*orte.yaml: properties and source"
    ):
        load_as("orte", write("vier.gpkg", {"nr": columns["nr"], "menge": columns["wert"]}, shapes))
    with pytest.raises(LoadError, match=r"--key says wert, but .*orte.yaml says nr, which each further load keeps"):
        load_as("orte", write("zwei2.gpkg", columns, shapes), key="wert")
    path.write_text(edited.replace("type: number", "type: zahl"), "utf-8")
    with pytest.raises(ManifestError, match=r"orte.yaml, line [0-9]+: properties.wert.type"):
        load_as("orte", write("zwei3.gpkg", columns, shapes))
    assert rows("select count(*) from geobasis.orte") == [(20,)]


def test_a_dry_run_changes_nothing(load_as: Load, write: Write, rows: Rows, home: Path) -> None:
    assert load_as("orte", write("a.gpkg"), dry_run=True).status == "dry-run"
    assert rows("select to_regclass('geobasis.orte'), (select count(*) from provenance.delivery)") == [(None, 0)]
    assert not (home / "collections").exists()


def test_several_layers_and_kinds_are_asked_for(
    load_as: Load, look: Look, write: Write, rows: Rows, standards: Path
) -> None:
    world = standards / "cql2" / "ne110m4cql2.gpkg"
    with pytest.raises(LoadError, match=r"has 3 layers: 'ne_110m_admin_0_countries', .*Name one with --layer"):
        look("welt", world)
    report = load_as("welt", world, layer="ne_110m_populated_places_simple")
    assert (report.status, report.collections["welt"].inserted) == ("published", 243)
    assert rows("select distinct ST_SRID(geom) from geobasis.welt") == [(4326,)]
    countries = load_as("laender", world, layer="ne_110m_admin_0_countries")  # at -180.00000000000003, too
    assert countries.collections["laender"].inserted == 177

    mixed = [shapely.Point(361_000, 5_699_000), shapely.box(361_000, 5_699_000, 361_010, 5_699_010), None]
    path = write("gemischt.geojson", {"id": ["a", "b", "c"]}, mixed)
    with pytest.raises(LoadError, match=r"several kinds: 1 points, 1 areas.*--geometry points"):
        look("gemischt", path)
    report = load_as("gemischt", path, geometry="areas")
    assert rows("select id, GeometryType(geom) from geobasis.gemischt") == [("b", "MULTIPOLYGON")]
    assert [check.detail for check in report.checks if check.rule == "left_out"] == [
        "1 rows are not loaded: their geometries are no MultiPolygon"
    ]
    assert [reject.reason for reject in report.first_rejects] == ["the record has no geometry"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.geojson", b"<VRT/>", "a.geojson is no GeoJSON: it begins with b'<VRT/>'"),
        ("a.fgb", b"{}", "a.fgb is no FlatGeobuf"),
        ("a.xlsx", b"nichts", "a.xlsx is no XLSX"),
        ("a.parquet", b"PAR1kurz", "a.parquet cannot be read"),
        ("a.gpkg", b"nichts", "a.gpkg cannot be read"),
        ("a.csv", b"a;b\n1;\0\n", "a.csv holds control characters"),
        ("a.csv", b"ein Satz\nnoch einer\n", "a.csv has no columns"),
        ("a.tif", b"II*\0", "holds no file"),
    ],
)
def test_what_is_no_file_of_its_kind_is_refused(
    look: Look, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LoadError) as refused:
        look("orte", path)
    assert said in str(refused.value)


def test_geojson_in_metres_without_crs_and_a_name_that_cannot_be(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "meter.geojson"
    feature = '{"type":"Feature","properties":{"a":1},"geometry":{"type":"Point","coordinates":[361380,5699565]}}'
    path.write_text(f'{{"type":"FeatureCollection","features":[{feature}]}}')
    with pytest.raises(LoadError, match=r"no degrees.*RFC 7946.*look like those of EPSG:25832"):
        look("meter", path)
    with pytest.raises(LoadError, match=r"'Zu Groß' cannot be the name of a collection"):
        look("Zu Groß", path)
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("meter.shp", b"")
    with pytest.raises(LoadError, match=r"lacks meter.shx; a Shape file needs"):
        look("meter", packed)
