"""Runs a job's process from the worker, and records what came of it."""

import asyncio
import os
import socket
import sys
from typing import Any

import orjson
import structlog
from procrastinate import JobContext
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason

from server.jobs.retry import JobFailed, JobInterrupted

PATIENCE = 5.0  # seconds a process may take to stop when its worker has to
BEGIN = """
insert into progress (job, worker) values (%(job)s, %(worker)s)
on conflict (job) do update set worker = excluded.worker, step = null, done = null, total = null, rows = null,
  outcome = null, message = null, report = null, updated = clock_timestamp()
"""
END = """
update progress set outcome = %(outcome)s, message = %(message)s, report = %(report)s, updated = clock_timestamp()
where job = %(job)s
"""

log = structlog.get_logger()


async def perform(context: JobContext, **arguments: Any) -> None:
    """One attempt of a job. Raises JobFailed, JobInterrupted; JobAborted or CancelledError where it was stopped."""
    job = context.job
    say = log.bind(job=job.id, task=job.task_name, attempt=job.attempts + 1, **_names(arguments))
    await _execute(context, BEGIN, worker=f"{socket.gethostname()}/{os.getpid()}")
    say.info("job started")
    process = await _start({"job": job.id, "task": job.task_name, "arguments": arguments})
    reading = asyncio.create_task(_answer(process))
    try:
        answer = await asyncio.shield(reading)
    except asyncio.CancelledError:
        by_user = context.abort_reason() is AbortReason.USER_REQUEST
        answer = await _stop(process, reading, None if by_user else PATIENCE)
        if answer is None:
            say.info("job stopped", why="cancelled" if by_user else "given back: the worker stops")
            await _finish(context, "cancelled" if by_user else None, "Stopped; nothing was changed.")
            if by_user:
                raise JobAborted("cancelled") from None
            raise
    finally:
        if process.returncode is None:
            process.kill()
    await _settle(context, answer, process.returncode, say)


async def _settle(context: JobContext, answer: dict[str, Any] | None, code: int | None, say: Any) -> None:
    if answer is None:
        answer = {"error": f"The job's process ended without a result ({_describe(code)}).", "passing": (code or 0) < 0}
    if error := answer.get("error"):
        await _finish(context, None, error)
        say.warning("job failed", error=error, passing=answer["passing"])
        raise (JobInterrupted if answer["passing"] else JobFailed)(error)
    await _finish(context, answer["outcome"], answer["message"], answer["report"] or None)
    say.info("job ended", outcome=answer["outcome"], message=answer["message"][:500])


def _names(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that tell jobs apart in a log."""
    return {name: arguments[name] for name in ("dataset", "packages", "collection") if arguments.get(name)}


async def _start(order: dict[str, Any]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.jobs.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the worker's to handle
    )
    assert process.stdin  # noqa: S101 - it is a pipe
    process.stdin.write(orjson.dumps(order) + b"\n")  # and stays open: its end is the end of the worker
    return process


async def _answer(process: asyncio.subprocess.Process) -> dict[str, Any] | None:
    """What the process says at its end; None where it was stopped or killed."""
    assert process.stdout  # noqa: S101 - it is a pipe
    written = await process.stdout.read()
    return orjson.loads(written) if await process.wait() == 0 else None


async def _stop(
    process: asyncio.subprocess.Process, reading: asyncio.Task[dict[str, Any] | None], patience: float | None
) -> dict[str, Any] | None:
    """Ask it to stop. The answer where it was too late for that; None also if it had to be killed."""
    if process.returncode is None:
        process.terminate()
    try:
        return await asyncio.wait_for(asyncio.shield(reading), patience)
    except TimeoutError:
        process.kill()
        return await reading


def _describe(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}; 9 often means that memory ran out"
    return f"exit code {code}; the worker's log says more"


async def _finish(context: JobContext, outcome: str | None, message: str, report: dict[str, Any] | None = None) -> None:
    await _execute(context, END, outcome=outcome, message=message, report=report)


async def _execute(context: JobContext, statement: str, **values: Any) -> None:
    await context.app.connector.execute_query_async(statement, job=context.job.id, **values)  # pyright: ignore[reportArgumentType]
