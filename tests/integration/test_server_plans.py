"""How PostgreSQL reads sorted pages and pages of the past: along an index, as much for page 1,000 as for page 1.

On 60,000 addresses: enough that reading more than a page shows, few enough that making them takes seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from server.catalogue import Collection, read_collections
from server.crs import Box
from server.editions import Edition
from server.features.page import Reading, to_page
from server.features.params import ItemsQuery, parse_items_query
from server.features.query import items_query
from server.state import State

ROOT = Path(__file__).resolve().parents[2]
ROWS = 60_000
LIMIT = 20

# Streets of 30 houses, municipalities of a third of the rows; every fifteenth house has no number
FILL = f"""
insert into provenance.delivery (dataset, digest, source, loader, status, started, finished)
select 'gebref', repeat('a', 64), 'x', 'x', 'published', t, t
from unnest('{{2026-01-01 00:00Z, 2026-02-01 00:00Z}}'::timestamptz[]) t;
create temp table made as
select (n::bigint << 22) + 1 as fid, 'id' || n as id, 'oi' || n as oi, 'A' as qua, 'ags' || n % 3 as ags,
  'L' as landschl, 'R' as regbezschl, 'K' as kreisschl, 'G' as gmdschl, 'gmd' || n % 3 as gmd,
  'Straße ' || (n * 7919 % {ROWS}) / 30 as str, nullif((n * 31 % 150)::text, '10') as hnr, 1::bigint as delivery,
  '\\x00'::bytea as digest, ST_SetSRID(ST_MakePoint(300000 + n % 300 * 700, 5600000 + n / 300 * 900), 25832) as geom
from generate_series(1, {ROWS}) n;
insert into geobasis.adresse (fid, id, oi, qua, ags, landschl, regbezschl, kreisschl, gmdschl, gmd, str, hnr, delivery,
  digest, geom) select * from made;
insert into provenance.collection values ('adresse', 'gebref', 2, 2, '2026-02-01 00:00Z', {ROWS},
  array[300000, 5600000, 510000, 5780000], 0, 0);
"""
# a delivery that changed everything: nothing that is live is older, and all that is older is history
FULL = """
update geobasis.adresse set delivery = 2;
insert into history.adresse (fid, id, oi, qua, ags, landschl, regbezschl, kreisschl, gmdschl, gmd, str, hnr, delivery,
  digest, geom, valid_from, valid_to, ended_by) select *, '2026-01-01 00:00Z', '2026-02-01 00:00Z', 2 from made;
"""
STATE = State(
    2,
    2,
    datetime(2026, 2, 1, tzinfo=UTC),
    ROWS,
    Box(300_000, 5_600_000, 510_000, 5_780_000),
    half_width=0,
    half_height=0,
)
PAST = Edition(1, datetime(2026, 1, 1, tzinfo=UTC))

Read = Callable[[ItemsQuery, Edition | None], tuple[TupleRow, dict[str, Any]]]


@pytest.fixture(scope="module")
def adresse() -> Collection:
    return next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")


@pytest.fixture(scope="module")
def read(cluster: Any, migrated_template: str) -> Iterator[Read]:
    """Runs a page's statement; gives its row, and its plan as it was executed."""
    url = cluster.create(migrated_template)
    options = "-c jit=off -c max_parallel_workers_per_gather=0 -c plan_cache_mode=force_custom_plan"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        connection.execute(FILL.encode())
        connection.execute(FULL.encode())
        connection.execute("vacuum analyze geobasis.adresse, history.adresse")

        def run(query: ItemsQuery, past: Edition | None = None) -> tuple[TupleRow, dict[str, Any]]:
            statement = items_query(query, STATE, past)
            assert statement
            assert statement.plan_by_values, "the limit decides the plan"
            row = connection.execute(statement.text, statement.parameters).fetchone()
            explain = b"explain (analyze, timing off, format json) " + statement.text
            plan = connection.execute(explain, statement.parameters).fetchone()
            assert row
            assert plan
            return (*row[:2], row[2].encode(), *row[3:]), plan[0][0]["Plan"]

        yield run
    cluster.drop(url)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_read(plan: dict[str, Any]) -> int:
    """Rows that were taken from the tables, those that a filter then dropped included."""
    scans = [n for n in nodes(plan) if n.get("Relation Name") == "adresse"]
    assert scans
    assert not [n for n in scans if n["Node Type"] == "Seq Scan"], "a table was scanned"
    lost = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(n["Actual Loops"] * (n["Actual Rows"] + sum(n.get(name, 0) for name in lost)) for n in scans)


def page_at(read: Read, query: ItemsQuery, past: Edition | None, skipped: int) -> ItemsQuery:
    """The query of the page behind so many features, by one great page before it."""
    row, _ = read(replace(query, limit=skipped), past)
    following = to_page(replace(query, limit=skipped), row, Reading(2)).next
    assert following
    return replace(query, cursor=following)


@pytest.mark.parametrize("past", [None, PAST], ids=["live", "past"])
@pytest.mark.parametrize("sortby", ["str", "-str", "id", "hnr", "-hnr", "str,-hnr", "-str,id"])
def test_a_late_sorted_page_reads_as_little_as_the_first(
    read: Read, adresse: Collection, sortby: str, past: Edition | None
) -> None:
    """Ties are 30 or 400 rows: several keys read the rows that are alike in the first one."""
    ties = 500 if "," in sortby else 0
    query = parse_items_query(adresse, {"sortby": sortby, "limit": str(LIMIT)})
    first, plan = read(query, past)
    assert rows_read(plan) <= 3 * (LIMIT + 1) + ties
    late = page_at(read, query, past, 20_000)
    row, plan = read(late, past)
    assert row[-1] == first[-1] == LIMIT + 1
    assert rows_read(plan) <= 3 * (LIMIT + 1) + 2 * ties
    assert not [n for n in nodes(plan) if n["Node Type"] == "Sort" and n["Plan Rows"] > 5000]


def test_a_selective_filter_goes_by_its_own_index(read: Read, adresse: Collection) -> None:
    query = parse_items_query(adresse, {"sortby": "-hnr", "str": "Straße 17", "limit": str(LIMIT)})
    row, plan = read(query, None)
    assert row[-1] == LIMIT + 1
    assert rows_read(plan) <= 40


def test_a_small_box_goes_by_the_spatial_index_and_sorts_what_it_holds(read: Read, adresse: Collection) -> None:
    box = {"bbox": "300000,5600000,305000,5604000", "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/25832"}
    query = parse_items_query(adresse, {**box, "sortby": "str", "limit": str(LIMIT)})
    row, plan = read(query, None)
    assert row[-1] == LIMIT + 1
    assert rows_read(plan) <= 120


def test_a_page_of_the_past_where_nothing_of_it_is_live(read: Read, adresse: Collection) -> None:
    """Neither page looks through the live features, which are all younger, for one that is not."""
    query = parse_items_query(adresse, {"limit": str(LIMIT)})
    for skipped in (0, 30_000):
        late = page_at(read, query, PAST, skipped) if skipped else query
        row, plan = read(late, PAST)
        assert row[-1] == LIMIT + 1
        assert rows_read(plan) <= 3 * (LIMIT + 1)


def test_a_box_of_the_past(read: Read, adresse: Collection) -> None:
    box = {"bbox": "300000,5600000,305000,5604000", "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/25832"}
    row, plan = read(parse_items_query(adresse, {**box, "limit": str(LIMIT)}), PAST)
    assert row[-1] == LIMIT + 1
    assert rows_read(plan) <= 200
