"""New files in the place of former ones: never half of one, never a mixture, whatever breaks."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from loaders.progress import Quiet
from server.catalogue import read_collections, read_service
from server.errors import Busy
from server.exports.extract import parse_extract
from server.exports.kinds import kinds_of
from server.exports.make import Maker as FileMaker
from server.exports.shelf import Shelf, Stored
from server.exports.source import Overtaken, connect
from server.settings import ROOT

FILE = "/collections/adresse/downloads/adresse.csv"
LARGE = 32 * 1024 * 1024  # more than the buffers between server and client hold


def put(shelf: Shelf, content: bytes) -> Stored:
    """Offer a file as `adresse.csv`."""
    now = datetime.now(UTC)
    digest = hashlib.sha256(content).hexdigest()
    stored = Stored("csv", "adresse.csv", len(content), digest, 1, 1, now, now, "x")
    with shelf.making("adresse") as folder:
        part = folder / "csv.part"
        part.write_bytes(content)
        shelf.put("adresse", part, stored)
    return stored


@pytest.fixture(scope="module")
def served(cluster: Any, migrated_template: str, serve_probe: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service without data, and the shelf that it offers."""
    home = tmp_path_factory.mktemp("swap")
    url = cluster.create(migrated_template)
    given = {"OPENNRW_HOME": str(home), "OPENNRW_COLLECTIONS_DIR": str(ROOT / "collections")}
    with serve_probe(url, **given) as service:
        yield service, Shelf(home / "downloads")
    cluster.drop(url)


def test_who_reads_a_file_gets_it_to_its_end(served: Any) -> None:
    service, shelf = served
    former, later = os.urandom(LARGE), os.urandom(1000)
    put(shelf, former)
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as reader:
        reader.sendall(f"GET {FILE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = reader.recv(65536)
        put(shelf, later)
        assert httpx.get(service.url + FILE).content == later
        while piece := reader.recv(1 << 20):
            received += piece
    assert received.partition(b"\r\n\r\n")[2] == former
    assert [path.suffix for path in (shelf.folder / "adresse").iterdir()].count(".csv") == 1


def test_a_download_is_not_resumed_with_another_file(served: Any) -> None:
    service, shelf = served
    former = put(shelf, b"former" * 1000)
    later = b"later!" * 2000
    put(shelf, later)
    rest = {"Range": "bytes=3000-"}
    whole = httpx.get(service.url + FILE, headers={**rest, "If-Range": f'"{former.sha256}"'})
    assert (whole.status_code, whole.content) == (200, later)
    refused = httpx.get(service.url + FILE, headers={**rest, "If-Match": f'"{former.sha256}"'})
    assert (refused.status_code, "The file has changed" in refused.json()["detail"]) == (412, True)


def test_links_and_pages_change_with_the_files(served: Any) -> None:
    service, shelf = served
    address = f"{service.url}/collections/adresse?f=json"
    put(shelf, b"former")
    before = httpx.get(address)
    stored = put(shelf, b"later")
    after = httpx.get(address, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    links = [x for x in after.json()["links"] if x["rel"] == "enclosure"]
    assert [(x["length"], x["sha256"]) for x in links] == [(5, stored.sha256)]


def test_a_format_that_cannot_hold_the_features_is_told_with_its_reason(served: Any) -> None:
    service, shelf = served
    stored = put(shelf, b"x")
    with shelf.making("adresse"):
        shelf.omit("adresse", "csv", stored.mark, "It is <too> large. Take GeoPackage.")
    refused = httpx.get(service.url + FILE)
    assert (refused.status_code, "It is <too> large. Take GeoPackage." in refused.json()["detail"]) == (404, True)
    assert "It is &lt;too&gt; large" in httpx.get(f"{service.url}/collections/adresse/downloads?f=html").text


def test_what_is_there_is_not_made_again_and_a_new_version_is(maker: Any) -> None:
    first = maker.make("kreis")
    files = maker.shelf.offer("kreis").files
    assert (first.outcome, list(files)) == ("made", ["gpkg", "fgb", "parquet", "geojsonl", "csv", "shp"])
    assert maker.make("kreis").outcome == "unchanged"
    with psycopg.connect(maker.database_url) as connection:
        connection.execute("update provenance.collection set version = version + 1 where collection = 'kreis'")
    assert maker.make("kreis").outcome == "made"
    renewed = maker.shelf.offer("kreis").files
    assert {stored.version for stored in renewed.values()} == {files["csv"].version + 1}
    names = {path.name for path in (maker.home / "downloads" / "kreis").iterdir()}
    assert len(names) == len(files) + 2, "former files are gone, the manifest and the lock are there"


def test_more_urgent_jobs_are_let_go_first_and_the_rest_follows(maker: Any) -> None:
    interrupted = maker.make("kreis", lambda: True)
    assert (interrupted.outcome, interrupted.made) == ("interrupted", ["gpkg"])
    assert maker.make("kreis").made == ["fgb", "parquet", "geojsonl", "csv", "shp"]


def test_one_at_a_time(maker: Any) -> None:
    with maker.shelf.making("kreis"), pytest.raises(Busy, match="Another process makes the files of 'kreis' now"):
        maker.make("kreis")
    assert maker.make("kreis").outcome == "made"


def test_files_of_two_versions_stand_side_by_side_for_a_while(maker: Any) -> None:
    """Each is of one version; a delivery between two of them is seen by the next one."""
    maker.make("kreis")
    former = maker.shelf.offer("kreis").files
    with psycopg.connect(maker.database_url, autocommit=True) as connection:
        raise_version = "update provenance.collection set version = version + 1 where collection = 'kreis'"
        connection.execute(raise_version)

        def publish() -> bool:
            connection.execute(raise_version)
            return False

        result = maker.make("kreis", publish)
    files = maker.shelf.offer("kreis").files
    assert result.outcome == "made"
    assert {kind: stored.version - former[kind].version for kind, stored in files.items()} == dict(
        zip(files, range(1, 7), strict=True)
    )


class Publishes(Quiet):
    """Publishes when the first features of a file have been read."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self._first = True

    def advance(self, n: int) -> None:
        if self._first:
            self._connection.execute("update provenance.collection set version = version + 1")
        self._first = False


def test_a_delivery_amid_a_file_ends_it(maker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would hold rows of two versions: nothing of it is left, in any format, and the reason is told."""
    monkeypatch.setattr("server.exports.source.BATCH_BYTES", 100_000)  # several batches of few features
    collection = next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")
    folder = tmp_path / "parts"
    folder.mkdir()
    with (
        psycopg.connect(maker.database_url, autocommit=True) as owner,
        connect(maker.settings, maker.database_url, 60) as link,
    ):
        made_by = FileMaker(link, read_service(ROOT / "config"), Publishes(owner))
        for kind in kinds_of(collection):
            extract = parse_extract(collection, kind, {})
            with pytest.raises(Overtaken, match="A delivery of 'adresse' was published meanwhile"):
                made_by.make(extract, made_by.open(extract), folder)
            assert list(folder.iterdir()) == []


@pytest.fixture
def child(maker: Any) -> Callable[[str], "subprocess.Popen[bytes]"]:
    """Makes the files of a collection in a process of its own."""
    code = "from server.cli import main; import sys; sys.argv[1:] = ['export', '--offer', sys.argv[1]]; main()"
    environment = {**os.environ, "DATABASE_URL": maker.database_url, "OPENNRW_HOME": str(maker.home)}

    def start(collection: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", code, collection],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return start


def test_killed_amid_a_file(maker: Any, child: Any) -> None:
    """The former files stay, nothing half-made is offered, and the next attempt clears up."""
    folder = maker.home / "downloads" / "kreis"
    maker.make("kreis")
    former = maker.shelf.offer("kreis")
    with psycopg.connect(maker.database_url) as connection:
        connection.execute("update provenance.collection set version = version + 1 where collection = 'kreis'")
        connection.commit()
        # the maker reads the version, then waits for this lock when it reads its first rows
        connection.execute("lock table geobasis.kreis in access exclusive mode")
        process = child("kreis")
        deadline = time.monotonic() + 60
        with psycopg.connect(maker.database_url, autocommit=True) as observer:
            waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'lock table'"
            while observer.execute(waiting).fetchone() is None:
                assert time.monotonic() < deadline, "the maker did not begin to read"
                time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    (folder / "gpkg.part").write_bytes(b"half")
    assert replace(maker.shelf.offer("kreis"), stamp="") == replace(former, stamp="")
    assert maker.make("kreis").outcome == "made"
    assert not list(folder.glob("*.part*"))


@pytest.fixture(params=["100k", "400k"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A folder on a disk that is too small for the first file, or for all of them."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a small file system")
    folder = tmp_path / "home"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path, maker: Any, child: Any) -> None:
    """What was offered stays, what is half-made goes, and the message says what to do."""
    assert maker.home == small_disk
    process = child("adresse")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"Error: There is no room left in {small_disk}/downloads".encode() in output
    offered = maker.shelf.offer("adresse").files
    assert len(offered) < 6
    for stored in offered.values():
        path = next((small_disk / "downloads" / "adresse").glob(f"{stored.sha256}.*"))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == stored.sha256
    assert not list((small_disk / "downloads" / "adresse").glob("*.part*"))
