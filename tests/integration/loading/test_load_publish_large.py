"""Large changes: a table built anew beside the live one and swapped in, and the order of its rows kept."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders import maintain, publish, rebuild
from loaders.errors import LoadError
from loaders.progress import Quiet
from loaders.report import Counts, Report

Load = Callable[..., Report]
Write = Callable[..., Path]
Address = Callable[..., str]
Connection = psycopg.Connection[Any]

SHAPE = """
select (select array_agg(pg_get_indexdef(indexrelid) order by indexrelid::regclass::text)
   from pg_index where indrelid = c.oid),
  (select array_agg(conname || ' ' || pg_get_constraintdef(oid) order by conname)
   from pg_constraint where conrelid = c.oid),
  (select array_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull) order by attnum)
   from pg_attribute where attrelid = c.oid and attnum > 0),
  relowner, relacl::text, reloptions, obj_description(oid, 'pg_class')
from pg_class c where oid = 'geobasis.adresse'::regclass
"""
ROWS = "select fid, id, hnr, datum, delivery, ST_AsText(geom) from geobasis.adresse order by fid"


class Steps(Quiet):
    """Does something when a step begins; remembers the steps."""

    def __init__(self, **actions: Callable[[], object]) -> None:
        self.actions = actions
        self.steps: list[str] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self.steps.append(name)
        self.actions.get(name, list)()


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change counts as a large one."""
    monkeypatch.setattr(publish, "REBUILD_FROM", 1)
    monkeypatch.setattr(publish, "REBUILD_SHARE", 0.0)


@pytest.fixture
def addresses(address: Address) -> list[str]:
    """Scattered over the state, in no order."""
    return [address(f"A{i}", ostwert=str(300_000 + i * 7919 % 200_000), hnr=str(i)) for i in range(40)]


@contextmanager
def reading(database_url: str) -> Iterator[Connection]:
    """A transaction that has read the table."""
    with psycopg.connect(database_url) as reader:
        reader.execute("select count(*) from geobasis.adresse")
        yield reader


@pytest.mark.usefixtures("large")
def test_a_new_table_is_like_the_former(
    load: Load, connection: Connection, write_addresses: Write, addresses: list[str], address: Address
) -> None:
    connection.execute("comment on table geobasis.adresse is 'Ä'; alter table geobasis.adresse set (fillfactor = 90)")
    connection.execute("grant update (hnr) on history.adresse to public; grant insert on geobasis.adresse to public")
    shape = connection.execute(SHAPE).fetchone()
    oid = connection.execute("select 'geobasis.adresse'::regclass::oid").fetchone()
    steps = Steps()
    report = load("gebref", write_addresses(*addresses), progress=steps)
    assert report.collections["adresse"] == Counts(read=40, inserted=40)
    assert steps.steps[-3:] == ["compare", "publish", "index"]
    assert connection.execute("select 'geobasis.adresse'::regclass::oid").fetchone() != oid
    assert connection.execute(SHAPE).fetchone() == shape
    assert connection.execute(
        "select count(*) from pg_class where relnamespace = 'rebuild'::regnamespace"
    ).fetchone() == (0,)

    changed = [address("A3", hnr="neu", ostwert="300000"), address("B1", ostwert="400000"), *addresses[4:]]
    report = load("gebref", write_addresses(*changed))
    assert report.collections["adresse"] == Counts(read=38, inserted=1, updated=1, unchanged=36, deleted=3)
    assert connection.execute(SHAPE).fetchone() == shape
    former = connection.execute("select id, ended_by from history.adresse order by id").fetchall()
    assert former == [("A0", 2), ("A1", 2), ("A2", 2), ("A3", 2)]
    versions = connection.execute("select delivery, count(*) from geobasis.adresse group by 1 order by 1").fetchall()
    assert versions == [(1, 36), (2, 2)]
    on_disk = connection.execute("select fid from geobasis.adresse order by ctid").fetchall()
    assert on_disk == sorted(on_disk)


def test_both_ways_give_the_same(
    load: Load,
    connection: Connection,
    write_addresses: Write,
    addresses: list[str],
    address: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliveries = [addresses, [address("A3", hnr="neu"), address("B1"), *addresses[3:30], address("B2")]]
    results = []
    for least in (1, 1_000_000):
        monkeypatch.setattr(publish, "REBUILD_FROM", least)
        connection.execute("truncate geobasis.adresse, history.adresse, provenance.collection, provenance.load")
        connection.execute("alter table provenance.delivery disable trigger keep_published")
        connection.execute("truncate provenance.delivery restart identity cascade")
        for lines in deliveries:
            load("gebref", write_addresses(*lines), accept_shrink=True)
        state = "select version, features, bbox, first_date, last_date from provenance.collection"
        results.append([connection.execute(query).fetchall() for query in (ROWS, state)])
    assert results[0] == results[1]
    assert len(results[0][0]) == 29


@pytest.mark.usefixtures("large")
def test_readers_go_on_and_the_swap_waits_for_them(
    load: Load, database_url: str, connection: Connection, write_addresses: Write, addresses: list[str]
) -> None:
    load("gebref", write_addresses(*addresses))
    seen: list[int] = []

    def count() -> None:
        seen.append(connection.execute("select count(*) from geobasis.adresse").fetchone()[0])  # pyright: ignore

    def release(reader: Connection) -> None:
        time.sleep(1)
        count()  # others are not kept waiting behind the swap
        reader.rollback()

    with reading(database_url) as reader:
        thread = threading.Thread(target=release, args=[reader])
        steps = Steps(publish=count, index=thread.start)
        assert load("gebref", write_addresses(*addresses[:38]), progress=steps).status == "published"
        thread.join()
    count()
    assert seen == [40, 40, 38]


@pytest.mark.usefixtures("large")
def test_a_reader_without_end(
    load: Load,
    database_url: str,
    connection: Connection,
    write_addresses: Write,
    addresses: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load("gebref", write_addresses(*addresses))
    monkeypatch.setattr(rebuild, "SWAP_ATTEMPTS", 2)
    with (
        reading(database_url),
        pytest.raises(LoadError, match=r"geobasis\.adresse was being read .* 2 times in a row.*load again"),
    ):
        load("gebref", write_addresses(*addresses[:38]))
    assert connection.execute("select count(*) from geobasis.adresse").fetchone() == (40,)
    assert connection.execute("select count(*) from provenance.delivery").fetchone() == (1,)
    assert load("gebref", write_addresses(*addresses[:38])).collections["adresse"].deleted == 2


@pytest.mark.usefixtures("large")
def test_a_table_that_others_build_upon_is_changed_in_place(
    load: Load, connection: Connection, write_addresses: Write, addresses: list[str]
) -> None:
    connection.execute("create view public.numbers as select hnr from geobasis.adresse")
    oid = connection.execute("select 'geobasis.adresse'::regclass::oid").fetchone()
    steps = Steps()
    load("gebref", write_addresses(*addresses), progress=steps)
    assert len(steps.notes) == 1
    assert steps.notes[0].startswith("geobasis.adresse is changed row by row, which takes longer: rule _RETURN on view")
    assert connection.execute("select 'geobasis.adresse'::regclass::oid").fetchone() == oid
    assert connection.execute("select count(*) from public.numbers").fetchone() == (40,)


def test_maintenance_restores_the_order(
    load: Load,
    database_url: str,
    connection: Connection,
    write_addresses: Write,
    addresses: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintain, "REORDER_FROM", 10)
    load("gebref", write_addresses(*addresses))
    assert not maintain.maintain(database_url, "adresse").reordered
    moved = [line.replace("5673959.771", "5773959.771") for line in addresses[::2]]
    load("gebref", write_addresses(*moved, *addresses[1::2]))
    rows, shape = (connection.execute(query).fetchall() for query in (ROWS, SHAPE))
    done = maintain.maintain(database_url, "adresse")
    assert done.reordered
    assert done.rows == 40
    assert done.correlation is not None
    assert done.correlation < 0.9
    assert [connection.execute(query).fetchall() for query in (ROWS, SHAPE)] == [rows, shape]
    assert not maintain.maintain(database_url, "adresse").reordered
    with pytest.raises(LoadError, match=r"The table geobasis\.strasse does not exist\. Run: opennrw db migrate"):
        maintain.maintain(database_url, "strasse")
