"""Parcels with what other products know of their place: four parcels whose numbers can be told by heart."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely
from psycopg.rows import dict_row

from loaders.errors import LoadError
from loaders.flurstueck_plus.join import join
from loaders.report import Counts, Report
from loaders.rollback import RollbackOptions, roll_back
from server.catalogue import read_collections
from server.pyramid.make import refresh

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
(COLLECTION,) = [c for c in read_collections(ROOT / "collections") if c.id == "flurstueck_plus"]
EAST, NORTH = 400_000, 5_700_000
FIRST, SECOND, THIRD = "05314403900040______", "053144039000410002__", "05314403900042______"
FAR = "05314403900043______"
PARCELS = {FIRST: 0, SECOND: 100, THIRD: 200, FAR: 5000}
BUILDINGS = {"A": "DENW22AL10000001", "B": "DENW22AL10000002", "S": "DENW22AL10000003"}
MODEL = (
    '<core:cityObjectMember><bldg:Building gml:id="{id}"><core:creationDate>2026-01-01</core:creationDate>'
    '<gen:stringAttribute name="Gemeindeschluessel"><gen:value>05113000</gen:value></gen:stringAttribute>'
    "<bldg:function>31001_1010</bldg:function><bldg:roofType>1000</bldg:roofType>"
    '<bldg:measuredHeight uom="urn:adv:uom:m">{height}</bldg:measuredHeight><bldg:lod2Solid><gml:Solid><gml:exterior>'
    "<gml:CompositeSurface>{faces}</gml:CompositeSurface></gml:exterior></gml:Solid></bldg:lod2Solid></bldg:Building>"
    "</core:cityObjectMember>"
)
FACE = (
    '<gml:surfaceMember><gml:Polygon gml:id="{id}"><gml:exterior><gml:LinearRing><gml:posList srsDimension="3">{}'
    "</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMember>"
)
CITY = (
    '<core:CityModel xmlns:core="http://www.opengis.net/citygml/1.0" xmlns:gml="http://www.opengis.net/gml" '
    'xmlns:bldg="http://www.opengis.net/citygml/building/1.0" '
    'xmlns:gen="http://www.opengis.net/citygml/generics/1.0"><gml:boundedBy>'
    '<gml:Envelope srsName="urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH"/></gml:boundedBy>{}</core:CityModel>'
)
PLUS = """
select id, anzahl_adressen, adressen, anzahl_gebaeude, gebaeude, gebaeude_flaechen, gebaeude_hoehen, gebaeude_lod,
  ueberbaute_flaeche_m2, groesste_hoehe_m, bodenrichtwert_eur_m2, bodenrichtwerte, bodenrichtwert_nutzungen,
  bodenrichtwert_anteile from geobasis.flurstueck_plus order by id
"""


def _box(east: float, north: float, width: float, height: float) -> shapely.Polygon:
    """Clockwise, as Shape files have it; from the corner of the first parcel."""
    return shapely.box(EAST + east, NORTH + north, EAST + east + width, NORTH + north + height, ccw=False)


@pytest.fixture
def alkis(tmp_path: Path, load: Load) -> Callable[..., Report]:
    """Three parcels of 100 m × 100 m in a row, one 5 km away; buildings: within the first, half on the second, on the
    second and half a centimetre of the third.
    """

    def make(**changes: str) -> Report:
        land = {
            "aktualit": "2026-02-17", "gmdschl": "05113000", "gemarkung": "Rüttenscheid", "gemaschl": "053144",
            "flaeche": 10_000.0, "tntxt": "Wohnbaufläche;9000|Straßenverkehr;1000", "lagebeztxt": "Herthastr. 4",
        }  # fmt: skip
        parcels = [
            land | {"oid": f"DENW22AL80000{i}FL", "flstkennz": mark, "shape": _box(east, 0, 100, 100)}
            for i, (mark, east) in enumerate(PARCELS.items())
        ]
        parcels[0] |= changes
        house = {"aktualit": "2026-02-17", "gebnutzbez": "Gebäude", "funktion": "Wohnhaus", "gfkzshh": "31001_1010"}
        shapes = {"A": _box(10, 10, 20, 10), "B": _box(90, 50, 20, 10), "S": _box(150, 10, 50.005, 10)}
        houses = [house | {"oid": f"{BUILDINGS[n]}GB", "shape": s} for n, s in shapes.items()]
        path = tmp_path / "alkis" / "202601_gru_vereinf_05113000_Essen_EPSG25832.gpkg"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        _write_layer(path, "Flurstueck", parcels)
        _write_layer(path, "GebauedeBauwerk", houses)
        return load("alkis", path.parent, only=("flurstueck", "gebaeude_bauwerk"))

    return make


def _write_layer(path: Path, layer: str, rows: list[Row]) -> None:
    fields = [name for name in rows[0] if name != "shape"]
    columns = [np.array([row[n] for row in rows], dtype="datetime64[D]" if n == "aktualit" else None) for n in fields]
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array([row["shape"] for row in rows], dtype=object)),
        [c if c.dtype.kind in "fM" else c.astype(object) for c in columns], np.array(fields),
        geometry_type="Polygon", crs="EPSG:25832", driver="GPKG", layer=layer,
    )  # fmt: skip


@pytest.fixture
def gebref(load: Load, write_addresses: Callable[..., Path], address: Callable[..., str]) -> Callable[..., Report]:
    """`gebref({"10": (east, north), "4a": …})`: addresses of the Herthastr. by their numbers."""

    def make(places: dict[str, tuple[float, float]]) -> Report:
        lines = [
            address(
                f"HK{number}",
                str="Herthastr.",
                hnr=number.rstrip("ab"),
                adz=number.lstrip("0123456789"),
                ostwert=f"{EAST + east}",
                nordwert=f"{NORTH + north}",
            )
            for number, (east, north) in places.items()
        ]
        return load("gebref", write_addresses(*lines))

    return make


@pytest.fixture
def values(tmp_path: Path, load: Load, write_layer: Callable[..., Path]) -> Callable[..., Report]:
    """`values(2026, ("W", "300", box), …)`: zones of a year; building land but where the use is L."""

    def make(year: int, *zones: tuple[str, str, shapely.Polygon]) -> Report:
        columns = {
            "BRW": [value for _, value, _ in zones], "STAG": [f"{year}-01-01"] * len(zones),
            "BRWZNR": [str(n) for n in range(1, len(zones) + 1)], "GENU": ["3144"] * len(zones),
            "NUTA": [use for use, _, _ in zones], "ENTW": ["LF" if use == "L" else "B" for use, _, _ in zones],
            "GESL": ["5113000"] * len(zones),
        }  # fmt: skip
        layer = f"BRW_{year}_Polygon"
        folder = write_layer(layer, [shape for _, _, shape in zones], columns)
        target = tmp_path / f"boris{year}"
        target.mkdir(exist_ok=True)
        with zipfile.ZipFile(target / f"BRW_{year}_EPSG25832_Shape.zip", "w") as packed:
            for path in sorted(folder.glob(f"{layer}.*")):
                packed.write(path, path.name)
        return load("bodenrichtwert", target)

    return make


@pytest.fixture
def models(tmp_path: Path, load: Load) -> Callable[..., Report]:
    """`models(A=9.5)`: a tile of boxes with these heights in the places of the buildings of these names."""

    def make(**heights: float) -> Report:
        folder = tmp_path / "lod2"
        folder.mkdir(exist_ok=True)
        text = "".join(_model(BUILDINGS[name], height) for name, height in heights.items())
        (folder / "LoD2_32_400_5700_1_NW.gml").write_text(CITY.format(text), "utf-8")
        return load("lod2", folder)

    return make


def _model(ident: str, height: float) -> str:
    (west, south, east, north), low, high = _box(10, 10, 20, 10).bounds, 50.0, 50 + height
    corners = [(west, south), (east, south), (east, north), (west, north)]
    faces = [[(*c, low) for c in reversed(corners)], [(*c, high) for c in corners]]
    faces += [
        [(*a, low), (*b, low), (*b, high), (*a, high)] for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    polygons = [
        FACE.format(" ".join(str(n) for point in [*face, face[0]] for n in point), id=f"{ident}_{i}")
        for i, face in enumerate(faces)
    ]
    return MODEL.format(id=ident, height=height, faces="".join(polygons))


@dataclass(frozen=True)
class Town:
    """Loads a delivery of each source, joins, and tells what the parcels are then."""

    url: str
    connection: Connection
    alkis: Callable[..., Report]
    gebref: Callable[..., Report]
    values: Callable[..., Report]
    models: Callable[..., Report]

    def join(self) -> Report:
        report = join(self.url)
        assert report is not None
        return report

    def changed(self) -> tuple[int, int]:
        """Parcels that were joined anew, and those of them that are other ones now."""
        counts = self.join().collections["flurstueck_plus"]
        return counts.read, counts.inserted + counts.updated + counts.deleted

    def rows(self) -> dict[str, Row]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return {row.pop("id"): row for row in cursor.execute(PLUS).fetchall()}

    def numbers(self) -> list[int]:
        """Of addresses in the parcels."""
        return [self.rows()[mark]["anzahl_adressen"] for mark in PARCELS]


@pytest.fixture
def town(database_url: str, connection: Connection, alkis: Any, gebref: Any, values: Any, models: Any) -> Town:
    return Town(database_url, connection, alkis, gebref, values, models)


EVERYWHERE = _box(-50, -50, 6000, 200)
ADDRESSES = {"10": (20.0, 20.0), "4": (30.0, 20.0), "4a": (40.0, 20.0), "6": (150.0, 50.0)}


def test_a_parcel_with_all_that_is_known_of_it(town: Town) -> None:
    town.alkis()
    town.gebref(ADDRESSES)
    mixed = _box(125, -10, 100, 200)
    town.values(2026, ("W", "300", _box(0, 0, 100, 100)), ("L", "5,5", EVERYWHERE), ("MI", "200", mixed))
    town.models(A=9.5)
    assert town.join().collections["flurstueck_plus"] == Counts(read=4, inserted=4)
    found = town.rows()
    assert found[FIRST] == {
        "anzahl_adressen": 3,
        "adressen": ["Herthastr. 4", "Herthastr. 4a", "Herthastr. 10"],
        "anzahl_gebaeude": 2,
        "gebaeude": [f"{BUILDINGS['A']}GB", f"{BUILDINGS['B']}GB"],
        "gebaeude_flaechen": [200, 100],
        "gebaeude_hoehen": [9.5, None],
        "gebaeude_lod": ["2", None],
        "ueberbaute_flaeche_m2": 300,
        "groesste_hoehe_m": 9.5,
        "bodenrichtwert_eur_m2": 300,
        "bodenrichtwerte": [300, 5.5],
        "bodenrichtwert_nutzungen": ["W", "L"],
        "bodenrichtwert_anteile": [1, 1],
    }
    assert found[SECOND]["gebaeude"] == [f"{BUILDINGS['S']}GB", f"{BUILDINGS['B']}GB"]
    assert found[SECOND]["gebaeude_flaechen"] == [500, 100]
    assert (found[SECOND]["bodenrichtwerte"], found[SECOND]["bodenrichtwert_anteile"]) == ([5.5, 200], [1, 0.75])
    assert found[SECOND]["bodenrichtwert_eur_m2"] == 200  # building land
    assert found[THIRD]["bodenrichtwert_eur_m2"] == 5.5  # a quarter of it is building land
    assert (found[THIRD]["anzahl_adressen"], found[THIRD]["adressen"]) == (0, [])
    assert found[THIRD]["anzahl_gebaeude"] == 0  # what reaches into it by half a centimetre stands on its neighbour
    row = town.connection.execute(
        """select p.nutzungen, p.nutzflaechen, p.adresse_text, p.fid = f.fid, p.bodenrichtwert_jahr
           from geobasis.flurstueck_plus p join geobasis.flurstueck f using (id) where id = %s""",
        [FIRST],
    ).fetchone()
    uses = ["Wohnbaufläche", "Straßenverkehr"], [9000, 1000]
    assert row == (*uses, "Herthastr. 4, Herthastr. 4a, Herthastr. 10", True, "2026")


def test_what_is_not_loaded_is_not_guessed(town: Town) -> None:
    assert join(town.url) is None
    town.alkis()
    report = town.join()
    assert join(town.url) is None
    first = town.rows()[FIRST]
    assert {name for name, value in first.items() if value is None} == {
        *("anzahl_adressen", "adressen", "groesste_hoehe_m", "bodenrichtwert_eur_m2", "bodenrichtwerte"),
        *("bodenrichtwert_nutzungen", "bodenrichtwert_anteile"),
    }
    assert first["gebaeude_hoehen"] == [None, None]
    (check,) = report.checks
    assert check.detail.endswith("not loaded: adresse, bodenrichtwert, gebaeude_3d, gebaeude_3d_lod1")
    town.gebref({"6": (150.0, 50.0)})
    assert town.changed() == (4, 4)
    assert town.numbers() == [0, 1, 0, 0]
    with pytest.raises(
        LoadError, match=r"which is made of adresse, bodenrichtwert, flurstueck, .* Roll back a deliver"
    ):
        roll_back(report.delivery or 0, RollbackOptions(town.url))


def test_a_delivery_touches_the_parcels_around_its_changes(town: Town) -> None:
    """Each source in turn, forth and back; the others stay as they are, history and all."""
    town.alkis()
    town.gebref(ADDRESSES)
    zones = ("W", "300", _box(0, 0, 100, 100)), ("MI", "200", _box(120, 10, 50, 50))
    town.values(2026, *zones)
    town.join()
    town.models(A=9.5)
    assert town.changed() == (1, 1)
    moved = town.gebref({**ADDRESSES, "6": (250.0, 50.0)})
    assert town.changed() == (2, 2)  # the parcel it left, too
    assert town.numbers() == [3, 0, 1, 0]
    town.values(2026, zones[0], ("MI", "210", zones[1][2]))
    assert town.changed() == (1, 1)
    town.values(2025, ("W", "280", EVERYWHERE))  # a former year
    assert town.changed() == (0, 0)
    town.alkis(lagebeztxt="Herthastr. 4 und 10")
    assert town.changed() == (1, 1)
    roll_back(moved.delivery or 0, RollbackOptions(town.url))
    assert town.changed() == (2, 2)
    assert town.numbers() == [3, 1, 0, 0]
    counts = "select id, count(*) from history.flurstueck_plus group by 1 order by 1"
    assert dict(town.connection.execute(counts.encode()).fetchall()) == {FIRST: 2, SECOND: 3, THIRD: 2}
    amended = town.rows()
    town.connection.execute("delete from provenance.made_of")
    assert town.changed() == (4, 0)
    assert town.rows() == amended


def test_a_new_year_of_land_values(town: Town) -> None:
    town.alkis()
    town.values(2025, ("W", "280", EVERYWHERE))
    town.join()
    town.values(2026, ("W", "ca. 300", _box(0, 0, 100, 100)))
    assert town.changed() == (4, 4)
    found = town.rows()
    assert (found[FIRST]["bodenrichtwerte"], found[FIRST]["bodenrichtwert_eur_m2"]) == ([None], None)
    assert found[SECOND]["bodenrichtwerte"] == []


def test_zones_of_equal_rank_leave_the_value_open(town: Town) -> None:
    town.alkis()
    town.values(2026, ("W", "300", EVERYWHERE), ("MI", "200", EVERYWHERE))
    town.join()
    assert town.rows()[FIRST]["bodenrichtwert_eur_m2"] is None
    assert town.rows()[FIRST]["bodenrichtwerte"] == [300, 200]


TILE = "/collections/flurstueck_plus/tiles/WebMercatorQuad/15/{}/{}"


def test_as_clients_get_it(town: Town, start_server: Callable[..., Any], run_job: Callable[[], Row]) -> None:
    """By the job that a delivery enqueues: the parcel, its provenance, and tiles that keep their ETag elsewhere."""
    town.alkis()
    town.gebref(ADDRESSES)
    jobs = town.connection.execute("select args from jobs.procrastinate_jobs where task_name = 'join'").fetchall()
    assert jobs == [({"collection": "flurstueck_plus", "source": "adresse", "version": 1},)]
    assert run_job()["outcome"] == "published"
    assert run_job()["message"] == "flurstueck_plus is made of what is live"
    assert refresh(town.url, COLLECTION).how == "made"
    server = start_server(town.url)
    with httpx.Client(base_url=server.url, timeout=30) as client:
        places = [_tile_at(town.connection, mark) for mark in (SECOND, FAR)]
        before = [client.get(TILE.format(*place)).headers["ETag"] for place in places]
        town.gebref({**ADDRESSES, "8": (160.0, 50.0)})
        assert run_job()["message"] == "flurstueck_plus: 1 updated"
        assert refresh(town.url, COLLECTION).how == "amended"
        _check_provenance(client)
        items = client.get("/collections/flurstueck_plus/items", params={"q": "053144-39-40"}).json()
        (parcel,) = items["features"]
        assert parcel["properties"]["adressen"] == ["Herthastr. 4", "Herthastr. 4a", "Herthastr. 10"]
        csv = client.get("/collections/flurstueck_plus/items", params={"f": "csv", "zaehler": "40"}).text
        assert '"[""Herthastr. 4"",""Herthastr. 4a"",""Herthastr. 10""]"' in csv
        after = [client.get(TILE.format(*place)).headers["ETag"] for place in places]
        assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def _tile_at(connection: Connection, mark: str) -> tuple[int, int]:
    """Row and column at level 15 of the middle of a parcel."""
    row = connection.execute(
        """select floor((20037508.342789244 - ST_Y(p)) / 40075016.685578488 * 32768)::int,
             floor((ST_X(p) + 20037508.342789244) / 40075016.685578488 * 32768)::int
           from geobasis.flurstueck f, ST_Transform(ST_Centroid(f.geom), 3857) p where f.id = %s""",
        [mark],
    ).fetchone()
    assert row
    return row[0], row[1]


def _check_provenance(client: httpx.Client) -> None:
    path = "/collections/flurstueck_plus/provenance"
    sources = {source["collection"]: source for source in client.get(path).json()["sources"]}
    assert {name for name, source in sources.items() if source["loaded"]} == {
        *("flurstueck", "gebaeude_bauwerk", "adresse")
    }
    addresses = sources["adresse"]
    assert (addresses["numberOfDeliveries"], addresses["license"]) == (2, "https://www.govdata.de/dl-de/zero-2-0")
    own = client.get("/collections/adresse/provenance").json()["deliveries"]
    assert [d["digest"] for d in addresses["deliveries"]] == [d["digest"] for d in own]
    assert [d["files"][0]["sha256"] for d in addresses["deliveries"]] == [d["files"][0]["sha256"] for d in own]
    assert sources["bodenrichtwert"]["attribution"].startswith("Gutachterausschüsse")
    assert sources["bodenrichtwert"]["deliveries"] == []
    page = client.get(path, params={"f": "html", "lang": "en"}).text
    assert "Made of" in page
    assert "not loaded" in page


@pytest.fixture
def run_job(database_url: str, tmp_path: Path) -> Callable[[], Row]:
    """Joins as a worker does it, in a process that yields; its answer."""

    def run() -> Row:
        command = [sys.executable, "-m", "server.jobs.child"]
        environment = {**os.environ, "DATABASE_URL": database_url, "OPENNRW_HOME": str(tmp_path)}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin
            assert process.stdout
            order = {"job": 1, "task": "join", "arguments": {"collection": "flurstueck_plus"}}
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            return json.loads(process.stdout.read())

    return run
