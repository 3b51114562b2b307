"""How long ALKIS of a large district takes: 200,000 parcels, as many buildings, 250,000 uses, in one run with ogr2ogr.

    python tests/bench/alkis.py                      the invented deliveries are kept from run to run
    python tests/bench/alkis.py --addresses 20000    a smaller district

All invented municipalities are put into one district. It is loaded for the first time, a second time from other bytes,
and with one per cent of its addresses changed; ogr2ogr writes the same layers into tables with key and spatial index.
"""

import argparse
import datetime as dt
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg
from bench import run
from load import CRS, Bench, Product, _head, print_machine, rezip, show, unpack

from loaders.example.alkis import LAYERS, archive_name, file_name, make_layers, write_geopackage
from loaders.example.options import ExampleOptions
from loaders.example.write import pack
from server.embedded import PrivateCluster
from server.settings import default_home

DISTRICT, NAME = "05611000", "Alles"
FIRST, LATER = dt.date(2026, 1, 1), dt.date(2026, 7, 1)
PRODUCT = Product("alkis", "flurstueck", "", (), {})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=125_000, help="buildings are 1.6 times, parcels twice as many")
    parser.add_argument("--home", type=Path, default=default_home() / "bench-alkis", help="cluster and raw files")
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    first = make_delivery(given.home / f"made-{given.addresses}", ExampleOptions(given.addresses, 1, FIRST))
    changed = make_delivery(
        given.home / f"made-{given.addresses}-changed", ExampleOptions(given.addresses, 1, LATER, changes=0.01)
    )
    with PrivateCluster(given.home).session() as cluster:
        bench = Bench(given.home, given.home, cluster)
        print_machine(bench)
        bench.forget()
        print(f"{'':<34}{'rows':>9}{'s':>8}{'rows/s':>9}  " + _head())
        loaded = bench.load(PRODUCT, first)
        show("first load", loaded)
        print("  " + ", ".join(f"{n}: {counts['read']}" for n, counts in loaded.report["collections"].items()))
        with tempfile.TemporaryDirectory(dir=given.home) as name:
            unpack(first, Path(name) / "files")
            show(
                "the same rows in other files",
                bench.load(PRODUCT, rezip(Path(name) / "files", first, Path(name) / "again")),
            )
            show("one per cent of addresses changed", bench.load(PRODUCT, changed))
            cost = ogr2ogr(bench, next((Path(name) / "files").glob("*.gpkg")))
        print(f"ogr2ogr, key and spatial index alone: {cost}")
        print(f"  that / first load: {cost.seconds / loaded.seconds:.2f} (cpu {cost.cpu / loaded.cost.cpu:.2f})")
        bench.forget()


def make_delivery(folder: Path, options: ExampleOptions) -> Path:
    """The district's archive, written only once."""
    if folder.exists():
        return folder
    print(f"writing {folder}", flush=True)
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "files").mkdir(parents=True)
    layers: dict[str, dict[str, Any]] = defaultdict(dict)
    for _, _, found in make_layers(options, 10_000):
        for name in LAYERS:
            layers[name] |= {row["oid"]: row for row in found[name]}
    rows = {name: list(found.values()) for name, found in layers.items()}
    write_geopackage(draft / "files" / file_name(DISTRICT, NAME, options), rows, options)
    pack(draft / "files", draft / archive_name(DISTRICT, NAME), options)
    shutil.rmtree(draft / "files")
    draft.rename(folder)
    return folder


def ogr2ogr(bench: Bench, file: Path) -> Any:
    """All layers into new tables with a key and a spatial index."""
    target = (
        f"-f PostgreSQL -lco SCHEMA=bench -lco GEOMETRY_NAME=geom -lco FID=fid -a_srs {CRS} --config PG_USE_COPY YES"
    )
    with psycopg.connect(bench.cluster.owner_url, autocommit=True) as connection:
        connection.execute("create schema if not exists bench")
        with bench.measured() as cost:
            run("ogr2ogr", *target.split(), f"PG:{bench.cluster.owner_url}", str(file))
        connection.execute("drop schema bench cascade")
    return cost


if __name__ == "__main__":
    main()
