"""The server beside the same SQL through pgbench, and beside other servers, in one run.

    make bench                                         an invented town of 200,000 addresses, loaded once
    make bench BENCH="--addresses 620000 --seconds 10 --rounds 5"        a million outlines of buildings
    make bench BENCH="--only boxes paging"             some of: items boxes paging visits long search peers
    make bench BENCH="--addresses 2000000 --only search"                 /search over two million addresses

Everybody gets the same boxes, no two requests the same one. A case is measured in turns, pgbench then HTTP, several
rounds; the medians are compared. pgbench is the limit: it sends the finished statement and throws the answer away.
What is printed is Markdown.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from cases import Case, Town, item_cases, read_town, single_case, tile_case
from pages import measure_boxes, measure_paging
from peers import find_peers, install, measure_peer
from searching import measure_search
from tools import Load, Table, median, pgbench, run, served, write_paths, write_scripts, wrk
from visits import measure_crowd, measure_long, measure_round_trips

from server.database import reader_conninfo
from server.embedded import PrivateCluster
from server.settings import Settings, default_home

PARTS = ("items", "boxes", "paging", "visits", "long", "search", "peers")
LONG = (100_000, 1_000_000)


def main() -> None:
    """Load, measure, print."""
    options = parse_options()
    settings = Settings().model_copy(update={"home": options.home})
    with PrivateCluster(settings.home).session() as cluster:
        settings = settings.model_copy(update={"database_url": cluster.owner_url})
        load_example(settings, options.addresses)
        conninfo = reader_conninfo(settings, cluster.owner_url)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            print_machine(connection, options)
            measure(connection, conninfo, read_town(connection, settings), settings, options)


def parse_options() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=200_000, help="size of the invented town (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side; the median counts")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure (all)")
    parser.add_argument("--home", type=Path, default=default_home() / "bench", help="where data are kept")
    parser.add_argument("--peers", type=Path, help="environment with tipg and pygeoapi (one is made below --home)")
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


def print_machine(connection: psycopg.Connection[Any], options: argparse.Namespace) -> None:
    """What the figures were measured on, and how."""
    cpu = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), "?"
    )
    versions = connection.execute("select version(), postgis_lib_version()").fetchone() or ("?", "?")
    counts = connection.execute("select collection, features from provenance.collection order by 1").fetchall()
    print(f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}")
    print(f"{versions[0].split(' on ')[0]}, PostGIS {versions[1]}; {dict(counts)}")
    print(f"`{' '.join(sys.argv)}`: {options.rounds} rounds of {options.seconds} s, medians")


def measure(
    connection: psycopg.Connection[Any], conninfo: str, town: Town, settings: Settings, options: argparse.Namespace
) -> None:
    """The parts that are asked for."""
    cases = item_cases(connection, town)
    further = [single_case(connection, town), tile_case(connection, town, settings)]
    with served(settings) as server:
        if "items" in options.only:
            measure_items([*cases, *further], conninfo, options)
        if "boxes" in options.only:
            measure_boxes(connection, town)
        if "paging" in options.only:
            measure_paging(connection, town)
        if "visits" in options.only:
            measure_round_trips(town, cases[2], 3 * options.seconds)
            measure_crowd(cases[0], 2 * options.seconds, server.pid)
            measure_crowd(cases[4], 2 * options.seconds, server.pid)
        if "long" in options.only:
            for features in LONG:
                measure_long(town, features, server.pid)
        if "search" in options.only:
            measure_search(connection, 3 * options.seconds)
        ours = measure_ours(cases, options) if "peers" in options.only else {}
    if ours:
        measure_peers(conninfo, town, ours, options)


def measure_items(cases: list[Case], conninfo: str, options: argparse.Namespace) -> None:
    """Rates beside pgbench's, with all rounds."""
    columns = ("case", "clients", "pgbench/s", "server/s", "ratio", "p50 ms", "p99 ms", "rounds")
    table = Table("Answers per second beside pgbench", *columns)
    for case in cases:
        for connections in (1, 8):
            limit, loads = measure_case(case, connections, conninfo, options)
            best, load = statistics.median(limit), median(loads)
            raw = f"{', '.join(f'{x:.0f}' for x in limit)} / {', '.join(f'{x.rate:.0f}' for x in loads)}"
            ratio = f"{load.rate / best:.2f}"
            table.row(case.name, str(connections), best, load.rate, ratio, load.p50, load.p99, raw)


def measure_case(
    case: Case, connections: int, conninfo: str, options: argparse.Namespace
) -> tuple[list[float], list[Load]]:
    """Both sides in turns."""
    limit, loads = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = write_scripts(folder, case.statements)
        write_paths(folder / "paths.lua", case.paths)
        wrk(folder / "paths.lua", connections, 1)
        for _ in range(options.rounds):
            limit.append(pgbench(scripts, connections, options.seconds, conninfo))
            loads.append(wrk(folder / "paths.lua", connections, options.seconds))
    return limit, loads


def measure_ours(cases: list[Case], options: argparse.Namespace) -> dict[tuple[int, int], float]:
    """Answers per second of pages of 10 and 1,000 features in CRS84, by limit and number of connections."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for limit, case in ((10, cases[0]), (1000, cases[4])):
            script = Path(name) / f"{limit}.lua"
            write_paths(script, case.paths)
            for connections in (1, 8):
                loads = [wrk(script, connections, options.seconds) for _ in range(options.rounds)]
                found[limit, connections] = median(loads).rate
    return found


def measure_peers(conninfo: str, town: Town, ours: dict[tuple[int, int], float], options: argparse.Namespace) -> None:
    """Each of the others after the server was stopped."""
    programs = options.peers / "bin" if options.peers else install(options.home / "peers")
    table = Table("Beside other servers, CRS84", "server", "features", "clients", "answers/s", "the server's", "ratio")
    with tempfile.TemporaryDirectory() as name:
        for peer in find_peers(programs, Path(name), conninfo, town):
            for (limit, connections), rate in measure_peer(peer, town, Path(name), options.seconds).items():
                own = ours[limit, connections]
                table.row(peer.name, str(limit), str(connections), rate, own, f"{own / rate:.1f}")


if __name__ == "__main__":
    main()
