"""Whole files in FlatGeobuf, GeoParquet, GeoPackage and Shape: what other programs read is what the database holds."""

import csv
import io
import json
import random
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import Collection, read_collections
from server.crs import BY_URI, CRS84, ETRS89_UTM32, Crs
from server.errors import NotFitting
from server.formats.binary import FLATGEOBUF, GEOPACKAGE, GEOPARQUET, SHAPE
from server.formats.gdal import Target, write_apart
from server.formats.geopackage import FEW
from server.formats.geoparquet import SIDES, to_floats
from server.formats.indexed import to_bounds
from server.formats.layer import About, Format, Layer, Selection
from server.formats.outline import to_outline
from server.formats.shape import Measured, refuse_too_large, to_names
from server.formats.whole import Written, write_file

ABOUT = About(
    title="Flächen & Maße",
    attribution="Land NRW",
    licence="https://www.govdata.de/dl-de/zero-2-0",
    lang="de",
    delivery=7,
)
KINDS = {kind.key: kind for kind in (FLATGEOBUF, GEOPARQUET, GEOPACKAGE, SHAPE)}
SOLID = """
create table geobasis.koerper (
  fid bigint primary key, id text not null, erfasst timestamptz, namen text[], stufen integer[],
  masse double precision[], tage date[], eine_sehr_lange_bezeichnung text, eine_sehr_lange_bemerkung text,
  delivery bigint not null, geom geometry(MultiPolygonZ, 25832) not null);
insert into geobasis.koerper values
  (1, 'a', '2024-02-29 12:30:00.25+01', '{Größe,"a\\"b",null}', '{1,2}', '{0.1,2}', '{2020-01-01,null}', 'kurz',
   null, 7, ST_GeomFromText('MULTIPOLYGON Z (((0 0 1.5, 9 0 2, 9 9 3, 0 9 4, 0 0 1.5), (1 1 7, 2 2 7, 2 1 7, 1 1 7)),
   ((20 0 1, 21 0 1, 21 1 1, 20 0 1)))', 25832)),
  (2, 'b', null, null, '{}', null, '{}', repeat('ä', 200), 'x', 7,
   ST_GeomFromText('MULTIPOLYGON Z (((5 5 1, 6 5 1, 6 6 1, 5 5 1)))', 25832))
"""

Rows = Callable[..., "Table"]
Frame = geopandas.GeoDataFrame


class Table:
    """The first rows of a table in the order of its key, in batches of a few; `names`: columns besides the key."""

    def __init__(self, connection: psycopg.Connection[Any], table: str, most: int, batch: int) -> None:
        self._connection, self._batch = connection, batch
        self._rows = sql.SQL("select * from geobasis.{} order by fid limit {}").format(
            sql.Identifier(table), sql.Literal(most)
        )
        self.total = len(self.all("fid"))

    def all(self, columns: str) -> list[TupleRow]:
        """What the database holds, in order."""
        query = sql.SQL("select {} from ({}) t order by fid").format(sql.SQL(columns), self._rows)  # pyright: ignore[reportArgumentType]
        return self._connection.execute(query).fetchall()

    def read(self, columns: sql.Composable) -> Iterator[TupleRow]:
        """See formats.source.Source."""
        for at in range(0, self.total, self._batch):
            part = sql.SQL("select * from ({}) s order by fid offset {} limit {}").format(self._rows, at, self._batch)
            query = sql.SQL("select {} from ({}) t").format(columns, part)
            row = self._connection.cursor(binary=True).execute(query).fetchone()
            assert row is not None
            yield row


@pytest.fixture(scope="module")
def database(cluster: Any, probe_template: str) -> Iterator[psycopg.Connection[Any]]:
    url = cluster.create(probe_template)
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute(SOLID)
        yield connection
    cluster.drop(url)


@pytest.fixture(scope="module")
def rows(database: psycopg.Connection[Any]) -> Rows:
    def make(table: str, most: int = 10_000, batch: int = 300) -> Table:
        return Table(database, table, most, batch)

    return make


@pytest.fixture(scope="module")
def collections(collections_dir: Path) -> dict[str, Collection]:
    return {c.id: c for c in read_collections(collections_dir)}


@pytest.fixture(scope="module")
def solid(collections: dict[str, Collection]) -> Collection:
    """Heights, moments and lists: what the probe has none of."""
    types = {"erfasst": "datetime", "namen": "string[]", "stufen": "integer[]", "masse": "number[]", "tage": "date[]"}
    types |= {"eine_sehr_lange_bezeichnung": "string", "eine_sehr_lange_bemerkung": "string"}
    base = collections["flaeche"]
    properties = tuple(
        base.properties[0].model_copy(update={"name": name, "type": kind}) for name, kind in types.items()
    )
    return base.model_copy(update={"id": "koerper", "geometry": "MultiPolygonZ", "properties": properties})


def write(kind: Format, source: Table, layer: Layer, folder: Path) -> Path:
    path = folder / f"{layer.collection.id}.{kind.extension}"
    written = write_file(source, layer, ABOUT, kind, path)
    assert written == Written(source.total, path.stat().st_size)
    assert sorted(folder.iterdir()) == [path], "nothing else is left behind"
    return path


def read(path: Path) -> Frame:
    """As a user of geopandas does."""
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return geopandas.read_file(f"/vsizip/{path}" if path.suffix == ".zip" else path).rename_geometry("geom")


def crs_of(found: Frame) -> tuple[str, str] | None:
    assert found.crs
    return found.crs.to_authority(min_confidence=20)


def plain(value: Any) -> Any:
    """A value of a data frame as Python has it."""
    if value is None or value is np.ma.masked or (np.isscalar(value) and value != value):  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, datetime):
        return None if str(value) == "NaT" else value.date()
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize("table", ["messpunkt", "flaeche"])
@pytest.mark.parametrize("key", KINDS)
def test_every_feature_and_value_in_order(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path, key: str, table: str
) -> None:
    source = rows(table)
    found = read(write(KINDS[key], source, Layer(collections[table], ETRS89_UTM32), tmp_path))
    assert crs_of(found) == ("EPSG", "25832")
    names = ("id", *(p.name for p in collections[table].properties), "delivery")
    expected = source.all(", ".join(names))
    assert list(found["id"]) == [row[0] for row in expected], "the order of the key is kept: neighbours are together"
    for place, name in enumerate(names):
        values = [plain(value) for value in found[name].astype(object)]
        wanted = [row[place] for row in expected]
        if key == "shp":
            wanted = [None if value == "" else value for value in wanted]  # a dBASE file has no empty text
        if name == "nummer":
            # geopandas has them as floating-point numbers, where some are null
            wanted = [None if value is None else int(float(value)) for value in wanted]
            values = [None if value is None else int(value) for value in values]
        assert values == wanted, name
    shapes = shapely.from_wkb([row[0] for row in source.all("ST_AsBinary(geom)")])
    if key == "shp":
        assert shapely.equals(shapes, found.geometry.to_numpy()).all()
    else:
        assert shapely.equals_identical(shapes, found.geometry.to_numpy()).all()


def test_the_largest_number_is_whole(rows: Rows, collections: dict[str, Collection], tmp_path: Path) -> None:
    source = rows("messpunkt")
    largest = 2**63 - 1
    for kind in (FLATGEOBUF, GEOPACKAGE):
        path = write(kind, source, Layer(collections["messpunkt"], ETRS89_UTM32), tmp_path)
        table = pyogrio.read_arrow(path)[1]
        assert largest in table["nummer"].to_pylist(), kind.key
        path.unlink()
    path = write(GEOPARQUET, source, Layer(collections["messpunkt"], ETRS89_UTM32), tmp_path)
    assert largest in pq.read_table(path)["nummer"].to_pylist()


@pytest.mark.parametrize("count", [1, 2, 16, 17, 256, 257, 1300])
def test_index_of_flatgeobuf_finds_what_lies_in_a_box(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path, count: int
) -> None:
    source = rows("messpunkt", most=count, batch=100)
    path = write(FLATGEOBUF, source, Layer(collections["messpunkt"], ETRS89_UTM32), tmp_path)
    info = pyogrio.read_info(path)
    places = np.array(source.all("ST_X(geom), ST_Y(geom)"))
    assert info["features"] == count
    assert info["total_bounds"] == (*places.min(axis=0), *places.max(axis=0))
    rnd = random.Random(count)
    for _ in range(12):
        x, y = places[rnd.randrange(count)]
        size = 10 ** rnd.uniform(0, 5)
        box = (x - size, y - size, x + size / 3, y + size / 2)
        inside = np.all((places >= box[:2]) & (places <= box[2:]), axis=1).tolist()
        assert set(pyogrio.read_dataframe(path, bbox=box)["id"]) == {
            row[0] for row, there in zip(source.all("id"), inside, strict=True) if there
        }


def test_boxes_of_parquet_hold_their_features(rows: Rows, collections: dict[str, Collection], tmp_path: Path) -> None:
    source = rows("flaeche")
    path = write(GEOPARQUET, source, Layer(collections["flaeche"], ETRS89_UTM32), tmp_path)
    bounds = np.array(source.all("ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom)"))
    boxes = np.array([[box[side] for side in SIDES] for box in pq.read_table(path)["bbox"].to_pylist() if box])
    assert (boxes[:, :2] <= bounds[:, :2]).all()
    assert (boxes[:, 2:] >= bounds[:, 2:]).all()
    assert np.abs(boxes - bounds).max() <= 0.5, "32-bit numbers are as close as this at 5,800 km"
    footer = pq.ParquetFile(path).metadata
    chunks = [footer.row_group(0).column(i) for i in range(footer.num_columns)]
    sides: dict[str, Any] = {chunk.path_in_schema: chunk.statistics for chunk in chunks}
    assert sides["bbox.xmin"].min == boxes[:, 0].min()
    assert sides["bbox.ymax"].max == boxes[:, 3].max()
    assert sides["geom"] is None, "bounds of bytes would say nothing"
    assert sides["nummer"].max == 2**63 - 1


def test_rounding_goes_outwards() -> None:
    sides = to_floats(np.array([[0.1, 5_700_000.3, 0.1, 5_700_000.3], [1.0, 2.0, 1.0, 2.0]]))
    assert [side.dtype for side in sides] == [np.dtype("f4")] * 4
    assert [float(side[0]) for side in sides] == [
        pytest.approx(0.1, abs=1e-8),
        5_700_000.0,
        pytest.approx(0.1, abs=1e-8),
        5_700_000.5,
    ]
    assert float(sides[0][0]) <= 0.1 <= float(sides[2][0])
    assert [float(side[1]) for side in sides] == [1, 2, 1, 2]


def test_metadata_of_parquet(rows: Rows, collections: dict[str, Collection], tmp_path: Path) -> None:
    path = write(GEOPARQUET, rows("flaeche", most=20), Layer(collections["flaeche"], ETRS89_UTM32), tmp_path)
    metadata = pq.read_schema(path).metadata
    geo = json.loads(metadata[b"geo"])
    column = geo["columns"]["geom"]
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geom")
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["MultiPolygon"])
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 25832}
    assert column["covering"]["bbox"]["ymax"] == ["bbox", "ymax"]
    about = json.loads(metadata[b"about"])
    assert (about["title"], about["attribution"], about["delivery"]) == ("Flächen & Maße", "Land NRW", 7)


def test_duckdb_reads_parquet(rows: Rows, collections: dict[str, Collection], tmp_path: Path) -> None:
    source = rows("flaeche")
    path = write(GEOPARQUET, source, Layer(collections["flaeche"], ETRS89_UTM32), tmp_path)
    with duckdb.connect() as connection:
        kind, points = connection.execute(f"select typeof(any_value(geom)), count(geom) from '{path}'").fetchall()[0]
        assert kind.startswith("GEOMETRY")
        assert points == source.total
        values = connection.execute(f"select id, name, nummer, wert, aktiv, datum from '{path}'").fetchall()
        assert values == source.all("id, name, nummer, wert, aktiv, datum")
        near = "bbox.xmin <= 357000 and bbox.xmax >= 355000 and bbox.ymin <= 5707000 and bbox.ymax >= 5705000"
        found = connection.execute(f"select count(*) from '{path}' where {near}").fetchall()[0][0]
    box = "ST_MakeEnvelope(355000, 5705000, 357000, 5707000, 25832)"
    (wanted,) = source.all(f"count(*) filter (where geom && {box}) over ()")[0]
    assert found == wanted > 5


@pytest.mark.parametrize(
    "crs", [crs for crs in BY_URI.values() if crs.srid in {4326, 4258, 3044, 31467}], ids=lambda crs: crs.uri[-5:]
)
@pytest.mark.parametrize("key", KINDS)
def test_positions_are_in_x_y_order_in_every_crs(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path, key: str, crs: Crs
) -> None:
    source = rows("messpunkt", most=40)
    found = read(write(KINDS[key], source, Layer(collections["messpunkt"], crs), tmp_path))
    places = source.all(f"ST_X(ST_Transform(geom, {crs.srid})), ST_Y(ST_Transform(geom, {crs.srid}))")
    assert [(point.x, point.y) for point in found.geometry] == places
    assert crs_of(found) == (("OGC", "CRS84") if key == "parquet" and crs == CRS84 else ("EPSG", str(crs.srid)))


@pytest.mark.parametrize("key", ["fgb", "parquet", "gpkg"])
def test_wanted_properties_without_geometry(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path, key: str
) -> None:
    layer = Layer(collections["flaeche"], ETRS89_UTM32, Selection(("name", "datum"), geometry=False))
    source = rows("flaeche", most=50)
    path = write(KINDS[key], source, layer, tmp_path)
    table = pq.read_table(path) if key == "parquet" else pyogrio.read_arrow(path)[1]
    # a FlatGeobuf always has a column of geometries
    assert table.column_names == ["id", "name", "datum", *(["wkb_geometry"] if key == "fgb" else [])]
    if key == "fgb":
        assert geopandas.read_file(path).geometry.isna().all()
    assert [tuple(row) for row in zip(*(table[n].to_pylist() for n in ("id", "name")), strict=True)] == source.all(
        "id, name"
    )


@pytest.mark.parametrize("key", KINDS)
def test_no_features_make_a_file_with_columns(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path, key: str
) -> None:
    source = rows("leer")
    found = read(write(KINDS[key], source, Layer(collections["leer"], ETRS89_UTM32), tmp_path))
    assert len(found) == source.total == 0
    assert list(found.columns.drop("bbox", errors="ignore"))[:3] == ["id", "name", "nummer"]
    assert crs_of(found) == ("EPSG", "25832")


@pytest.mark.parametrize("key", ["fgb", "parquet", "gpkg"])
def test_heights_moments_and_lists(rows: Rows, solid: Collection, tmp_path: Path, key: str) -> None:
    source = rows("koerper")
    found = read(write(KINDS[key], source, Layer(solid, ETRS89_UTM32), tmp_path))
    shapes = shapely.from_wkb([row[0] for row in source.all("ST_AsBinary(geom)")])
    assert shapely.has_z(found.geometry.to_numpy()).all()
    assert shapely.equals_identical(shapes, found.geometry.to_numpy()).all()
    first, second = (found.iloc[number] for number in range(2))
    assert first["erfasst"] == datetime(2024, 2, 29, 11, 30, 0, 250_000, tzinfo=UTC)
    assert plain(second["erfasst"]) is None
    lists = (["Größe", 'a"b', None], [1, 2], [0.1, 2.0], ["2020-01-01", None])
    names = ("namen", "stufen", "masse", "tage")
    if key == "parquet":
        lists = (*lists[:3], [date(2020, 1, 1), None])
        assert tuple(list(first[name]) for name in names) == lists
        assert list(second["stufen"]) == []
    else:
        assert tuple(json.loads(first[name]) for name in names) == lists
        assert second["stufen"] == "[]"
    assert plain(second["namen"]) is None


def test_shape_tells_what_it_cannot_hold(rows: Rows, solid: Collection, tmp_path: Path) -> None:
    path = write(SHAPE, rows("koerper"), Layer(solid, ETRS89_UTM32), tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("koerper.cpg") == b"UTF-8"
        assert b"ETRS_1989_UTM_Zone_32N" in archive.read("koerper.prj")
        told = list(csv.DictReader(io.StringIO(archive.read("koerper_felder.csv").decode("utf-8-sig"))))
    fields = {line["attribut"]: (line["feld"], line["gekuerzte_werte"]) for line in told}
    assert fields["eine_sehr_lange_bezeichnung"] == ("eine_sehr_", "1")
    assert fields["eine_sehr_lange_bemerkung"] == ("eine_seh_1", "0")
    found = read(path)
    assert list(found["eine_sehr_"]) == ["kurz", "ä" * 127], "254 bytes, cut between two characters"
    assert shapely.has_z(found.geometry.to_numpy()).all()


def test_names_of_ten_characters() -> None:
    long = ["strassenname", "strassennummer", "Strassenname_alt", "strasse", "strassenna"]
    assert to_names(long) == ["strassen_1", "strassennu", "Strassen_2", "strasse", "strassenna"]


def test_a_shape_that_would_be_too_large(collections: dict[str, Collection]) -> None:
    outline = to_outline(Layer(collections["flaeche"], ETRS89_UTM32))
    fits = Measured((20,) * 8, (0,) * 8, 90_000_000)
    refuse_too_large(outline, 5_000_000, fits)
    with pytest.raises(NotFitting) as raised:
        refuse_too_large(outline, 15_000_000, fits)
    assert str(raised.value) == (
        "The 15000000 features of 'flaeche' need 2460000100 bytes in one of the files of a Shape, which ends at "
        "2147483647. Take FlatGeobuf, GeoPackage or GeoParquet, or a smaller area."
    )


def test_geopackage_is_one_for_older_programs(
    rows: Rows, collections: dict[str, Collection], solid: Collection, tmp_path: Path
) -> None:
    path = write(GEOPACKAGE, rows("koerper"), Layer(solid, ETRS89_UTM32), tmp_path)
    done = subprocess.run(["ogrinfo", "-ro", "-al", path], capture_output=True, text=True, check=True)
    assert "MULTIPOLYGON Z (((0 0 1.5,9 0 2" in done.stdout
    assert done.stderr == "", "the distribution's GDAL has nothing to complain about"
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("pragma integrity_check").fetchone() == ("ok",)
        assert file.execute("pragma foreign_key_check").fetchall() == []
        assert file.execute("pragma user_version").fetchone()[0] <= 10_300
        contents = file.execute("select table_name, identifier, srs_id from gpkg_contents").fetchall()
        assert contents == [("koerper", "Flächen & Maße", 25832)]
        assert file.execute("select z, m from gpkg_geometry_columns").fetchall() == [(1, 0)]
        assert file.execute("select count(*) from rtree_koerper_geom").fetchone() == (2,)
        extensions = {name for (name,) in file.execute("select extension_name from gpkg_extensions")}
        assert {"gpkg_rtree_index", "gpkg_metadata"} <= extensions
        aliases = dict(file.execute("select column_name, name from gpkg_data_columns"))
        assert (aliases["delivery"], aliases["tage"]) == ("Lieferung", "Name (tage)"), "each has one of its own"
        kind, told = file.execute(
            "select mime_type, metadata from gpkg_metadata m join gpkg_metadata_reference r on r.md_file_id = m.id "
            "where r.table_name = 'koerper'"
        ).fetchone()
        assert kind == "application/json"
        assert json.loads(told)["licence"] == ABOUT.licence


def test_an_answer_of_many_features_is_written_by_another_process(
    rows: Rows, collections: dict[str, Collection]
) -> None:
    layer, source = Layer(collections["messpunkt"], ETRS89_UTM32), rows("messpunkt")
    encoder = GEOPACKAGE.encoder(layer, ABOUT)
    try:
        parts = [encoder.begin()]
        parts += [encoder.batch(row) for _ in range(2) for row in source.read(GEOPACKAGE.columns(layer))]
        path = encoder.end()
        assert isinstance(path, Path)
        assert b"".join(parts) == b"", "all of it is in the file"
        found = pyogrio.read_dataframe(path)
    finally:
        encoder.close()
    assert list(found["id"]) == 2 * [row[0] for row in source.all("id")]
    assert len(found) > FEW
    assert not path.parent.exists()


def test_what_another_process_cannot_write(tmp_path: Path) -> None:
    kept = tmp_path / "batches.arrow"
    with pa.ipc.new_stream(str(kept), pa.schema([pa.field("id", pa.string())])):
        pass
    target = Target(str(tmp_path / "missing" / "out.gpkg"), "GPKG", "a", None, 25832)
    with pytest.raises(RuntimeError, match=r"missing/out\.gpkg could not be written: (.|\n)*unable to open"):
        write_apart(target, kept)


def test_flatgeobuf_tells_its_columns_and_origin(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path
) -> None:
    path = write(FLATGEOBUF, rows("flaeche", most=30), Layer(collections["flaeche"], ETRS89_UTM32), tmp_path)
    done = subprocess.run(["ogrinfo", "-ro", "-so", "-al", path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for line in (
        "Feature Count: 30",
        "id: String (0.0) UNIQUE NOT NULL",
        "nummer: Integer64",
        "aktiv: Integer(Boolean)",
    ):
        assert line in done.stdout
    info = pyogrio.read_info(path)
    assert info["layer_metadata"] is None or "Flächen & Maße" in str(info["layer_metadata"])
    assert "Flächen & Maße".encode() in path.read_bytes()[:4000]


def test_envelopes_of_every_form() -> None:
    shapes = [shapely.box(1, 2, 3, 4), shapely.LineString([(1, 2), (1, 5)]), shapely.Point(7, 8)]
    for some in ([shapes[0]] * 2, [shapes[2]], shapes):
        envelopes = [shapely.to_wkb(shapely.envelope(one), byte_order=1) for one in some]
        assert to_bounds(envelopes).tolist() == shapely.bounds(some).tolist()


class Shrinking:
    """A source that gives less than it said."""

    def __init__(self, table: Table) -> None:
        self.total, self._table = table.total, table

    def read(self, columns: sql.Composable) -> Iterator[TupleRow]:
        yield next(self._table.read(columns))


@pytest.mark.parametrize("key", ["fgb", "parquet", "gpkg"])
def test_a_part_is_never_taken_for_the_whole(
    rows: Rows, collections: dict[str, Collection], tmp_path: Path, key: str
) -> None:
    source = Shrinking(rows("messpunkt"))
    with pytest.raises(RuntimeError, match=f"holds 300 features, but there are {source.total}: write it again"):
        write_file(source, Layer(collections["messpunkt"], ETRS89_UTM32), ABOUT, KINDS[key], tmp_path / "part")
