"""`opennrw deliveries`, `opennrw rejects`, `opennrw rollback`: what came, what of it did not load, and the way back."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import typer

from loaders.ledger import Rejects, read_deliveries, read_rejects
from loaders.report import Report
from server import console
from server.commands.shared import (
    EXIT_CODES,
    AsJson,
    Database,
    open_current_database,
    read_settings,
    refresh_search,
)
from server.console import out, say

commands = typer.Typer()
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="Show at most so many.")]


@commands.command("deliveries", epilog=EXIT_CODES)
def show_deliveries(
    dataset: Annotated[str | None, typer.Option(metavar="DATASET", help="Only those of this dataset.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was delivered: status, source, time, and what became of the rows of each collection. Newest first."""
    with _database() as opened, psycopg.connect(opened.owner_url) as connection:
        found, total = read_deliveries(connection, dataset, limit)
    if as_json:
        _print_json({"total": total, "deliveries": found})
        return
    if not found:
        out(f"No delivery{f' of {dataset}' if dataset else ''} has come yet.")
    for delivery in found:
        _show_delivery(delivery)
    if total > len(found):
        out(f"{total - len(found)} older ones are not shown: --limit {total}")


@commands.command("rejects", epilog=EXIT_CODES)
def show_rejects(
    collection: Annotated[str, typer.Argument(help="For example adresse.")],
    delivery: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Of this delivery instead of the collection's last one.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show what of a delivery did not load and why: rows per reason, then each row with its file, line and content."""
    with _database() as opened, psycopg.connect(opened.owner_url) as connection:
        found = read_rejects(connection, collection, delivery, limit)
    if as_json:
        reasons = [{"reason": kind, "rows": rows} for kind, rows in found.kinds.items()]
        document = {"collection": collection, "delivery": found.delivery, "total": found.total}
        _print_json({**document, "reasons": reasons, "rejects": found.rows})
    else:
        _show_rejects(found)


@commands.command("rollback", epilog=EXIT_CODES)
def undo(
    delivery: Annotated[int, typer.Argument(metavar="DELIVERY", help="Its number, as `opennrw deliveries` shows it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Return every collection that a delivery changed to the state before it, in one step.

    Only the newest delivery of a collection can be rolled back, then the one before it, and so on. It is a publication
    of its own, kept in the history like any other, and can be rolled back itself.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise typer.BadParameter(
            "nobody can be asked here whether to change what is served", param_hint="--yes is missing"
        )
    with _database() as opened:
        if not (dry_run or yes):
            _show_rollback(_roll_back(opened, delivery, dry_run=True), say)
            typer.confirm("Roll back?", abort=True, err=True)
        report = _roll_back(opened, delivery, dry_run=dry_run, yielding=True)
        if not dry_run:
            refresh_search(opened, read_settings())
    if as_json:
        _print_json(report.to_dict())
    else:
        _show_rollback(report, out)


@contextmanager
def _database() -> Iterator[Database]:
    settings = read_settings()
    with open_current_database(settings) as opened:
        yield opened


def _roll_back(opened: Database, delivery: int, **options: Any) -> Report:
    from loaders.rollback import RollbackOptions, roll_back  # noqa: PLC0415 - heavy, see shared.load_delivery

    with console.progress() as progress:
        return roll_back(delivery, RollbackOptions(opened.owner_url, progress=progress, **options))


def _print_json(document: dict[str, Any]) -> None:
    out(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def _show_delivery(delivery: dict[str, Any]) -> None:
    seconds = (delivery["finished"] - delivery["started"]).total_seconds()
    undone = delivery["rollback_of"]
    begin = f"{delivery['id']}: {delivery['dataset']}, {f'rollback of delivery {undone}, ' if undone else ''}"
    end = "" if undone else f", from {delivery['source']}"
    out(f"{begin}{delivery['status']} {delivery['finished']:%Y-%m-%d %H:%M:%S %Z} after {seconds:.0f} s{end}")
    for name, counts in delivery["collections"].items():
        out(f"  {name}: {_told(counts)}")
    if delivery["refusal"]:
        out("  " + delivery["refusal"].replace("\n", "\n  "))


def _told(counts: dict[str, int]) -> str:
    shown = [f"{name} {counts[name]}" for name in console.COUNTS if counts[name]]
    return ", ".join(shown) or "nothing"


def _show_rejects(found: Rejects) -> None:
    if not found.total:
        out(f"{found.collection}: every row of delivery {found.delivery} was loaded.")
        return
    out(f"{found.collection}: {found.total} rows of delivery {found.delivery} were not loaded.")
    for kind, rows in found.kinds.items():
        out(f"  {rows} x {_printable(kind)}")
    for row in found.rows:
        out(f"{row['file']}, line {row['line']}: {_printable(row['reason'])}")
        out(f"  {_printable(row['raw'])}")
    if found.total > len(found.rows):
        out(f"{found.total - len(found.rows)} more rows are not shown: --limit {found.total}")


def _printable(text: str) -> str:
    """What a delivery holds must not steer the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _show_rollback(report: Report, write: Callable[[str], None]) -> None:
    if report.delivery is None:
        write(f"Delivery {report.rollback_of} of {report.dataset} can be rolled back. It would do this:")
    else:
        write(f"Delivery {report.rollback_of} of {report.dataset} was rolled back; that is delivery {report.delivery}.")
    for name, counts in report.collections.items():
        write(f"  {name}: inserted {counts.inserted}, updated {counts.updated}, deleted {counts.deleted}")
