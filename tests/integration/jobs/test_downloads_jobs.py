"""Files made by workers: after a publication, and when a visitor asks for a large part."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

WAITING = """
select task_name, queue_name, priority, lock, args->>'collection' from jobs.procrastinate_jobs
where status = 'todo' and task_name = 'downloads' order by id
"""
ASK = "select jobs.ask_for_cut(%s, %s, %s, %s)"


@pytest.fixture
def database_url(example_database_url: str) -> str:
    """The example, instead of an empty database."""
    return example_database_url


@pytest.fixture
def reader(database_url: str) -> Any:
    """A connection as the role that the server has."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("set role opennrw_reader")
        opened.execute("set default_transaction_read_only = off")
        yield opened


def test_each_publication_has_the_files_made(queue: Any) -> None:
    """Of each collection one job waits at most, and never beside the one that puts its table into order."""
    found = {row[4]: row[:4] for row in queue.connection.execute(WAITING.encode()).fetchall()}
    assert set(found) >= {"adresse", "kreis", "hausumring"}
    assert found["adresse"] == ("downloads", "downloads", 5, "after_publication adresse")
    queue.connection.execute("update provenance.collection set version = version + 1 where collection = 'adresse'")
    again = [row[4] for row in queue.connection.execute(WAITING.encode()).fetchall()]
    assert sorted(again) == sorted(found)


def messages(queue: Any) -> list[str]:
    """What the jobs that made files of whole collections say, in their order."""
    jobs = [job for job in queue.jobs() if (job["task"], job["status"]) == ("downloads", "successful")]
    return [job["message"] for job in sorted(jobs, key=lambda job: job["id"])]


def test_a_worker_makes_files_and_large_parts(
    queue: Any, database_url: str, start_server: Callable[..., Any], start_worker: Callable[..., Any]
) -> None:
    """A visitor asks, is told where to look, and gets the file; the same again is one job and one file."""
    queue.connection.execute("delete from procrastinate_jobs where args->>'collection' <> 'kreis'")
    server = start_server(database_url, OPENNRW_HOME=str(queue.settings.home), OPENNRW_DOWNLOADS_AT_ONCE="0")
    with httpx.Client(base_url=server.url, timeout=30) as web:
        address = "/collections/adresse/download?area=05&f=csv"
        asked = web.get(address)
        assert (asked.status_code, asked.headers["retry-after"]) == (202, "5")
        assert asked.json()["status"] == "accepted"
        status = asked.headers["location"]
        assert [x["href"] for x in asked.json()["links"] if x["rel"] == "self"] == [f"{status}?f=json"]
        assert web.get(address).headers["location"] == status
        assert len([job for job in queue.jobs() if job["task"] == "cut"]) == 1
        browser = web.get(address, headers={"Accept": "text/html"})
        assert (browser.status_code, browser.headers["location"]) == (303, status)
        assert "wartet darauf, erstellt zu werden" in web.get(status, headers={"Accept": "text/html"}).text
        early = web.get(f"{status}/adresse_05.csv")
        assert (early.status_code, "its status is 'accepted'" in early.json()["detail"]) == (404, True)

        worker = start_worker()
        queue.until(lambda: web.get(status).json()["status"] == "successful", lambda: web.get(status).json())
        link = next(x for x in web.get(status).json()["links"] if x["rel"] == "enclosure")
        made = web.get(link["href"])
        count = queue.value("select count(*) from geobasis.adresse")
        assert made.content.count(b"\r\n") == count + 1
        assert web.get(address).content == made.content
        assert web.get(address, headers={"Range": "bytes=0-9"}).status_code == 206

        queue.until(lambda: messages(queue), queue.jobs)
        assert web.get("/collections/kreis/downloads/kreis.gpkg").status_code == 200
        assert worker.stop() == 0
    jobs = {job["task"]: job for job in queue.jobs() if job["status"] == "successful"}
    # the archive of tiles is the seventh where the pyramid was quicker, else it has a job of its own
    assert messages(queue)[0].removesuffix(", pmtiles") == "gpkg, fgb, parquet, geojsonl, csv, shp"
    assert (jobs["cut"]["outcome"], jobs["cut"]["step"]) == ("made", "csv")


def test_a_part_that_cannot_be_made_says_why(
    queue: Any, database_url: str, start_server: Callable[..., Any], start_worker: Callable[..., Any]
) -> None:
    queue.connection.execute("delete from procrastinate_jobs")
    server = start_server(database_url, OPENNRW_HOME=str(queue.settings.home), OPENNRW_DOWNLOADS_AT_ONCE="0")
    home = queue.settings.home / "downloads"
    home.write_text("no folder")
    status = httpx.get(f"{server.url}/collections/adresse/download?area=05&f=csv").headers["location"]
    start_worker()
    queue.until(lambda: httpx.get(status).json()["status"] == "failed", lambda: httpx.get(status).json())
    assert "Not a directory" in httpx.get(status).json()["message"]
    assert "Die Datei konnte nicht erstellt werden." in httpx.get(status, headers={"Accept": "text/html"}).text


def test_a_full_queue_is_told(queue: Any, database_url: str, start_server: Callable[..., Any]) -> None:
    server = start_server(database_url, OPENNRW_HOME=str(queue.settings.home), OPENNRW_DOWNLOADS_AT_ONCE="0")
    answers = [
        httpx.get(f"{server.url}/collections/adresse/download?area=05&f=csv&filter=hnr%3C%3E%27x{number}%27")
        for number in range(21)
    ]
    assert [answer.status_code for answer in answers] == [202] * 20 + [503]
    assert "As many files wait to be made as may wait." in answers[-1].json()["detail"]
    assert answers[-1].headers["retry-after"] == "30"
    known = httpx.get(f"{server.url}/collections/adresse/download?area=05&f=csv&filter=hnr%3C%3E%27x0%27")
    assert known.headers["location"] == answers[0].headers["location"]


def test_the_reader_can_order_a_cut_and_nothing_else(reader: Any, queue: Any) -> None:
    before = queue.value("select count(*) from procrastinate_jobs")
    key = "0123456789abcdef" * 2
    (job,) = reader.execute(ASK, [key, "adresse", "csv", json.dumps({"area": "05"})]).fetchone()
    assert reader.execute(ASK, [key, "adresse", "csv", json.dumps({"area": "05"})]).fetchone() == (job,)
    assert queue.value("select count(*) from procrastinate_jobs") == before + 1
    row = queue.connection.execute("select * from procrastinate_jobs where id = %s", [job])
    found = dict(zip([column.name for column in row.description], row.fetchone(), strict=True))
    assert (found["task_name"], found["queue_name"], found["priority"]) == ("cut", "downloads", 20)
    assert found["args"] == {"collection": "adresse", "key": key, "kind": "csv", "parameters": {"area": "05"}}
    for statement in (
        "insert into jobs.cut values ('x')",
        "delete from jobs.cut",
        "insert into jobs.procrastinate_jobs (queue_name, task_name) values ('load', 'load')",
        "update jobs.procrastinate_jobs set priority = 1000",
        "alter function jobs.ask_for_cut(text, text, text, jsonb) owner to opennrw_reader",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement)


@pytest.mark.parametrize(
    ("key", "collection", "kind", "parameters"),
    [
        ("x", "adresse", "csv", "{}"),
        ("A" * 32, "adresse", "csv", "{}"),
        ("0" * 33, "adresse", "csv", "{}"),
        (None, "adresse", "csv", "{}"),
        ("0" * 32, "nix", "csv", "{}"),
        ("0" * 32, "adresse'; drop table jobs.cut; --", "csv", "{}"),
        ("0" * 32, None, "csv", "{}"),
        ("0" * 32, "adresse", "../csv", "{}"),
        ("0" * 32, "adresse", None, "{}"),
        ("0" * 32, "adresse", "csv", "[]"),
        ("0" * 32, "adresse", "csv", None),
        ("0" * 32, "adresse", "csv", '{"area": 5}'),
        ("0" * 32, "adresse", "csv", '{"area": {"a": 1}}'),
        ("0" * 32, "adresse", "csv", json.dumps({"filter": "x" * 50_000})),
        ("0" * 32, "adresse", "csv", json.dumps({"x" * 100: ""})),
    ],
)
def test_orders_that_are_none(reader: Any, key: Any, collection: Any, kind: Any, parameters: Any) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="This is no cut of a collection"):
        reader.execute(ASK, [key, collection, kind, parameters])


def test_no_other_role_may_order(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set role opennrw_editor")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(ASK, ["0" * 32, "adresse", "csv", "{}"])


def test_forged_parameters_are_refused_by_the_job(queue: Any, reader: Any, start_worker: Callable[..., Any]) -> None:
    """What the reader wrote is read by the same rules as a request; its key decides nothing."""
    queue.connection.execute("delete from procrastinate_jobs")
    forged = "f" * 32
    wrong = reader.execute(ASK, [forged, "adresse", "csv", json.dumps({"area": "05'--"})]).fetchone()[0]
    other = reader.execute(ASK, ["e" * 32, "kreis", "csv", json.dumps({"filter": "true=true"})]).fetchone()[0]
    start_worker()
    assert "it is no key of an area" in queue.wait(wrong, "failed", "successful")["message"]
    queue.wait(other, "failed", "successful")
    kept: set[str] = {path.name for path in Path(queue.settings.home, "downloads", "cuts").iterdir()}
    assert not kept & {forged, "e" * 32}
