"""How long a load takes, step by step, beside what PostgreSQL and ogr2ogr need for the same rows, in one run.

    make bench-load                                        20,000 and 200,000 addresses
    make bench-load BENCH="--scales 20000 200000 2000000"  some fifteen minutes, and as long once for the deliveries

At every scale the first load is measured, for the growth. At the largest one also: the very same files again; the same
rows in files of other bytes; one per cent changed; a bare binary COPY of the same rows into a table with the same
indexes; ogr2ogr with PG_USE_COPY into a table with the same indexes, which is the same work, and into one with a key
and a spatial index alone.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from bench import run
from psycopg import sql

from loaders.maintain import maintain
from loaders.manifest import read_manifest
from server.embedded import PrivateCluster
from server.migrations import migrate
from server.pgbinaries import find_binaries
from server.settings import default_home

MEGABYTE = 1 << 20
STEPS = ("fetch", "unpack", "stage", "compare", "publish", "index")
SEED = "1"
DATES = {"first": "2026-01-01", "changed": "2026-07-01"}
# all but the key and the spatial one, which ogr2ogr makes itself
INDEXES = """
select pg_get_indexdef(i.indexrelid)
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
where i.indrelid = %s::regclass and not i.indisprimary and a.amname <> 'gist' order by c.relname
"""
CRS = "EPSG:25832"


@dataclass(frozen=True)
class Product:
    """A dataset to load; `file`, `ogr` and `driver` tell ogr2ogr where its rows are and how to read them.

    `names`: what ogr2ogr calls our columns, where it is another name.
    """

    dataset: str
    collection: str
    file: str
    ogr: tuple[str, ...]
    names: dict[str, str]
    driver: str = ""


FIELDS = {
    name: f"field_{number}"
    for number, name in enumerate(read_manifest("gebref").collections["adresse"].columns, start=1)
}
PRODUCTS = (
    Product(
        "gebref",
        "adresse",
        "gebref.txt",
        ("-oo", "HEADERS=NO", "-oo", "X_POSSIBLE_NAMES=field_19", "-oo", "Y_POSSIBLE_NAMES=field_20", "-nlt", "POINT"),
        # our ags is made of four columns, and the number of a delivery is ours alone
        {**FIELDS, "id": FIELDS["oid"], "oi": FIELDS["oid"], "ags": FIELDS["gmdschl"], "delivery": "fid"},
        "CSV:",
    ),
    Product(
        "hausumringe",
        "hausumring",
        "hu_shp.shp",
        ("-nlt", "MULTIPOLYGON"),
        {"id": "oi", "aktualitaet": "aktualitae", "delivery": "fid"},
    ),
)


@dataclass
class Cost:
    """Seconds on the clock, and of the processor, for the database and the processes that fed it."""

    seconds: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s (cpu {self.cpu:.1f})"


@dataclass(frozen=True)
class Loaded:
    """A run of `opennrw load`: its report, seconds from start to end, and what it took of processor and memory."""

    report: dict[str, Any]
    seconds: float
    loader_cpu: float
    database_cpu: float
    peak: int

    @property
    def cost(self) -> Cost:
        """On the clock, and of the processor."""
        return Cost(self.seconds, self.loader_cpu + self.database_cpu)

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return sum(counts["read"] for counts in self.report["collections"].values())


@dataclass(frozen=True)
class Bench:
    """Where things are: the database, the deliveries, the raw files that loads keep."""

    home: Path
    deliveries: Path
    cluster: PrivateCluster

    def load(self, product: Product, source: Path) -> Loaded:
        """As a user does, in a process of its own."""
        command = [sys.executable, "-m", "server", "load", product.dataset, "--from", str(source)]
        environment = {**os.environ, "DATABASE_URL": self.cluster.owner_url, "OPENNRW_HOME": str(self.home)}
        before, start = self.database_cpu(), time.perf_counter()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
            command += ["--accept-shrink", "--json"]
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            output.seek(0)
            said.seek(0)
            if status:
                sys.exit(f"{' '.join(command)} failed:\n{said.read().decode()}")
            report = json.load(output)
        cpu = usage.ru_utime + usage.ru_stime
        return Loaded(report, seconds, cpu, self.database_cpu() - before, usage.ru_maxrss * 1024)

    def database_cpu(self) -> float:
        """Seconds that the processes of this cluster have used so far, also those that ended."""
        time.sleep(0.5)  # until the postmaster has taken notice of one that is ending, nobody counts it
        ticks = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "cwd").readlink() == self.cluster.data:
                    ticks += sum(map(int, (folder / "stat").read_text().rpartition(")")[2].split()[11:15]))
            except OSError:
                continue  # it has just ended
        return ticks / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def measured(self) -> Iterator[Cost]:
        """What the block takes."""
        cost = Cost()
        before, start = self.database_cpu() + own_cpu(), time.perf_counter()
        yield cost
        cost.seconds = time.perf_counter() - start
        cost.cpu = self.database_cpu() + own_cpu() - before

    def ask(self, query: str, *values: Any) -> Any:
        """The first column of the only row."""
        with psycopg.connect(self.cluster.owner_url, autocommit=True) as connection:
            row = connection.execute(query.encode(), values).fetchone()
        return row[0] if row else None

    def forget(self) -> None:
        """An empty database and an empty store."""
        shutil.rmtree(self.home / "deliveries", ignore_errors=True)
        with psycopg.connect(self.cluster.owner_url, dbname="postgres", autocommit=True) as connection:
            connection.execute("drop database if exists opennrw with (force)")
            connection.execute("create database opennrw")
        migrate(self.cluster.owner_url)


def main() -> None:
    """Measure and print."""
    options = parse_options()
    options.home.mkdir(parents=True, exist_ok=True)
    with PrivateCluster(options.home).session() as cluster:
        bench = Bench(options.home, options.deliveries or options.home / "deliveries-made", cluster)
        print_machine(bench)
        for scale in options.scales:
            make_deliveries(bench.deliveries, scale, changed=scale == options.scales[-1])
        firsts: dict[str, list[Loaded]] = {product.dataset: [] for product in PRODUCTS}
        for scale in options.scales:
            bench.forget()
            print(f"\n{scale} addresses\n{'':<34}{'rows':>9}{'s':>8}{'rows/s':>9}  " + _head())
            for product in PRODUCTS:
                loaded = bench.load(product, bench.deliveries / str(scale) / product.dataset)
                show(f"{product.dataset}: first load", loaded)
                firsts[product.dataset].append(loaded)
                if scale == options.scales[-1]:
                    compare(bench, product, scale, loaded)
        print_growth(firsts)
        bench.forget()


def parse_options() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scales", type=int, nargs="+", default=[20_000, 200_000], help="addresses; outlines are 1.6 times as many"
    )
    parser.add_argument("--home", type=Path, default=default_home() / "bench-load", help="cluster and raw files")
    parser.add_argument("--deliveries", type=Path, help="where deliveries are kept from run to run")
    return parser.parse_args()


def make_deliveries(folder: Path, scale: int, *, changed: bool) -> None:
    """`<folder>/<scale>` and, one per cent changed, `<folder>/<scale>-changed`, both only once."""
    for name, date, share in ((str(scale), DATES["first"], "0"), (f"{scale}-changed", DATES["changed"], "0.01")):
        if (folder / name).exists() or (share != "0" and not changed):
            continue
        draft = folder / f"{name}.draft"
        print(f"writing {folder / name}", flush=True)
        options = ("--addresses", str(scale), "--seed", SEED, "--date", date, "--changes", share)
        run(sys.executable, "-m", "loaders.example", "--to", str(draft), *options)
        draft.rename(folder / name)


def compare(bench: Bench, product: Product, scale: int, first: Loaded) -> None:
    """Everything that is measured beside a first load, once it is live."""
    source = bench.deliveries / str(scale) / product.dataset
    table = f"geobasis.{product.collection}"
    with tempfile.TemporaryDirectory(dir=bench.home) as name:
        folder = Path(name)
        unpack(source, folder / "files")
        bare = copy_bare(bench, product.collection, folder)
        ogr, indexed = ogr2ogr(bench, product, table, folder / "files" / product.file)
        again = bench.load(product, source)
        show("  the same files again", again)
        rezipped = bench.load(product, rezip(folder / "files", source, folder / "rezipped"))
        show("  the same rows in other files", rezipped)
    changed = bench.load(product, bench.deliveries / f"{scale}-changed" / product.dataset)
    show("  one per cent changed", changed)
    print_sizes(bench, table)
    print(f"  bare binary COPY into the same indexes: {bare}")
    print(f"  ogr2ogr into the same indexes: {indexed}; with a key and a spatial index alone: {ogr}")
    ratios = {
        "COPY / first load (goal 0.5 or more)": (bare, first.cost),
        "ogr2ogr into the same indexes / first load (goal 2 or more)": (indexed, first.cost),
        "ogr2ogr with a key and a spatial index alone / first load": (ogr, first.cost),
        "the same files again / first load (goal 0.1 or less)": (again.cost, first.cost),
        "the same rows in other files / first load": (rezipped.cost, first.cost),
        "one per cent changed / first load (goal 0.3 or less)": (changed.cost, first.cost),
    }
    for name, (one, other) in ratios.items():
        print(f"  {name}: {one.seconds / other.seconds:.2f} (cpu {one.cpu / other.cpu:.2f})")
    peak = max(loaded.peak for loaded in (first, again, rezipped, changed)) / MEGABYTE
    print(f"  peak memory of the loader: {peak:.0f} MB (goal 500 or less)")


def own_cpu() -> float:
    """Seconds that this process and those that it waited for have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def copy_bare(bench: Bench, collection: str, folder: Path) -> Cost:
    """A binary COPY of the live rows, in the order of their key, into an empty twin with all its indexes."""
    rows = folder / "rows"
    with psycopg.connect(bench.cluster.owner_url, autocommit=True) as connection, twin(connection, collection) as bare:
        with rows.open("wb") as file, connection.cursor() as cursor:
            query = sql.SQL("copy (select * from {} order by fid) to stdout (format binary)")
            with cursor.copy(query.format(sql.Identifier("geobasis", collection))) as copy:
                for block in copy:
                    file.write(block)
        connection.execute("checkpoint")
        statement = sql.SQL("copy {} from stdin (format binary)").format(bare)
        with bench.measured() as cost, rows.open("rb") as file, connection.cursor() as cursor:
            copy = cursor.copy(statement)
            with copy as target:
                while block := file.read(MEGABYTE):
                    target.write(block)
    rows.unlink()
    return cost


@contextmanager
def twin(connection: psycopg.Connection, collection: str) -> Iterator[sql.Identifier]:
    """An empty table with the columns and indexes of another."""
    bare, live = (sql.Identifier(schema, collection) for schema in ("bench", "geobasis"))
    connection.execute("create schema if not exists bench")
    connection.execute(sql.SQL("create table {} (like {} including all)").format(bare, live))
    yield bare
    connection.execute(sql.SQL("drop table {}").format(bare))


def ogr2ogr(bench: Bench, product: Product, table: str, file: Path) -> tuple[Cost, Cost]:
    """The file into a new table with a key and a spatial index; and into the same table, emptied, with our indexes."""
    target = f"-f PostgreSQL -nln bench.ogr -a_srs {CRS} --config PG_USE_COPY YES"
    layout = "-lco GEOMETRY_NAME=geom -lco FID=fid"
    database, source = f"PG:{bench.cluster.owner_url}", f"{product.driver}{file}"
    with psycopg.connect(bench.cluster.owner_url, autocommit=True) as connection:
        connection.execute("create schema if not exists bench")
        with bench.measured() as alone:
            run("ogr2ogr", *target.split(), *layout.split(), *product.ogr, database, source)
        connection.execute("truncate bench.ogr")
        index_alike(connection, product, table)
        connection.execute("checkpoint")
        with bench.measured() as indexed:
            run("ogr2ogr", "-append", *target.split(), *product.ogr, database, source)
        connection.execute("drop table bench.ogr")
    return alone, indexed


def index_alike(connection: psycopg.Connection, product: Product, table: str) -> None:
    """Our indexes over the texts that ogr2ogr writes, which sort as ours do."""
    texts = connection.execute(
        "select attname from pg_attribute where attrelid = 'bench.ogr'::regclass and atttypid = 'varchar'::regtype"
    ).fetchall()
    for (name,) in texts:
        form = sql.SQL('alter table bench.ogr alter {} type varchar collate "C"')
        connection.execute(form.format(sql.Identifier(name)))
    for (definition,) in connection.execute(INDEXES, [table]).fetchall():
        kind, _, content = definition.partition(" USING ")
        content = re.sub(r"\b[a-z]+\b", lambda found: product.names.get(found[0], found[0]), content)
        unique = "unique" if "UNIQUE" in kind else ""
        connection.execute(f"create {unique} index on bench.ogr using {content}".encode())


def unpack(source: Path, target: Path) -> None:
    """All members of a delivery's zips."""
    for archive in source.glob("*.zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)


def rezip(files: Path, source: Path, target: Path) -> Path:
    """The same members in a zip of other bytes."""
    target.mkdir()
    archive = next(source.glob("*.zip"))
    with zipfile.ZipFile(target / archive.name, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        for path in sorted(files.iterdir()):
            opened.write(path, path.name)
    return target


def _head() -> str:
    return "".join(f"{step:>9}" for step in STEPS) + f"{'cpu s':>8}{'db cpu':>8}{'MB':>6}"


def show(name: str, loaded: Loaded) -> None:
    """One line of figures: seconds of all and of each step."""
    seconds = {**loaded.report["seconds"]}
    seconds["publish"] = seconds.get("publish", 0.0) - seconds.get("index", 0.0)
    steps = "".join(f"{seconds.get(step, 0.0):>9.1f}" for step in STEPS)
    rows = loaded.rows
    rate = f"{rows / loaded.seconds:>9.0f}" if rows else f"{'-':>9}"
    used = f"{loaded.loader_cpu:>8.1f}{loaded.database_cpu:>8.1f}{loaded.peak / MEGABYTE:>6.0f}"
    print(f"{name:<34}{rows:>9}{loaded.seconds:>8.1f}{rate}  {steps}{used}", flush=True)


def print_sizes(bench: Bench, table: str) -> None:
    """Of the table and its indexes, and how well the rows lie in the order of their key."""
    maintained = maintain(bench.cluster.owner_url, table.partition(".")[2])
    size, indexes = (bench.ask(f"select pg_{what}_size(%s::regclass)", table) for what in ("table", "indexes"))
    store = sum(path.stat().st_size for path in (bench.home / "deliveries").rglob("*") if path.is_file())
    done = f"reordered in {maintained.seconds:.1f} s" if maintained.reordered else f"kept, {maintained.seconds:.1f} s"
    print(
        f"  table {size / MEGABYTE:.0f} MB, indexes {indexes / MEGABYTE:.0f} MB, raw files {store / MEGABYTE:.0f} MB; ",
        end="",
    )
    print(f"correlation of fid after the change {maintained.correlation or 0:.4f}: {done}")


def print_growth(firsts: dict[str, list[Loaded]]) -> None:
    """Microseconds per row of the first loads, by scale."""
    print()
    for dataset, loads in firsts.items():
        steps = [sum(v for k, v in one.report["seconds"].items() if k != "index") / one.rows * 1e6 for one in loads]
        text = ", ".join(f"{us:.1f} at {one.rows}" for us, one in zip(steps, loads, strict=True))
        print(f"{dataset}: µs per row of all steps: {text}")


def print_machine(bench: Bench) -> None:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    print(f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}")
    server = bench.ask("select version()").split(" on ")[0]
    settings = ("shared_buffers", "maintenance_work_mem", "max_wal_size", "wal_level")
    print(f"{server}; " + ", ".join(f"{name} {bench.ask(f'show {name}')}" for name in settings))
    print(f"{run('ogr2ogr', '--version').strip()}; {find_binaries()[0].program('postgres')}")


if __name__ == "__main__":
    main()
