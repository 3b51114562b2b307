"""A load by command leaves the processor to readers: its process and the database's process behind it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from loaders.priority import NICE, lower_backend_priority

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def command(former: str, editions: tuple[Path, Path], tmp_path: Path, held: Any) -> Iterator[tuple[int, int]]:
    """`opennrw load` at the end of its work: its process, and its backend."""
    environment = {**os.environ, "DATABASE_URL": former, "OPENNRW_HOME": str(tmp_path)}
    arguments = [sys.executable, "-m", "server", "load", "gebref", "--accept-shrink", "--from", str(editions[1])]
    with held(former, "commit") as reached:
        process = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        yield process.pid, reached()
    assert process.wait(timeout=60) == 0


@pytest.fixture
def local(former: str) -> None:
    if not str(conninfo_to_dict(former).get("host")).startswith("/"):
        pytest.skip("the tests' database is reached over TCP: its processes are not ours to see")


def test_the_process_yields(command: tuple[int, int]) -> None:
    assert os.getpriority(os.PRIO_PROCESS, command[0]) == NICE


@pytest.mark.usefixtures("local")
def test_its_backend_yields_and_no_other(command: tuple[int, int], former: str) -> None:
    assert os.getpriority(os.PRIO_PROCESS, command[1]) == NICE
    with psycopg.connect(former) as connection:
        other = connection.info.backend_pid
        postmaster = int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1])
        assert os.getpriority(os.PRIO_PROCESS, other) == os.getpriority(os.PRIO_PROCESS, postmaster)


@pytest.mark.usefixtures("local")
def test_no_parallel_workers_that_would_not_yield(former: str) -> None:
    with psycopg.connect(former) as connection:
        assert lower_backend_priority(connection) is True
        assert connection.execute("show max_parallel_workers_per_gather").fetchone() == ("0",)
        assert connection.execute("show max_parallel_maintenance_workers").fetchone() == ("0",)
