"""The command `opennrw`: reads arguments, wires, reports. What it does is done elsewhere."""

import json
import os
import signal
import sys
from importlib.metadata import version as package_version
from pathlib import Path
from types import FrameType
from typing import Annotated

import psycopg
import typer
from pydantic import ValidationError

from loaders.errors import LoadError
from server.commands import database, deliveries, export, jobs, load, store, tiles, watch, worker
from server.commands.shared import (
    EXIT_CODES,
    FAILED,
    AsJson,
    Database,
    load_delivery,
    migrate,
    open_database,
    read_settings,
    require_schema,
)
from server.console import out, say
from server.embedded import ClusterError
from server.errors import ServiceError
from server.migrations import MigrationError
from server.serving import ServingError, check_port, public_url, serve
from server.settings import Settings

KNOWN_ERRORS = (ClusterError, MigrationError, ServingError, LoadError, ServiceError, psycopg.Error, OSError)

app = typer.Typer(
    name="opennrw",
    help="OpenNRW Geo: official geodata of North Rhine-Westphalia into PostGIS, OGC API Features and vector tiles out.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(database.commands, name="db")
app.add_typer(store.commands, name="store")
app.add_typer(jobs.commands, name="jobs")
app.add_typer(watch.commands, name="watch")
app.add_typer(tiles.commands, name="tiles")
app.command("worker", epilog=EXIT_CODES)(worker.worker)
app.command("export", epilog=EXIT_CODES)(export.export)
app.command("load", epilog=EXIT_CODES)(load.load)
app.add_typer(deliveries.commands)

Host = Annotated[
    str | None, typer.Option(help="Address to listen on; 0.0.0.0 for every one. [OPENNRW_HOST, 127.0.0.1]")
]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on. [OPENNRW_PORT, 8080]")]


def main() -> None:
    """Runs the command. Errors that a user can cause are told in a sentence; a stack trace means a fault of ours."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="opennrw")
    except KNOWN_ERRORS as error:
        say(f"Error: {str(error).strip()}")
        sys.exit(FAILED)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (is {e['input']!r})" for e in error.errors())
        say(f"Error: the environment has a setting that does not fit. {problems}")
        sys.exit(FAILED)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _show_version(wanted: bool) -> None:
    if wanted:
        out(f"opennrw {package_version('opennrw-geo')}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command(epilog=EXIT_CODES)
def up(
    host: Host = None,
    port: Port = None,
    example: Annotated[bool, typer.Option(help="Make and load an invented town's deliveries first, once.")] = False,
) -> None:
    """Everything at once: start the database, bring its schema up to date, serve and run jobs until Ctrl-C or SIGTERM.

    Only warnings are logged; for every request set OPENNRW_LOG_LEVEL=info.
    """
    os.environ.setdefault("OPENNRW_LOG_LEVEL", "warning")
    settings = read_settings(host, port)
    check_port(settings.host, settings.port)
    with open_database(settings) as opened:
        migrate(opened, settings)
        if example:
            _load_example(opened, settings)
        _serve(opened, settings, with_worker=True)


@app.command("serve", epilog=EXIT_CODES)
def serve_only(host: Host = None, port: Port = None) -> None:
    """Serve what is in the database until Ctrl-C or SIGTERM; the schema must be up to date."""
    settings = read_settings(host, port)
    with open_database(settings) as opened:
        require_schema(opened, settings)
        _serve(opened, settings, with_worker=False)


@app.command("doctor", epilog=EXIT_CODES)
def examine(port: Port = None, as_json: AsJson = False) -> None:
    """Check everything the service needs; for each problem say what to do. Exit code 1 if something is wrong."""
    from server import doctor  # noqa: PLC0415 - what it looks at is not for every command

    settings = read_settings(port=port)
    checks = doctor.check_machine(settings)
    try:
        with open_database(settings) as opened:
            checks += doctor.check_database(opened.owner_url, settings)
    except (ClusterError, psycopg.Error) as error:
        checks.append(
            doctor.Check(
                "database",
                doctor.WRONG,
                str(error).strip(),
                "see the message; DATABASE_URL decides where it is looked for",
            )
        )
    if as_json:
        out(json.dumps([check.to_dict() for check in checks], ensure_ascii=False, indent=2))
    else:
        for check in checks:
            out(check.to_text())
    if any(check.state == doctor.WRONG for check in checks):
        raise typer.Exit(FAILED)


def _load_example(opened: Database, settings: Settings) -> None:
    from server import demo  # noqa: PLC0415 (see _load)

    folder: Path = settings.home / "example"
    if demo.prepare_deliveries(folder):
        say(f"Example deliveries written to {folder}")
    for dataset in demo.DATASETS:
        say(f"Example data: {dataset}")
        options = {"source": str(folder), "only": (), "dry_run": False, "accept_shrink": True}
        report = load_delivery(opened, settings, dataset, **options)
        say(f"  {report.status}")


def _serve(opened: Database, settings: Settings, *, with_worker: bool) -> None:
    """Serves; ends the command with 130 after Ctrl-C, 0 after another signal, 1 if the workers failed.

    A worker for jobs is begun when all else is ready.
    """
    from server import doctor  # noqa: PLC0415 - as above

    os.environ["DATABASE_URL"] = opened.owner_url
    if opened.reader_url:
        os.environ["READER_DATABASE_URL"] = opened.reader_url
    serving = read_settings()
    doctor.check_collections(serving)
    with worker.worker_beside() as wanted:

        def ready() -> None:
            _say_ready(serving)
            if with_worker:
                wanted.set()

        ended_by = serve(serving, ready)
    if ended_by is None:
        raise ServingError("The server's worker processes ended; the log above says why.")
    if ended_by == signal.SIGINT:
        raise typer.Exit(130)


def _say_ready(settings: Settings) -> None:
    url = public_url(settings)
    out(f"OpenNRW Geo is ready: {url}")
    links = {"map": "/map", "collections": "/collections", "API": "/api.html"}
    for what, path in links.items():
        out(f"  {what + ':':<13}{url}{path}")
    out("Ctrl-C stops it.")
