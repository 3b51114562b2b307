"""Runs the web server in the foreground: worker processes, signals, the line that says it is ready."""

import errno
import importlib
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import FrameType
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from server.settings import Settings

READY_TIMEOUT = 60
WORKER_STOP_TIMEOUT = 8  # Docker kills after 10 s


class ServingError(Exception):
    """The server cannot be started; the text says why and what to do."""


def check_port(host: str, port: int) -> None:
    """ServingError if the address is taken.

    Granian's workers share their port (SO_REUSEPORT), so a second server would silently get half of the requests.
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
    """Serves until a signal ends it; the signal's number, or None if the workers ended by themselves.

    The workers read their settings from the environment. `ready` is called once, when /readyz answers.
    """
    check_port(settings.host, settings.port)
    multiprocessing.set_start_method("spawn", force=True)  # a fork would copy our threads and locks
    server: Any = Granian(
        "server.app:create_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.workers,
        respawn_failed_workers=True,
        workers_kill_timeout=WORKER_STOP_TIMEOUT,
        log_level=LogLevels.warning,
    )
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        server.signal_handler_interrupt()

    hangup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup

    def take_signals() -> None:
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if hangup_ignored else stop)

    server.on_startup(take_signals)
    over = threading.Event()
    watcher = threading.Thread(target=_announce, args=(settings, ready, over), daemon=True)
    watcher.start()
    try:
        with tempfile.TemporaryDirectory(prefix="opennrw-metrics-") as metrics:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics  # where the workers add up their counters
            server.serve(target_loader=load_app)
    except SystemExit as ended:
        if not received:
            if ended.code != 1:
                raise  # a signal before the server took them
            return None
    finally:
        over.set()
        watcher.join()
    return received[0] if received else None


def load_app(target: str) -> Callable[..., Any]:
    """In a worker process: the application, and an end with the parent, however that ends."""
    os.setsid()  # Ctrl-C goes to the parent, which stops the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    module, factory = target.split(":")
    return getattr(importlib.import_module(module), factory)()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


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
