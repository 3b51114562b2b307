"""A service in operation: start, reload, logs, metrics, and what happens when the database does not answer."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from server.database import Database, reader_conninfo
from server.embedded import PrivateCluster
from server.errors import Unavailable
from server.migrations import migrate
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
ITEMS = "/collections/messpunkt/items"
Serve = Callable[..., Any]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


# --- start


@pytest.fixture
def start_fails(tmp_path: Path) -> Callable[..., str]:
    """Starts `opennrw serve` with an environment that it must refuse; what it says."""

    def start(**environment: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "server", "serve", "--port", "18999"],
            cwd=ROOT,
            env={**os.environ, "OPENNRW_HOME": str(tmp_path), "OPENNRW_WORKERS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            text=True,
        )
        assert ended.returncode == 1, ended.stdout
        assert "Traceback" not in ended.stdout
        return ended.stdout

    return start


@pytest.fixture
def own_collections(collections_dir: Path, tmp_path: Path) -> Path:
    """A copy of the probe's YAML files that the test may change."""
    return Path(shutil.copytree(collections_dir, tmp_path / "collections"))


def test_wrong_yaml_ends_the_start_with_file_and_line(
    start_fails: Callable[..., str], probe: Any, own_collections: Path
) -> None:
    path = own_collections / "flaeche.yaml"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:2], "colour: red", *lines[2:]]), "utf-8")
    said = start_fails(DATABASE_URL=probe.database_url, OPENNRW_COLLECTIONS_DIR=str(own_collections))
    assert f"{path}, line 3: colour: unknown key; remove it or correct its spelling" in said


def test_a_database_that_does_not_fit_ends_the_start_with_every_difference(
    start_fails: Callable[..., str], probe_database_url: str, collections_dir: Path
) -> None:
    with psycopg.connect(probe_database_url, autocommit=True) as connection:
        connection.execute("drop table geobasis.leer")
        connection.execute("alter table geobasis.flaeche drop column notiz, add column neu text")
        connection.execute("alter table geobasis.flaeche alter nummer type text")
        connection.execute("drop index geobasis.messpunkt_name_fid_idx")
        connection.execute(
            "alter table geobasis.bezirk alter geom type geometry(MultiPolygon, 25833) using ST_SetSRID(geom, 25833)"
        )
    said = start_fails(DATABASE_URL=probe_database_url, OPENNRW_COLLECTIONS_DIR=str(collections_dir))
    for sentence in (
        "collections/leer.yaml: the table geobasis.leer does not exist. Run `opennrw db migrate`, or remove the file.",
        "collections/flaeche.yaml: 'notiz' needs a column geobasis.flaeche.notiz of type character varying or text, "
        "found none.",
        "collections/flaeche.yaml: the column geobasis.flaeche.neu is not declared as a property.",
        "'nummer' needs a column geobasis.flaeche.nummer of type bigint or integer or smallint, found text.",
        "collections/messpunkt.yaml: 'name' can be searched, so geobasis.messpunkt needs an index that begins with it: "
        "create index on geobasis.messpunkt (name, fid).",
        "found geometry(MultiPolygon,25833)",
    ):
        assert sentence in said


def test_no_collections_and_no_database_end_the_start(
    start_fails: Callable[..., str], probe: Any, tmp_path: Path
) -> None:
    said = start_fails(DATABASE_URL=probe.database_url, OPENNRW_COLLECTIONS_DIR=str(tmp_path))
    assert f"{tmp_path} holds no *.yaml file" in said
    assert "OPENNRW_COLLECTIONS_DIR" in said
    assert "Connection refused" in start_fails(DATABASE_URL="postgresql://x@127.0.0.1:1/x")


# --- reload


PUBLISH = """
with gone as (delete from geobasis.messpunkt where id in ({ids}) returning 1)
update provenance.collection set version = version + 1, features = features - (select count(*) from gone),
  published = '2026-08-01 12:00+00' where collection = 'messpunkt';
notify opennrw_publication, '{{"collection": "messpunkt", "version": 2}}'
"""


def publish(database_url: str, *ids: str) -> None:
    """A delivery without these features, as the loaders publish it."""
    with psycopg.connect(database_url) as connection:
        connection.execute(PUBLISH.format(ids=", ".join(f"'{i}'" for i in ids)).encode())


def item_count(client: httpx.Client) -> int:
    return client.get("/collections/messpunkt").json()["itemCount"]


@pytest.fixture(scope="module")
def changing(cluster: Any, probe_template: str, serve_probe: Serve) -> Iterator[Any]:
    """A service over a copy of the probe to which deliveries come."""
    url = cluster.create(probe_template)
    with serve_probe(url) as served:
        yield served
    cluster.drop(url)


@pytest.fixture
def watched(changing: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=changing.url) as client:
        yield client


def test_a_delivery_reaches_the_running_server(changing: Any, watched: httpx.Client) -> None:
    paths = [ITEMS, f"{ITEMS}/p00100", "/collections/messpunkt", "/collections", "/", f"{ITEMS}?f=html"]
    paths += ["/collections/messpunkt/tiles/WebMercatorQuad/6/21/33"]
    before = {path: watched.get(path) for path in paths}
    total = item_count(watched)
    publish(changing.database_url, "p00101", "p00102")
    wait_for(lambda: item_count(watched) == total - 2)
    assert watched.get(ITEMS, params={"limit": 1}).json()["numberMatched"] == total - 2
    for path, old in before.items():
        new = watched.get(path, headers={"If-None-Match": old.headers["ETag"]})
        assert (path, new.status_code) == (path, 200)
        assert new.headers["ETag"] != old.headers["ETag"]
    assert watched.get(ITEMS).headers["Last-Modified"] == "Sat, 01 Aug 2026 12:00:00 GMT"
    other = watched.get("/collections/flaeche/items")
    assert other.headers["Last-Modified"] == "Wed, 01 Jul 2026 12:00:00 GMT"


def test_a_cursor_whose_state_is_not_kept_is_410(changing: Any, watched: httpx.Client) -> None:
    """The probe keeps no history: going on could repeat or leave out features, so the client is told to begin anew."""
    total = item_count(watched)
    first = watched.get(ITEMS, params={"limit": 10}).json()
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    publish(changing.database_url, first["features"][-1]["id"].replace("%", "%%"))
    wait_for(lambda: item_count(watched) == total - 1)
    answer = watched.get(following)
    assert answer.status_code == 410
    assert "The data of 'messpunkt' were replaced since the page that this cursor comes from" in answer.json()["detail"]
    assert answer.json()["remedy"] == "begin anew without cursor"
    assert len(watched.get(ITEMS, params={"limit": 10_000}).json()["features"]) == total - 1


def test_a_delivery_is_seen_though_the_listening_connection_was_lost(changing: Any, watched: httpx.Client) -> None:
    total = item_count(watched)
    with psycopg.connect(changing.database_url, autocommit=True) as owner:
        ended = owner.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and application_name = 'opennrw-server'"
        ).fetchone()
    assert ended is not None
    assert ended[0] >= 2
    publish(changing.database_url, "p00103")
    assert watched.get(ITEMS).status_code == 200, "dead connections of the pool are replaced unseen"
    wait_for(lambda: item_count(watched) == total - 1)


def test_a_page_notices_a_delivery_before_its_notification(changing: Any, watched: httpx.Client) -> None:
    """Extent and largest feature decide where a box is searched: a page of a newer version is searched by the newer."""
    total = item_count(watched)
    with psycopg.connect(changing.database_url) as connection:
        connection.execute("update provenance.collection set version = version + 1, features = features + 7")

    def asked_and_known() -> bool:
        watched.get(ITEMS)
        return item_count(watched) == total + 7

    wait_for(asked_and_known)
    assert watched.get(ITEMS).json()["numberMatched"] == total + 7


# --- the database does not answer


@pytest.fixture
def lock(probe_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that keeps every reader of the points waiting until it is rolled back."""
    with psycopg.connect(probe_database_url) as connection:
        connection.execute("lock table geobasis.messpunkt in access exclusive mode")
        yield connection
        connection.rollback()


def test_an_exhausted_pool_and_a_slow_statement_are_503_with_retry_after(
    serve_probe: Serve, probe_database_url: str, lock: psycopg.Connection[Any]
) -> None:
    few = {"OPENNRW_POOL_SIZE": "1", "OPENNRW_POOL_TIMEOUT": "0.2", "OPENNRW_STATEMENT_TIMEOUT": "2"}
    with serve_probe(probe_database_url, **few) as served, httpx.Client(base_url=served.url, timeout=30) as client:
        slow: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: slow.append(httpx.get(served.url + ITEMS, timeout=30)))
        thread.start()
        wait_for(lambda: client.get("/readyz").status_code == 503, 2)
        answer = client.get("/collections/flaeche/items")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["detail"] == (
            "The database did not become free in time. Send the request again in a moment."
        )
        page = client.get("/collections/flaeche/items", params={"f": "html"})
        assert (page.status_code, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert client.get("/healthz").status_code == 200, "the process lives"
        assert client.get("/collections").status_code == 200, "metadata need no database"
        thread.join()
        assert (slow[0].status_code, slow[0].headers["Retry-After"]) == (503, "30")
        assert "The query ran longer than this service allows" in slow[0].json()["detail"]
        lock.rollback()
        assert client.get(ITEMS).status_code == client.get("/readyz").status_code == 200


def test_a_client_that_leaves_cancels_its_query(
    serve_probe: Serve, probe_database_url: str, lock: psycopg.Connection[Any]
) -> None:
    def waiting() -> int:
        with psycopg.connect(probe_database_url) as connection:
            row = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database() "
                "and application_name = 'opennrw-server' and wait_event_type = 'Lock'"
            ).fetchone()
        return row[0] if row else -1

    with serve_probe(probe_database_url, OPENNRW_POOL_SIZE="1", OPENNRW_STATEMENT_TIMEOUT="30") as served:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(served.url + ITEMS, timeout=0.5)
        wait_for(lambda: waiting() == 0, 3)
        answer = httpx.get(f"{served.url}/collections/flaeche/items", timeout=5)
        assert answer.status_code == 200, "the only connection of the pool is free and usable again"


def test_a_locked_table_is_waited_for_once(probe_database_url: str, lock: psycopg.Connection[Any]) -> None:
    """Only a connection that died is tried again: two times lock_timeout would be too long."""

    async def fetch() -> None:
        conninfo = make_conninfo(probe_database_url, options="-c lock_timeout=400")
        database = Database(conninfo, 1, 5)
        await database.open()
        await database.fetch(b"select 1")
        began = time.monotonic()
        try:
            with pytest.raises(Unavailable):
                await database.fetch(b"select * from geobasis.messpunkt")
            assert time.monotonic() - began < 0.8
        finally:
            await database.close()

    asyncio.run(fetch())


@pytest.fixture
def own_cluster(fill_probe: Callable[[str], None]) -> Iterator[PrivateCluster]:
    """A PostgreSQL server of the test's own, with the probe, to be stopped and started."""
    if "TEST_DATABASE_URL" in os.environ:
        pytest.skip("a given server is not ours to stop")
    folder = Path(tempfile.mkdtemp(prefix="opennrw-test-"))
    folder.chmod(0o755)
    cluster = PrivateCluster(folder, {"fsync": "off"})
    try:
        cluster.start()
        migrate(cluster.owner_url)
        fill_probe(cluster.owner_url)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def test_a_restart_of_the_database_is_survived(serve_probe: Serve, own_cluster: PrivateCluster) -> None:
    url = own_cluster.owner_url
    with (
        serve_probe(url, OPENNRW_POOL_TIMEOUT="0.5") as served,
        httpx.Client(base_url=served.url, timeout=30) as client,
    ):
        total = client.get(ITEMS).json()["numberMatched"]
        own_cluster.stop()
        for _ in range(2):
            began = time.monotonic()
            answer = client.get(ITEMS)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            assert time.monotonic() - began < 5
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert "opennrw_database_up 0\n" in client.get("/metrics").text
        assert client.get(f"{ITEMS}/p00100").status_code == 503
        own_cluster.start()
        wait_for(lambda: client.get(ITEMS).status_code == 200)
        assert client.get("/readyz").status_code == 200
        publish(own_cluster.owner_url, "p00100")
        wait_for(lambda: item_count(client) == total - 1)
        assert served.process.poll() is None


# --- the server's role


WRITES = [
    "insert into geobasis.messpunkt select * from geobasis.messpunkt",
    "update geobasis.messpunkt set name = 'x'",
    "delete from geobasis.messpunkt",
    "truncate geobasis.messpunkt",
    "drop table geobasis.messpunkt",
    "update provenance.collection set version = 9",
    "delete from provenance.delivery",
    "create table public.x (a int)",
    "create table geobasis.x (a int)",
    "alter role opennrw_reader superuser",
    "copy geobasis.messpunkt to program 'true'",
    "select pg_read_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
]


@pytest.mark.parametrize("statement", WRITES)
def test_the_servers_role_cannot_write(probe: Any, statement: str) -> None:
    conninfo = reader_conninfo(Settings(), probe.database_url)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)):
            connection.execute(statement.encode())
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_the_servers_connections_are_bounded(probe: Any) -> None:
    conninfo = reader_conninfo(Settings(), probe.database_url)
    expected = {
        "role": "opennrw_reader",
        "transaction_read_only": "on",
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "TimeZone": "UTC",
    }
    with psycopg.connect(conninfo) as connection:
        for name, value in expected.items():
            row = connection.execute("select current_setting(%s)", [name]).fetchone()
            assert row == (value,), name
        assert connection.execute("select current_user").fetchone() == ("opennrw_reader",)


# --- logs, health, metrics


def test_log_lines_are_json_and_hold_no_client_address(client: httpx.Client, probe: Any) -> None:
    client.get(f"{ITEMS}?name=%0Ainjected", headers={"X-Request-ID": "log-1"})
    client.get("/zeile%0A%7B%22level%22:1%7D%1b%5B31m", headers={"X-Request-ID": "log-2"})
    wait_for(lambda: all(f'"{name}"' in probe.log.read_text("utf-8") for name in ("log-1", "log-2")))
    lines = probe.log.read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    by_id = {e["request_id"]: e for e in entries if e["event"] == "request"}
    assert by_id["log-1"].keys() >= {"method", "path", "query", "status", "bytes", "ms", "timestamp", "level"}
    assert (by_id["log-1"]["path"], by_id["log-1"]["status"]) == (ITEMS, 200)
    assert by_id["log-2"]["status"] == 404
    assert not any("127.0.0.1" in json.dumps(e) for e in entries if e["event"] == "request")
    other = [line for line in lines if not line.startswith("{")]
    assert all("ready" in line or line.startswith(("  ", "Ctrl-C")) for line in other), "\n".join(other)


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "database": "primary"}
    assert client.get("/healthz", headers={"Accept": "image/png"}).status_code == 200


def test_metrics_count_by_route_not_by_url(client: httpx.Client) -> None:
    def count(text: str, route: str, status: int) -> float:
        name = f'opennrw_requests_total{{method="GET",route="{route}",status="{status}"}} '
        return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))

    route = "/collections/{collectionId}/items"
    before = client.get("/metrics")
    assert before.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for path in (f"{ITEMS}?limit=1", f"{ITEMS}?limit=2", f"{ITEMS}?limit=0", "/one", "/two"):
        client.get(path)
    after = client.get("/metrics").text
    assert count(after, route, 200) == count(before.text, route, 200) + 2
    assert count(after, route, 400) == count(before.text, route, 400) + 1
    assert count(after, "none", 404) == count(before.text, "none", 404) + 2
    assert "/one" not in after
    assert 'opennrw_request_seconds_bucket{le="0.005",route="/collections/{collectionId}/items"}' in after
    assert "opennrw_response_bytes_total" in after


def test_metrics_tell_of_the_database(client: httpx.Client) -> None:
    lines = client.get("/metrics").text.splitlines()
    expected = {"opennrw_database_up 1", "opennrw_database_in_recovery 0", "opennrw_database_replay_lag_seconds 0.000"}
    assert expected <= set(lines)
