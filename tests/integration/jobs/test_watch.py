"""Watched sources: a download server whose listing changes, polled until something is new."""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loaders.errors import LoadError
from loaders.run import LoadOptions, load_dataset
from server.errors import NotFound
from server.jobs.enqueue import cancel_job, enqueue_load
from server.jobs.requests import LoadRequest
from server.jobs.watch import add_watch, list_watched, poll, remove_watch, take_due

pytestmark = pytest.mark.timeout(180)
ADDRESS = (
    "N;{};A;05;Nordrhein-Westfalen;9;Arnsberg;62;Märkischer Kreis;052;Plettenberg;0000;;02418;Marl;2;;"
    "32;420565.275;5673959.771;2026-07-01\r\n"
)
Publish = Callable[..., None]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's name


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """URL of a folder that is a publisher's, empty at first."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def publish(tmp_path: Path, site: str) -> Publish:
    """Puts a delivery of addresses there: `publish("A1", "A2", timestamp="…")`."""

    def put(*ids: str, timestamp: str = "2026-07-01T06:00:00.123", content: str | None = None) -> None:
        path = tmp_path / "site" / "gebref_EPSG25832_ASCII.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("gebref.txt", content or "".join(ADDRESS.format(each) for each in ids))
        entry = {"name": path.name, "size": str(path.stat().st_size), "timestamp": timestamp}
        listing = {"datasets": [{"name": "gebref", "files": [entry]}]}
        (path.parent / "index.json").write_text(json.dumps(listing))

    return put


def test_a_new_listing_is_loaded_once_and_not_again(queue: Any, site: str, publish: Publish, tmp_path: Path) -> None:
    publish("A1")
    add_watch(queue.connection, "gebref", site, 3600)
    first = poll(queue.settings, "gebref")
    assert (first.outcome, first.message) == ("new", f"new: 1 file listed, job {first.job} loads them")
    again = poll(queue.settings, "gebref")
    assert (again.outcome, again.message) == ("nothing new", f"nothing new: 1 file listed, see job {first.job}")
    # loaded by whomever, also by hand
    load_dataset(
        "gebref", LoadOptions(queue.settings.database_url, tmp_path / "store", source=site, accept_shrink=True)
    )
    queue.connection.execute("update watch set seen = null, job = null")
    assert poll(queue.settings, "gebref").message == "nothing new: 1 file listed, as last loaded or refused"
    publish("A1", timestamp="2027-01-01T06:00:00.123")
    assert poll(queue.settings, "gebref").outcome == "new"
    assert len(queue.jobs(dataset="gebref")) == 1, "the same load waits once"


def test_a_failed_load_is_tried_again_a_cancelled_one_is_not(queue: Any, site: str, publish: Publish) -> None:
    publish("A1")
    add_watch(queue.connection, "gebref", site, 3600)
    job = poll(queue.settings, "gebref").job
    queue.connection.execute("update procrastinate_jobs set status = 'failed' where id = %s", [job])
    other = poll(queue.settings, "gebref")
    assert other.outcome == "new"
    assert other.job not in {job, None}
    cancel_job(queue.settings, queue.connection, int(other.job or 0))
    assert poll(queue.settings, "gebref").outcome == "nothing new"


def test_a_load_of_which_a_package_failed_is_tried_again(queue: Any, site: str, publish: Publish) -> None:
    publish("A1")
    add_watch(queue.connection, "gebref", site, 3600)
    whole = poll(queue.settings, "gebref").job
    one, other = (
        enqueue_load(queue.settings, queue.connection, LoadRequest("gebref", site, packages=(package,)))
        for package in ("05113", "05314")
    )
    done = "update procrastinate_jobs set status = 'succeeded' where id = any(%s)"
    queue.connection.execute(done, [[whole, one]])
    assert poll(queue.settings, "gebref").outcome == "nothing new"
    queue.connection.execute("update procrastinate_jobs set status = 'failed' where id = %s", [other])
    again = poll(queue.settings, "gebref")
    assert again.outcome == "new"
    assert poll(queue.settings, "gebref").job == again.job, "the failed one is dealt with"


def test_a_worker_polls_loads_and_does_not_load_again_what_was_refused(
    queue: Any, site: str, publish: Publish, start_worker: Callable[..., Any]
) -> None:
    publish(content="a;b;c\r\n")
    add_watch(queue.connection, "gebref", site, 3600)
    start_worker()
    queue.until(lambda: queue.jobs(status="successful", dataset="gebref"), queue.jobs)
    queue.until(lambda: all(j["status"] == "successful" for j in queue.jobs(dataset="gebref")), queue.jobs)
    load, watch = queue.jobs(dataset="gebref")
    assert (load["task"], load["outcome"], load["priority"]) == ("load", "refused", 50)
    assert (watch["task"], watch["outcome"]) == ("watch", "new")
    (watched,) = list_watched(queue.connection)
    assert (watched["next_poll"] - watched["last_poll"]).total_seconds() == pytest.approx(3600, rel=0.12)
    assert take_due(queue.connection) == []
    queue.connection.execute("update watch set next_poll = now(), seen = null")
    queue.until(lambda: len(queue.jobs(dataset="gebref")) == 3, queue.jobs)
    last = queue.wait(queue.jobs(dataset="gebref")[0]["id"], "successful", "failed")
    assert last["message"] == "nothing new: 1 file listed, as last loaded or refused"


def test_each_is_due_for_one_of_all_who_look(queue: Any) -> None:
    add_watch(queue.connection, "gebref", None, 3600)
    add_watch(queue.connection, "dvg1", None, 3600)
    queue.connection.execute("update watch set next_poll = now() + interval '1 hour' where dataset = 'dvg1'")
    assert take_due(queue.connection) == ["gebref"]
    assert take_due(queue.connection) == []


def test_what_cannot_be_watched_or_read_is_said(queue: Any, site: str, publish: Publish, free_port: int) -> None:
    with pytest.raises(NotFound, match=r"'gebref' is not watched\. Watch it: opennrw watch add gebref"):
        poll(queue.settings, "gebref")
    with pytest.raises(NotFound, match=r"'gebref' is not watched\. See `opennrw watch list`"):
        remove_watch(queue.connection, "gebref")
    with pytest.raises(LoadError, match="There is no dataset 'nix'"):
        add_watch(queue.connection, "nix", None, 3600)
    publish("A1")
    add_watch(queue.connection, "gebref", f"{site}gebref_EPSG25832_ASCII.zip", 3600)
    with pytest.raises(LoadError, match=r"is a file: only a listing tells that there is a new one\. Watch the folder"):
        poll(queue.settings, "gebref")
    add_watch(queue.connection, "gebref", f"{site}nowhere/", 3600)
    with pytest.raises(LoadError, match="answered 404"):
        poll(queue.settings, "gebref")
    assert "failed: " in list_watched(queue.connection)[0]["result"]
    assert queue.jobs() == []
