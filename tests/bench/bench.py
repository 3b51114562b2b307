"""Requests per second of the server beside the same SQL through pgbench, in one run, as ratios.

    make bench                                   an invented town of 200,000 addresses, loaded once
    make bench BENCH="--addresses 600000 --seconds 10 --rounds 5"

Both sides get the same boxes. Each case is measured in turns, pgbench then HTTP, several rounds; the medians are
compared. pgbench is the limit: it sends the finished statement and throws the answer away.
"""

import argparse
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pyproj import Transformer

from server.catalogue import STORAGE_SRID, Collection, read_collections
from server.crs import Box
from server.database import reader_conninfo
from server.embedded import PrivateCluster
from server.ewkb import to_box2d, to_ewkb
from server.features.params import parse_items_query
from server.features.query import items_query
from server.pgbinaries import find_binaries
from server.settings import Settings, default_home
from server.state import State
from server.tiling.grid import Tile, search_box, tile_box
from server.tiling.query import tile_text

HTTP_PORT = 8099
SAMPLES = 24
UTM32 = "http://www.opengis.net/def/crs/EPSG/0/25832"


@dataclass(frozen=True)
class Request:
    """One request: its path, and the statement that the server runs for it."""

    path: str
    statement: str


@dataclass(frozen=True)
class Case:
    """Requests of one kind."""

    name: str
    requests: list[Request]


def main() -> None:
    """Load, measure, print."""
    options = parse_options()
    settings = Settings().model_copy(update={"home": options.home})
    with PrivateCluster(settings.home).session() as cluster:
        settings = settings.model_copy(update={"database_url": cluster.owner_url})
        load_example(settings, options.addresses)
        print_machine(cluster.owner_url, options)
        cases = make_cases(cluster.owner_url, settings)
        with served(settings):
            for case in cases:
                for connections in (1, 8):
                    measure(case, connections, reader_conninfo(settings, cluster.owner_url), options)


def parse_options() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=200_000, help="size of the invented town")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side; the median counts")
    parser.add_argument("--home", type=Path, default=default_home() / "bench", help="where data are kept")
    return parser.parse_args()


def load_example(settings: Settings, addresses: int) -> None:
    """Write the deliveries and load them, both only once."""
    folder = settings.home / f"example-{addresses}"
    environment = {**os.environ, "DATABASE_URL": settings.database_url or "", "OPENNRW_HOME": str(settings.home)}
    if not (folder / "index.json").exists():
        run(sys.executable, "-m", "loaders.example", "--to", str(folder), "--addresses", str(addresses))
    run(sys.executable, "-m", "server", "db", "migrate", environment=environment)
    for dataset in ("dvg1", "dvg2", "gebref", "hausumringe"):
        run(
            *(sys.executable, "-m", "server", "load", dataset, "--from", str(folder), "--accept-shrink"),
            environment=environment,
        )


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """Standard output of a command; ends the bench with its error output where it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def print_machine(owner_url: str, options: argparse.Namespace) -> None:
    """What the figures were measured on."""
    cpu = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), "?"
    )
    with psycopg.connect(owner_url) as connection:
        versions = connection.execute("select version(), postgis_lib_version()").fetchone() or ("?", "?")
        counts = connection.execute("select collection, features from provenance.collection order by 1").fetchall()
    print(f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}")
    print(f"{versions[0].split(' on ')[0]}, PostGIS {versions[1]}; {dict(counts)}")
    print(f"{options.rounds} rounds of {options.seconds} s; median (all rounds)\n")
    print(f"{'case':<34}{'conn':>5}{'pgbench/s':>12}{'http/s':>10}{'ratio':>8}")


def make_cases(owner_url: str, settings: Settings) -> list[Case]:
    """Boxes and tiles where buildings are, the same in every run."""
    collection = {c.id: c for c in read_collections(settings.collections_dir)}["hausumring"]
    with psycopg.connect(owner_url) as connection:
        row = connection.execute(
            "select version, delivery, published, features, bbox, half_width, half_height "
            "from provenance.collection where collection = 'hausumring'"
        ).fetchone()
        if row is None:
            sys.exit("The collection hausumring is empty.")
        state = State(*row[:4], bbox=Box(*row[4]), half_width=row[5], half_height=row[6])
        places = connection.execute(
            "select ST_XMin(geom), ST_YMin(geom) from geobasis.hausumring order by md5(id) limit %s", [SAMPLES]
        ).fetchall()
        return [
            *(
                _items(connection, collection, state, places, limit, crs)
                for limit in (10, 100, 1000)
                for crs in (None, UTM32)
            ),
            _tiles(connection, collection, state, places),
        ]


def _items(
    connection: psycopg.Connection, collection: Collection, state: State, places: list, limit: int, crs: str | None
) -> Case:
    """Boxes of 6 km around buildings, answered in CRS84 or in EPSG:25832."""
    to_degrees = Transformer.from_crs(STORAGE_SRID, 4326, always_xy=True)
    requests = []
    for x, y in places:
        parameters = {"limit": str(limit)}
        if crs:
            parameters |= {"crs": crs, "bbox-crs": crs}
            corners = (x - 3000, y - 3000, x + 3000, y + 3000)
        else:
            corners = (*to_degrees.transform(x - 3000, y - 3000), *to_degrees.transform(x + 3000, y + 3000))
        parameters["bbox"] = ",".join(f"{value:.5f}" for value in corners)
        statement = items_query(parse_items_query(collection, parameters), state)
        if statement is None:
            sys.exit(f"The box {parameters['bbox']} holds nothing.")
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        text = psycopg.ClientCursor(connection).mogrify(statement.text, statement.parameters)
        requests.append(Request(f"/collections/{collection.id}/items?{query}", text))
    return Case(f"{limit} features, {'EPSG:25832' if crs else 'CRS84'}", requests)


def _tiles(connection: psycopg.Connection, collection: Collection, state: State, places: list) -> Case:
    to_mercator = Transformer.from_crs(STORAGE_SRID, 3857, always_xy=True)
    edge, size = 20037508.342789244, 2 * 20037508.342789244 / 2**15
    requests = []
    for place in places:
        x, y = to_mercator.transform(*place)
        tile = Tile(15, int((edge - y) // size), int((x + edge) // size))
        search = search_box(tile, state)
        if search is None:
            sys.exit(f"The tile {tile} holds nothing.")
        parameters = {"tile": to_box2d(tile_box(tile)), "search": to_ewkb(search, STORAGE_SRID)}
        text = psycopg.ClientCursor(connection).mogrify(tile_text(collection), parameters)
        path = f"/collections/{collection.id}/tiles/WebMercatorQuad/15/{tile.row}/{tile.col}"
        requests.append(Request(path, text))
    return Case("tile z15", requests)


@contextmanager
def served(settings: Settings) -> Iterator[None]:
    """The server as users start it, for as long as the block lasts."""
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url or "",
        "OPENNRW_PORT": str(HTTP_PORT),
        "OPENNRW_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen([sys.executable, "-m", "server", "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}/readyz").close()
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def measure(case: Case, connections: int, conninfo: str, options: argparse.Namespace) -> None:
    """Both sides in turns; one line of figures."""
    limit, server = [], []
    with tempfile.TemporaryDirectory() as folder:
        scripts = write_scripts(Path(folder), case)
        for _ in range(options.rounds):
            limit.append(pgbench(scripts, connections, options.seconds, conninfo))
            server.append(wrk(Path(folder) / "paths.lua", connections, options.seconds))
    best, ours = statistics.median(limit), statistics.median(server)
    raw = f"({', '.join(f'{x:.0f}' for x in limit)} | {', '.join(f'{x:.0f}' for x in server)})"
    print(f"{case.name:<34}{connections:>5}{best:>12.0f}{ours:>10.0f}{ours / best:>8.2f}  {raw}", flush=True)


def write_scripts(folder: Path, case: Case) -> list[str]:
    """A pgbench script per statement, and a wrk script that sends the paths in random order."""
    options = []
    for number, request in enumerate(case.requests):
        script = folder / f"{number}.sql"
        script.write_text(" ".join(request.statement.split()) + ";\n")
        options += ["-f", str(script)]
    random.seed(1)
    paths = ", ".join(f'"{request.path}"' for request in case.requests)
    (folder / "paths.lua").write_text(
        f"local paths = {{{paths}}}\nrequest = function() return wrk.format('GET', paths[math.random(#paths)]) end\n"
    )
    return options


def pgbench(scripts: list[str], connections: int, seconds: int, conninfo: str) -> float:
    """Statements per second."""
    program = find_binaries()[0].program("pgbench")
    threads = str(min(connections, os.cpu_count() or 1))
    text = run(
        program, "-n", "-M", "prepared", "-c", str(connections), "-j", threads, "-T", str(seconds), *scripts, conninfo
    )
    found = re.search(r"tps = ([\d.]+)", text)
    return float(found[1]) if found else sys.exit(text)


def wrk(script: Path, connections: int, seconds: int) -> float:
    """Requests per second; ends the bench where one failed."""
    url = f"http://127.0.0.1:{HTTP_PORT}"
    text = run("wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), url)
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not found or "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    return float(found[1])


if __name__ == "__main__":
    main()
