"""The connection between loader and database is cut: amid COPY, amid the publishing transaction, at its commit."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Proxy:
    """Passes bytes on between a TCP port and the database, until it cuts: both connections end at once.

    `after`: cuts by itself when the loader has sent so many bytes.
    """

    def __init__(self, database_url: str) -> None:
        self.database = conninfo_to_dict(database_url)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.after: int | None = None
        self.sent = 0
        self.ends: list[socket.socket] = []
        self.is_cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The database by way of the proxy."""
        host, port = self.listener.getsockname()
        return make_conninfo(**{**self.database, "host": host, "port": port})

    def cut(self) -> None:
        """Ends every connection as a broken line does."""
        self.is_cut.set()
        for end in self.ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, no farewell
            end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()
        for end in self.ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = self._connect()
            self.ends += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = str(self.database["host"]), self.database["port"]
        if not host.startswith("/"):
            return socket.create_connection((host, int(str(port))))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        try:
            while data := source.recv(4096):
                target.sendall(data)
                self.sent += len(data) if upwards else 0
                if self.after is not None and self.sent > self.after and not self.is_cut.is_set():
                    self.cut()
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture
def proxy(former: str) -> Iterator[Proxy]:
    opened = Proxy(former)
    yield opened
    opened.close()


@pytest.fixture
def require_failure(
    former: str, loader: Any, snapshot: Any, wait_until: Callable[..., None]
) -> Iterator[Callable[[], list[str]]]:
    """The load ends with code 1 and says what to do; the old state is whole. Gives the steps that it came to."""
    with psycopg.connect(former, autocommit=True) as connection:
        before = snapshot(connection)

        def check() -> list[str]:
            outcome = loader.read()
            assert outcome["code"] == 1, outcome
            assert outcome["message"].startswith("The database broke off the load: ")
            assert outcome["message"].endswith("See that the database runs and can be reached; then run it again.")
            wait_until(lambda: snapshot(connection) == before, "the old state without leftovers")
            return outcome["events"]

        yield check


@pytest.mark.parametrize("sent", [20_000, 40_000, 60_000])
def test_amid_copy(proxy: Proxy, loader: Any, require_failure: Callable[[], list[str]], sent: int) -> None:
    """The rows alone, nearly all that a loader sends, are more."""
    proxy.after = sent
    loader.start(proxy.url)
    require_failure()
    assert proxy.is_cut.is_set()


@pytest.mark.parametrize("where", ["insert on history.adresse", "insert on geobasis.adresse", "commit"])
def test_amid_the_publishing_transaction(
    proxy: Proxy, former: str, loader: Any, held: Any, require_failure: Callable[[], list[str]], where: str
) -> None:
    with held(former, where) as reached:
        loader.start(proxy.url)
        reached()
        proxy.cut()
        assert "publish" in require_failure()


def test_the_next_run_finishes(
    proxy: Proxy, former: str, loader: Any, require_failure: Callable[[], list[str]], load_later: Any
) -> None:
    proxy.after = 60_000
    loader.start(proxy.url)
    require_failure()
    proxy.after = None
    assert load_later(proxy.url).status == "published"
    assert load_later(former).status == "unchanged"
