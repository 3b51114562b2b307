"""Jobs from the console: enqueued, listed, cancelled, tried again; sources watched; a worker inside `opennrw up`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.timeout(180)
Run = Callable[..., subprocess.CompletedProcess[str]]
TIMING = {"OPENNRW_WORKER_HEARTBEAT": "1", "OPENNRW_RETRY_WAIT": "0.5"}


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **TIMING, "DATABASE_URL": database_url, "OPENNRW_HOME": str(tmp_path), "OPENNRW_WORKERS": "1"}


@pytest.fixture
def opennrw(environment: dict[str, str]) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def _wait_for(condition: Callable[[], Any], told: Callable[[], Any], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {told()}"
        time.sleep(0.2)


@pytest.mark.parametrize("command", [["worker"], ["jobs"], ["watch", "add"]])
def test_help(opennrw: Run, command: list[str]) -> None:
    done = opennrw(*command, "--help")
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


def test_a_load_waits_is_shown_and_cancelled(opennrw: Run, example_deliveries: Path) -> None:
    assert opennrw("jobs").stdout == "There are no jobs.\n"
    done = opennrw("load", "gebref", "--from", str(example_deliveries), "--background")
    assert done.stdout == "Job 1 loads gebref: opennrw jobs show 1\n"
    assert done.stderr == "No worker is there: start one with `opennrw worker`.\n"
    listed = opennrw("jobs", "list")
    assert listed.stdout.splitlines()[0].split() == (
        ["id", "task", "what", "state", "progress", "attempts", "worker", "since", "message"]
    )
    assert listed.stdout.splitlines()[1].split()[:5] == ["1", "load", "gebref", "accepted", "0"]
    assert "0 workers alive.\nJobs wait and no worker is there: start one with `opennrw worker`.\n" in listed.stderr
    assert opennrw("jobs", "cancel", "1").stdout == "Job 1 is cancelled.\n"
    shown = json.loads(opennrw("jobs", "show", "1", "--json").stdout)
    assert (shown["status"], shown["dataset"], shown["report"]) == ("dismissed", "gebref", None)
    as_json = json.loads(opennrw("jobs", "list", "--json", "--status", "dismissed").stdout)
    assert [job["id"] for job in as_json["jobs"]] == [1]
    assert as_json["workers"] == 0
    assert json.loads(opennrw("load", "dvg1", "--background", "--json").stdout) == {"job": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["jobs", "show", "7"], 1, "Error: There is no job 7. See `opennrw jobs list`; jobs are kept for 30 days"),
        (["jobs", "cancel", "7"], 1, "Error: There is no job 7."),
        (["jobs", "retry", "7"], 1, "Error: There is no job 7."),
        (["jobs", "list", "--status", "odd"], 2, "'odd' is no state; it is one of accepted, running, successful"),
        (["load", "nix", "--background"], 1, "Error: There is no dataset 'nix'."),
        (["load", "dvg1", "--only", "adresse", "--background"], 1, "The dataset dvg1 has no collection 'adresse'."),
        (
            ["worker", "--queues", "load,odd"],
            1,
            "Error: There is no queue 'odd'. Queues: downloads, load, maintenance, watch.",
        ),
        (["watch", "remove", "dvg1"], 1, "Error: The dataset 'dvg1' is not watched. See `opennrw watch list`."),
        (["watch", "add", "nix"], 1, "Error: There is no dataset 'nix'."),
        (["watch", "add", "dvg1", "--every", "weekly"], 2, "'weekly' is no interval: a number and m, h or d, such as"),
    ],
)
def test_mistakes_are_explained(opennrw: Run, arguments: list[str], code: int, says: str) -> None:
    done = opennrw(*arguments)
    assert done.returncode == code
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_worker_needs_the_schema(opennrw: Run, environment: dict[str, str], empty_database_url: str) -> None:
    environment["DATABASE_URL"] = empty_database_url
    done = opennrw("worker")
    assert done.returncode == 1
    assert "The database lacks database/001_roles.sql" in done.stderr
    assert "Run: opennrw db migrate" in done.stderr


def test_watched_sources(opennrw: Run, example_deliveries: Path, tmp_path: Path) -> None:
    assert "opennrw watch add gebref --every 6h" in opennrw("watch", "list").stdout
    done = opennrw("watch", "add", "dvg1", "--every", "6h", "--from", str(example_deliveries))
    assert done.stdout == f"dvg1 is watched every 6h, from {example_deliveries}.\n"
    assert opennrw("watch", "once").stdout.startswith("dvg1: new: ")
    assert opennrw("watch", "once", "dvg1").stdout.startswith("dvg1: nothing new: ")
    rows = [line.split() for line in opennrw("watch", "list").stdout.splitlines()]
    assert rows[0] == ["dataset", "every", "last", "next", "found", "source"]
    assert rows[1][:2] == ["dvg1", "6h"]
    assert opennrw("watch", "add", "dvg2", "--from", str(tmp_path / "none")).returncode == 0
    failed = opennrw("watch", "once", "dvg2")
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"dvg2: {tmp_path / 'none'} does not exist.")
    assert opennrw("watch", "remove", "dvg1").stdout == "dvg1 is watched no more.\n"


@pytest.fixture
def up(environment: dict[str, str], free_port: int, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A running `opennrw up` that is ready, and what it wrote."""
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "up", "--port", str(free_port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for(lambda: "OpenNRW Geo is ready" in log.read_text() or process.poll() is not None, log.read_text)
        yield process, log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_up_runs_jobs_and_leaves_no_process_and_no_job_behind(
    up: tuple[subprocess.Popen[bytes], Path], opennrw: Run, database_url: str, example_deliveries: Path
) -> None:
    process, log = up
    first = json.loads(opennrw("load", "dvg1", "--from", str(example_deliveries), "--background", "--json").stdout)
    _wait_for(lambda: _job(opennrw, first["job"])["status"] == "successful", lambda: _job(opennrw, first["job"]))
    with psycopg.connect(database_url) as holder:  # the next one waits for its turn, until `up` has ended
        holder.execute("select pg_advisory_lock(hashtextextended('opennrw load gebref', 0))")
        second = json.loads(
            opennrw("load", "gebref", "--from", str(example_deliveries), "--background", "--json").stdout
        )
        _wait_for(lambda: _job(opennrw, second["job"])["status"] == "running", lambda: _job(opennrw, second["job"]))
        assert holder.execute("select count(*) from jobs.procrastinate_workers").fetchone() == (1,)
        running = _descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
    _wait_for(lambda: all(_gone(pid) for pid in running), lambda: running, 20)
    assert _job(opennrw, second["job"])["status"] == "accepted"
    assert "Traceback" not in log.read_text()


def _job(opennrw: Run, number: int) -> dict[str, Any]:
    return json.loads(opennrw("jobs", "show", str(number), "--json").stdout)
