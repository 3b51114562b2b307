"""The queue without a worker: enqueued by whoever publishes, seen by the reader, cancelled and retried by people."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate.jobs import Job

from loaders.manifest import Packages, read_manifest
from loaders.run import LoadOptions, load_dataset
from server.errors import NotFound
from server.jobs.enqueue import JobNotFitting, cancel_job, enqueue_load, retry_job
from server.jobs.keeper import ENQUEUE_DUE
from server.jobs.packages import enqueue_packages
from server.jobs.requests import WATCHED, LoadRequest
from server.jobs.retry import MAX_ATTEMPTS, BackOff, JobFailed, JobInterrupted
from server.jobs.watch import add_watch

WAITING = """
select args->>'collection', (args->>'version')::int from jobs.procrastinate_jobs
where status = 'todo' and task_name = 'after_publication'"""
WAITING_OF_KIND = "select args->>'collection' from jobs.procrastinate_jobs where status = 'todo' and task_name = %s"
FETCH = "select id from jobs.procrastinate_fetch_job_v2(null, %s)"
DELIVERY = """
insert into provenance.delivery (dataset, digest, source, loader, status, started)
values ('dvg1', 'x', 'x', 'dvg1 1', 'published', now()) returning id
"""
COLLECTION = """
insert into provenance.collection (collection, dataset, version, delivery, published, features, half_width, half_height)
values ('kreis', 'dvg1', 1, %s, now(), 0, 0, 0)
on conflict (collection) do update set version = collection.version + 1
"""


def publish(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute(DELIVERY).fetchone()
    assert row is not None
    connection.execute(COLLECTION, row)


def test_a_load_enqueues_what_comes_after_it(queue: Any, tmp_path: Path, example_deliveries: Path) -> None:
    load_dataset("dvg1", LoadOptions(queue.settings.database_url, tmp_path / "store", source=str(example_deliveries)))
    assert sorted(queue.connection.execute(WAITING).fetchall()) == [
        ("gemeinde", 1),
        ("kreis", 1),
        ("land", 1),
        ("regierungsbezirk", 1),
    ]
    load_dataset("dvg1", LoadOptions(queue.settings.database_url, tmp_path / "store", source=str(example_deliveries)))
    assert len(queue.connection.execute(WAITING).fetchall()) == 4


def test_what_is_rolled_back_enqueues_nothing(queue: Any, connection: psycopg.Connection[Any]) -> None:
    with connection.transaction(force_rollback=True):
        publish(connection)
        assert connection.execute(WAITING).fetchall() == [("kreis", 1)]
    assert queue.connection.execute(WAITING).fetchall() == []


@pytest.mark.parametrize("task", ["after_publication", "pyramid", "downloads"])
def test_of_each_collection_one_job_waits_and_none_starts_before_its_publication_is_over(
    queue: Any, connection: psycopg.Connection[Any], task: str
) -> None:
    worker = queue.value("select jobs.procrastinate_register_worker_v1()")
    publish(connection)
    with connection.transaction():
        publish(connection)
        assert queue.connection.execute(FETCH, [worker]).fetchone() == (None,)
    assert queue.connection.execute(WAITING_OF_KIND, [task]).fetchall() == [("kreis",)]
    queue.connection.execute("delete from jobs.procrastinate_jobs where task_name <> %s", [task])
    (running,) = queue.connection.execute(FETCH, [worker]).fetchone()
    publish(connection)
    assert queue.connection.execute(WAITING_OF_KIND, [task]).fetchall() == [("kreis",)]
    assert [job["id"] for job in queue.jobs(status="running")] == [running]


def test_what_people_wait_for_comes_first(queue: Any, connection: psycopg.Connection[Any]) -> None:
    """A person's load before a watched one before maintenance; of the same urgency, the older one."""
    publish(connection)
    found_by_watch = queue.load("dvg2", "/nowhere", WATCHED)
    add_watch(queue.connection, "gebref", None, 3600)
    queue.connection.execute(ENQUEUE_DUE)
    people = [queue.load("dvg1", "/nowhere"), queue.load("gebref", "/nowhere")]
    worker = queue.value("select jobs.procrastinate_register_worker_v1()")
    fetched = [queue.connection.execute(FETCH, [worker]).fetchone()[0] for _ in range(5)]
    assert fetched[:3] == [*people, found_by_watch]
    assert [queue.job(job)["task"] for job in fetched[3:]] == ["watch", "pyramid"]


def test_the_reader_sees_jobs_and_cannot_enqueue(queue: Any, connection: psycopg.Connection[Any]) -> None:
    queue.load("gebref", "/nowhere")
    connection.execute("set role opennrw_reader")
    assert connection.execute("select count(*) from jobs.procrastinate_jobs").fetchone() == (1,)
    assert connection.execute("select count(*) from jobs.progress").fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from jobs.procrastinate_jobs")


def test_the_same_load_waits_once(queue: Any) -> None:
    first = queue.load("gebref", "relative")
    assert queue.load("gebref", Path("relative").absolute()) == first
    others = [queue.load("gebref", "relative", accept_shrink=True), queue.load("dvg1", "relative")]
    assert len({first, *others}) == 3


def test_enqueued_in_a_transaction_that_is_rolled_back(queue: Any) -> None:
    with queue.connection.transaction(force_rollback=True):
        queue.load("gebref", "/nowhere")
    assert queue.jobs() == []


def test_a_path_is_absolute_and_an_address_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert LoadRequest("gebref", "ex").arguments == {"dataset": "gebref", "source": str(tmp_path / "ex")}
    assert LoadRequest("gebref", "https://a/b/").arguments["source"] == "https://a/b/"
    assert LoadRequest("hausumringe", packages=("05382",)).lock == "load hausumringe 05382"


def test_cancel_and_retry_say_what_they_cannot_do(queue: Any) -> None:
    with pytest.raises(NotFound, match=r"There is no job 4711\. See `opennrw jobs list`; .* 30 days"):
        cancel_job(queue.settings, queue.connection, 4711)
    job = queue.load("gebref", "/nowhere")
    with pytest.raises(JobNotFitting, match=r"is in the state 'todo'\. Only a failed job can be tried again; enqueue"):
        retry_job(queue.connection, job)
    assert cancel_job(queue.settings, queue.connection, job) == "cancelled"
    assert queue.job(job)["status"] == "dismissed"
    with pytest.raises(JobNotFitting, match=r"has ended: cancelled\. Only a job that waits or runs can be cancelled"):
        cancel_job(queue.settings, queue.connection, job)


@pytest.fixture
def attempt() -> Callable[[int], Job]:
    return lambda attempts: Job(id=1, queue="load", lock=None, queueing_lock=None, task_name="load", attempts=attempts)


def test_waits_are_doubled_and_bounded(attempt: Callable[[int], Job]) -> None:
    back_off = BackOff(10)
    for attempts, wait in [(0, 10), (1, 20), (2, 40), (MAX_ATTEMPTS - 2, 640)]:
        decision = back_off.get_retry_decision(exception=JobInterrupted("away"), job=attempt(attempts))
        assert decision is not None
        assert decision.retry_at is not None
        assert wait * 0.85 < (decision.retry_at - datetime.now(UTC)).total_seconds() <= wait * 1.1
    assert back_off.get_retry_decision(exception=JobInterrupted("away"), job=attempt(MAX_ATTEMPTS - 1)) is None
    assert BackOff(1e6).seconds(3) <= 3960


def test_only_what_passes_is_tried_again_and_a_given_back_job_at_once(attempt: Callable[[int], Job]) -> None:
    assert BackOff(10).get_retry_decision(exception=JobFailed("no"), job=attempt(0)) is None
    assert BackOff(10).get_retry_decision(exception=ValueError("bug"), job=attempt(0)) is None
    given_back = BackOff(10).get_retry_decision(exception=asyncio.CancelledError(), job=attempt(99))
    assert given_back is not None
    assert given_back.retry_at is not None
    assert given_back.retry_at <= datetime.now(UTC)


def test_a_product_in_packages_is_loaded_by_one_job_each(queue: Any, tmp_path: Path) -> None:
    by_district = {
        "file": r"haus_(?P<package>\d{5})_EPSG25832_Shape\.zip",
        "packages": Packages(column="gmdschl"),
    }
    manifest = read_manifest("hausumringe").model_copy(update=by_district)
    for key in ("05382", "05314", "05113"):
        (tmp_path / f"haus_{key}_EPSG25832_Shape.zip").touch()
    request = LoadRequest("hausumringe", str(tmp_path), accept_shrink=True)
    job = enqueue_load(queue.settings, queue.connection, request, 70)
    jobs = enqueue_packages(queue.settings, job, manifest, request)
    found = [queue.job(each) for each in jobs]
    assert [each["packages"] for each in found] == [["05113"], ["05314"], ["05382"]]
    assert {each["priority"] for each in found} == {70}
    locks = queue.connection.execute("select count(distinct lock) from procrastinate_jobs").fetchone()
    assert locks == (4,)
    assert enqueue_packages(queue.settings, job, manifest, request) == jobs
    one = LoadRequest.of({**request.arguments, "packages": ["05113"]})
    assert enqueue_packages(queue.settings, job, manifest, one) == []
