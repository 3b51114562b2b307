"""What may happen to a load: small deliveries, loads that die at a given moment, the whole state as a checksum."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.report import Report
from loaders.run import LoadOptions, load_dataset

ROOT = Path(__file__).resolve().parents[3]
TABLES = """
select table_schema, table_name from information_schema.tables
where table_schema in ('geobasis', 'history', 'provenance', 'tiles') and table_type = 'BASE TABLE' order by 1, 2
"""
# what two runs of the same load have in common: numbers of deliveries and times are left out
CONTENT = """
select md5(coalesce(string_agg(concat_ws('|', fid, id, digest::text, ST_AsBinary(geom)::text), ',' order by id), ''))
from geobasis.adresse
"""
LINE = (
    "N;A{n};A;05;Nordrhein-Westfalen;9;Arnsberg;62;Märkischer Kreis;052;Plettenberg;0000;;02418;{street};{n};;"
    "32;{east};{north};2026-07-01"
)
Snapshot = Callable[[psycopg.Connection[Any]], dict[str, Any]]


@dataclass
class Loader:
    """The tests' loading process, see loader.py."""

    process: subprocess.Popen[str]
    source: Path
    store: Path

    def start(self, database_url: str, at: int | str = 0, do: str = "kill") -> int:
        """Starts to load the later delivery; the number of the process."""
        order = {"dataset": "gebref", "database_url": database_url, "source": str(self.source), "at": at, "do": do}
        assert self.process.stdin
        self.process.stdin.write(json.dumps({**order, "store": str(self.store)}) + "\n")
        self.process.stdin.flush()
        return self.read()["pid"]

    def read(self) -> dict[str, Any]:
        """The next line that it wrote."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the loading process ended"
        return json.loads(line)


@pytest.fixture(scope="session")
def loading_process() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("loader.py"))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
    process.wait(timeout=30)
    process.stdout.close()  # pyright: ignore[reportOptionalMemberAccess]


@pytest.fixture
def loader(loading_process: subprocess.Popen[str], editions: tuple[Path, Path], tmp_path: Path) -> Loader:
    return Loader(loading_process, editions[1], tmp_path / "store")


@pytest.fixture(scope="session")
def undisturbed(
    loading_process: subprocess.Popen[str],
    cluster: Any,
    former_template: str,
    editions: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the loading process tells of a load that nothing happens to, its `seconds`, and the `content` then live."""
    url = cluster.create(former_template)
    loader = Loader(loading_process, editions[1], tmp_path_factory.mktemp("store"))
    start = time.monotonic()
    loader.start(url)
    outcome = {**loader.read(), "seconds": time.monotonic() - start}
    with psycopg.connect(url, autocommit=True) as connection:
        outcome["content"] = _content(connection)
    cluster.drop(url)
    return outcome


@pytest.fixture(scope="session")
def editions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two deliveries of the invented town, 600 addresses; of the second, about a third differs."""
    folders = tmp_path_factory.mktemp("former"), tmp_path_factory.mktemp("later")
    for folder, changes in zip(folders, (0.0, 0.3), strict=True):
        write_deliveries(folder, ExampleOptions(addresses=600, changes=changes))
    return folders


@pytest.fixture(scope="session")
def former_template(
    cluster: Any, migrated_template: str, editions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with the addresses of the former delivery."""
    url = cluster.create(migrated_template)
    load_dataset("gebref", LoadOptions(url, tmp_path_factory.mktemp("store"), str(editions[0])))
    yield url
    cluster.drop(url)


@pytest.fixture
def former(cluster: Any, former_template: str) -> Iterator[str]:
    """The owner's conninfo of a database of the test's own with the former delivery."""
    url = cluster.create(former_template)
    yield url
    cluster.drop(url)


@pytest.fixture
def write_edition(tmp_path: Path) -> Callable[[str, int], Path]:
    """A delivery of so many addresses, 20 m apart, all in a street of that name."""

    def write(street: str, total: int) -> Path:
        folder = tmp_path / street
        folder.mkdir()
        with (folder / "gebref.txt").open("w", encoding="utf-8", newline="\r\n") as file:
            for n in range(total):
                place = {"east": f"{420_000 + 20 * (n % 150)}.5", "north": f"{5_673_000 + 20 * (n // 150)}.5"}
                file.write(LINE.format(n=n, street=street, **place) + "\n")
        return folder

    return write


@pytest.fixture
def load_later(editions: tuple[Path, Path], tmp_path: Path) -> Callable[[str], Report]:
    """Loads the later delivery, with nothing happening."""
    store = tmp_path / "store"
    return lambda url: load_dataset("gebref", LoadOptions(url, store, str(editions[1]), accept_shrink=True))


@pytest.fixture(scope="session")
def content() -> Callable[[psycopg.Connection[Any]], tuple[Any, ...]]:
    return _content


def _content(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
    counts = "(select count(*) from history.adresse), (select count(*) from provenance.delivery), "
    query = f"select ({CONTENT}), {counts} (select version from provenance.collection where collection = 'adresse')"
    return connection.execute(query.encode()).fetchone() or ()


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    """Rows and checksum of every table that a load writes, and what it must not leave behind."""

    def take(connection: psycopg.Connection[Any]) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for schema, name in connection.execute(TABLES).fetchall():
            table = sql.Identifier(schema, name)
            query = "select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} t"
            state[f"{schema}.{name}"] = connection.execute(sql.SQL(query).format(table)).fetchone()
        left = "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        state["left"] = connection.execute(
            f"{left} where c.relpersistence = 't' and c.relkind = 'r' or n.nspname = 'rebuild'".encode()
        ).fetchall()
        return state

    return take


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Waits for what must come soon, or late where a load yields to all else on a busy machine."""

    def wait(condition: Callable[[], Any], what: str, seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def held(wait_until: Callable[..., None]) -> Callable[..., Any]:
    """`with held(database_url, "insert on history.adresse") as reached:` stops whoever does that, amid its statement;
    `with held(url, "commit")` at the very end of the publishing transaction. `reached()` waits until somebody stands
    there and gives the number of its backend. After the block nobody is stopped; before that, `recover` sees to it that
    the database can be reached again.
    """

    @contextmanager
    def hold(
        database_url: str, where: str, recover: Callable[[], object] = lambda: None
    ) -> Iterator[Callable[[], int]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(4711)")
            _stop_at(connection, where)
            waiting = "select pid from pg_locks where locktype = 'advisory' and objid = 4711 and not granted"

            def reached() -> int:
                backends: list[int] = []  # of one look: who was killed may be gone at the next
                wait_until(
                    lambda: backends.extend(pid for (pid,) in connection.execute(waiting)) or backends,
                    f"a load to {where}",
                )
                return backends[0]

            try:
                yield reached
            finally:
                connection.close()
                recover()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("drop function stop cascade")

    return hold


def _stop_at(connection: psycopg.Connection[Any], where: str) -> None:
    connection.execute(
        """create function stop() returns trigger language plpgsql as
           $$ begin perform pg_advisory_xact_lock_shared(4711); return null; end $$"""
    )
    if where == "commit":
        connection.execute(
            """create constraint trigger stop after insert or update on provenance.collection
               deferrable initially deferred for each row execute function stop()"""
        )
    else:
        connection.execute(f"create trigger stop after {where} for each statement execute function stop()".encode())
