"""kill -9 of the loader at every step, amid the publishing transaction, and at moments picked by lot."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.inventory import prune
from loaders.report import Report
from loaders.run import LoadOptions, load_dataset

STEPS = ["fetch", "unpack", "stage", "compare", "publish", "done"]
INSIDE = [
    "insert on provenance.delivery",
    "insert on provenance.load",
    "insert on history.adresse",
    "delete on geobasis.adresse",
    "update on geobasis.adresse",
    "insert on geobasis.adresse",
    "commit",
]
LOTS = [round(random.Random(seed).random(), 3) for seed in range(8)]


class Killed:
    """A load that is killed, and what must be true then."""

    def __init__(self, connection: psycopg.Connection[Any], url: str, **tools: Any) -> None:
        self.connection = connection
        self.url = url
        self.loader = tools["loader"]
        self.undisturbed: dict[str, Any] = tools["undisturbed"]
        self._load_later: Callable[[str], Report] = tools["load_later"]
        self._content: Callable[..., Any] = tools["content"]
        self._snapshot: Callable[..., Any] = tools["snapshot"]
        self._wait_until: Callable[..., None] = tools["wait_until"]
        self._before = self._snapshot(connection)

    def kill(self, process: int) -> int:
        """kill -9, unless it has ended; its exit code."""
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return self.loader.read()["code"]

    def wait_for_its_backend(self) -> None:
        """Until it has ended, too: it learns of it soon, also amid a statement."""
        query = "select from pg_stat_activity where application_name ^@ 'opennrw load' and datname = current_database()"
        self._wait_until(lambda: not self.connection.execute(query).rowcount, "the end of the backend")

    def is_old(self) -> bool:
        """Nothing of the killed load is to be seen."""
        return self._snapshot(self.connection) == self._before

    def is_new(self) -> bool:
        """Everything is as an undisturbed load leaves it: not a row lost or doubled, also in history."""
        return self._content(self.connection) == self.undisturbed["content"]

    def require_that_the_next_run(self, status: str) -> None:
        """Finishes what the killed one did not, or does nothing; a further one does nothing."""
        assert self._load_later(self.url).status == status
        assert self.is_new()
        finished = self._snapshot(self.connection)
        assert self._load_later(self.url).status == "unchanged"
        assert self._snapshot(self.connection) == finished


@pytest.fixture
def killed(former: str, request: pytest.FixtureRequest) -> Iterator[Killed]:
    tools = ("loader", "undisturbed", "load_later", "content", "snapshot", "wait_until")
    with psycopg.connect(former, autocommit=True) as connection:
        yield Killed(connection, former, **{name: request.getfixturevalue(name) for name in tools})


@pytest.mark.parametrize("step", STEPS)
def test_at_each_step(killed: Killed, step: str) -> None:
    killed.loader.start(killed.url, at=killed.undisturbed["events"].index(step) + 1)
    assert killed.loader.read()["code"] == -signal.SIGKILL
    killed.wait_for_its_backend()
    if step == "done":
        assert killed.is_new()
        killed.require_that_the_next_run("unchanged")
    else:
        assert killed.is_old()
        killed.require_that_the_next_run("published")


@pytest.mark.parametrize("where", INSIDE)
def test_amid_the_publishing_transaction(killed: Killed, held: Any, where: str) -> None:
    with held(killed.url, where) as reached:
        process = killed.loader.start(killed.url)
        reached()
        assert killed.kill(process) == -signal.SIGKILL
        killed.wait_for_its_backend()
    assert killed.is_old()
    killed.require_that_the_next_run("published")


@pytest.mark.parametrize("share", LOTS)
def test_at_moments_by_lot(killed: Killed, share: float) -> None:
    process = killed.loader.start(killed.url)
    time.sleep(share * killed.undisturbed["seconds"])
    code = killed.kill(process)
    killed.wait_for_its_backend()
    committed = killed.is_new()
    assert committed or killed.is_old()
    assert committed or code == -signal.SIGKILL
    killed.require_that_the_next_run("unchanged" if committed else "published")


def test_amid_the_swap_of_a_table_made_anew(
    database_url: str,
    loader: Any,
    held: Any,
    snapshot: Any,
    write_edition: Callable[[str, int], Path],
) -> None:
    """With so many rows the table is made anew beside the live one."""
    total, oid = 20_001, "select 'geobasis.adresse'::regclass::oid"
    load_dataset("gebref", LoadOptions(database_url, loader.store, str(write_edition("Erste", total))))
    later = write_edition("Zweite", total)
    with psycopg.connect(database_url, autocommit=True) as connection:
        before, table = snapshot(connection), connection.execute(oid).fetchone()
        with held(database_url, "commit") as reached:
            process = replace(loader, source=later).start(database_url)
            backend = reached()
            os.kill(process, signal.SIGKILL)
            loader.read()
            connection.execute("select pg_terminate_backend(%s, 10000)", [backend])
        assert (snapshot(connection), connection.execute(oid).fetchone()) == (before, table)
        load_dataset("gebref", LoadOptions(database_url, loader.store, str(later)))
        assert connection.execute(oid).fetchone() != table
        counts = "select count(*), count(*) filter (where str = 'Zweite'), (select count(*) from history.adresse) "
        assert connection.execute(f"{counts} from geobasis.adresse".encode()).fetchone() == (total, total, total)
        assert snapshot(connection)["left"] == []


@pytest.mark.parametrize("where", ["index", "commit"])
def test_of_a_first_load_whose_table_is_built_already(
    database_url: str, loader: Any, held: Any, write_edition: Callable[[str, int], Path], where: str
) -> None:
    """Several sessions make its indexes before it is published. What is left of it, nobody reads; the next load goes on
    without it.
    """
    total = 20_001
    source = replace(loader, source=write_edition("Erste", total))
    left = (
        "select array_agg(relname::text) from pg_class where relnamespace = 'rebuild'::regnamespace and relkind = 'r'"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:

        def one(query: str) -> Any:
            row = connection.execute(query.encode()).fetchone()
            return row and row[0]

        if where == "index":
            source.start(database_url, at="index")
            assert source.read()["code"] == -signal.SIGKILL
        else:
            with held(database_url, "commit") as reached:
                process = source.start(database_url)
                backend = reached()
                os.kill(process, signal.SIGKILL)
                source.read()
                connection.execute("select pg_terminate_backend(%s, 10000)", [backend])
        assert one("select count(*) from geobasis.adresse") == one("select count(*) from provenance.delivery") == 0
        assert one(left) == ["adresse"]
        load_dataset("gebref", LoadOptions(database_url, loader.store, str(source.source)))
        assert one("select count(*) from geobasis.adresse") == total
        assert one("select count(distinct delivery) from geobasis.adresse") == 1
        assert one(left) is None
        keys = "from pg_constraint where conrelid = 'geobasis.adresse'::regclass"
        assert one(f"select array_agg(conname::text order by 1) {keys}") == ["adresse_id_key", "adresse_pkey"]


def test_what_killed_loads_leave_in_the_store_is_pruned(killed: Killed) -> None:
    for step in ("fetch", "stage"):
        killed.loader.start(killed.url, at=killed.undisturbed["events"].index(step) + 1)
        assert killed.loader.read()["code"] == -signal.SIGKILL
    killed.wait_for_its_backend()
    assert list(killed.loader.store.glob("load-*")) != []
    killed.require_that_the_next_run("published")
    prune(killed.loader.store, killed.connection, keep=2, dry_run=False)
    assert list(killed.loader.store.glob("load-*")) == []
    assert list(killed.loader.store.glob("incoming/*")) == []
    killed.require_that_the_next_run("unchanged")
