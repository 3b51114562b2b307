"""Tiles of buildings, cold and warm, beside what others would have to do, in one run over one database.

    make bench-tiles                                             600,000 addresses, about a million buildings
    make bench-tiles BENCH="--addresses 20000 --seconds 2 --rounds 1"

cold, 14 to 16   the server without any cache, beside two statements through pgbench: the one that other servers send,
                 with ST_Transform of EPSG:25832 in the query, and our own. pgbench throws the answer away, the server
                 packs it
cold, 6 to 11    the server without any cache, beside the statement of other servers, which takes all features as they
                 are
warm             the server with its cache, beside a server of files that has the same bytes in as many processes of the
                 same kind (uvicorn, uvloop, httptools; each request opens and reads a file)
cache            a look-up in the table of kept tiles, beside reading a file of the same bytes
"""

import argparse
import http.client
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from bench import load_example, print_machine
from pyproj import Transformer
from tools import pgbench, run, running, write_paths, write_scripts, wrk

from server.catalogue import Collection, read_collections
from server.database import reader_conninfo
from server.embedded import PrivateCluster
from server.pyramid.plan import EDGE
from server.pyramid.sources import source_of
from server.settings import Settings, default_home
from server.state import State
from server.tilecache import LOOK, Key
from server.tiling.batch import read_states
from server.tiling.grid import Tile
from server.tiling.making import Wanted, layer_steps
from server.tiling.matrixsets import read_grids

GRID = "WebMercatorQuad"
NAME = "hausumring"
SAMPLES = 120  # so many that two askers rarely want one at once, which would be made once for both; pgbench takes 128
OTHERS = """
select ST_AsMVT(q, 'hausumring', 4096, 'geom') from (
  select t.id, t.gfk, ST_AsMVTGeom(ST_Transform(t.geom, 3857), ST_TileEnvelope({z}, {x}, {y}), 4096, 64, true) as geom
  from geobasis.hausumring t
  where t.geom && ST_Transform(ST_TileEnvelope({z}, {x}, {y}, margin => 0.015625), 25832)
) q"""
FILES = """
import os
FOLDER = os.environ["FOLDER"]
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    with open(FOLDER + scope["path"].replace("/", "_"), "rb") as file:
        content = file.read()
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/vnd.mapbox-vector-tile"), (b"content-encoding", b"gzip"),
        (b"content-length", str(len(content)).encode()), (b"etag", b'"x"')]})
    await send({"type": "http.response.body", "body": content})
"""


@dataclass(frozen=True)
class Bench:
    """What is measured, and how."""

    settings: Settings
    options: argparse.Namespace
    collection: Collection
    state: State
    conninfo: str
    tiles: dict[int, list[Tile]]


def main() -> None:
    """Load once, make the pyramid once, measure, print."""
    options = parse_options()
    settings = Settings().model_copy(update={"home": options.home})
    with PrivateCluster(settings.home).session() as cluster:
        settings = settings.model_copy(update={"database_url": cluster.owner_url})
        load_example(settings, options.addresses)
        prepare(settings)
        with psycopg.connect(cluster.owner_url) as connection:
            print_machine(connection, options)
        bench = open_bench(settings, options, cluster.owner_url)
        cold_base(bench)
        cold_pyramid(bench)
        warm(bench)
        lookups(bench)


def parse_options() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=600_000, help="size of the invented town")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side; the median counts")
    parser.add_argument("--home", type=Path, default=default_home() / "bench", help="where data are kept")
    return parser.parse_args()


def prepare(settings: Settings) -> None:
    """The tables that tiles are made of."""
    environment = {**os.environ, "DATABASE_URL": settings.database_url or "", "OPENNRW_HOME": str(settings.home)}
    start = time.monotonic()
    run(sys.executable, "-m", "server", "tiles", "prepare", "--collection", NAME, environment=environment)
    print(f"pyramid of {NAME}: {time.monotonic() - start:.1f} s (0.5 to 2 s: it was there)")


def open_bench(settings: Settings, options: argparse.Namespace, owner_url: str) -> Bench:
    """Tiles where buildings are, the same in every run."""
    collection = {c.id: c for c in read_collections(*settings.collection_folders)}[NAME]
    to_mercator = Transformer.from_crs(25832, 3857, always_xy=True)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        state = read_states(connection, [collection])[NAME]
        places = connection.execute(
            "select ST_XMin(geom), ST_YMin(geom) from geobasis.hausumring order by md5(id) limit %s", [SAMPLES]
        ).fetchall()
    points = [to_mercator.transform(*place) for place in places]
    tiles = {zoom: [tile_at(x, y, zoom) for x, y in points] for zoom in (14, 15, 16)}
    tiles |= {zoom: sorted({tile_at(x, y, zoom) for x, y in points})[:6] for zoom in range(6, 12)}
    return Bench(settings, options, collection, state, reader_conninfo(settings, owner_url), tiles)


def tile_at(x: float, y: float, zoom: int) -> Tile:
    """The tile that a point of EPSG:3857 lies in."""
    size = 2 * EDGE / 2**zoom
    return Tile(zoom, int((EDGE - y) // size), int((x + EDGE) // size))


def path_of(tile: Tile) -> str:
    """Where the server has it."""
    return f"/collections/{NAME}/tiles/{GRID}/{tile.matrix}/{tile.row}/{tile.col}"


def own_statement(bench: Bench, tile: Tile, connection: psycopg.Connection) -> str:
    """What the server sends, values included."""
    grid = read_grids(bench.settings.config_dir)[GRID]
    wanted = Wanted(bench.collection, grid, tile)
    source = source_of(bench.collection, bench.state, grid.srid, wanted.zoom)
    step = next(layer_steps(wanted, bench.state, source))
    return psycopg.ClientCursor(connection).mogrify(step.text, step.parameters)


def cold_base(bench: Bench) -> None:
    """Tiles of the features as they are, none of them kept."""
    print(f"\n{'cold':<8}{'conn':>5}{'others/s':>10}{'own SQL/s':>10}{'http/s':>10}{'/others':>9}{'/own SQL':>9}")
    with tempfile.TemporaryDirectory() as name, served(bench, OPENNRW_TILE_CACHE="0", OPENNRW_TILE_MEMORY="0") as port:
        folder = Path(name)
        with psycopg.connect(bench.conninfo, autocommit=True) as connection:
            for zoom in (14, 15, 16):
                tiles = bench.tiles[zoom]
                others = [OTHERS.format(z=t.matrix, x=t.col, y=t.row) for t in tiles]
                own = [own_statement(bench, tile, connection) for tile in tiles]
                sides = (
                    write_statements(folder, f"others{zoom}", others),
                    write_statements(folder, f"own{zoom}", own),
                    write_requests(folder, f"{zoom}", [path_of(tile) for tile in tiles]),
                )
                for connections in (1, 8):
                    print_cold(bench, zoom, connections, sides, port)


def print_cold(bench: Bench, zoom: int, connections: int, sides: tuple[list[str], list[str], Path], port: int) -> None:
    """The three sides in turns; one line of figures."""
    others, own, paths = sides
    seconds = bench.options.seconds
    rates = median_rates(
        bench,
        lambda: pgbench(others, connections, seconds, bench.conninfo),
        lambda: pgbench(own, connections, seconds, bench.conninfo),
        lambda: wrk(paths, connections, seconds, port).rate,
    )
    ratios = [rates[2] / rates[0], rates[2] / rates[1]]
    print(f"z{zoom:<7}{connections:>5}" + "".join(f"{x:>10.0f}" for x in rates) + "".join(f"{x:>9.2f}" for x in ratios))


def cold_pyramid(bench: Bench) -> None:
    """Single requests at small scales, none of them kept."""
    print(f"\n{'cold':<8}{'tiles':>6}{'others ms':>11}{'http ms':>9}{'ratio':>8}{'kB':>7}")
    with (
        served(bench, OPENNRW_TILE_CACHE="0", OPENNRW_TILE_MEMORY="0") as port,
        psycopg.connect(bench.conninfo, autocommit=True) as connection,
    ):
        connection.execute("set statement_timeout = 0")
        for zoom in range(6, 12):
            theirs, ours, sizes = [], [], []
            for tile in bench.tiles[zoom]:
                statement = OTHERS.format(z=tile.matrix, x=tile.col, y=tile.row).encode()
                theirs.append(timed(partial(connection.execute, statement, binary=True)))
                ours.append(statistics.median(timed(partial(fetch, port, tile)) for _ in range(5)))
                sizes.append(len(fetch(port, tile)))
            one, two = statistics.median(theirs) * 1000, statistics.median(ours) * 1000
            size = statistics.median(sizes) / 1000
            print(f"z{zoom:<7}{len(sizes):>6}{one:>11.1f}{two:>9.1f}{one / two:>8.0f}{size:>7.1f}", flush=True)


def warm(bench: Bench) -> None:
    """Kept tiles beside files of the same bytes."""
    print(f"\n{'warm':<8}{'conn':>5}{'files/s':>10}{'http/s':>10}{'ratio':>8}")
    tiles = [tile for zoom in (12, 14, 15, 16) for tile in warm_tiles(bench, zoom)]
    with tempfile.TemporaryDirectory() as name, served(bench) as port:
        folder = Path(name) / "tiles"
        folder.mkdir()
        script = write_requests(Path(name), "warm", [path_of(tile) for tile in tiles])
        for tile in tiles:
            (folder / path_of(tile).replace("/", "_")).write_bytes(fetch(port, tile))
        (folder.parent / "files.py").write_text(FILES)
        with files_served(bench, folder, path_of(tiles[0])) as other:
            for connections in (1, 8):
                ask = partial(wrk, script, connections, bench.options.seconds)
                rates = median_rates(bench, lambda a=ask: a(other).rate, lambda a=ask: a(port).rate)
                ratio = rates[1] / rates[0]
                print(f"{'':<8}{connections:>5}{rates[0]:>10.0f}{rates[1]:>10.0f}{ratio:>8.2f}", flush=True)


def warm_tiles(bench: Bench, zoom: int) -> list[Tile]:
    """Some of a level that hold something."""
    known = bench.tiles.get(zoom) or [Tile(zoom, t.row >> 2, t.col >> 2) for t in bench.tiles[zoom + 2]]
    return sorted(set(known))[:50]


def lookups(bench: Bench) -> None:
    """One look-up after the other, in one process."""
    with psycopg.connect(bench.conninfo, autocommit=True) as connection, tempfile.TemporaryDirectory() as name:
        rows = connection.execute("select row, col, content from tiles.cache where level = 15 limit 200").fetchall()
        keys = [Key(NAME, GRID, 15, row, col)._asdict() for row, col, _ in rows]
        paths = [Path(name) / f"{row}-{col}" for row, col, _ in rows]
        for path, (_, _, content) in zip(paths, rows, strict=True):
            path.write_bytes(content)

        def ask_database() -> None:
            for key in keys:
                connection.execute(LOOK, key, binary=True, prepare=True).fetchone()

        def read_files() -> None:
            for path in paths:
                path.read_bytes()

        if keys:
            asked, read = (
                statistics.median(timed(f) for _ in range(9)) / len(keys) for f in (ask_database, read_files)
            )
            print(f"\none kept tile: from the database {asked * 1e6:.0f} us, from a file {read * 1e6:.0f} us")


def median_rates(bench: Bench, *sides: Callable[[], float]) -> list[float]:
    """The sides in turns, several rounds; the median of each."""
    rounds = [[side() for side in sides] for _ in range(bench.options.rounds)]
    return [statistics.median(rates) for rates in zip(*rounds, strict=True)]


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fetch(port: int, tile: Tile) -> bytes:
    """The body as it is sent, gzip."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path_of(tile), headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    if answer.status not in {200, 204}:
        sys.exit(f"{path_of(tile)}: {answer.status} {answer.read().decode()}")
    body = answer.read()
    connection.close()
    return body


def write_requests(folder: Path, name: str, paths: list[str]) -> Path:
    """A wrk script; all clients take gzip."""
    script = folder / f"{name}.lua"
    write_paths(script, paths)
    script.write_text("wrk.headers['Accept-Encoding'] = 'gzip'\n" + script.read_text())
    return script


def write_statements(folder: Path, name: str, statements: list[str]) -> list[str]:
    """pgbench's options."""
    (folder / name).mkdir()
    return write_scripts(folder / name, statements)


@contextmanager
def served(bench: Bench, **environment: str) -> Iterator[int]:
    """The server as users start it; its port."""
    port = free_port()
    given = {
        **os.environ,
        "DATABASE_URL": bench.settings.database_url or "",
        "OPENNRW_HOME": str(bench.settings.home),
        "OPENNRW_LOG_LEVEL": "warning",
        **environment,
    }
    with running([sys.executable, "-m", "server", "serve", "--port", str(port)], given, port, "/readyz"):
        yield port


@contextmanager
def files_served(bench: Bench, folder: Path, path: str) -> Iterator[int]:
    """The server of files, in as many processes; its port."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "files:app", "--app-dir", str(folder.parent), "--port", str(port)]
    command += ["--workers", str(bench.settings.workers), "--no-access-log", "--log-level", "warning"]
    with running(command, {**os.environ, "FOLDER": f"{folder}/"}, port, path):
        yield port


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
