"""What tests share: a PostGIS of the suite's own, a fresh migrated database per test, servers over real HTTP.

TEST_DATABASE_URL points the suite to another PostGIS server; its user must be allowed to create databases, roles and
extensions. Otherwise a private cluster in a temporary folder is started and stopped by the suite.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections
from server.demo import DATASETS
from server.embedded import PrivateCluster
from server.gazetteer import refresh
from server.migrations import migrate

ROOT = Path(__file__).resolve().parent.parent
# a crash may lose this cluster: nothing in it outlives the suite
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "autovacuum": "off",  # a worker in the template would block the copy of it
}
EXAMPLE = ExampleOptions(addresses=600)
START_TIMEOUT = 60
UNEMPLOYED = """
dataset: arbeitslose
table: 13211-02-05-4
title: {de: Arbeitslose, en: Unemployed}
description: {de: Arbeitslose nach Altersgruppen, en: Unemployed by age}
keywords: {de: [Arbeit], en: [work]}
rights: {attribution: {de: Ämter, en: offices}, licence: {title: frei, url: "https://example.org/"}}
url: https://www.regionalstatistik.de/genesis/online/
file: .*13211-02-05-4.*\\.csv
columns: [stichtag, schluessel, name, alter]
areas: {kreis: {min: 1}}
categories:
  alter: {title: {de: Altersgruppe, en: Age}}
values:
  anzahl: {head: [Arbeitslose, Insgesamt], type: integer, unit: Anzahl, title: {de: Arbeitslose, en: Unemployed}}
  quote: {head: Arbeitslosenquote, type: number, unit: "%", title: {de: Quote, en: Rate}}
ignored: [Ausländer]
"""


class DatabaseServer:
    """The suite's PostGIS server: makes and drops databases by name."""

    def __init__(self, owner_url: str) -> None:
        self.owner_url = owner_url
        self._names = (f"test_{os.getpid()}_{number}" for number in itertools.count(1))

    def url(self, database: str) -> str:
        """Owner's conninfo of one database, for psycopg, psql and GDAL (behind `PG:`)."""
        return make_conninfo(**{**conninfo_to_dict(self.owner_url), "dbname": database})

    def create(self, template: str | None = None) -> str:
        """Makes a database, empty or as a copy of `template` (a conninfo), to which nobody may be connected."""
        name = next(self._names)
        source = conninfo_to_dict(template)["dbname"] if template else "template1"
        # PostgreSQL 15 and newer copy through the log by default, which is the quick way for small databases
        self._execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(str(source)))
        )
        return self.url(name)

    def drop(self, url: str) -> None:
        name = str(conninfo_to_dict(url)["dbname"])
        self._execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(statement)


@dataclass(frozen=True)
class LiveServer:
    """A running `opennrw serve`: where it answers, the owner's conninfo of its database, its process, its log."""

    url: str
    database_url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """Ends it as Docker would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def cluster() -> Iterator[DatabaseServer]:
    """The PostGIS server of this run."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield DatabaseServer(url)
        return
    # not below pytest's folder, which is closed to the user that root's PostgreSQL runs as
    folder = Path(tempfile.mkdtemp(prefix="opennrw-test-"))
    folder.chmod(0o755)
    try:
        with PrivateCluster(folder, FAST).session() as private:
            yield DatabaseServer(private.owner_url)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_template(cluster: DatabaseServer) -> Iterator[str]:
    """An empty database with the whole schema: the others are copied from it."""
    url = cluster.create()
    migrate(url)
    yield url
    cluster.drop(url)


@pytest.fixture
def database_url(cluster: DatabaseServer, migrated_template: str) -> Iterator[str]:
    """The owner's conninfo of a fresh, migrated database of the test's own."""
    url = cluster.create(migrated_template)
    yield url
    cluster.drop(url)


@pytest.fixture
def empty_database_url(cluster: DatabaseServer) -> Iterator[str]:
    """The owner's conninfo of a database without any of our schema."""
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection of the owner to the test's database."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the genuine deliveries' excerpts, which are not part of the project."""
    return _folder_from("OPENNRW_SAMPLES", "excerpts of genuine deliveries")


@pytest.fixture(scope="session")
def standards() -> Path:
    """Folder of the standards' schemas and test vectors, which are not part of the project."""
    return _folder_from("OPENNRW_STANDARDS", "the standards' schemas and test vectors")


def _folder_from(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names the folder with {what}")
    folder = Path(value).resolve()
    assert folder.is_dir(), f"{variable}={value} is not a folder"
    return folder


@pytest.fixture(scope="session")
def example_deliveries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the invented town's deliveries, about 600 addresses: `<folder>/<dataset>/…`."""
    folder = tmp_path_factory.mktemp("example")
    write_deliveries(folder, EXAMPLE)
    return folder


@pytest.fixture(scope="session")
def example_template(
    cluster: DatabaseServer, migrated_template: str, example_deliveries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with the example loaded; nothing may change it: it is the template of `example_database_url`."""
    url = cluster.create(migrated_template)
    store = tmp_path_factory.mktemp("store")
    for dataset in DATASETS:
        load_dataset(dataset, LoadOptions(url, store, source=str(example_deliveries)))
    refresh(url, read_collections(ROOT / "collections"))
    yield url
    cluster.drop(url)


@pytest.fixture
def example_database_url(cluster: DatabaseServer, example_template: str) -> Iterator[str]:
    """The owner's conninfo of a database of the test's own with the example loaded."""
    url = cluster.create(example_template)
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def live(
    cluster: DatabaseServer, example_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """One `opennrw serve` for the whole run, over the example; for tests that change nothing."""
    url = cluster.create(example_template)
    server = _start_server(url, tmp_path_factory.mktemp("server"))
    yield server
    _end(server)
    cluster.drop(url)


@pytest.fixture(scope="session")
def live_server(live: LiveServer) -> str:
    """Base URL of `live`."""
    return live.url


@pytest.fixture(scope="session")
def published(live: LiveServer) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Asks the database behind `live`, read-only: what clients must get."""
    with psycopg.connect(live.database_url, autocommit=True) as opened:
        opened.execute("set default_transaction_read_only = on")
        yield lambda query: opened.execute(query.encode()).fetchall()


@pytest.fixture
def asked(live: LiveServer) -> Callable[[], list[str]]:
    """What clients have asked `live` for since the test began: `GET /path?query`, in order."""
    start = live.log.stat().st_size

    def read() -> list[str]:
        marker = f"/marker/{uuid.uuid4()}"  # the log is complete as soon as it holds this request
        httpx.get(live.url + marker)
        deadline = time.monotonic() + 10
        while marker not in (text := live.log.read_bytes()[start:].decode()) and time.monotonic() < deadline:
            time.sleep(0.02)
        entries = [json.loads(line) for line in text.splitlines() if '"event":"request"' in line]
        assert entries, "the server's log holds no request"
        assert entries.pop()["path"] == marker
        return [f"{e['method']} {e['path']}{'?' if e['query'] else ''}{e['query']}" for e in entries]

    return read


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """Starts an `opennrw serve` of the test's own: `start_server(database_url, NAME="value")` with more environment."""
    servers: list[LiveServer] = []

    def start(database_url: str, **environment: str) -> LiveServer:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        servers.append(_start_server(database_url, folder, **environment))
        return servers[-1]

    yield start
    for server in servers:
        _end(server)


@pytest.fixture
def free_port() -> int:
    return _free_port()


@pytest.fixture(scope="session")
def unemployed() -> str:
    """YAML that describes a table of statistics which is not the project's: arbeitslose.yaml."""
    return UNEMPLOYED


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start_server(database_url: str, folder: Path, **environment: str) -> LiveServer:
    port, log = _free_port(), folder / "server.log"
    command = [sys.executable, "-m", "server", "serve", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"DATABASE_URL": database_url, "OPENNRW_HOME": str(folder), "OPENNRW_WORKERS": "1", **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
        )
    server = LiveServer(f"http://127.0.0.1:{port}", database_url, process, log)
    try:
        _wait_until_ready(server)
    except BaseException:
        _end(server)
        raise
    return server


def _wait_until_ready(server: LiveServer) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            pytest.fail(f"opennrw serve ended with exit code {server.process.returncode}:\n{server.log.read_text()}")
        try:
            if httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"opennrw serve was not ready after {START_TIMEOUT} s:\n{server.log.read_text()}")


def _end(server: LiveServer) -> None:
    if server.process.poll() is None:
        try:
            server.stop()
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
