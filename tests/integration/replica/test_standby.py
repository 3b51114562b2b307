"""Reads from a standby: what it has not replayed yet, what its recovery ends, what a server without a primary does."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections
from server.database import Database, reader_conninfo
from server.errors import Unavailable
from server.settings import ROOT, Settings
from server.state import Registry

ITEMS = "/collections/adresse/items?f=json&limit=70"
Pair = Any
Server = Any
WaitFor = Callable[..., None]


@pytest.fixture
def load(pair: Pair, monthly: list[Path], tmp_path: Path) -> Callable[[], int]:
    """Publishes a delivery that changes every address; its number."""

    def publish() -> int:
        for folder in monthly:
            options = LoadOptions(pair.url("opennrw_owner", "read-write"), tmp_path, source=str(folder))
            report = load_dataset("gebref", options)
            if report.status == "published" and report.delivery is not None:
                return report.delivery
        raise AssertionError("no month differs from what is live")

    return publish


@pytest.fixture
def held_back(pair: Pair, wait_for: WaitFor) -> Iterator[None]:
    """The standby receives what the primary writes, but shows nothing of it until the test is over."""
    wait_for(pair.caught_up)
    pair.standby.execute("select pg_wal_replay_pause()")
    wait_for(lambda: pair.standby.execute("select pg_get_wal_replay_pause_state()") == [("paused",)])
    yield
    pair.standby.execute("select pg_wal_replay_resume()")
    wait_for(pair.caught_up)


@pytest.fixture(scope="module")
def at_primary(start_servers: Callable[[str, int], list[Server]]) -> Server:
    """A server that reads from the primary."""
    return start_servers("primary", 1)[0]


@pytest.fixture(scope="module")
def at_standby(start_servers: Callable[[str, int], list[Server]]) -> Server:
    """A server that reads from the standby and reaches the primary, too."""
    return start_servers("prefer-standby", 1)[0]


def deliveries(answer: httpx.Response) -> set[int]:
    assert answer.status_code == 200, answer.text
    return {feature["properties"]["delivery"] for feature in answer.json()["features"]}


def following(answer: httpx.Response) -> str:
    [href] = [link["href"] for link in answer.json()["links"] if link["rel"] == "next"]
    return httpx.URL(href).raw_path.decode()


@pytest.mark.usefixtures("held_back")
def test_a_client_never_pages_from_a_newer_state_to_an_older_one(
    pair: Pair, at_standby: Server, at_primary: Server, load: Callable[[], int], wait_for: WaitFor
) -> None:
    behind = at_standby.url
    old = httpx.get(behind + ITEMS)
    new = load()
    first = httpx.get(at_primary.url + ITEMS)
    wait_for(lambda: deliveries(httpx.get(at_primary.url + ITEMS)) == {new})
    first = httpx.get(at_primary.url + ITEMS)
    second = following(first)

    stale = httpx.get(behind + ITEMS)
    assert deliveries(stale) == deliveries(old) != {new}, "the standby's own state, whole, is an answer"
    assert stale.headers["ETag"] == old.headers["ETag"] != first.headers["ETag"]
    unchanged = httpx.get(behind + ITEMS, headers={"If-None-Match": first.headers["ETag"]})
    assert unchanged.status_code == 200, "the newer page is not what this server has"

    pair.primary.kill()
    try:
        refused, alone = httpx.get(behind + second), httpx.get(behind + ITEMS)
    finally:
        pair.primary.start()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert "older than the page that you come from" in refused.json()["detail"]
    assert deliveries(alone) == deliveries(old)

    wait_for(lambda: httpx.get(behind + second).status_code == 200)
    page = httpx.get(behind + second)
    assert deliveries(page) == {new}, "from the primary"
    assert not {f["id"] for f in page.json()["features"]} & {f["id"] for f in first.json()["features"]}
    assert deliveries(httpx.get(behind + ITEMS)) == {new}, "once newer, a server stays newer"


def test_a_cursor_of_a_state_that_was_taken_back_is_refused(
    pair: Pair, at_primary: Server, load: Callable[[], int], wait_for: WaitFor
) -> None:
    new = load()
    wait_for(lambda: deliveries(httpx.get(at_primary.url + ITEMS)) == {new})
    second = following(httpx.get(at_primary.url + ITEMS))
    marked = "update provenance.collection set version = version {} 1 where collection = 'adresse'"
    pair.primary.execute(marked.format("-"))  # as a return to a backup does
    refused = httpx.get(at_primary.url + second)
    pair.primary.execute(marked.format("+"))
    assert refused.status_code == 410
    assert "Begin anew without cursor" in refused.json()["detail"]


def test_readiness_and_metrics_tell_of_the_standby(pair: Pair, at_standby: Server, wait_for: WaitFor) -> None:
    wait_for(pair.caught_up)
    expected = {"status": "ready", "database": "standby", "replay_lag_seconds": 0.0}
    wait_for(lambda: httpx.get(at_standby.url + "/readyz").json() == expected)
    lines = httpx.get(at_standby.url + "/metrics").text.splitlines()
    assert {"opennrw_database_up 1", "opennrw_database_in_recovery 1"} <= set(lines)
    assert "opennrw_database_replay_lag_seconds 0.000" in lines


def _database(conninfo: str) -> Database:
    return Database(reader_conninfo(Settings(), conninfo), 2, 3)


def test_a_server_that_reaches_no_primary_looks_by_itself(
    pair: Pair, load: Callable[[], int], wait_for: WaitFor
) -> None:
    """A standby cannot be listened to."""

    async def follow() -> None:
        database = _database(pair.standby.url("opennrw_reader"))
        registry = Registry(read_collections(ROOT / "collections"))
        await database.open()
        await registry.refresh(database)
        before = registry.states["adresse"]
        watching = asyncio.create_task(registry.watch(database))
        new = await asyncio.to_thread(load)
        await asyncio.to_thread(wait_for, lambda: registry.states["adresse"].delivery == new)
        assert registry.states["adresse"].version == before.version + 1
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await database.close()

    asyncio.run(follow())


@pytest.fixture
def impatient(pair: Pair, wait_for: WaitFor) -> Iterator[None]:
    """The standby soon ends the queries that stand in the way of its recovery."""
    wait_for(pair.caught_up)
    pair.standby.execute("alter system set max_standby_streaming_delay = '10ms'")
    pair.standby.execute("select pg_reload_conf()")
    yield
    pair.standby.execute("alter system reset max_standby_streaming_delay")
    pair.standby.execute("select pg_reload_conf()")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("always", [False, True])
def test_a_query_that_recovery_ends_is_sent_again(pair: Pair, wait_for: WaitFor, always: bool) -> None:
    """Once: then the client may come again."""
    query = b"select count(*) from geobasis.adresse where pg_sleep(0.003) is not null"
    running = (
        "select query_start from pg_stat_activity where application_name = 'opennrw-server' "
        "and state = 'active' and query like '%pg_sleep(0.003)%'"
    )

    def conflicts() -> int:
        [(count,)] = pair.standby.execute("select confl_lock from pg_stat_database_conflicts where datname='opennrw'")
        return count

    def disturb() -> None:
        first = disturb_after(set())
        if always:
            disturb_after(first)

    def disturb_after(seen: set[Any]) -> set[Any]:
        wait_for(lambda: set(pair.standby.execute(running)) - seen, 20)
        found = set(pair.standby.execute(running))
        pair.primary.execute("begin; lock table geobasis.adresse in access exclusive mode; commit")
        return found

    async def fetch() -> int:
        database = _database(pair.standby.url("opennrw_reader"))
        await database.open()
        try:
            return (await database.fetch(query))[0][0]
        finally:
            await database.close()

    before = conflicts()
    with ThreadPoolExecutor() as threads:
        disturbed = threads.submit(disturb)
        if always:
            with pytest.raises(Unavailable, match="Send the request again in a moment"):
                asyncio.run(fetch())
        else:
            assert asyncio.run(fetch()) == pair.primary.execute("select count(*) from geobasis.adresse")[0][0]
        disturbed.result()
    wait_for(lambda: conflicts() == before + (2 if always else 1), 20)


def _doctor(home: Path, **environment: str) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "server", "doctor", "--json"],
        cwd=ROOT,
        env={**os.environ, "OPENNRW_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return {check["name"]: check for check in json.loads(done.stdout)}


def test_doctor_says_where_it_got_to(pair: Pair, tmp_path: Path, wait_for: WaitFor) -> None:
    wait_for(pair.caught_up)
    owner, reader = pair.url("opennrw_owner", "read-write"), pair.url("opennrw_reader", "prefer-standby")
    checks = _doctor(tmp_path, DATABASE_URL=owner, READER_DATABASE_URL=reader)
    assert checks["writes"]["state"] == checks["reads"]["state"] == "ok"
    assert checks["writes"]["detail"].startswith(f"127.0.0.1:{pair.primary.port}, a primary; standbys: ")
    assert "streaming" in checks["writes"]["detail"]
    assert checks["reads"]["detail"] == f"127.0.0.1:{pair.standby.port}, a standby, 0.0 s behind its primary"

    wrong = _doctor(tmp_path, DATABASE_URL=pair.standby.url())
    assert wrong["writes"]["state"] == "wrong"
    assert f"127.0.0.1:{pair.standby.port} is a standby, which takes no writes" in wrong["writes"]["detail"]
    assert "target_session_attrs=read-write" in wrong["writes"]["remedy"]
