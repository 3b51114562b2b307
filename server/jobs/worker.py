"""A worker: runs jobs until it is told to stop, and comes back by itself where the database was away."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker
from psycopg_pool import PoolTimeout

from server.jobs.app import make_queue
from server.jobs.keeper import Keeper
from server.jobs.retry import BackOff
from server.jobs.runner import perform
from server.jobs.tasks import TASKS
from server.settings import Settings

LONGEST_PAUSE = 30.0  # seconds between two tries to reach the database

log = structlog.get_logger()


@dataclass(frozen=True)
class WorkerOptions:
    """How many jobs at once, of which queues (None: all), and how long they may run on after a signal (seconds)."""

    concurrency: int
    grace: float
    queues: tuple[str, ...] | None = None


def run_worker(settings: Settings, options: WorkerOptions) -> int:
    """Runs until a signal; gives its number. A second signal ends the process at once."""
    library = logging.getLogger("procrastinate")
    library.addHandler(_ToOurLog())
    library.propagate = False
    return asyncio.run(_run(settings, options))


async def _run(settings: Settings, options: WorkerOptions) -> int:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()

    def stop(number: int) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        told.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    log.info("worker started", concurrency=options.concurrency, queues=options.queues or "all")
    pause = 1.0
    while not told.done():
        began = loop.time()
        try:
            await _work(settings, options, told)
        except (ConnectorException, psycopg.Error, PoolTimeout) as error:
            log.warning("the worker lost the database", error=str(error.__cause__ or error).strip())
        pause = 1.0 if loop.time() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
        if not told.done():
            await asyncio.wait([told], timeout=pause)
    log.info("worker ended", signal=told.result())
    return told.result()


async def _work(settings: Settings, options: WorkerOptions, told: "asyncio.Future[int]") -> None:
    """One life of a worker in the database. Ends when told to, or when the connection for one of its duties breaks."""
    app = make_queue(settings)
    running: set[int] = set()
    _add_tasks(app, settings)
    async with app.open_async():
        worker = _make_worker(app, settings, options, running)
        working = asyncio.create_task(worker.run())
        keeper = Keeper(app, settings.worker_heartbeat, running)
        keeping = asyncio.create_task(keeper.run(lambda: worker.worker_id))
        try:
            await asyncio.wait([told, working, keeping], return_when=asyncio.FIRST_COMPLETED)
            worker.stop()
            await working
            if keeping.done():
                keeping.result()
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectorException, psycopg.Error):
                await keeping


def _make_worker(app: App, settings: Settings, options: WorkerOptions, running: set[int]) -> Worker:
    async def count(call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker) -> Any:
        assert context.job.id  # noqa: S101 - it was read from the database
        running.add(context.job.id)
        try:
            return await call_next()
        finally:
            running.discard(context.job.id)

    return Worker(
        app,
        queues=list(options.queues) if options.queues else None,
        concurrency=options.concurrency,
        install_signal_handlers=False,
        shutdown_graceful_timeout=options.grace,
        update_heartbeat_interval=settings.worker_heartbeat,
        stalled_worker_timeout=settings.worker_heartbeat * 6,
        fetch_job_polling_interval=min(5.0, settings.worker_heartbeat),
        abort_job_polling_interval=min(5.0, settings.worker_heartbeat),
        worker_middleware=[count],
    )


def _add_tasks(app: App, settings: Settings) -> None:
    retry = BackOff(settings.retry_wait)
    for name, task in TASKS.items():
        app.task(name=name, queue=task.queue, pass_context=True, retry=retry)(perform)


class _ToOurLog(logging.Handler):
    """The library's warnings into our log; how jobs end is told there already."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and not getattr(record, "action", "").startswith("job_"):
            error = record.exc_info[1] if record.exc_info else None
            log.log(record.levelno, record.getMessage()[:500], error=repr(error) if error else None)
