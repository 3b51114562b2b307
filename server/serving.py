"""Runs the web server in the foreground: worker processes, signals, the line that says it is ready."""

import errno
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from server.settings import Settings

if TYPE_CHECKING:
    from server.workers import Received

READY_TIMEOUT = 60
METRICS = "opennrw-metrics-"


class ServingError(Exception):
    """The server cannot be started; the text says why and what to do."""


def check_port(host: str, port: int) -> None:
    """ServingError if the address is taken.

    The workers share their port (SO_REUSEPORT), so a second server would silently get half of the requests.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ServingError(_why_not(host, port, error)) from error


def _why_not(host: str, port: int, error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use by another program. Choose another one: --port {port + 10}."
    if code == errno.EACCES:
        return f"Port {port} may not be opened by this user: below 1024 it needs root. Choose another one: --port 8080."
    return f"The server cannot listen on {host}, port {port}: {error}. --host takes an address of this machine."


def public_url(settings: Settings) -> str:
    """Where a browser on this machine finds the server: BASE_URL, or the address it listens on."""
    if settings.base_url:
        return settings.base_url.rstrip("/")
    host = settings.host
    if host in {"127.0.0.1", "::1", "0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def serve(settings: Settings, ready: Callable[[], None]) -> int | None:
    """Serves until a signal ends it; the signal's number, or None if the workers could not start.

    The workers read their settings from the environment. `ready` is called once, when /readyz answers.
    """
    from server.workers import Workers  # noqa: PLC0415 - the web server's library is for those who serve

    check_port(settings.host, settings.port)
    over = threading.Event()
    watcher = threading.Thread(target=_announce, args=(settings, ready, over), daemon=True)
    watcher.start()
    try:
        with _shared_metrics(), _signals() as received:
            return Workers(settings, received).run()
    finally:
        over.set()
        watcher.join()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder where the workers add up their counters; what a killed server left behind is removed."""
    _remove_stale_metrics(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{METRICS}{os.getpid()}-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def _remove_stale_metrics(parent: Path) -> None:
    for folder in parent.glob(f"{METRICS}*"):
        process = folder.name.removeprefix(METRICS).partition("-")[0]
        if folder.stat().st_uid == os.geteuid() and not Path("/proc", process).exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _signals() -> Iterator["Received"]:
    """The signals that end the server, for as long as the block lasts; nohup's SIGHUP stays ignored."""
    from server.workers import Received  # noqa: PLC0415

    received = Received()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, received.take) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        received.close()


def _announce(settings: Settings, ready: Callable[[], None], over: threading.Event) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/readyz"
    deadline = time.monotonic() + READY_TIMEOUT
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and not over.wait(0.1):
        try:
            opener.open(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            continue
        ready()
        return
