"""How long it takes to join 200,000 parcels with addresses, buildings, heights, land values; and a few of them again.

    make bench-joined                          parcels of 20 m × 25 m, made in the database itself
    make bench-joined BENCH="--parcels 20000"

The first join makes all parcels; then one address in a thousand moves, and the parcels around are joined anew.
"""

import argparse
import time
from pathlib import Path

import psycopg

from loaders.flurstueck_plus.join import join
from server.embedded import PrivateCluster
from server.migrations import migrate
from server.settings import default_home

COLUMNS = 500
# each has an address and a building; each fifth building reaches over to the parcel beside it
ROWS = """
create temp table place as
select n, 360000 + n %% {columns} * 20 as e, 5700000 + n / {columns} * 25 as s,
  'DENW21AL' || lpad(n::text, 8, '0') as oi
from generate_series(0, %(parcels)s - 1) n;
insert into geobasis.flurstueck (fid, id, oi, flstkennz, gmdschl, gemarkung, gemaschl, flurnr, zaehler, flaeche, paket,
  delivery, digest, geom)
select n, '053144' || lpad((n / 1000)::text, 3, '0') || lpad((n %% 1000)::text, 5, '0') || '______', oi || 'FL',
  '053144' || lpad((n / 1000)::text, 3, '0') || lpad((n %% 1000)::text, 5, '0') || '______', '05113000', 'Rüttenscheid',
  '053144', n / 1000, n %% 1000, 500, '05113', 1, '', ST_Multi(ST_MakeEnvelope(e, s, e + 20, s + 25, 25832)) from place;
insert into geobasis.gebaeude_bauwerk (fid, id, oi, funktion, paket, delivery, digest, geom)
select n, oi || 'GB', oi || 'GB', 'Wohnhaus', '05113', 1, '',
  ST_Multi(ST_MakeEnvelope(e + 4, s + 5, e + case when n %% 5 = 0 then 22 else 16 end, s + 15, 25832)) from place;
insert into geobasis.adresse (fid, id, oi, qua, ags, landschl, regbezschl, kreisschl, gmdschl, str, hnr, delivery,
  digest, geom)
select n, oi, oi, 'A', '05113000', '05', '1', '13', '000', 'Herthastr.', (n %% 300)::text, 1, '',
  ST_SetSRID(ST_MakePoint(e + 10, s + 10), 25832) from place;
insert into geobasis.gebaeude_3d (fid, id, oi, hoehe, bodenhoehe, dachhoehe, teilezahl, teile, kachel, model, solids,
  delivery, digest, geom)
select n, oi, oi, 9.5, 50, 59.5, 0, array[oi], '360_5700', '{{}}',
  ST_SetSRID('GEOMETRYCOLLECTION Z EMPTY'::geometry, 25832), 1, '',
  ST_Multi(ST_MakeEnvelope(e + 4, s + 5, e + 16, s + 15, 25832)) from place;
-- squares of a kilometre, and farmland below all of them
insert into geobasis.bodenrichtwert (fid, id, jahr, bodenrichtwert, gilt_bis, zone, entw, nuta, genu, brwznr, delivery,
  digest, geom)
select n, '2026-' || n, '2026', 100 + n, '2026-12-31', n::text, case when n = 0 then 'LF' else 'B' end,
  case when n = 0 then 'L' else 'W' end, '3144', n::text, 1, '', ST_Multi(ST_Segmentize(case
    when n = 0 then ST_MakeEnvelope(359000, 5699000, 371000, 5721000, 25832)
    else ST_MakeEnvelope(359500 + (n - 1) %% 12 * 1000, 5699500 + (n - 1) / 12 * 1000,
      360500 + (n - 1) %% 12 * 1000, 5700500 + (n - 1) / 12 * 1000, 25832) end, 20))
from generate_series(0, 144) n;
"""
STATE = """
insert into provenance.delivery (dataset, digest, source, loader, status, started)
select d, repeat('a', 64), 'made', 'bench 1', 'published', now() from unnest(%(datasets)s::text[]) d;
insert into provenance.collection (collection, dataset, version, delivery, published, features, half_width, half_height)
select c, c, 1, 1, now(), 1, 10, 10 from unnest(%(collections)s::text[]) c;
"""
SOURCES = ["flurstueck", "adresse", "gebaeude_bauwerk", "gebaeude_3d", "bodenrichtwert"]
MOVED = """
insert into provenance.delivery (dataset, digest, source, loader, status, started)
values ('gebref', repeat('b', 64), 'made', 'bench 1', 'published', now());
update geobasis.adresse set geom = ST_Translate(geom, 20, 0), delivery = (select max(id) from provenance.delivery)
where fid %% 1000 = 0;
update provenance.collection set version = 2, delivery = (select max(id) from provenance.delivery)
where collection = 'adresse';
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parcels", type=int, default=200_000)
    parser.add_argument("--home", type=Path, default=default_home() / "bench-joined", help="the cluster's folder")
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    with PrivateCluster(given.home).session() as cluster:
        with psycopg.connect(cluster.owner_url, dbname="postgres", autocommit=True) as connection:
            connection.execute("drop database if exists opennrw with (force)")
            connection.execute("create database opennrw")
        migrate(cluster.owner_url)
        values = {"parcels": given.parcels, "datasets": ["alkis"], "collections": SOURCES}
        with psycopg.ClientCursor(psycopg.connect(cluster.owner_url, autocommit=True)) as cursor:
            cursor.execute(ROWS.format(columns=COLUMNS).encode(), values)
            cursor.execute(STATE.encode(), values)
            cursor.execute("analyze")
            measure("first join", cluster.owner_url)
            cursor.execute(MOVED.encode(), {})
            measure("one address in a thousand moved", cluster.owner_url)
            cursor.connection.close()


def measure(what: str, url: str) -> None:
    """A line of what a join took."""
    start = time.perf_counter()
    report = join(url)
    seconds = time.perf_counter() - start
    if report is None:
        raise SystemExit("nothing was joined")
    counts = report.collections["flurstueck_plus"]
    changed = counts.inserted + counts.updated
    print(f"{what:<34}{counts.read:>9} joined {changed:>9} changed {seconds:>8.1f} s  {report.seconds}", flush=True)


if __name__ == "__main__":
    main()
