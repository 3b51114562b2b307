"""Which indexes serve filters: the server's own statements, explained and run, on the real table of addresses.

OPENNRW_PLAN_ROWS sets its size; the plans are the same with 1,000,000 rows, which take a minute to make.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from loaders.spatial_key import hilbert_codes
from server.catalogue import read_collections
from server.cql2.filter import compile_filter
from server.cql2.limits import SCAN_TIMEOUT
from server.crs import CRS84, Box
from server.features.params import parse_items_query
from server.features.query import items_query
from server.state import State

ROWS = int(os.environ.get("OPENNRW_PLAN_ROWS", "100000"))
ROOT = Path(__file__).resolve().parents[3]
ADRESSE = next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")
EXTENT = Box(300_000.0, 5_600_000.0, 500_000.0, 5_800_000.0)
STATE = State(version=1, features=ROWS, bbox=EXTENT, half_width=0.0, half_height=0.0)
STREETS = [
    "Hauptstraße",
    "Hauptweg",
    *(f"{name}straße {n}" for name in ("Bahnhof", "Schul", "Äcker") for n in range(900)),
]
COLUMNS = "fid id oi qua ags landschl regbezschl kreisschl gmdschl gmd ott strschl str hnr datum delivery digest geom"
BBOX = {"bbox": "350000,5650000,360000,5660000", "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/25832"}
UTM = {"filter-crs": BBOX["bbox-crs"]}

Plan = dict[str, Any]


def rows() -> Iterator[str]:
    """Lines for COPY: addresses all over the extent, 400 municipalities, some 2,700 names of streets."""
    rng = np.random.default_rng(70)
    east, north = rng.uniform(EXTENT.xmin, EXTENT.xmax, ROWS), rng.uniform(EXTENT.ymin, EXTENT.ymax, ROWS)
    keys = hilbert_codes(east, north).astype(np.int64) << 20 | np.arange(ROWS)
    places = np.column_stack([east, north]).astype("<f8")
    streets, days = rng.integers(0, len(STREETS), ROWS), rng.integers(0, 2000, ROWS)
    dates = (np.datetime64("2020-01-01") + days).astype(str)
    for i in range(ROWS):
        x, y = int((east[i] - EXTENT.xmin) // 10_000), int((north[i] - EXTENT.ymin) // 10_000)
        town = f"Größstadt {x}-{y}"
        ags = f"05{x:03}{y:03}"
        geom = "0101000020E8640000" + places[i].tobytes().hex()
        fields = (
            keys[i],
            i,
            i,
            "ABC"[i % 3],
            ags,
            "05",
            x % 5,
            x,
            y,
            town,
            f"Ort {i % 50}",
            streets[i],
            STREETS[streets[i]],
        )
        yield "\t".join(map(str, (*fields, i % 300, dates[i], 1, r"\\x", geom))) + "\n"


@pytest.fixture(scope="module")
def addresses(cluster: Any, migrated_template: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the server has it, to a database with many addresses."""
    url = cluster.create(migrated_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into provenance.delivery (dataset, digest, source, loader, status, started) "
            "values ('gebref', 'x', 'x', 'x', 'published', now())"
        )
        indexes = connection.execute(
            "select indexname, indexdef from pg_indexes where schemaname = 'geobasis' and tablename = 'adresse' "
            "and indexdef not like 'CREATE UNIQUE%'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"drop index geobasis.{name}".encode())
        target = f"copy geobasis.adresse ({', '.join(COLUMNS.split())}) from stdin"
        with connection.cursor() as cursor, cursor.copy(target.encode()) as copy:
            for line in rows():
                copy.write(line)
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("set default_statistics_target = 1000")  # every row is looked at: the same plans each time
        connection.execute("vacuum analyze geobasis.adresse")
        for setting in ("plan_cache_mode = force_custom_plan", "jit = off", "max_parallel_workers_per_gather = 0"):
            connection.execute(f"set {setting}".encode())
        connection.execute("set role opennrw_reader")
        yield connection
    cluster.drop(url)


@pytest.fixture(scope="module")
def explained(addresses: psycopg.Connection[Any]) -> Callable[..., list[Plan]]:
    """The nodes of the plan of a request, run."""

    def explain(condition: str, **parameters: str) -> list[Plan]:
        query = parse_items_query(ADRESSE, {"filter": condition, **parameters})
        statement = items_query(query, STATE)
        assert statement is not None
        assert statement.plan_by_values
        text = b"explain (analyze, timing off, format json) " + statement.text
        row = addresses.execute(text, statement.parameters).fetchone()
        document = json.loads(row[0]) if row and isinstance(row[0], str) else row[0] if row else []
        return list(nodes(document[0]["Plan"]))

    return explain


def nodes(plan: Plan) -> Iterator[Plan]:
    """A plan's nodes."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def looked_at(plan: list[Plan]) -> int:
    """Rows of the table that were read, those that did not match among them."""
    scans = [node for node in plan if node.get("Relation Name") == "adresse"]
    assert scans
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + sum(node.get(name, 0) for name in removed)) for node in scans
    )


SERVED = [
    ("CASEI(str) LIKE CASEI('hauptw%')", "adresse_str_caseless"),
    ("CASEI(str) = CASEI('HAUPTSTRASSE')", "adresse_str_caseless"),
    ("ACCENTI(CASEI(str)) LIKE ACCENTI(CASEI('ackerstraße 1%'))", "adresse_str_caseless"),
    ("ACCENTI(str) = ACCENTI('Ackerstraße 17')", "adresse_str_caseless"),
    ("CASEI(str) IN (CASEI('hauptstraße'), CASEI('hauptweg'))", "adresse_str_caseless"),
    ("CASEI(gmd) LIKE CASEI('grössSTADT 7-1%')", "adresse_gmd_caseless"),
    ("str = 'Hauptstraße'", "adresse_str"),
    ("str LIKE 'Haupt%'", "adresse_str"),
    ("str < 'Bahnhofstraße 10'", "adresse_str"),
    ("str IN ('Hauptstraße', 'Hauptweg')", "adresse_str"),
    ("ags LIKE '05007007%'", "adresse_ags|adresse_street"),
    ("ags BETWEEN '05007001' AND '05007002'", "adresse_ags|adresse_street"),
    ("id = '77'", "adresse_id_key"),
    ("datum = DATE('2021-03-01')", "adresse_datum"),
    ("datum BETWEEN DATE('2021-03-01') AND DATE('2021-03-03')", "adresse_datum"),
    ("T_INTERSECTS(datum, INTERVAL('2021-03-01','2021-03-02'))", "adresse_datum"),
    ("T_AFTER(datum, DATE('2025-06-20'))", "adresse_datum"),
    ("S_INTERSECTS(geom, POLYGON((350000 5650000, 352000 5650000, 351000 5652000, 350000 5650000)))", "adresse_geom"),
    ("S_WITHIN(geom, BBOX(350000, 5650000, 351000, 5651000))", "adresse_geom"),
    ("S_INTERSECTS(BBOX(350000, 5650000, 351000, 5651000), geom)", "adresse_geom"),
    ("distance(geom, POINT(350000 5650000)) < 500", "adresse_geom"),
    ("str = 'Hauptstraße' OR CASEI(str) = CASEI('hauptweg')", "adresse_str"),
    ("str LIKE '%weg' AND ags = '05007007'", "adresse_ags|adresse_street"),
]


@pytest.mark.parametrize(("condition", "index"), SERVED, ids=[condition[:60] for condition, _ in SERVED])
def test_an_index_serves(explained: Callable[..., list[Plan]], condition: str, index: str) -> None:
    plan = explained(condition, **UTM)
    assert "Seq Scan" not in {node["Node Type"] for node in plan}
    assert {node.get("Index Name") for node in plan} & set(index.split("|"))
    assert looked_at(plan) < ROWS / 10


@pytest.mark.parametrize(
    "condition",
    ["gmd = 'Größstadt 5-5'", "CASEI(str) LIKE CASEI('haupt%')", "datum >= DATE('2025-06-20')", "str LIKE '%weg'"],
)
def test_a_box_with_a_filter_never_scans_the_table(explained: Callable[..., list[Plan]], condition: str) -> None:
    plan = explained(condition, **BBOX)
    assert "Seq Scan" not in {node["Node Type"] for node in plan}
    assert looked_at(plan) < ROWS / 10


def test_an_interval_of_a_filter_in_degrees_is_served(explained: Callable[..., list[Plan]]) -> None:
    plan = explained("S_INTERSECTS(geom, POLYGON((6.9 51.0, 6.95 51.0, 6.95 51.05, 6.9 51.0)))")
    assert "adresse_geom" in {node.get("Index Name") for node in plan}
    assert looked_at(plan) < ROWS / 10


UNSERVED = [
    *("str LIKE '%weg'", "upper(str) = 'HAUPTWEG'", "str <> 'Hauptweg'", "NOT str = 'Hauptweg'", "length(str) > 3"),
    *(
        "CASEI(hnr) = CASEI('7a')",
        "year(datum) = 2021",
        "hnr = '1' OR str LIKE '%weg'",
        "S_DISJOINT(geom, POINT(7 51))",
    ),
]


@pytest.mark.parametrize("condition", UNSERVED)
def test_what_no_index_serves_is_bounded(condition: str) -> None:
    statement = items_query(parse_items_query(ADRESSE, {"filter": condition}), STATE)
    assert statement is not None
    assert statement.seconds == SCAN_TIMEOUT


@pytest.mark.parametrize(("condition", "_index"), SERVED)
def test_what_an_index_serves_has_the_usual_time(condition: str, _index: str) -> None:
    statement = items_query(parse_items_query(ADRESSE, {"filter": condition, **UTM}), STATE)
    assert statement is not None
    assert statement.seconds is None


def test_what_is_no_queryable_is_refused_not_scanned() -> None:
    with pytest.raises(Exception, match="'kreis' is no queryable of 'adresse'"):
        compile_filter(ADRESSE, "kreis = 'Mettmann'", "cql2-text", CRS84)
