"""How long whole files take beside ogr2ogr's from the same table, in one run, and what they take of memory.

    make bench-export                                    200,000 outlines of buildings
    make bench-export BENCH="--features 1000000"

Each of our files is made in a process of its own, as a job makes it; a tenth of the features tells how much memory
grows with them. ogr2ogr is the system's. It has no driver for GeoParquet: that is held against its FlatGeobuf.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from server.catalogue import read_collections
from server.crs import ETRS89_UTM32
from server.embedded import PrivateCluster
from server.exports.extract import Extract
from server.exports.kinds import KINDS
from server.exports.source import TableSource, connect
from server.formats.layer import About, Layer
from server.formats.whole import write_file
from server.migrations import migrate
from server.settings import Settings, default_home

MEGABYTE = 1 << 20
COLLECTION = "hausumring"
ROUNDS = 3
# what each is held against: ogr2ogr's driver, the ending of its file
PEERS = {"fgb": ("FlatGeobuf", "fgb"), "parquet": ("FlatGeobuf", "fgb"), "gpkg": ("GPKG", "gpkg")}
PEERS["shp"] = ("ESRI Shapefile", "shp")

# Outlines of five to seven corners, some with a yard, in rows of a town: neighbours are neighbours in the table
FILL = """
truncate geobasis.hausumring;
insert into provenance.delivery (dataset, digest, source, loader, status, started)
select 'hausumringe', repeat('a', 64), 'bench', 'bench', 'published', now()
where not exists (select from provenance.delivery where source = 'bench');
insert into geobasis.hausumring
select i, 'DENW39AL' || lpad(i::text, 8, '0'), '05158028', 'DENW39AL' || lpad(i::text, 8, '0'),
  case when i %% 9 > 0 then (1000 + i::bigint * 7919 %% 1500)::text end, date '2000-01-01' + i %% 9000,
  (select max(id) from provenance.delivery where source = 'bench'), '',
  ST_Multi(ST_MakePolygon(
    ST_SetSRID(ST_MakeLine(array[
      ST_Point(x, y), ST_Point(x + 12.345, y + 1.2), ST_Point(x + 11.1, y + 9.876), ST_Point(x + 6.5, y + 9.3),
      ST_Point(x + 6.4, y + 12.1), ST_Point(x - 1.2, y + 11.2), ST_Point(x, y)]), 25832),
    case when i %% 20 = 0 then array[ST_SetSRID(ST_MakeLine(array[
      ST_Point(x + 2, y + 2), ST_Point(x + 2, y + 5), ST_Point(x + 5, y + 5), ST_Point(x + 2, y + 2)]), 25832)]
    else '{}'::geometry[] end))
from (
  select i, 350000.123 + 25 * (i / 1000) as x, 5650000.456 + 25 * (i %% 1000) as y
  from generate_series(1, %(features)s) i
) place;
insert into provenance.collection
select 'hausumring', 'hausumringe', 1, max(delivery), now(), count(*), array[0, 0, 1, 1]::float8[], 10, 10,
  min(aktualitaet), max(aktualitaet) from geobasis.hausumring
on conflict (collection) do update set version = provenance.collection.version + 1, features = excluded.features;
"""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of the processor for the program and the database; bytes of memory and of the file."""

    seconds: float
    cpu: float
    peak: int
    size: int


def main() -> None:
    """Measure and print, or make the one file that a measuring process asks for."""
    options = parse_options()
    if options.make:
        make(*options.make)
        return
    options.home.mkdir(parents=True, exist_ok=True)
    with PrivateCluster(options.home).session() as cluster:
        migrate(cluster.owner_url)
        print_machine(cluster)
        small = fill(cluster, options.features // 10)
        peaks = {key: measure(cluster, ours(cluster, key), small).peak for key in options.formats}
        fill(cluster, options.features)
        print(f"{options.features} features, median of {ROUNDS}\n")
        print(
            f"{'':<10}{'s':>8}{'ogr2ogr':>9}{'ratio':>7}{'cpu':>8}{'ogr2ogr':>9}{'ratio':>7}{'MB':>7}{'ogr2ogr':>9}",
            end="",
        )
        print(f"{'memory MB':>11}{'of a tenth':>12}{'ogr2ogr':>9}")
        for key in options.formats:
            compare(cluster, options, key, peaks[key])


def parse_options() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=200_000)
    parser.add_argument("--formats", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--home", type=Path, default=default_home() / "bench-export", help="the cluster")
    parser.add_argument("--make", nargs=2, metavar=("FORMAT", "PATH"), help=argparse.SUPPRESS)
    return parser.parse_args()


def fill(cluster: PrivateCluster, features: int) -> int:
    """A table of so many outlines, in order and analysed."""
    with psycopg.connect(cluster.owner_url, autocommit=True) as connection:
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), {"features": features})
        connection.execute("vacuum analyze geobasis.hausumring")
        connection.execute("checkpoint")
    return features


def make(key: str, path: str) -> None:
    """One file, as a job makes it."""
    settings = Settings()  # pyright: ignore[reportCallIssue]
    collection = {c.id: c for c in read_collections(*settings.collection_folders)}[COLLECTION]
    with connect(settings, settings.database_url, 600) as connection:
        source = TableSource(connection, Extract(collection, KINDS[key], ETRS89_UTM32), lambda _: None)
        write_file(source, Layer(collection, ETRS89_UTM32), About(lang="de"), KINDS[key], Path(path))


def ours(cluster: PrivateCluster, key: str) -> tuple[str, ...]:
    """Command for one of our files, without its path."""
    return ("env", f"DATABASE_URL={cluster.owner_url}", sys.executable, __file__, "--make", key)


def theirs(cluster: PrivateCluster, key: str) -> tuple[str, ...]:
    """Command for ogr2ogr's, without its path."""
    query = f"select id, gfk, ags, oi, aktualitaet, delivery, geom from geobasis.{COLLECTION}"
    return ("ogr2ogr", "-f", PEERS[key][0], "-sql", query, "-nln", COLLECTION, f"PG:{cluster.owner_url}")


def measure(cluster: PrivateCluster, command: tuple[str, ...], features: int, ending: str = "file") -> Cost:
    """What a command takes that writes one file."""
    with tempfile.TemporaryDirectory(dir=cluster.data.parent.parent) as folder:
        path = Path(folder) / f"out.{ending}"
        given = (*command[:-1], str(path), command[-1]) if command[0] == "ogr2ogr" else (*command, str(path))
        before, start = database_cpu(cluster), time.perf_counter()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(given, stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            said.seek(0)
            if status:
                sys.exit(f"{' '.join(given)} failed:\n{said.read().decode()}")
        size = sum(part.stat().st_size for part in Path(folder).iterdir())
    cpu = usage.ru_utime + usage.ru_stime + database_cpu(cluster) - before
    assert size > features, "a file was written"
    return Cost(seconds, cpu, usage.ru_maxrss * 1024, size)


def compare(cluster: PrivateCluster, options: argparse.Namespace, key: str, small: int) -> None:
    """Both in turn, and a line of figures."""
    pairs = []
    for _ in range(ROUNDS):
        mine = measure(cluster, ours(cluster, key), options.features)
        pairs.append((mine, measure(cluster, theirs(cluster, key), options.features, PEERS[key][1])))
    one, other = (sorted(costs, key=lambda cost: cost.seconds)[ROUNDS // 2] for costs in zip(*pairs, strict=True))
    line = f"{key:<10}{one.seconds:>8.1f}{other.seconds:>9.1f}{other.seconds / one.seconds:>7.2f}"
    line += f"{one.cpu:>8.1f}{other.cpu:>9.1f}{other.cpu / one.cpu:>7.2f}"
    line += f"{one.size / MEGABYTE:>7.0f}{other.size / MEGABYTE:>9.0f}"
    print(f"{line}{one.peak / MEGABYTE:>11.0f}{small / MEGABYTE:>12.0f}{other.peak / MEGABYTE:>9.0f}", flush=True)


def database_cpu(cluster: PrivateCluster) -> float:
    """Seconds that the processes of this cluster have used so far, also those that ended."""
    time.sleep(0.5)  # until the postmaster has taken notice of one that is ending, nobody counts it
    return sum(_ticks(cluster.data)) / os.sysconf("SC_CLK_TCK")


def _ticks(data: Path) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == data:
                yield sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            continue  # it has just ended


def print_machine(cluster: PrivateCluster) -> None:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    with psycopg.connect(cluster.owner_url) as connection:
        versions = connection.execute("select version(), postgis_lib_version()").fetchone() or ("?", "?")
    peer = subprocess.run(("ogr2ogr", "--version"), capture_output=True, text=True, check=True)
    print(f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}")
    print(f"{versions[0].split(' on ')[0]}, PostGIS {versions[1]}; {peer.stdout.strip()}")


if __name__ == "__main__":
    main()
