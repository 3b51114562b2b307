"""`opennrw watch`: sources that are looked at on a schedule; what is new there is loaded by the workers."""

import json
import re
import time
from typing import Annotated, Any

import typer

from loaders.errors import LoadError
from server.commands.shared import EXIT_CODES, FAILED, AsJson, open_queue
from server.console import out, say, show_columns
from server.settings import Settings

commands = typer.Typer(
    help="Look for new deliveries on a schedule. Without a command: do it here until Ctrl-C.",
    epilog=EXIT_CODES,
    no_args_is_help=False,
)

UNITS = {"m": 60, "h": 3600, "d": 86400}
LOOK_EVERY = 10.0  # seconds between two looks at what is due
Dataset = Annotated[str, typer.Argument(help="A folder below loaders/, such as gebref or alkis.")]


@commands.callback(invoke_without_command=True)
def common(context: typer.Context) -> None:
    """Look for new deliveries on a schedule. Without a command: do it here until Ctrl-C, for the workers to load.

    Workers do it by themselves; in the foreground it is for where none of them reaches the publisher.
    """
    if context.invoked_subcommand is None:
        _watch()


@commands.command("add", epilog=EXIT_CODES)
def add(
    dataset: Dataset,
    source: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Download folder with index.json; else the publisher's.")
    ] = None,
    every: Annotated[str, typer.Option(help="How often to look: 30m, 6h, 1d. A tenth of chance is added.")] = "1d",
) -> None:
    """Watch a dataset: a worker looks at its source now and then, and loads what differs from what was last there."""
    from server.jobs.watch import add_watch  # noqa: PLC0415 - the queue's library is for those who need it

    seconds = parse_interval(every)
    with open_queue() as queue:
        add_watch(queue.connection, dataset, source, seconds)
    out(f"{dataset} is watched every {every}, from {source or 'the publisher'}.")


@commands.command("remove", epilog=EXIT_CODES)
def remove(dataset: Dataset) -> None:
    """Watch a dataset no more. What was loaded stays."""
    from server.jobs.watch import remove_watch  # noqa: PLC0415

    with open_queue() as queue:
        remove_watch(queue.connection, dataset)
    out(f"{dataset} is watched no more.")


@commands.command("list", epilog=EXIT_CODES)
def list_watches(as_json: AsJson = False) -> None:
    """List what is watched, when it was last looked at and what was found."""
    from server.jobs.watch import list_watched  # noqa: PLC0415

    with open_queue() as queue:
        watched = list_watched(queue.connection)
    if as_json:
        out(json.dumps(watched, ensure_ascii=False, indent=2, default=str))
    elif not watched:
        out("Nothing is watched. Watch something: opennrw watch add gebref --every 6h")
    else:
        heads = ("dataset", "every", "last", "next", "found", "source")
        show_columns([heads, *(_row(each) for each in watched)])


@commands.command("once", epilog=EXIT_CODES)
def once(
    datasets: Annotated[list[str] | None, typer.Argument(help="Only these; otherwise all that are watched.")] = None,
) -> None:
    """Look now at what is watched, for cron. Exit code 1 if a source could not be read."""
    from server.jobs.watch import list_watched  # noqa: PLC0415

    with open_queue() as queue:
        wanted = datasets or [each["dataset"] for each in list_watched(queue.connection)]
        failed = [dataset for dataset in wanted if not _poll(queue.settings, dataset)]
    if failed:
        raise typer.Exit(FAILED)


def parse_interval(text: str) -> int:
    """Seconds of `30m`, `6h`, `1d`. Raises typer.BadParameter."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text)
    if match is None:
        raise typer.BadParameter(f"'{text}' is no interval: a number and m, h or d, such as 6h", param_hint="--every")
    return int(match[1]) * UNITS[match[2]]


def _watch() -> None:
    from server.jobs.watch import take_due  # noqa: PLC0415

    with open_queue() as queue:
        say("Watching; Ctrl-C stops it.")
        while True:
            for dataset in take_due(queue.connection):
                _poll(queue.settings, dataset)
            time.sleep(LOOK_EVERY)


def _poll(settings: Settings, dataset: str) -> bool:
    from server.jobs.watch import poll  # noqa: PLC0415

    try:
        out(f"{dataset}: {poll(settings, dataset).message}")
    except LoadError as error:
        say(f"{dataset}: {error}")
        return False
    return True


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    last = f"{each['last_poll']:%Y-%m-%d %H:%MZ}" if each["last_poll"] else "never"
    seconds = each["every"]
    every = next(f"{seconds // size}{unit}" for unit, size in reversed(UNITS.items()) if seconds % size == 0)
    return (
        each["dataset"],
        every,
        last,
        f"{each['next_poll']:%Y-%m-%d %H:%MZ}",
        each["result"] or "",
        each["source"] or "",
    )
