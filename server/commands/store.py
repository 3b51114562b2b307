"""`opennrw store`: the raw files of the deliveries: list, prune, verify."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from loaders.inventory import Entry, prune, read_entries, verify
from server import console
from server.commands.shared import EXIT_CODES, FAILED, AsJson, open_current_database, read_settings
from server.console import out, say

commands = typer.Typer(
    help="The raw files of the deliveries: list, prune, verify.", epilog=EXIT_CODES, no_args_is_help=True
)


@contextmanager
def _store() -> Iterator[tuple[Path, psycopg.Connection[Any]]]:
    """The store's folder, and the database whose provenance names its files."""
    settings = read_settings()
    with (
        open_current_database(settings) as opened,
        psycopg.connect(opened.owner_url, autocommit=True) as connection,
    ):
        yield settings.home / "deliveries", connection


@commands.command("list", epilog=EXIT_CODES)
def list_files(as_json: AsJson = False) -> None:
    """Show every file that is kept, when it was fetched, and the deliveries that were made of it."""
    with _store() as (folder, connection):
        entries = read_entries(folder, connection)
    if as_json:
        out(json.dumps([_to_dict(entry) for entry in entries], ensure_ascii=False, indent=2))
    elif not entries:
        say(f"No files are kept in {folder} yet.")
    elif (terminal := Console()).is_terminal:
        terminal.print(_table(entries))
    else:
        for entry in entries:
            out(_line(entry))


def _to_dict(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "dataset": entry.dataset,
        "size": entry.size,
        "sha256": entry.sha256,
        "fetched": entry.fetched.isoformat(),
        "deliveries": list(entry.deliveries),
        "path": str(entry.path),
    }


def _table(entries: list[Entry]) -> Table:
    table = Table("dataset", "name", "size", "SHA-256", "fetched", "deliveries")
    table.columns[2].justify = "right"
    for entry in entries:
        table.add_row(*_cells(entry))
    return table


def _line(entry: Entry) -> str:
    return "\t".join(_cells(entry))


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.dataset or "not loaded",
        entry.name,
        decimal(entry.size),
        entry.sha256[:16],
        f"{entry.fetched:%Y-%m-%d %H:%M}",
        ", ".join(map(str, entry.deliveries)) or "none",
    )


@commands.command("prune", epilog=EXIT_CODES)
def prune_files(
    keep: Annotated[
        int,
        typer.Option(
            min=1, metavar="NUMBER", help="Keep what the newest so many published deliveries of each dataset need."
        ),
    ] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, remove nothing.")] = False,
) -> None:
    """Remove files that only older deliveries were made of, and what interrupted loads left.

    Where a dataset is delivered in packages, each package counts by itself. Downloads that were interrupted less than a
    week ago stay. While a load runs nothing is removed.
    """
    with _store() as (folder, connection):
        pruned = prune(folder, connection, keep, dry_run)
    for entry in pruned.files:
        of = f"deliveries {', '.join(map(str, entry.deliveries))}" if entry.deliveries else "never loaded"
        out(f"{entry.name} ({decimal(entry.size)}, {of}): {entry.path}")
    for path in pruned.remains:
        out(f"left by an interrupted load: {path}")
    done = "would be removed" if dry_run else "were removed"
    out(f"{len(pruned.files)} files {done}, {decimal(pruned.freed)} {'would be free' if dry_run else 'are free'}.")


@commands.command("verify", epilog=EXIT_CODES)
def verify_files() -> None:
    """Read every file and compare its SHA-256 with the one it was kept under. Exit code 1 if one is damaged.

    Files that the provenance names and that are not kept (any more) are named, too.
    """
    with _store() as (folder, connection), console.progress() as progress:
        verified = verify(folder, connection, progress)
    for path in verified.damaged:
        out(f"damaged: {path}: its content differs from its SHA-256. The next load of its delivery fetches it anew.")
    for delivery, dataset, name in verified.missing:
        out(f"not kept: {name} of delivery {delivery} of {dataset}")
    out(f"{verified.files} files were read, {len(verified.damaged)} are damaged, {len(verified.missing)} are not kept.")
    if verified.damaged:
        raise typer.Exit(FAILED)
