"""The database dies under a load, or refuses it: the command says so and what to do; the old state is whole."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.report import Report
from loaders.run import LoadOptions, load_dataset
from server.embedded import PrivateCluster
from server.migrations import migrate

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = {"fsync": "off", "autovacuum": "off", "shared_buffers": "32MB", "max_connections": "20"}
REMEDY = "What was live is live still. See that the database runs and can be reached; then run it again."


class Mortal:
    """A cluster of the test's own, with the former delivery."""

    def __init__(self, cluster: PrivateCluster, url: str) -> None:
        self.cluster = cluster
        self.url = url

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    @property
    def postmaster(self) -> int:
        return int((self.cluster.data / "postmaster.pid").read_text().split()[0])

    def stop_at_once(self) -> None:
        """As after a power cut: nothing is written any more, recovery follows."""
        os.kill(self.postmaster, signal.SIGQUIT)


@contextmanager
def mortal_cluster(folder: Path, former: Path) -> Iterator[Mortal]:
    cluster = PrivateCluster(folder, OPTIONS)
    cluster.start()
    try:
        url = cluster.owner_url
        migrate(url)
        load_dataset("gebref", LoadOptions(url, folder / "store", str(former)))
        yield Mortal(cluster, url)
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def mortal(editions: tuple[Path, Path]) -> Iterator[Mortal]:
    folder = Path(tempfile.mkdtemp(prefix="opennrw-mortal-"))
    folder.chmod(0o755)
    with mortal_cluster(folder, editions[0]) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture
def load_by_command(editions: tuple[Path, Path], tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Starts `opennrw load` of the later delivery."""

    def start(url: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "DATABASE_URL": url, "OPENNRW_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "server", "load", "gebref", "--accept-shrink", "--from", str(editions[1])]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


LoadByCommand = Callable[[str], subprocess.Popen[str]]
LoadLater = Callable[[str], Report]


def require_failure(process: subprocess.Popen[str], *says: str) -> str:
    """Exit code 1 and one error that a person can act upon, which is given back."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    error = errors[errors.index("Error: ") :]
    for text in says:
        assert text in error
    assert "Traceback" not in errors
    return error


def kill_backend(mortal: Mortal, backend: int) -> None:
    os.kill(backend, signal.SIGKILL)


def kill_postmaster(mortal: Mortal, backend: int) -> None:
    os.kill(mortal.postmaster, signal.SIGKILL)
    os.kill(backend, signal.SIGKILL)  # it would notice only at its next wait


def stop_at_once(mortal: Mortal, backend: int) -> None:
    mortal.stop_at_once()


@pytest.mark.parametrize("where", ["insert on history.adresse", "commit"])
@pytest.mark.parametrize("action", [kill_backend, kill_postmaster, stop_at_once])
def test_killed_amid_the_publishing_transaction(
    mortal: Mortal,
    load_by_command: LoadByCommand,
    held: Any,
    snapshot: Any,
    action: Callable[[Mortal, int], None],
    where: str,
) -> None:
    def rows() -> dict[str, Any]:
        with mortal.connect() as connection:
            state = snapshot(connection)
        del state["left"]  # temporary tables that a crash leaves are removed by the next autovacuum
        return state

    before = rows()
    with held(mortal.url, where, recover=mortal.cluster.start) as reached:
        process = load_by_command(mortal.url)
        action(mortal, reached())
        require_failure(process, "Error: The database broke off the load: ", REMEDY)
    assert rows() == before


def test_the_next_run_finishes(
    mortal: Mortal, load_later: Callable[[str], Report], content: Any, undisturbed: Any
) -> None:
    assert load_later(mortal.url).status == "published"
    with mortal.connect() as connection:
        assert content(connection) == undisturbed["content"]
    assert load_later(mortal.url).status == "unchanged"


def test_no_database_at_all(load_by_command: LoadByCommand, free_port: int) -> None:
    process = load_by_command(f"postgresql://127.0.0.1:{free_port}/x")
    error = require_failure(process, "The database cannot be reached; check DATABASE_URL.")
    assert f"port {free_port}" in error


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("53100", 'could not extend file "base/1/2": No space left on device', "Its disk is full: free space for its"),
        (
            "53100",
            'could not resize shared memory segment "/PostgreSQL.1" to 8 bytes: No space left on device',
            "It has too little shared memory: enlarge it (/dev/shm; a container's --shm-size)",
        ),
        ("53200", "out of memory", "It has too little memory: lower work_mem or shared_buffers"),
        ("53400", "temporary file size exceeds temp_file_limit (1kB)", "Raise that limit in the database for the user"),
        ("57P01", "terminating connection due to administrator command", "See that the database runs and can be"),
    ],
)
def test_what_the_database_lacks_is_told_with_the_remedy(
    former: str, loader: Any, snapshot: Any, code: str, message: str, remedy: str
) -> None:
    """Each as PostgreSQL itself words it, sent by a real server."""
    with psycopg.connect(former, autocommit=True) as connection:
        body = f"begin raise exception using errcode = '{code}', message = '{message}'; end"
        connection.execute(f"create function fail() returns trigger language plpgsql as $$ {body} $$".encode())
        connection.execute("create trigger fail before insert on provenance.load execute function fail()")
        before = snapshot(connection)
        loader.start(former)
        outcome = loader.read()
        assert outcome["code"] == 1
        for text in (message, "What was live is live still. ", remedy, "then run it again."):
            assert text in outcome["message"]
        assert snapshot(connection) == before


def test_terminated_by_an_administrator(former: str, load_by_command: LoadByCommand, held: Any, snapshot: Any) -> None:
    with psycopg.connect(former, autocommit=True) as connection:
        before = snapshot(connection)
        with held(former, "commit") as reached:
            process = load_by_command(former)
            connection.execute("select pg_terminate_backend(%s)", [reached()])
            require_failure(process, "terminating connection due to administrator command", REMEDY)
        assert snapshot(connection) == before
