"""The process of one job: told what to do on standard input, tells what came of it on standard output.

A process of its own gives its memory back, may crash without the worker, and can be stopped amid a statement. Standard
input stays open as long as the worker lives: its end means that another worker will take the job over.
"""

import os
import signal
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any

import httpx
import orjson
import psycopg

from loaders.errors import LoadError
from loaders.retries import Again
from server.errors import Busy, ServiceError
from server.jobs.progress import JobProgress, Stopped
from server.jobs.tasks import TASKS, Work
from server.settings import Settings

LAST_MOMENTS = 60  # seconds that a publication may still take without its worker


def main() -> None:
    """Do one job. Exit code 0 with an answer on standard output; 143 without one if it was stopped."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    order = orjson.loads(_read_order())
    settings = Settings()  # pyright: ignore[reportCallIssue]
    progress = JobProgress(order["job"], settings.database_url or "")
    work = Work(settings, order["job"], order["arguments"], progress)

    def stop(number: int, frame: object) -> None:
        """A load that publishes is let finish: what it has done should be known."""
        if not progress.final:
            raise Stopped

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    progress.start()
    try:
        answer = _answer(order["task"], work)
    except Stopped:
        progress.finish()
        os._exit(143)
    progress.finish()
    with suppress(BrokenPipeError), os.fdopen(answers, "wb") as target:  # the worker is gone: nobody listens
        target.write(orjson.dumps(answer, default=str))
    os._exit(0)  # no waiting for threads of libraries


def _read_order() -> bytes:
    order = b""
    while not order.endswith(b"\n"):
        if not (chunk := os.read(0, 1 << 16)):
            sys.exit("the worker ended before it gave an order")
        order += chunk
    return order


def _end_with_worker() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_MOMENTS)
    os._exit(143)


def _answer(task: str, work: Work) -> dict[str, Any]:
    """The outcome, or the error that a person can understand and whether it may pass by itself."""
    try:
        outcome = TASKS[task].run(work)
    except (LoadError, ServiceError, psycopg.Error, httpx.HTTPError, OSError) as error:
        return {"error": str(error).strip() or type(error).__name__, "passing": is_passing(error)}
    return {"outcome": outcome.outcome, "message": outcome.message, "report": outcome.report}


def is_passing(error: BaseException) -> bool:
    """Whether an error was caused by a database or a source that is away for a while, by another process, or by one
    that was killed.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (Again, BrokenProcessPool, Busy, httpx.TransportError, psycopg.OperationalError)):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


if __name__ == "__main__":
    main()
