"""The probe: a service over collections made for testing the server, with what real data hold only here and there.

Four collections with the same attributes of every type: `messpunkt` (points, dense towns, points on every edge of the
extent), `flaeche` (polygons from 6 m to 3 km, with holes and several parts), `bezirk` (districts as large as boxes)
and `leer`, which nothing was loaded into.
"""

import math
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import shapely
import yaml
from psycopg import sql
from shapely.geometry import LinearRing, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from loaders.spatial_key import hilbert_codes

ROOT = Path(__file__).resolve().parents[2]
WEST, SOUTH, EAST, NORTH = 280_000, 5_577_000, 531_800, 5_820_000  # the state, EPSG:25832
ATTRIBUTES = ("name", "nummer", "wert", "aktiv", "datum", "notiz")
TYPES = ("string", "integer", "number", "boolean", "date", "string")
COLUMNS = ("text", "bigint", "double precision", "boolean", "date", "text")
GEOMETRIES = {"messpunkt": "Point", "flaeche": "MultiPolygon", "bezirk": "MultiPolygon", "leer": "Point"}
NAMES = [
    "Größe & Söhne",
    'O\'Hara "Straße"',
    "<script>alert(1)</script>",
    "Zeile 1\nZeile 2\tTab \\ Ende",
    "🏠 Łódź Ω",
    "",
    "null",
    "=1+1",
    "a%20b+c",
    "../../etc/passwd",
]
IDS = ["Ä ö ß", "50%", "a+b", "a&b=c", "q?x#y", '"zitat"', "..", "<b>", "a;b", "ключ"]

Row = dict[str, Any]
Fetch = Callable[..., list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Served:
    """A service of the tests' own: where it answers, the owner's URL of its database, its log and process."""

    url: str
    database_url: str
    log: Path
    process: subprocess.Popen[bytes]


def _points() -> list[BaseGeometry]:
    """Towns, the open country, a heap with several points to a cell of the key, and every edge of the extent."""
    rnd = random.Random(25832)
    places = [(rnd.uniform(WEST, EAST), rnd.uniform(SOUTH, NORTH)) for _ in range(250)]
    for east, north in [(345_000, 5_645_000), (356_000, 5_706_000), (405_000, 5_758_000), (292_000, 5_628_000)]:
        places += [(rnd.gauss(east, 1500), rnd.gauss(north, 1500)) for _ in range(250)]
    places += [(361_000 + i % 12, 5_700_000 + i // 12 / 2) for i in range(144)]
    for i in range(1, 34):  # odd thirty-fourths: never a point of a densified outline
        places += [(WEST + (EAST - WEST) * i / 34, y) for y in (SOUTH, NORTH)]
        places += [(x, SOUTH + (NORTH - SOUTH) * i / 34) for x in (WEST, EAST)]
    return [Point(round(x, 3), round(y, 3)) for x, y in places]


def _star(rnd: random.Random, east: float, north: float, radius: float) -> LinearRing:
    turns = sorted(rnd.uniform(0, 2 * math.pi) for _ in range(rnd.randint(5, 12)))
    turns = [2 * math.pi * i / 5 + 0.1 * t for i, t in enumerate(turns[:5])]
    spokes = [(t, radius * rnd.uniform(0.6, 1)) for t in turns]
    return LinearRing([(round(east + r * math.cos(t), 3), round(north + r * math.sin(t), 3)) for t, r in spokes])


def _areas() -> list[BaseGeometry]:
    """Stars of all sizes; every seventh has a hole, every eleventh a second part, the first touches the west."""
    rnd = random.Random(4711)
    found: list[BaseGeometry] = []
    for i in range(400):
        radius = math.exp(rnd.uniform(math.log(3), math.log(1500)))
        near = i % 2
        east = rnd.gauss(356_000, 4000) if near else rnd.uniform(WEST + 2000, EAST - 2000)
        north = rnd.gauss(5_706_000, 4000) if near else rnd.uniform(SOUTH + 2000, NORTH - 2000)
        hole = [_star(rnd, east, north, radius / 3)] if i % 7 == 0 else []
        parts = [Polygon(_star(rnd, east, north, radius), hole)]
        if i % 11 == 0:
            parts.append(Polygon(_star(rnd, east + 3 * radius, north, radius)))
        found.append(MultiPolygon([orient(part) for part in parts]))
    edge = box(WEST, 5_658_000, WEST + 900, 5_658_400)
    return [MultiPolygon([orient(edge)]), *found]


def _districts() -> list[BaseGeometry]:
    """Twenty districts that tile the state, their sides divided like a surveyed boundary, one around an enclave; the
    state itself; and blocks, so many that the spatial index serves small boxes better than the key.
    """
    cols, rows = 5, 4
    width, height = (EAST - WEST) / cols, (NORTH - SOUTH) / rows
    cells: list[BaseGeometry] = [
        box(WEST + c * width, SOUTH + r * height, WEST + (c + 1) * width, SOUTH + (r + 1) * height)
        for r in range(rows)
        for c in range(cols)
    ]
    enclave = Point(cells[7].centroid).buffer(9000)
    cells[7] = cells[7].difference(enclave)
    rnd = random.Random(52)
    corners = [(rnd.uniform(WEST, EAST - 400), rnd.uniform(SOUTH, NORTH - 400)) for _ in range(700)]
    blocks = [box(round(x), round(y), round(x) + 400, round(y) + 300) for x, y in corners]
    areas = [*cells, box(WEST, SOUTH, EAST, NORTH).difference(enclave), *blocks]
    return [MultiPolygon([orient(shapely.segmentize(area, 500))]) for area in areas]


def _rows(geometries: Sequence[BaseGeometry], prefix: str) -> list[Row]:
    """Features with attributes of every type, nulls among them, and keys as the loaders give them."""
    boxes = shapely.bounds(np.array(geometries, dtype=object))
    codes = hilbert_codes((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
    sequence: Counter[int] = Counter()
    rows = []
    for i, (geometry, code) in enumerate(zip(geometries, codes.tolist(), strict=True)):
        sequence[code] += 1
        rows.append(
            {
                "fid": code << 20 | sequence[code],
                "id": IDS[i] if i < len(IDS) else f"{prefix}{i:05}",
                "name": NAMES[i] if i < len(NAMES) else f"Straße {i % 40}" if i % 9 else None,
                "nummer": (2**63 - 1 if i == 3 else i % 25 - 5) if i % 13 else None,
                "wert": (i % 17) / 8 if i % 5 else None,
                "aktiv": i % 3 == 0 if i % 4 else None,
                "datum": date(2020, 1, 1) + timedelta(days=i % 400) if i % 6 else None,
                "notiz": f"Notiz {i}" if i % 2 else None,
                "delivery": 1,
                "digest": b"\0",
                "geom": shapely.to_wkb(shapely.set_srid(geometry, 25832), hex=True, include_srid=True),
            }
        )
    return rows


def _create_table(connection: psycopg.Connection[Any], collection: str) -> None:
    attributes = ", ".join(f"{name} {type_}" for name, type_ in zip(ATTRIBUTES, COLUMNS, strict=True))
    connection.execute(
        f"create table geobasis.{collection} (fid bigint primary key, id text not null unique, {attributes}, "
        f"delivery bigint not null references provenance.delivery, digest bytea not null, "
        f"geom geometry({GEOMETRIES[collection]}, 25832) not null)".encode()
    )
    for name in ATTRIBUTES[:-1]:
        connection.execute(f"create index on geobasis.{collection} ({name}, fid)".encode())
    connection.execute(f"create index on geobasis.{collection} using gist (geom)".encode())


def _insert(connection: psycopg.Connection[Any], collection: str, rows: Sequence[Row]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    target = sql.SQL("copy geobasis.{} ({}) from stdin").format(sql.Identifier(collection), columns)
    with connection.cursor() as cursor, cursor.copy(target) as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))


PUBLISH = """
insert into provenance.collection
select '{0}', 'probe', 1, 1, '2026-07-01 12:00:00.5+00', count(*),
  array[min(ST_XMin(geom)), min(ST_YMin(geom)), max(ST_XMax(geom)), max(ST_YMax(geom))],
  max(ST_XMax(geom) - ST_XMin(geom)) / 2, max(ST_YMax(geom) - ST_YMin(geom)) / 2, min(datum), max(datum)
from geobasis.{0}
"""

PROVENANCE = """
insert into provenance.delivery (dataset, digest, source, loader, status, started, finished) values
  ('probe', repeat('a', 64), 'https://example.org/probe/', 'probe 1', 'published', '2026-07-01 11:00Z',
   '2026-07-01 12:00Z');
insert into provenance.file values
  (1, 'größe <1>.zip', 'https://example.org/probe/gr%C3%B6%C3%9Fe.zip', 4711, repeat('0a', 32), '2026-06-30', now());
insert into provenance.load values (1, 'messpunkt', 10, 5, 1, 1, 2, 1, 0, 0);
insert into provenance.checked values (1, 'messpunkt', 'at least 1 row', true, 'found 10 <rows>')
"""


@pytest.fixture(scope="session")
def collections_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe's YAML files; nothing may change them, copy them instead."""
    folder = tmp_path_factory.mktemp("collections")
    text = {"de": "Für Prüfungen", "en": "For tests"}
    properties: Mapping[str, Any] = {
        name: {"type": type_, "title": {"de": name.title(), "en": name.title()}, "queryable": name != "notiz"}
        for name, type_ in zip(ATTRIBUTES, TYPES, strict=True)
    }
    for name, geometry in GEOMETRIES.items():
        collection = {
            "id": name,
            "dataset": "probe",
            "title": {"de": f"Größe {name}", "en": f"Size {name}"},
            "description": text,
            "keywords": {"de": ["Prüfung"], "en": ["test"]},
            "geometry": geometry,
            "label": "name",
            "datetime": "datum",
            "properties": properties,
            "tiles": {"minzoom": 5, "maxzoom": 16, "properties": ["name", "nummer", "datum"]},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(collection, allow_unicode=True, sort_keys=False), "utf-8")
    return folder


@pytest.fixture(scope="session")
def fill_probe() -> Callable[[str], None]:
    """Makes and fills the probe's tables in a migrated database: `fill_probe(owner's conninfo)`."""
    made = {"messpunkt": _rows(_points(), "p"), "flaeche": _rows(_areas(), "f"), "bezirk": _rows(_districts(), "b")}

    def fill(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(PROVENANCE)
            for collection in GEOMETRIES:
                _create_table(connection, collection)
            for collection, rows in made.items():
                _insert(connection, collection, rows)
                connection.execute(PUBLISH.format(collection).encode())
            connection.execute("analyze")

    return fill


@pytest.fixture(scope="session")
def probe_template(cluster: Any, migrated_template: str, fill_probe: Callable[[str], None]) -> Iterator[str]:
    """The probe's database; nothing may connect to it but to copy it."""
    url = cluster.create(migrated_template)
    fill_probe(url)
    yield url
    cluster.drop(url)


@pytest.fixture
def probe_database_url(cluster: Any, probe_template: str) -> Iterator[str]:
    """The owner's conninfo of a copy of the probe that the test may change."""
    url = cluster.create(probe_template)
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def serve_probe(collections_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A service over a database like the probe's, for a block: `with serve_probe(database_url, NAME="value") as …`."""

    def serve(database_url: str, **environment: str) -> Any:
        given = {"OPENNRW_COLLECTIONS_DIR": str(collections_dir), **environment}
        return _serve(database_url, tmp_path_factory.mktemp("service"), **given)

    return serve


@pytest.fixture(scope="session")
def probe(cluster: Any, probe_template: str, serve_probe: Callable[..., Any]) -> Iterator[Served]:
    """One service over the probe for the whole run, for tests that change nothing."""
    url = cluster.create(probe_template)
    with serve_probe(url) as served:
        yield served
    cluster.drop(url)


@pytest.fixture(scope="session")
def client(probe: Served) -> Iterator[httpx.Client]:
    """HTTP to the probe."""
    with httpx.Client(base_url=probe.url, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="session")
def truth(probe: Served) -> Iterator[Fetch]:
    """Reads the database behind the probe as its owner, what the answers are compared with: `truth(query, values)`."""
    with psycopg.connect(probe.database_url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        yield lambda query, values=None: connection.execute(query.encode(), values).fetchall()


@contextmanager
def _serve(database_url: str, folder: Path, **environment: str) -> Iterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    settings = {"DATABASE_URL": database_url, "OPENNRW_HOME": str(folder), "OPENNRW_WORKERS": "1", **environment}
    command = [sys.executable, "-m", "server", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/readyz", process, log)
        yield Served(f"http://127.0.0.1:{port}", database_url, log, process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"opennrw serve did not get ready:\n{log.read_text()}")


@pytest.fixture(scope="session")
def raw(probe: Served) -> Callable[[bytes], tuple[int, dict[str, str], bytes]]:
    """Sends bytes as they are and reads status, headers and body: what no well-behaved client would send."""

    def send(request: bytes) -> tuple[int, dict[str, str], bytes]:
        host, _, port = probe.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status.split()[1]), headers, body

    return send
