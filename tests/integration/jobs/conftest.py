"""Real workers, processes of their own, on a database of the test's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from server.jobs.app import connect_queue
from server.jobs.enqueue import enqueue_load
from server.jobs.listing import JOBS, job_filter
from server.jobs.requests import INTERACTIVE, LoadRequest
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
# heartbeats and waits as short as a busy machine bears
TIMING = {"OPENNRW_WORKER_HEARTBEAT": "0.7", "OPENNRW_RETRY_WAIT": "0.5"}


@dataclass(frozen=True)
class Queue:
    """The test's queue: enqueue, look, wait."""

    settings: Settings
    connection: psycopg.Connection[Any]

    def load(self, dataset: str, source: Path | str, priority: int = INTERACTIVE, **options: Any) -> int:
        request = LoadRequest(dataset, str(source), **options)
        return enqueue_load(self.settings, self.connection, request, priority)

    def jobs(self, **wanted: Any) -> list[dict[str, Any]]:
        rows = self.connection.execute(JOBS.encode(), job_filter(**wanted)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def job(self, job_id: int) -> dict[str, Any]:
        return self.jobs(id=job_id)[0]

    def wait(self, job_id: int, *states: str, seconds: float = 60) -> dict[str, Any]:
        """The job as soon as it is in one of the states."""
        self.until(lambda: self.job(job_id)["status"] in states, lambda: self.job(job_id), seconds)
        return self.job(job_id)

    def until(self, condition: Callable[[], Any], told: Callable[[], Any], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain: {told()}"
            time.sleep(0.1)

    def value(self, query: str) -> Any:
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def queue(database_url: str, tmp_path: Path) -> Iterator[Queue]:
    """The queue of `database_url`."""
    home = tmp_path / "home"
    home.mkdir()
    settings = Settings(**{"database_url": database_url, "OPENNRW_HOME": home, **TIMING})  # pyright: ignore
    with connect_queue(settings) as connection:
        yield Queue(settings, connection)


@dataclass(frozen=True)
class WorkerProcess:
    """A running `opennrw worker`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def events(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def job_processes(self) -> list[int]:
        return [int(p) for p in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.fixture
def start_worker(queue: Queue, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """`start_worker("--concurrency", "2", NAME="value")`; it has told that it runs. Ends with the test."""
    workers: list[WorkerProcess] = []

    def start(*arguments: str, **environment: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(workers)}.log"
        settings = {"DATABASE_URL": queue.settings.database_url or "", "OPENNRW_HOME": str(queue.settings.home)}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "server", "worker", *arguments],
                cwd=ROOT,
                env={**os.environ, **settings, **TIMING, **environment},
                stdout=output,
                stderr=output,
            )
        workers.append(WorkerProcess(process, log))
        queue.until(lambda: "worker started" in log.read_text() or process.poll() is not None, log.read_text)
        assert process.poll() is None, log.read_text()
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
    for worker in workers:
        assert "Traceback" not in worker.log.read_text(), worker.log.read_text()


@pytest.fixture
def publications_held(database_url: str) -> Callable[[], Any]:
    """`with publications_held(): …`: whoever publishes waits amid its transaction until the block ends."""
    return lambda: _holding(database_url, "lock table provenance.delivery in share mode")


@pytest.fixture
def turn_held(database_url: str) -> Callable[[str], Any]:
    """`with turn_held("gebref"): …`: a load of the dataset waits for its turn, before it has changed anything."""
    return lambda dataset: _holding(
        database_url, f"select pg_advisory_xact_lock(hashtextextended('opennrw load {dataset}', 0))"
    )


@contextmanager
def _holding(database_url: str, statement: str) -> Iterator[None]:
    with psycopg.connect(database_url) as connection:
        connection.execute(statement.encode())
        yield
        connection.rollback()


@pytest.fixture
def held_at(queue: Queue) -> Callable[[int, str], None]:
    """Waits until a job has come to a step: `held_at(job, "publish")`."""

    def wait(job_id: int, step: str) -> None:
        queue.until(lambda: (queue.job(job_id)["step"] or "").startswith(step), lambda: queue.job(job_id))

    return wait


@pytest.fixture
def write_district(tmp_path: Path) -> Callable[[str], Path]:
    """The GeoPackage of a district with one object of the cadastre; all in one folder."""
    folder = tmp_path / "alkis"
    folder.mkdir()

    def write(district: str) -> Path:
        path = folder / f"202601_gru_vereinf_{district}000_Nirgends_EPSG25832.gpkg"
        columns = {
            "oid": np.array([f"{district}NU"], object),
            "aktualit": np.array(["2026-02-17"], "datetime64[D]"),
            "nutzart": np.array(["Wald"], object),
        }
        pyogrio.raw.write(
            path, shapely.to_wkb(np.array([shapely.box(420_000, 5_673_000, 420_020, 5_673_020)])),
            list(columns.values()), np.array(list(columns)), geometry_type="Unknown", crs="EPSG:25832", driver="GPKG",
            layer="Nutzung", layer_options={"GEOMETRY_NAME": "geometrie"},
        )  # fmt: skip
        return path

    return write
