"""Two loads of one dataset at once, as processes: they take turns and say so; a dead one's turn is free at once."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[3]
Second = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start_second(former: str, editions: tuple[Path, Path], tmp_path: Path, wait_until: Callable[..., None]) -> Second:
    """Starts `opennrw load` of the later delivery and waits until it waits; the test's own lock, 4711, aside."""
    environment = {**os.environ, "DATABASE_URL": former, "OPENNRW_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "server", "load", "gebref", "--accept-shrink", "--from", str(editions[1])]
    query = """select from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory'
               and not l.granted and l.objid <> 4711 and a.datname = current_database()"""

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with psycopg.connect(former, autocommit=True) as connection:
            wait_until(lambda: connection.execute(query).rowcount, "the second load to wait")
        return process

    return start


@pytest.fixture
def require_later_content(former: str, content: Any, undisturbed: dict[str, Any]) -> Iterator[None]:
    """After the test the later delivery is live, once."""
    yield
    with psycopg.connect(former, autocommit=True) as connection:
        assert content(connection) == undisturbed["content"]


@pytest.mark.usefixtures("require_later_content")
def test_the_second_waits_and_says_so(former: str, loader: Any, start_second: Second, held: Any) -> None:
    with held(former, "commit") as reached:
        loader.start(former)
        reached()
        second = start_second()
    assert loader.read()["status"] == "published"
    output, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert re.search(r"wait for another load of gebref: \(\d+\.\d s\)", errors)
    assert output.startswith("gebref: unchanged")


@pytest.mark.usefixtures("require_later_content")
def test_the_second_takes_over_where_the_first_is_killed(
    former: str, loader: Any, start_second: Second, held: Any, wait_until: Callable[..., None]
) -> None:
    with held(former, "commit") as reached:
        first = loader.start(former)
        backend = reached()
        second = start_second()
        os.kill(first, signal.SIGKILL)
        assert loader.read()["code"] == -signal.SIGKILL
        wait_until(lambda: reached() != backend, "the second to come as far as the first")
    output, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert output.startswith("gebref: published")
