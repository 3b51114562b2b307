"""Workers as processes: in turn, in parallel, killed, stopped, cut off from the database."""

import os
import signal
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from server.jobs.enqueue import cancel_job, retry_job

pytestmark = pytest.mark.timeout(180)
DELIVERIES = "select count(*) from provenance.delivery"
ADDRESSES = "select count(*) from geobasis.adresse"
Start = Callable[..., Any]
Hold = Callable[..., Any]


def test_one_load_of_a_dataset_at_a_time_others_beside_it(
    queue: Any, start_worker: Start, publications_held: Hold, example_deliveries: Path
) -> None:
    first = queue.load("gebref", example_deliveries)
    second = queue.load("gebref", example_deliveries, only=("adresse",))
    other = queue.load("dvg1", example_deliveries)
    with publications_held():
        start_worker("--concurrency", "1")
        start_worker("--concurrency", "1")
        queue.wait(first, "running")
        queue.wait(other, "running")
        assert queue.job(second)["status"] == "accepted"
    done = [queue.wait(job, "successful", "failed") for job in (first, other, second)]
    assert [job["outcome"] for job in done] == ["published", "published", "unchanged"]
    assert len({job["worker"] for job in done[:2]}) == 2
    assert done[2]["started"] >= done[0]["finished"]
    assert [job["attempts"] for job in done] == [1, 1, 1]


def test_packages_of_one_product_load_at_the_same_time(
    queue: Any, start_worker: Start, publications_held: Hold, write_district: Callable[[str], Path]
) -> None:
    for district in ("05113", "05117"):
        path = write_district(district)
    whole = queue.load("alkis", path.parent, only=("nutzung",), accept_shrink=True)
    with publications_held():
        workers = [start_worker("--queues", "load", "--concurrency", "1") for _ in range(2)]
        assert queue.wait(whole, "successful", "failed")["outcome"] == "enqueued"
        packages = {tuple(job["packages"]): job["id"] for job in queue.jobs(dataset="alkis") if job["packages"]}
        assert sorted(packages) == [("05113",), ("05117",)]
        for job in packages.values():
            queue.wait(job, "running")
    done = [queue.wait(job, "successful", "failed") for job in packages.values()]
    assert [job["outcome"] for job in done] == ["published", "published"]
    assert max(job["started"] for job in done) < min(job["finished"] for job in done)
    assert len({job["worker"] for job in done}) == len(workers)
    assert queue.value("select array_agg(paket order by id) from geobasis.nutzung") == ["05113", "05117"]


@pytest.mark.parametrize("with_its_job", [False, True], ids=["the worker", "the worker and the job's process"])
def test_after_kill_9_another_worker_takes_the_job_over(
    queue: Any,
    start_worker: Start,
    publications_held: Hold,
    held_at: Hold,
    example_deliveries: Path,
    with_its_job: bool,
) -> None:
    job = queue.load("gebref", example_deliveries)
    with publications_held():
        killed = start_worker()
        held_at(job, "publish")
        processes = killed.job_processes()
        assert len(processes) == 1
        for pid in [killed.pid, *(processes if with_its_job else [])]:
            os.kill(pid, signal.SIGKILL)
        killed.process.wait()
        other = start_worker()
        queue.until(lambda: other.events("job started"), lambda: queue.job(job))
    done = queue.wait(job, "successful", "failed")
    assert done["status"] == "successful", done
    assert done["attempts"] == 2
    assert f"/{other.pid}" in done["worker"]
    assert other.events("job taken over")[0]["job"] == job
    # whether the orphan came to its end or the second attempt did: once
    assert queue.value("select count(*) from provenance.delivery where status = 'published'") == 1
    assert queue.value(ADDRESSES) == queue.value("select count(distinct id) from geobasis.adresse") > 500
    assert queue.value("select count(*) from history.adresse") == 0


def test_a_killed_process_of_a_job_is_told_and_the_job_tried_again(
    queue: Any, start_worker: Start, publications_held: Hold, held_at: Hold, example_deliveries: Path
) -> None:
    job = queue.load("gebref", example_deliveries)
    worker = start_worker()
    with publications_held():
        held_at(job, "publish")
        os.kill(worker.job_processes()[0], signal.SIGKILL)
        queue.until(lambda: worker.events("job failed"), lambda: queue.job(job))
    assert (
        "The job's process ended without a result (signal 9; 9 often means that memory ran out)"
        in (worker.events("job failed")[0]["error"])
    )
    done = queue.wait(job, "successful", "failed")
    assert (done["outcome"], done["attempts"]) == ("published", 2)


def test_a_source_that_is_away_is_tried_again_later(
    queue: Any, start_worker: Start, free_port: int, example_deliveries: Path
) -> None:
    job = queue.load("gebref", f"http://127.0.0.1:{free_port}/gebref/gebref_EPSG25832_ASCII.zip")
    worker = start_worker()
    queue.until(lambda: len(worker.events("job failed")) == 2, lambda: queue.job(job))
    waiting = queue.job(job)
    assert f"http://127.0.0.1:{free_port}/gebref/" in waiting["message"]
    assert waiting["attempts"] == 2
    began = [event["timestamp"] for event in worker.events("job started")]
    assert len(began) >= 2

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(example_deliveries))

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's name

    with ThreadingHTTPServer(("127.0.0.1", free_port), Quiet) as server:
        Thread(target=server.serve_forever).start()
        done = queue.wait(job, "successful", "failed")
        server.shutdown()
    assert done["outcome"] == "published", done
    assert done["attempts"] >= 3


def test_what_would_fail_again_is_not_tried_again_but_by_a_person(
    queue: Any, start_worker: Start, tmp_path: Path, example_deliveries: Path
) -> None:
    source = tmp_path / "to come"
    job = queue.load("dvg1", source)
    start_worker()
    failed = queue.wait(job, "failed", "successful")
    assert failed["attempts"] == 1
    assert f"{source} does not exist. Give a folder, a zip" in failed["message"]
    source.symlink_to(example_deliveries)
    retry_job(queue.connection, job)
    assert queue.wait(job, "successful")["outcome"] == "published"


def test_a_refused_delivery_is_an_outcome(queue: Any, start_worker: Start, tmp_path: Path) -> None:
    (tmp_path / "gebref.txt").write_text("a;b;c\r\n")
    job = queue.load("gebref", tmp_path / "gebref.txt")
    worker = start_worker()
    done = queue.wait(job, "successful", "failed")
    assert (done["outcome"], done["attempts"]) == ("refused", 1)
    assert "The delivery of gebref was refused; nothing was changed." in done["message"]
    assert queue.value(f"select report->>'status' from jobs.progress where job = {job}") == "refused"
    assert queue.value("select status from provenance.delivery") == "refused"
    assert len(worker.events("job started")) == 1


def test_cancelled_before_it_starts_and_while_it_runs(
    queue: Any, start_worker: Start, turn_held: Hold, held_at: Hold, example_deliveries: Path
) -> None:
    waiting = queue.load("dvg1", example_deliveries)
    assert cancel_job(queue.settings, queue.connection, waiting) == "cancelled"
    running = queue.load("gebref", example_deliveries)
    with turn_held("gebref"):
        worker = start_worker()
        held_at(running, "wait for another load of gebref")
        assert cancel_job(queue.settings, queue.connection, running) == "stopping"
        stopped = queue.wait(running, "dismissed", "successful", "failed")
    assert (stopped["status"], stopped["outcome"]) == ("dismissed", "cancelled")
    assert stopped["message"] == "Stopped; nothing was changed."
    assert queue.job(waiting)["status"] == "dismissed"
    assert len(worker.events("job started")) == 1
    assert queue.value(DELIVERIES) == 0
    assert worker.job_processes() == []
    assert list((queue.settings.home / "deliveries").glob("load-*")) == []


def test_a_load_that_publishes_already_is_let_finish(
    queue: Any, start_worker: Start, publications_held: Hold, held_at: Hold, example_deliveries: Path
) -> None:
    job = queue.load("gebref", example_deliveries)
    with publications_held():
        start_worker()
        held_at(job, "publish")
        cancel_job(queue.settings, queue.connection, job)
        queue.until(lambda: queue.job(job)["cancelling"], lambda: queue.job(job))
    assert queue.wait(job, "successful", "dismissed", "failed")["outcome"] == "published"


def test_a_stopped_worker_gives_its_job_back(
    queue: Any, start_worker: Start, turn_held: Hold, held_at: Hold, example_deliveries: Path
) -> None:
    job = queue.load("gebref", example_deliveries)
    with turn_held("gebref"):
        worker = start_worker("--grace", "0")
        held_at(job, "wait for another load")
        assert worker.stop() == 0
        given_back = queue.job(job)
        assert (given_back["status"], given_back["attempts"]) == ("accepted", 1)
    start_worker()
    assert queue.wait(job, "successful", "failed")["outcome"] == "published"


def test_within_the_grace_time_a_job_comes_to_its_end(
    queue: Any, start_worker: Start, publications_held: Hold, held_at: Hold, example_deliveries: Path
) -> None:
    job = queue.load("gebref", example_deliveries)
    after = queue.load("dvg1", example_deliveries)
    with publications_held():
        worker = start_worker("--grace", "60", "--concurrency", "1")
        held_at(job, "publish")
        worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(timeout=60) == 130
    assert queue.job(job)["outcome"] == "published"
    assert queue.job(after)["status"] == "accepted"


def test_a_worker_of_some_queues_leaves_the_others(queue: Any, start_worker: Start, example_deliveries: Path) -> None:
    job = queue.load("dvg1", example_deliveries)
    start_worker("--queues", "load")
    queue.wait(job, "successful", "failed")
    assert {each["task"]: each["status"] for each in queue.jobs()} == {
        "load": "successful",
        "after_publication": "accepted",
        "downloads": "accepted",
        "pyramid": "accepted",
    }


def test_a_worker_survives_that_its_connections_break(
    queue: Any, start_worker: Start, connection: psycopg.Connection[Any], example_deliveries: Path
) -> None:
    worker = start_worker("--queues", "load")
    others = "from pg_stat_activity where application_name = 'opennrw-queue' and pid <> %s"
    others += " and datname = current_database()"

    def count(what: str) -> int:
        row = connection.execute(f"select count({what}) {others}".encode(), [queue.connection.info.backend_pid])
        return row.fetchall()[0][0]

    # it says that it has started before it has reached the database
    queue.until(lambda: count("*") >= 2, worker.log.read_text)
    assert count("pg_terminate_backend(pid)") >= 2
    job = queue.load("dvg1", example_deliveries)
    assert queue.wait(job, "successful", "failed")["outcome"] == "published"
    assert worker.process.poll() is None


def test_a_job_whose_end_could_not_be_written_is_found_again(
    queue: Any, start_worker: Start, example_deliveries: Path
) -> None:
    """As after a failover: the row says that this worker runs it, the worker knows nothing of it."""
    worker = start_worker()
    number = queue.value("select max(id) from jobs.procrastinate_workers")
    job = queue.load("dvg1", example_deliveries, priority=-1)
    with queue.connection.transaction():
        queue.connection.execute(
            "update procrastinate_jobs set status = 'doing', worker_id = %s where id = %s", [number, job]
        )
    assert queue.wait(job, "successful", "failed")["status"] == "successful"
    if queue.job(job)["attempts"] > 1:  # the worker may have fetched it before it was marked
        assert worker.events("job taken over")[0]["job"] == job


def test_a_job_that_kills_each_worker_is_given_up(queue: Any, start_worker: Start) -> None:
    job = queue.load("gebref", "/nowhere")
    queue.connection.execute("update procrastinate_jobs set status = 'doing', attempts = 7 where id = %s", [job])
    queue.connection.execute("insert into progress (job) values (%s)", [job])
    worker = start_worker()
    done = queue.wait(job, "failed", "successful")
    assert "The job was begun 8 times and each time its worker died" in done["message"]
    assert worker.events("job started") == []


def test_old_jobs_and_their_traces_go(queue: Any, start_worker: Start) -> None:
    old, young = queue.load("gebref", "/nowhere"), queue.load("dvg1", "/nowhere")
    for job in (old, young):
        cancel_job(queue.settings, queue.connection, job)
        queue.connection.execute("insert into progress (job) values (%s)", [job])
    queue.connection.execute("update procrastinate_events set at = now() - interval '31 days' where job_id = %s", [old])
    start_worker()
    queue.until(lambda: queue.value("select count(*) from jobs.progress") == 1, queue.jobs)
    assert [job["id"] for job in queue.jobs()] == [young]
