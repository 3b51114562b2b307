"""The worker processes of the web server: started, replaced when one dies, stopped together."""

import ctypes
import multiprocessing
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from server.settings import Settings

STOP_TIMEOUT = 8.0  # seconds; Docker kills after 10
GRACE = 5  # seconds for the answers under way
YOUNG = 5.0  # seconds; a worker that dies sooner is replaced after a pause
PAUSE = 1.0
BACKLOG = 2048
KEEP_ALIVE = 75  # seconds

# glibc's mallopt: blocks below this size are not mapped one by one, and freed memory up to that one is kept. Otherwise
# each answer of some 100 kB costs as much in page faults as in work.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_MEMORY = 64 << 20
MAPPED_FROM = 32 << 20

spawn = multiprocessing.get_context("spawn")  # a fork would copy our threads and locks


class Received:
    """Signals that came; `readable` wakes who waits for them."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.readable, self._writable = socket.socketpair()

    def take(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        self.numbers.append(number)
        self._writable.send(b"!")

    def close(self) -> None:
        """Close the pair of sockets."""
        self.readable.close()
        self._writable.close()


@dataclass
class _Worker:
    process: SpawnProcess
    started: float
    first: bool

    @property
    def failed(self) -> bool:
        """Whether it could not start though nothing has changed since: another one could not, either.

        A later one may have met a database that is away for a while.
        """
        return self.first and self.process.exitcode == STARTUP_FAILURE


class Workers:
    """As many processes as the settings say, each with a listening socket of its own on the same port."""

    def __init__(self, settings: Settings, received: Received) -> None:
        self._settings = settings
        self._received = received
        self._workers: list[_Worker] = []

    def run(self) -> int | None:
        """Until a signal comes, which is returned; None where a worker could not start in the first place."""
        self._workers = [self._start(first=True) for _ in range(self._settings.workers)]
        try:
            while not self._received.numbers:
                connection.wait([self._received.readable, *(w.process.sentinel for w in self._workers)])
                if any(worker.failed for worker in self._workers):
                    return None
                self._replace_dead()
        finally:
            self._stop()
        return self._received.numbers[0]

    def _start(self, *, first: bool = False) -> _Worker:
        process = spawn.Process(target=run_worker, args=(self._settings.host, self._settings.port))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: a Ctrl-C now is not for the newborn
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return _Worker(process, time.monotonic(), first)

    def _replace_dead(self) -> None:
        for number, worker in enumerate(self._workers):
            if worker.process.exitcode is None or self._received.numbers:
                continue
            if time.monotonic() < worker.started + YOUNG:
                connection.wait([self._received.readable], PAUSE)
            self._workers[number] = self._start()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for worker in self._workers:
            worker.process.join(max(deadline - time.monotonic(), 0))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


def run_worker(host: str, port: int) -> None:
    """In a worker process: serve until SIGTERM or the end of the parent, however that ends."""
    os.setsid()  # Ctrl-C goes to the parent, which stops the workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_memory()
    config = uvicorn.Config(
        "server.app:create_app",
        factory=True,
        http="server.protocol:Protocol",
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    with _listen(host, port) as listening:
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    return listening


def _keep_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # not every C library has it
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
        mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
