"""`opennrw jobs`: what waits, runs and has run; cancel, try again."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from psycopg import sql

from server.commands.shared import EXIT_CODES, AsJson, Queue, open_queue
from server.console import out, say, show_columns
from server.errors import NotFound
from server.jobs.listing import JOBS, REPORT, STATES, WORKERS_ALIVE, job_filter

commands = typer.Typer(
    help="The queue: list, show, cancel, retry. Without a command: list.", epilog=EXIT_CODES, no_args_is_help=False
)

JobId = Annotated[int, typer.Argument(metavar="ID", help="The job's number, see `opennrw jobs list`.")]


@commands.callback(invoke_without_command=True)
def common(context: typer.Context) -> None:
    """The queue: list, show, cancel, retry. Without a command: list."""
    if context.invoked_subcommand is None:
        list_jobs()


@commands.command("list", epilog=EXIT_CODES)
def list_jobs(
    status: Annotated[str | None, typer.Option(help=f"Only this state: {', '.join(STATES)}.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only loads and polls of this dataset.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 30,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs: what waits, runs and has run in the last 30 days."""
    if status is not None and status not in STATES:
        raise typer.BadParameter(f"'{status}' is no state; it is one of {', '.join(STATES)}", param_hint="--status")
    with open_queue() as queue:
        jobs = _fetch(queue, status=status, dataset=dataset, limit=limit)
        workers = _count_workers(queue)
    if as_json:
        out(json.dumps({"jobs": jobs, "workers": workers}, ensure_ascii=False, indent=2))
        return
    if jobs:
        heads = ("id", "task", "what", "state", "progress", "attempts", "worker", "since", "message")
        show_columns([heads, *(_row(job) for job in jobs)])
    else:
        out("There are no such jobs." if status or dataset else "There are no jobs.")
    say(f"{workers} worker{'s' if workers != 1 else ''} alive.")
    if not workers and any(job["status"] == "accepted" for job in jobs):
        say("Jobs wait and no worker is there: start one with `opennrw worker`.")


@commands.command("show", epilog=EXIT_CODES)
def show_job(job_id: JobId, as_json: AsJson = False) -> None:
    """Show all that is known of a job, with the report of its load."""
    with open_queue() as queue:
        found = _fetch(queue, id=job_id)
        row = queue.connection.execute(sql.SQL(REPORT), {"id": job_id}).fetchone()
    if not found:
        raise NotFound(f"There is no job {job_id}. See `opennrw jobs list`; jobs are kept for 30 days after their end.")
    document = {**found[0], "report": json.loads(row[0]) if row and row[0] else None}
    if as_json:
        out(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for name, value in document.items():
        if value not in (None, False, {}):
            out(
                f"{name + ':':<12}{json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value}"
            )


@commands.command("cancel", epilog=EXIT_CODES)
def cancel(job_id: JobId) -> None:
    """Cancel a job: one that waits is not started, a load that runs stops and changes nothing.

    A load that is publishing already is too late to stop: it ends as if nothing had been said.
    """
    from server.jobs.enqueue import cancel_job  # noqa: PLC0415 - the queue's library is for those who need it

    with open_queue() as queue:
        done = cancel_job(queue.settings, queue.connection, job_id)
    out(f"Job {job_id} is cancelled." if done == "cancelled" else f"Job {job_id} runs and was told to stop.")


@commands.command("retry", epilog=EXIT_CODES)
def retry(job_id: JobId) -> None:
    """Let a failed job be tried again, now."""
    from server.jobs.enqueue import retry_job  # noqa: PLC0415

    with open_queue() as queue:
        retry_job(queue.connection, job_id)
    out(f"Job {job_id} waits again.")


def enqueue(dataset: str, options: dict[str, Any], as_json: bool) -> None:
    """`opennrw load … --background`: the options are those of the load."""
    from loaders.manifest import read_manifest  # noqa: PLC0415
    from server.jobs.enqueue import enqueue_load  # noqa: PLC0415
    from server.jobs.requests import LoadRequest  # noqa: PLC0415

    read_manifest(dataset).select(options["only"])
    with open_queue() as queue:
        job_id = enqueue_load(queue.settings, queue.connection, LoadRequest(dataset, **options))
        workers = _count_workers(queue)
    out(json.dumps({"job": job_id}) if as_json else f"Job {job_id} loads {dataset}: opennrw jobs show {job_id}")
    if not workers:
        say("No worker is there: start one with `opennrw worker`.")


def _count_workers(queue: Queue) -> int:
    """Workers that were heard of lately."""
    silence = 3 * queue.settings.worker_heartbeat
    row = queue.connection.execute(sql.SQL(WORKERS_ALIVE), {"silence": silence}).fetchone()
    return row[0] if row else 0


def _fetch(queue: Queue, **wanted: Any) -> list[dict[str, Any]]:
    rows = queue.connection.execute(sql.SQL(JOBS), job_filter(**wanted)).fetchall()
    return [json.loads(row[0]) for row in rows]


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    what = job["dataset"] or job["collection"] or ""
    packages = ", ".join(job["packages"] or ())
    state = "stopping" if job["cancelling"] else job["outcome"] or job["status"]
    return (
        str(job["id"]),
        job["task"],
        f"{what} {packages}".strip(),
        state,
        _progress(job),
        str(job["attempts"]),
        job["worker"] or "",
        _since(job),
        (job["message"] or "").replace("\n", " ")[:90],
    )


def _progress(job: dict[str, Any]) -> str:
    if job["status"] != "running" or not job["step"]:
        return ""
    share = f" {100 * job['done'] // job['total']} %" if job["total"] else f" {job['done']:,}" if job["done"] else ""
    rows = f", {job['rows']:,} rows" if job["rows"] and job["step"] != "stage" else ""
    return f"{job['step']}{share}{rows}"


def _since(job: dict[str, Any]) -> str:
    """When it ended, began, will be tried again, or was enqueued; UTC."""
    if job["status"] == "accepted" and job["scheduled"]:
        return f"from {_minute(job['scheduled'])}"
    return _minute(job["finished"] or (job["status"] == "running" and job["started"]) or job["created"])


def _minute(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
