"""Disks that fill up under a load: that of the whole database, and that of the raw files. Needs root, for tmpfs."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.report import Report
from loaders.run import LoadOptions, load_dataset
from server.embedded import PrivateCluster
from server.migrations import migrate

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = {
    "fsync": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "max_wal_size": "32MB",
    "min_wal_size": "32MB",
}
KILOBYTE = 1024


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own, as small as that."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a tmpfs: run the suite as root to fill a disk")
    folder = Path(tempfile.mkdtemp(prefix="opennrw-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "opennrw-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all space but so many bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(KILOBYTE)):
            pass
    os.truncate(ballast, ballast.stat().st_size - leave)
    return ballast


def load_by_command(database_url: str, home: Path, source: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": database_url, "OPENNRW_HOME": str(home)}
    command = [sys.executable, "-m", "server", "load", "gebref", "--accept-shrink", "--from", str(source)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def small_cluster(editions: tuple[Path, Path]) -> Iterator[PrivateCluster]:
    """A cluster on a disk of its own, with the former delivery."""
    with small_disk(256) as folder:
        cluster = PrivateCluster(folder, OPTIONS)
        cluster.start()
        migrate(cluster.owner_url)
        load_dataset("gebref", LoadOptions(cluster.owner_url, folder / "store", str(editions[0])))
        yield cluster
        cluster.stop()


@pytest.mark.parametrize("leave", [0, 64, 256, 512])
def test_full_disk_of_the_database(
    small_cluster: PrivateCluster,
    editions: tuple[Path, Path],
    snapshot: Any,
    tmp_path: Path,
    leave: int,
) -> None:
    """With nothing left the first file of the staging fails; with more, later steps, or the log of the transactions."""
    url = small_cluster.owner_url
    before = rows(url, snapshot)
    ballast = fill(small_cluster.data.parents[1], leave * KILOBYTE)
    try:
        done = load_by_command(url, tmp_path, editions[1])
    finally:
        ballast.unlink()
        small_cluster.start()  # without space for its log it stops
    assert done.returncode == 1, done.stderr
    assert "Error: The database broke off the load: " in done.stderr
    assert "What was live is live still." in done.stderr
    assert "then run it again." in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(url, snapshot) == before


def rows(url: str, snapshot: Any) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        state = snapshot(connection)
    del state["left"]  # temporary tables that a crash leaves are removed by the next autovacuum
    return state


def test_the_next_run_finishes(
    small_cluster: PrivateCluster, load_later: Callable[[str], Report], content: Any, undisturbed: dict[str, Any]
) -> None:
    assert load_later(small_cluster.owner_url).status == "published"
    with psycopg.connect(small_cluster.owner_url, autocommit=True) as connection:
        assert content(connection) == undisturbed["content"]


def test_full_disk_of_the_raw_files(
    former: str, editions: tuple[Path, Path], snapshot: Any, load_later: Callable[[str], Report]
) -> None:
    before = rows(former, snapshot)
    with small_disk(1) as home:
        ballast = fill(home, 16 * KILOBYTE)
        done = load_by_command(former, home, editions[1])
        assert done.returncode == 1, done.stderr
        assert str(home) in done.stderr
        assert "OPENNRW_HOME to a" in done.stderr
        assert "larger disk" in done.stderr
        assert "Traceback" not in done.stderr
        assert rows(former, snapshot) == before
        ballast.unlink()
        done = load_by_command(former, home, editions[1])
        assert done.returncode == 0, done.stderr
    assert load_later(former).status == "unchanged"
