"""`opennrw worker`: runs jobs; also as a child process of `opennrw up`."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from server.commands.shared import open_database, read_settings, require_schema
from server.errors import ConfigurationError
from server.settings import Settings

RESTART_PAUSE = 5.0
STOP_TIMEOUT = 10.0
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Jobs at once, each in a process of its own. [OPENNRW_WORKER_CONCURRENCY, 2]"),
]
Queues = Annotated[str | None, typer.Option(help="Only jobs of these queues, with commas, such as load,watch.")]
Grace = Annotated[
    float | None, typer.Option(min=0, help="Seconds that jobs may run on after a signal. [OPENNRW_WORKER_GRACE, 8]")
]


def worker(concurrency: Concurrency = None, queues: Queues = None, grace: Grace = None) -> None:
    """Run jobs until Ctrl-C or SIGTERM; any number of workers, on any machine that reaches the database.

    At a signal it takes no new job, lets the running ones finish within the grace time and gives back the rest; at a
    second one it ends at once. The jobs of a worker that dies are taken over by another one.
    """
    settings = read_settings()
    with open_database(settings) as opened:
        require_schema(opened, settings)
        os.environ["DATABASE_URL"] = opened.owner_url  # the jobs' processes read it
        settings = read_settings()
        ended_by = run(settings, concurrency, grace, _parse_queues(queues))
    if ended_by == signal.SIGINT:
        raise typer.Exit(130)


def run(settings: Settings, concurrency: int | None, grace: float | None, queues: tuple[str, ...] | None) -> int:
    """Runs a worker in this process; the number of the signal that ended it."""
    from server.jobs.worker import WorkerOptions, run_worker  # noqa: PLC0415 - every command imports this module
    from server.observe import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level)
    grace = settings.worker_grace if grace is None else grace
    return run_worker(settings, WorkerOptions(concurrency or settings.worker_concurrency, grace, queues))


@contextmanager
def worker_beside() -> Iterator[threading.Event]:
    """A worker as a child process, from when the event is set until the block ends; begun again if it dies.

    The environment tells it where the database is.
    """
    wanted, over = threading.Event(), threading.Event()
    keeper = threading.Thread(target=_keep_running, args=(wanted, over), daemon=True)
    keeper.start()
    try:
        yield wanted
    finally:
        over.set()
        wanted.set()
        keeper.join(timeout=2 * STOP_TIMEOUT)


def _keep_running(wanted: threading.Event, over: threading.Event) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: a Ctrl-C is not for a process just born
    wanted.wait()
    while not over.is_set():
        process = multiprocessing.get_context("spawn").Process(target=_run_in_child)
        process.start()
        while process.is_alive() and not over.wait(0.2):
            pass
        if over.is_set():
            process.terminate()
            process.join(STOP_TIMEOUT)
            if process.is_alive():
                process.kill()
                process.join()
        elif over.wait(RESTART_PAUSE):
            return


def _run_in_child() -> None:
    """Without a grace time: who stops `up` does not wait, and a job that is given back is begun again."""
    os.setsid()  # Ctrl-C goes to the parent, which stops the worker
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run(read_settings(), None, 0.0, None)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _parse_queues(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    from server.jobs.tasks import QUEUES  # noqa: PLC0415 - as above

    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in QUEUES]:
        raise ConfigurationError(f"There is no queue '{unknown[0]}'. Queues: {', '.join(QUEUES)}.")
    return names
