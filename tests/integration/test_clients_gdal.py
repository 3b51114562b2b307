"""GDAL as its users call it: Debian's ogr2ogr and ogrinfo, and the newer GDAL that pyogrio brings."""

import html
import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely

UTM32 = "EPSG:25832"
COLLECTIONS = ["adresse", "gemeinde", "hausumring", "kreis_generalisiert", "land"]

NUMBER = r"(-?[0-9.]+)"
EXTENT = re.compile(rf"^Extent: \({NUMBER}, {NUMBER}\) - \({NUMBER}, {NUMBER}\)$", re.MULTILINE)

Asked = Callable[[], list[str]]
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def oapif(live: Any) -> str:
    """The connection string of GDAL's OGC API Features driver."""
    return f"OAPIF:{live.url}"


@pytest.fixture(scope="session")
def degrees() -> list[str]:
    """Options for answers in degrees: GDAL knows no other CRS before 3.7, and takes EPSG:25832 from then on."""
    version = run("ogrinfo", "--version").split()[1].rstrip(",")
    return [] if tuple(map(int, version.split(".")[:2])) < (3, 7) else ["-oo", "CRS=OGC:CRS84"]


@pytest.fixture
def a_box(published: Query) -> tuple[float, float, float, float]:
    """A box in EPSG:25832 with some of the addresses: the middle third of their extent."""
    [(west, south, east, north)] = published(
        "select min(ST_X(geom)), min(ST_Y(geom)), max(ST_X(geom)), max(ST_Y(geom)) from geobasis.adresse"
    )
    width, height = (east - west) / 3, (north - south) / 3
    return round(west + width), round(south + height), round(east - width), round(north - height)


def run(*command: str) -> str:
    """Standard output of a command that must succeed without a word on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def read(source: str, layer: str | None = None, **options: Any) -> tuple[dict[str, Any], pa.Table]:
    return pyogrio.read_arrow(source, layer=layer, **options)


def ids(published: Query, collection: str, condition: str = "true") -> list[str]:
    return [row[0] for row in published(f"select id from geobasis.{collection} where {condition} order by id")]


def sorted_ids(table: pa.Table) -> list[str]:
    return sorted(map(str, table["id"].to_pylist()))


@pytest.mark.parametrize("page_size", ["100", "10000"])
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_ogr2ogr_copies_every_feature_once(
    oapif: str, published: Query, tmp_path: Path, collection: str, page_size: str
) -> None:
    target = tmp_path / "copy.gpkg"
    run("ogr2ogr", "-f", "GPKG", str(target), oapif, collection, "-oo", f"PAGE_SIZE={page_size}")
    assert sorted_ids(read(str(target))[1]) == ids(published, collection)


def test_ogr2ogr_keeps_attributes_and_places(oapif: str, published: Query, tmp_path: Path) -> None:
    target = tmp_path / "copy.gpkg"
    options = ("-t_srs", UTM32, "-oo", "PAGE_SIZE=10000")
    run("ogr2ogr", "-f", "GPKG", str(target), oapif, "adresse", *options)
    meta, table = read(str(target))
    assert meta["crs"] == UTM32
    compare_addresses(table, published, tolerance=0.002)  # GeoJSON in degrees has 8 decimals: 1.1 mm


def test_pyogrio_reads_attributes_and_places_in_the_storage_crs(oapif: str, published: Query) -> None:
    meta, table = read(oapif, "adresse")
    assert meta["crs"] == UTM32
    assert meta["geometry_type"] == "Point"
    compare_addresses(table, published, tolerance=0.0005)


def compare_addresses(table: pa.Table, published: Query, tolerance: float) -> None:
    """Every attribute and every point must be the database's."""
    names = [name for name in table.column_names if name not in {"fid", "geom", "wkb_geometry"}]
    assert {"str", "hnr", "adz", "gmd", "datum", "delivery"} <= set(names)
    got = {row["id"]: row for row in table.to_pylist()}
    rows = published(f"select {', '.join(names)}, ST_X(geom), ST_Y(geom) from geobasis.adresse")
    assert len(got) == len(rows)
    for *values, x, y in rows:
        row = got[values[names.index("id")]]
        assert [row[name] for name in names] == values
        point = shapely.from_wkb(row.get("geom") or row["wkb_geometry"])
        assert (point.x, point.y) == pytest.approx((x, y), abs=tolerance)


def test_types_are_the_columns_types(oapif: str) -> None:
    info = pyogrio.read_info(oapif, layer="hausumring")
    types = dict(zip(info["fields"], info["ogr_types"], strict=True))
    assert types == {
        "id": "OFTString",
        "gfk": "OFTString",
        "ags": "OFTString",
        "oi": "OFTString",
        "aktualitaet": "OFTDate",
        "delivery": "OFTInteger",
    }
    assert info["geometry_type"] == "MultiPolygon"


def test_types_come_from_the_schema(oapif: str, asked: Asked) -> None:
    """So a field has its type also where the first features have no value in it (GDAL from 3.7 on)."""
    table = read(oapif, "adresse", max_features=3)[1]
    assert "GET /collections/adresse/schema?f=feature" in asked()
    assert table.schema.field("ott").type == pa.string()
    assert table["datum"].to_pylist() == [date(2026, 7, 1)] * 3


def test_counts_come_without_reading_the_features(oapif: str, published: Query, asked: Asked) -> None:
    total = len(ids(published, "adresse"))
    assert f"Feature Count: {total}\n" in run("ogrinfo", "-so", oapif, "adresse")
    assert pyogrio.read_info(oapif, layer="adresse")["features"] == total
    limits = [request for request in asked() if request.startswith("GET /collections/adresse/items")]
    assert limits
    assert {request.partition("?")[2] for request in limits} <= {"limit=10", "limit=20"}


def test_extent_holds_every_feature(oapif: str, published: Query, degrees: list[str]) -> None:
    found = EXTENT.search(run("ogrinfo", "-so", oapif, "hausumring", *degrees))
    assert found
    west, south, east, north = map(float, found.groups())
    [row] = published(
        "select ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) from "
        "(select ST_Extent(ST_Transform(geom, 4326)) e from geobasis.hausumring) t"
    )
    assert west <= row[0] <= west + 0.001
    assert south <= row[1] <= south + 0.001
    assert east - 0.001 <= row[2] <= east
    assert north - 0.001 <= row[3] <= north


def test_spat_is_asked_of_the_server(
    oapif: str, published: Query, tmp_path: Path, asked: Asked, degrees: list[str]
) -> None:
    box = (7.6, 51.4, 7.65, 51.45)
    target = tmp_path / "box.gpkg"
    options = ("-oo", "PAGE_SIZE=1000", *degrees, "-spat", *map(str, box))
    run("ogr2ogr", "-f", "GPKG", str(target), oapif, "adresse", *options)
    inside = f"ST_Intersects(ST_Transform(geom, 4326), ST_MakeEnvelope({','.join(map(str, box))}, 4326))"
    expected = ids(published, "adresse", inside)
    assert 0 < len(expected) < len(ids(published, "adresse"))
    assert sorted_ids(read(str(target))[1]) == expected
    boxes = [request.partition("bbox=")[2].split("&")[0] for request in asked() if "bbox=" in request]
    assert boxes
    assert all([float(n) for n in asked_box.split(",")] == pytest.approx(box) for asked_box in boxes)


def test_bbox_in_the_storage_crs_is_asked_of_the_server(
    oapif: str, published: Query, a_box: tuple[float, float, float, float], asked: Asked
) -> None:
    table = read(oapif, "adresse", bbox=a_box)[1]
    expected = ids(published, "adresse", f"geom && ST_MakeEnvelope({','.join(map(str, a_box))}, 25832)")
    assert 0 < len(expected) < len(ids(published, "adresse"))
    assert sorted_ids(table) == expected
    last = asked()[-1]
    assert f"bbox={','.join(map(str, a_box))}" in last
    assert "bbox-crs=http://www.opengis.net/def/crs/EPSG/0/25832" in last


@pytest.mark.parametrize("crs", ["EPSG:25832", "EPSG:4258", "EPSG:3857", "EPSG:3035", "EPSG:31467", "OGC:CRS84"])
def test_any_offered_crs_can_be_preferred(oapif: str, published: Query, crs: str) -> None:
    """Coordinates come as the CRS has them, and GDAL turns axes to x, y where it is the other way round."""
    meta, table = read(oapif, "gemeinde", CRS=crs)
    assert pyproj.CRS(meta["crs"]) == pyproj.CRS(crs)
    got = {row["id"]: shapely.from_wkb(row["wkb_geometry"]) for row in table.to_pylist()}
    srid = 4326 if crs == "OGC:CRS84" else int(crs.removeprefix("EPSG:"))
    rows = published(f"select id, ST_AsBinary(ST_Transform(geom, {srid})) from geobasis.gemeinde")
    assert len(got) == len(rows)
    for id_, wkb in rows:
        expected = shapely.from_wkb(wkb)
        tolerance = 1e-8 if expected.bounds[2] < 180 else 0.001
        assert shapely.equals_exact(got[id_], expected, tolerance)


@pytest.mark.parametrize("tool", ["ogrinfo", "pyogrio"])
def test_equality_of_a_queryable_is_asked_of_the_server(oapif: str, published: Query, asked: Asked, tool: str) -> None:
    [(name,)] = published("select gmd from geobasis.adresse where gmd ~ '[äöüß]' order by id limit 1")
    condition = f"gmd = '{name}'"
    expected = ids(published, "adresse", condition)
    if tool == "ogrinfo":
        found = run("ogrinfo", "-so", oapif, "adresse", "-where", condition, "-oo", "PAGE_SIZE=1000")
        assert f"Feature Count: {len(expected)}\n" in found
    else:
        assert sorted_ids(read(oapif, "adresse", where=condition)[1]) == expected
    assert f"filter=gmd = '{name}'" in unquote(asked()[-1])


def test_a_feature_by_its_id_is_one_request(oapif: str, published: Query, asked: Asked) -> None:
    first = ids(published, "adresse")[0]
    assert read(oapif, "adresse", where=f"id = '{first}'")[1]["id"].to_pylist() == [first]
    assert asked()[-1].startswith(f"GET /collections/adresse/items/{first}")


PUSHED = [
    ("str LIKE 'S%' AND hnr > '2'", "str LIKE 'S%25'", "str like 'S%' and hnr collate \"C\" > '2'"),
    ("str ILIKE 'haupt%' OR gmd <> 'x'", "str ILIKE 'haupt%25'", "str ilike 'haupt%' or gmd <> 'x'"),
    ("NOT (qua = 'A')", "NOT (qua = 'A')", "not qua = 'A'"),
    ("adz IS NULL AND qua = 'A'", "(adz IS NULL)", "adz is null and qua = 'A'"),
    ("adz IS NOT NULL", "NOT ((adz IS NULL))", "adz is not null"),
    ("delivery IS NULL", "(delivery IS NULL)", "delivery is null"),
    ("datum >= '2020/01/01'", "datum >= '2020-01-01T", "datum >= '2020-01-01'"),
    ("datum < '2020/01/01 12:00:00'", "datum < '2020-01-01T12:00:00Z'", "datum < '2020-01-01 12:00'"),
    ("str = 'O''Hara'", "str = 'O''Hara'", "str = 'O''Hara'"),
]


@pytest.mark.parametrize(("where", "sent", "condition"), PUSHED)
@pytest.mark.parametrize("tool", ["ogr2ogr", "pyogrio"])
def test_attribute_filters_are_asked_of_the_server(  # noqa: PLR0917 (fixtures)
    oapif: str, published: Query, asked: Asked, tmp_path: Path, tool: str, where: str, sent: str, condition: str
) -> None:
    expected = ids(published, "adresse", condition)
    if tool == "pyogrio":
        found = sorted_ids(read(oapif, "adresse", where=where)[1])
    else:
        target = tmp_path / "copy.gpkg"
        run("ogr2ogr", str(target), oapif, "adresse", "-where", where, "-oo", "PAGE_SIZE=1000")
        found = sorted_ids(read(str(target))[1])
    assert found == expected
    pages = [unquote(request) for request in asked() if "/adresse/items" in request and "limit=1000" in request]
    filtered = [page for page in pages if "filter-lang=cql-text" in page]
    assert filtered
    assert all(unquote(sent) in page for page in filtered)
    assert len(pages) - len(filtered) <= 1  # the page by which ogr2ogr learns the columns


def test_a_box_and_a_filter_are_asked_of_the_server_together(
    oapif: str, published: Query, asked: Asked, tmp_path: Path, a_box: tuple[float, float, float, float]
) -> None:
    target = tmp_path / "copy.gpkg"
    spat = ("-spat", *map(str, a_box), "-spat_srs", UTM32)
    options = ("-where", "str LIKE '%e%'", "-oo", "PAGE_SIZE=1000")
    run("ogr2ogr", "-f", "GPKG", str(target), oapif, "adresse", *spat, *options)
    inside = f"geom && ST_MakeEnvelope({','.join(map(str, a_box))}, 25832) and str like '%e%'"
    assert set(ids(published, "adresse", inside)) <= set(sorted_ids(read(str(target))[1]))
    pages = [unquote(request) for request in asked() if "limit=1000" in request]
    assert any("bbox=" in page and "str LIKE '%e%'" in page for page in pages)
    assert sum("bbox=" not in page for page in pages) <= 1


def test_number_of_requests_for_a_whole_collection(oapif: str, published: Query, asked: Asked) -> None:
    """Metadata, then pages of 1,000 (GDAL's default), no page twice."""
    total = len(ids(published, "adresse"))
    read(oapif, "adresse")
    requests = asked()
    pages = [request for request in requests if "/items?limit=1000" in request]
    assert len(pages) == len(set(pages)) == -(-total // 1000)
    assert len(requests) - len(pages) == 5


def test_the_items_url_itself_is_read_as_geojson(live_server: str) -> None:
    url = f"{live_server}/collections/adresse/items?limit=7"
    meta, table = read(url)
    assert meta["crs"] == "EPSG:4326"
    assert len(set(table["id"].to_pylist())) == 7
    assert "Feature Count: 7\n" in run("ogrinfo", "-so", "-al", url)


@pytest.mark.parametrize("tool", ["ogrinfo", "pyogrio"])
def test_the_mvt_driver_opens_a_tile(live_server: str, published: Query, tool: str) -> None:
    """The driver insists on a name with the extension or the parameter f=mvt."""
    tileset = f"{live_server}/collections/gemeinde/tiles/WebMercatorQuad"
    tile = f"MVT:{tileset}/8/85/133?f=mvt"
    expected = ids(published, "gemeinde")
    if tool == "ogrinfo":
        assert (
            sorted(re.findall(r"^  id \(String\) = (.*)$", run("ogrinfo", tile, "gemeinde"), re.MULTILINE)) == expected
        )
    else:
        assert pyogrio.list_layers(tile)[:, 0].tolist() == ["gemeinde", "gemeinde.borders", "gemeinde.names"]
        assert sorted_ids(read(tile, "gemeinde")[1]) == expected


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_the_commands_that_a_collections_page_shows_run(live_server: str, tmp_path: Path, collection: str) -> None:
    page = httpx.get(f"{live_server}/collections/{collection}?f=html&lang=en").text
    shown = [html.unescape(text) for text in re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)]
    commands = [
        shlex.split(text.replace("\\\n", "")) for text in shown if text.startswith(("ogr2ogr ", "ogrinfo ", "curl "))
    ]
    assert {command[0] for command in commands} == {"ogr2ogr", "ogrinfo", "curl"}
    for command in commands:
        quiet = ["-fsS"] if command[0] == "curl" else []
        words = [f"{tmp_path}/{word}" if word.endswith(".gpkg") else word for word in command[1:]]
        assert run(command[0], *quiet, *words) or command[0] == "ogr2ogr"
    assert read(str(tmp_path / f"{collection}.gpkg"))[0]["crs"] == UTM32
