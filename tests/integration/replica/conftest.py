"""A primary and a streaming standby of the tests' own, two servers that read from the standby, and a client that pages
and reads tiles through whichever of them answers, as a balancer would.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.run import LoadOptions, load_dataset
from server.migrations import migrate
from server.pgbinaries import Binaries, find_binaries

ROOT = Path(__file__).resolve().parents[3]
BASE_URL = "https://geo.example.org"  # alike on both servers, so that a link leads to either
STREET = 14  # the column of the street's name
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # processes are killed, never the machine
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "hot_standby_feedback": "on",
    "wal_receiver_timeout": "2s",
    "wal_retrieve_retry_interval": "200ms",
    "timezone": "UTC",
}


class Node:
    """One PostgreSQL server, to be killed and started again."""

    def __init__(self, name: str, folder: Path, binaries: Binaries) -> None:
        self.name, self.port = name, _free_port()
        self._data, self._log = folder / name, folder / f"{name}.log"
        self._binaries = binaries
        self._pid = 0

    def url(self, user: str = "opennrw_owner", database: str = "opennrw") -> str:
        return make_conninfo(host="127.0.0.1", port=self.port, user=user, dbname=database)

    def initialise(self) -> None:
        self._run(
            "initdb", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync", "--username=opennrw_owner",
            "--pgdata", str(self._data),
        )  # fmt: skip

    def clone(self, primary: "Node") -> None:
        """Becomes a standby of `primary`, whatever it was."""
        shutil.rmtree(self._data, ignore_errors=True)
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            known = connection.execute("select from pg_replication_slots where slot_name = %s", [self.name]).rowcount
            if not known:
                connection.execute("select pg_create_physical_replication_slot(%s)", [self.name])
        self._run(
            "pg_basebackup", "--dbname", primary.url(), "--pgdata", str(self._data), "--checkpoint=fast", "--no-sync",
            "--write-recovery-conf", "--slot", self.name,
        )  # fmt: skip

    def start(self) -> None:
        options = " ".join(f"-c {name}='{value}'" for name, value in {**SETTINGS, "port": self.port}.items())
        arguments = ["start", "--wait", "--pgdata", str(self._data), "--log", str(self._log), "--options", options]
        self._run("pg_ctl", *arguments)
        self._pid = int((self._data / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """As a crash does: the postmaster is gone, its children follow."""
        family = [self._pid, *map(int, Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split())]
        os.kill(self._pid, signal.SIGKILL)
        wait_for(lambda: not any(map(_alive, family)))
        (self._data / "postmaster.pid").unlink()  # its number may live on where nobody buries it, as in a container

    def stop(self) -> None:
        if _alive(self._pid):
            self._run("pg_ctl", "stop", "--mode=immediate", "--wait", "--pgdata", str(self._data))

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries.program(program), *arguments],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open in the server
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            check=False,
            timeout=60,
            start_new_session=True,
            user="postgres" if os.geteuid() == 0 else None,
        )
        assert done.returncode == 0, f"{program}: {done.stderr} {self._log.read_text() if self._log.exists() else ''}"


@dataclass
class Pair:
    """A primary and its standby; after a promotion they change their parts."""

    primary: Node
    standby: Node

    def url(self, user: str, wanted: str) -> str:
        """libpq's address of both, the standby first."""
        hosts, ports = "127.0.0.1,127.0.0.1", f"{self.standby.port},{self.primary.port}"
        return f"postgresql://{user}@/opennrw?host={hosts}&port={ports}&target_session_attrs={wanted}"

    def caught_up(self) -> bool:
        """Whether the standby has replayed all that the primary has written."""
        [(written,)] = self.primary.execute("select pg_current_wal_lsn()::text")
        return self.standby.execute(f"select pg_last_wal_replay_lsn() >= '{written}'") == [(True,)]

    def promote(self) -> None:
        """The standby becomes the primary; the other must be dead. Afterwards it may be made a standby by `rejoin`."""
        self.standby.execute("select pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        self.standby.clone(self.primary)
        self.standby.start()


class Process:
    """A command `opennrw …` that runs until it is killed, and can be started again."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._arguments, self._environment, self._log = arguments, environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server", *self._arguments],
                cwd=ROOT,
                env={**inherited, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def log(self) -> str:
        return self._log.read_text()


class Server(Process):
    """An `opennrw serve`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {"OPENNRW_HOME": str(folder), "OPENNRW_WORKERS": "1", "BASE_URL": BASE_URL, **environment}
        super().__init__(["serve", "--host", "127.0.0.1", "--port", str(self.port)], given, folder / "server.log")

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def gone(self) -> bool:
        """Whether the worker process has followed its parent, so that the port is free again."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0


class Worker(Process):
    """An `opennrw worker` that does one job at a time, with heartbeats as short as a busy machine bears."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir()
        timing = {"OPENNRW_WORKER_HEARTBEAT": "0.7", "OPENNRW_RETRY_WAIT": "0.5"}
        super().__init__(
            ["worker", "--concurrency", "1"],
            {"OPENNRW_HOME": str(folder), **timing, **environment},
            folder / "worker.log",
        )

    def busy(self) -> bool:
        """Whether it runs the process of a job."""
        assert self._process is not None
        return bool(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text())


@dataclass
class Client:
    """Reads in the background through two servers in turn, by the other one where one does not answer.

    wrong: whatever a client must not see; passes: how often all features were paged through; tiles: how many were read.
    """

    servers: list[Server]
    ids: set[str]
    tile: str
    in_tile: set[str]
    wrong: list[str] = field(default_factory=list)
    passes: int = 0
    tiles: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def get(self, http: httpx.Client, path: str, turn: int) -> httpx.Response:
        """Through the server whose turn it is; through another where that one is gone. Any answer counts."""
        for number in itertools.count(turn):
            try:
                return http.get(self.servers[number % len(self.servers)].url + path)
            except httpx.TransportError:
                if number >= turn + 20:
                    raise
                time.sleep(0.05)
        raise AssertionError

    def page_through(self, http: httpx.Client) -> None:
        """All pages once: each of one delivery, none older than the page before, every feature exactly once."""
        found: list[str] = []
        deliveries = [0]
        path = "/collections/adresse/items?f=json&limit=70"
        for turn in itertools.count():
            answer = self.get(http, path, turn)
            if answer.status_code != 200:
                self.wrong.append(f"{answer.status_code} for {path}: {answer.text}")
                return
            document = answer.json()
            seen = {feature["properties"]["delivery"] for feature in document["features"]}
            if len(seen) != 1 or min(seen) < deliveries[-1]:
                self.wrong.append(f"{seen} after {deliveries[-1]}")
            deliveries.append(min(seen))
            found += [feature["id"] for feature in document["features"]]
            following = [link["href"] for link in document["links"] if link["rel"] == "next"]
            if not following:
                break
            path = following[0].removeprefix(BASE_URL)
        if sorted(found) != sorted(self.ids):
            self.wrong.append(f"{len(found)} features in a pass, {len(set(found))} different ones: {deliveries}")
        self.passes += 1

    def read_tile(self, http: httpx.Client) -> None:
        """A tile: the same houses in every delivery."""
        answer = self.get(http, self.tile, self.tiles)
        if answer.status_code != 200:
            self.wrong.append(f"{answer.status_code} for {self.tile}: {answer.text}")
            return
        layer = mapbox_vector_tile.decode(answer.content)["adresse"]
        if {feature["properties"]["id"] for feature in layer["features"]} != self.in_tile:
            self.wrong.append(f"{len(layer['features'])} features in a tile")
        self.tiles += 1

    def _repeat(self, step: Callable[[httpx.Client], None]) -> None:
        with httpx.Client(timeout=30) as http:
            while not self.over.wait(0.05):
                try:
                    step(http)
                except Exception as error:
                    self.wrong.append(repr(error))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the block runs, then fails with whatever was wrong."""
        self.over.clear()
        threads = [threading.Thread(target=self._repeat, args=(step,)) for step in (self.page_through, self.read_tile)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        assert not self.wrong, self.wrong[:5]

    def read_on(self, passes: int = 2) -> None:
        """Waits until everything was read anew so many times."""
        wanted, tiles = self.passes + passes, self.tiles + passes
        wait_for(lambda: (self.passes >= wanted and self.tiles >= tiles) or bool(self.wrong))


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deliveries of a small invented town."""
    folder = tmp_path_factory.mktemp("example")
    write_deliveries(folder, ExampleOptions(addresses=500))
    return folder


@pytest.fixture(scope="session")
def monthly(example: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Deliveries of the same addresses, the streets of each with names of its own: every feature differs."""
    archive = "gebref_EPSG25832_ASCII.zip"
    with zipfile.ZipFile(example / "gebref" / archive) as zipped:
        [name] = zipped.namelist()
        rows = [line.split(";") for line in zipped.read(name).decode().splitlines()]
    folders = []
    for month in ("Juli", "August", "September"):
        folder = tmp_path_factory.mktemp(month)
        lines = [";".join([*row[:STREET], f"{row[STREET]} {month}", *row[STREET + 1 :]]) for row in rows]
        with zipfile.ZipFile(folder / archive, "w") as zipped:
            zipped.writestr(name, "\r\n".join(lines))
        folders.append(folder)
    return folders


@pytest.fixture(scope="session")
def pair(example: Path, monthly: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A primary with the first month's data, and a standby made by pg_basebackup."""
    binaries = next((found for found in find_binaries() if found.postgis), None)
    if binaries is None:
        pytest.skip("PostgreSQL with PostGIS is not installed here: apt-get install postgresql-postgis")
    folder = Path(tempfile.mkdtemp(prefix="opennrw-replica-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    made = Pair(Node("one", folder, binaries), Node("two", folder, binaries))
    first, second = made.primary, made.standby
    try:
        first.initialise()
        first.start()
        with psycopg.connect(first.url(database="postgres"), autocommit=True) as connection:
            connection.execute("create database opennrw")
        migrate(first.url())
        for dataset, source in (("dvg1", example), ("gebref", monthly[0])):
            load_dataset(dataset, LoadOptions(first.url(), tmp_path_factory.mktemp("store"), source=str(source)))
        made.rejoin()
        yield made
    finally:
        second.stop()
        first.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def start_servers(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, int], list[Server]]]:
    """Servers that know the reader's address only, for a module: `start_servers(target_session_attrs, number)`."""
    with ExitStack() as stack:

        def start(wanted: str, number: int) -> list[Server]:
            folder, reader = tmp_path_factory.mktemp("servers"), pair.url("opennrw_reader", wanted)
            made = [Server(folder / str(i), READER_DATABASE_URL=reader) for i in range(number)]
            for server in made:
                server.start()
                stack.callback(server.stop)
            for server in made:
                wait_for(server.ready)
            return made

        yield start


@pytest.fixture(scope="module")
def workers(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worker]]:
    """Two workers, each with a home of its own as on different machines."""
    folder = tmp_path_factory.mktemp("workers")
    owner = pair.url("opennrw_owner", "read-write")
    started = [Worker(folder / str(number), DATABASE_URL=owner) for number in range(2)]
    for worker in started:
        worker.start()
    yield started
    for worker in started:
        worker.stop()


@pytest.fixture(scope="session", name="wait_for")
def wait_for_fixture() -> Callable[..., None]:
    """Waits until a condition holds: `wait_for(condition, seconds)`."""
    return wait_for


@pytest.fixture(scope="module")
def servers(start_servers: Callable[[str, int], list[Server]]) -> list[Server]:
    """Two that prefer the standby."""
    return start_servers("prefer-standby", 2)


@pytest.fixture(scope="module")
def client(servers: list[Server], pair: Pair) -> Client:
    """A client of both servers."""
    ids = {row[0] for row in pair.primary.execute("select id from geobasis.adresse")}
    [(column, row)] = pair.primary.execute(
        "select floor((ST_X(p) / (2 * h) + 0.5) * 2 ^ 14)::int, floor((0.5 - ST_Y(p) / (2 * h)) * 2 ^ 14)::int from ("
        "  select ST_Transform(geom, 3857) p, 20037508.342789244 h from geobasis.adresse order by fid limit 1) a"
    )
    made = Client(servers, ids, f"/collections/adresse/tiles/WebMercatorQuad/14/{row}/{column}", set())
    layer = mapbox_vector_tile.decode(httpx.get(servers[0].url + made.tile).content)["adresse"]
    made.in_tile |= {feature["properties"]["id"] for feature in layer["features"]}
    return made
