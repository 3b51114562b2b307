"""Any one process is killed while clients page and read tiles and deliveries are loaded: nobody sees an error or half a
delivery, and nothing that was published is lost or doubled.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException

from server.jobs.app import connect_queue
from server.jobs.enqueue import LoadRequest, enqueue_load
from server.settings import Settings

Pair = Any
Client = Any
Servers = list[Any]
Workers = list[Any]
WaitFor = Callable[..., None]

STATUS = "select status::text from procrastinate_jobs where id = %s"
PUBLISHED = "select id from provenance.delivery where dataset = 'gebref' and status = 'published' order by id"


class Loads:
    """Has one month's delivery loaded after the other, as jobs, each until it is published.

    published: the deliveries that were; failed: why one was asked for again; wrong: jobs that were given up.
    """

    def __init__(self, pair: Pair, monthly: list[Path], wait_for: WaitFor) -> None:
        self._settings = Settings(database_url=pair.url("opennrw_owner", "read-write"))
        self._months = cycle([LoadRequest("gebref", str(folder)) for folder in [*monthly[1:], monthly[0]]])
        self._wait_for = wait_for
        self._over = threading.Event()
        self.published: list[int] = []
        self.failed: list[str] = []
        self.wrong: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        self._over.clear()
        thread = threading.Thread(target=self._load)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        assert not self.wrong, self.wrong

    def load_on(self) -> None:
        """Waits until one more is published."""
        wanted = len(self.published) + 1
        self._wait_for(lambda: len(self.published) >= wanted or bool(self.wrong))

    def _load(self) -> None:
        for month in self._months:
            while not self._over.is_set():
                try:
                    self._load_month(month)
                    break
                except (psycopg.OperationalError, ConnectorException) as error:
                    self.failed.append(str(error))
                    self._over.wait(0.2)
            if self._over.wait(1):
                return

    def _load_month(self, month: LoadRequest) -> None:
        with connect_queue(self._settings) as connection:
            job = enqueue_load(self._settings, connection, month)
            status = ""
            while status not in {"succeeded", "failed", "aborted", "cancelled"}:
                self._over.wait(0.1)
                [(status,)] = connection.execute(STATUS, [job]).fetchall()
            if status != "succeeded":
                self.wrong.append(f"job {job}: {status}")
            found = [row[0] for row in connection.execute(PUBLISHED).fetchall()]
            self.published += sorted(set(found) - set(self.published))


@pytest.fixture(scope="module")
def loads(pair: Pair, workers: Workers, monthly: list[Path], wait_for: WaitFor) -> Loads:
    return Loads(pair, monthly, wait_for)


@pytest.fixture(scope="module", autouse=True)
def under_way(pair: Pair, client: Client, loads: Loads, wait_for: WaitFor) -> Iterator[None]:
    """Reads and loads go on through all tests, one after the other. Afterwards every delivery that was published is
    there, in the standby, too, with all features and their past.
    """
    with client.reading(), loads.running():
        loads.load_on()
        yield
        loads.load_on()
    wait_for(pair.caught_up)
    for node in (pair.primary, pair.standby):
        rows = node.execute("select id from geobasis.adresse")
        assert sorted(row[0] for row in rows) == sorted(client.ids)
        assert node.execute("select count(distinct delivery) from geobasis.adresse") == [(1,)]
        published = [row[0] for row in node.execute(PUBLISHED)]
        assert set(loads.published) <= set(published)
        past = node.execute("select ended_by, count(*), count(distinct id) from history.adresse group by 1 order by 1")
        count = len(client.ids)
        assert past == [(delivery, count, count) for delivery in published[1:]]


@pytest.fixture(autouse=True)
def nothing_wrong(client: Client, loads: Loads) -> Iterator[None]:
    """Until the end of each test every answer was right and no job was given up."""
    client.read_on()
    yield
    client.read_on()
    assert not client.wrong, client.wrong[:5]
    assert not loads.wrong, loads.wrong


def test_a_server_is_killed(servers: Servers, client: Client, wait_for: WaitFor) -> None:
    servers[0].kill()
    client.read_on()
    wait_for(servers[0].gone)
    assert not client.wrong, "the other server answers"
    servers[0].start()
    wait_for(servers[0].ready)


def test_a_worker_is_killed(workers: Workers, loads: Loads, wait_for: WaitFor) -> None:
    wait_for(lambda: any(worker.busy() for worker in workers))
    victim = next(worker for worker in workers if worker.busy())
    victim.kill()
    before = len(loads.published)
    loads.load_on()
    assert len(loads.published) > before, "the other worker takes over"
    victim.start()


def test_the_standby_is_killed(pair: Pair, client: Client, loads: Loads) -> None:
    pair.standby.kill()
    before = len(loads.published)
    client.read_on(3)
    loads.load_on()
    assert len(loads.published) > before, "loads need no standby"
    pair.standby.start()


def test_the_primary_is_killed_and_comes_back(pair: Pair, client: Client, loads: Loads) -> None:
    pair.primary.kill()
    client.read_on(3)
    pair.primary.start()
    loads.load_on()
    assert loads.failed, "no load was under way when the primary died"


def test_the_primary_is_killed_and_the_standby_takes_its_place(
    pair: Pair, client: Client, loads: Loads, wait_for: WaitFor
) -> None:
    """With synchronous replication, so that a delivery is published only when the standby has it."""
    pair.primary.execute("alter system set synchronous_standby_names = '*'")
    pair.primary.execute("select pg_reload_conf()")
    wait_for(lambda: pair.primary.execute("select sync_state from pg_stat_replication") == [("sync",)])
    loads.load_on()
    pair.primary.kill()
    client.read_on()
    pair.promote()
    before = len(loads.published)
    loads.load_on()
    assert len(loads.published) > before, "the former standby takes writes"
    client.read_on()
    pair.rejoin()
