"""The command `opennrw`: reads arguments, wires, reports. What it does is done elsewhere."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import psycopg
import typer
from pydantic import ValidationError

from loaders.errors import DeliveryRefused, LoadError
from loaders.report import Report
from server import console, doctor, migrations
from server.console import out, say
from server.embedded import ClusterError, PrivateCluster
from server.errors import ServiceError
from server.migrations import MigrationError
from server.serving import ServingError, check_port, public_url, serve
from server.settings import Settings

KNOWN_ERRORS = (ClusterError, MigrationError, ServingError, LoadError, ServiceError, psycopg.Error, OSError)
FAILED = 1

EXIT_CODES = (
    "Exit codes: 0 = done; 1 = failed or refused, the message says why; 2 = wrong usage; 130 = ended by Ctrl-C; "
    "143 = ended by SIGTERM (up and serve: 0, because that is how they are stopped).\n\n"
    "Without DATABASE_URL every command uses a private PostGIS cluster below OPENNRW_HOME (Unix socket only, no TCP) "
    "and starts it on demand."
)

app = typer.Typer(
    name="opennrw",
    help="OpenNRW Geo: official geodata of North Rhine-Westphalia into PostGIS, OGC API Features and vector tiles out.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
db = typer.Typer(help="The database: start, stop, address, schema.", epilog=EXIT_CODES, no_args_is_help=True)
app.add_typer(db, name="db")

Host = Annotated[
    str | None, typer.Option(help="Address to listen on; 0.0.0.0 for every one. [OPENNRW_HOST, 127.0.0.1]")
]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on. [OPENNRW_PORT, 8080]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@dataclass(frozen=True)
class Database:
    """Where the database is; `private` = it is the private cluster's."""

    owner_url: str
    reader_url: str | None
    private: bool


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
    """Everything at once: start the database, bring its schema up to date, serve until Ctrl-C or SIGTERM.

    Only warnings are logged; for every request set OPENNRW_LOG_LEVEL=info.
    """
    os.environ.setdefault("OPENNRW_LOG_LEVEL", "warning")
    settings = _settings(host, port)
    check_port(settings.host, settings.port)
    with _database(settings) as database:
        _migrate(database, settings)
        if example:
            _load_example(database, settings)
        _serve(database, settings)


@app.command("serve", epilog=EXIT_CODES)
def serve_only(host: Host = None, port: Port = None) -> None:
    """Serve what is in the database until Ctrl-C or SIGTERM; the schema must be up to date."""
    settings = _settings(host, port)
    with _database(settings) as database:
        _require_schema(database, settings)
        _serve(database, settings)


@app.command(epilog=EXIT_CODES)
def load(
    dataset: Annotated[str, typer.Argument(help="dvg1, dvg2, gebref, hausumringe: a folder below loaders/.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PATH|URL", help="Folder, zip, file, or URL of a download folder with index.json."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="COLLECTION", help="Load only this; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, publish nothing.")] = False,
    accept_shrink: Annotated[
        bool,
        typer.Option("--accept-shrink", help="Publish also if a collection loses more than a tenth of its features."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Load a delivery and publish it in one step; the same delivery again changes nothing.

    Without --from it is fetched from the publisher. A refused delivery leaves everything as it was.
    """
    settings = _settings()
    with _database(settings) as database:
        if database.private:
            _migrate(database, settings)
        else:
            _require_schema(database, settings)
        options = {"source": source, "only": tuple(only or ()), "dry_run": dry_run, "accept_shrink": accept_shrink}
        try:
            report, refusal = _load(database, settings, dataset, **options), None
        except DeliveryRefused as error:
            report, refusal = error.report, error
    if as_json:
        out(json.dumps(report.to_dict(), ensure_ascii=False, indent=2, default=str))
    else:
        console.show_report(report)
    if refusal:
        raise refusal


@db.command("start", epilog=EXIT_CODES)
def db_start() -> None:
    """Start the private cluster; it stays until `opennrw db stop`."""
    cluster = _private_cluster(_settings())
    started = cluster.start()
    out(f"The private cluster {cluster.data} {'is running now' if started else 'was already running'}.")


@db.command("stop", epilog=EXIT_CODES)
def db_stop() -> None:
    """Stop the private cluster, also under a running server."""
    cluster = _private_cluster(_settings())
    out(f"The private cluster {cluster.data} {'has stopped' if cluster.stop() else 'was not running'}.")


@db.command("url", epilog=EXIT_CODES)
def db_url(
    reader: Annotated[bool, typer.Option("--reader", help="The role that can only read.")] = False,
) -> None:
    """Print the database's URL, for psql, GDAL (behind `PG:`) and others: psql "$(opennrw db url)".

    A private cluster that is not running is started and stays until `opennrw db stop`.
    """
    settings = _settings()
    if settings.database_url or settings.reader_database_url:
        url = settings.reader_database_url if reader else settings.database_url
        if url is None:
            raise ClusterError(f"{'READER_' if reader else ''}DATABASE_URL is not set, only the other role's URL is.")
        out(url)
        return
    cluster = _private_cluster(settings)
    if not cluster.running():
        cluster.start()
        say("The private cluster was started; `opennrw db stop` stops it.")
    out(cluster.reader_url if reader else cluster.owner_url)


@db.command("migrate", epilog=EXIT_CODES)
def db_migrate() -> None:
    """Bring the database's schema up to date.

    If READER_DATABASE_URL has a password for opennrw_reader, that role gets it, so that a server needs no other URL.
    """
    settings = _settings()
    with _database(settings) as database:
        if not _migrate(database, settings):
            out("The schema is up to date.")


@app.command("doctor", epilog=EXIT_CODES)
def examine(port: Port = None, as_json: AsJson = False) -> None:
    """Check everything the service needs; for each problem say what to do. Exit code 1 if something is wrong."""
    settings = _settings(port=port)
    checks = doctor.check_machine(settings)
    try:
        with _database(settings) as database:
            checks += doctor.check_database(database.owner_url, settings)
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


def _settings(host: str | None = None, port: int | None = None) -> Settings:
    """From the environment, where the workers find the options, too."""
    if host is not None:
        os.environ["OPENNRW_HOST"] = host
    if port is not None:
        os.environ["OPENNRW_PORT"] = str(port)
    return Settings()  # pyright: ignore[reportCallIssue]


def _private_cluster(settings: Settings) -> PrivateCluster:
    if settings.database_url or settings.reader_database_url:
        raise ClusterError(
            "DATABASE_URL is set: its server is not ours to start or stop. Unset it for the private cluster."
        )
    return PrivateCluster(settings.home)


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The database of DATABASE_URL, or the private cluster's for as long as the block lasts."""
    if url := settings.database_url or settings.reader_database_url:
        yield Database(url, settings.reader_database_url, private=False)
        return
    with _private_cluster(settings).session() as cluster:
        yield Database(cluster.owner_url, cluster.reader_url, private=True)


def _migrate(database: Database, settings: Settings) -> list[str]:
    applied = migrations.migrate(database.owner_url, settings.config_dir)
    if applied:
        say(f"Schema brought up to date: {', '.join(applied)}")
    if database.reader_url:
        migrations.set_reader_password(database.owner_url, database.reader_url)
    return applied


def _require_schema(database: Database, settings: Settings) -> None:
    if missing := migrations.pending(database.owner_url, settings.config_dir):
        raise MigrationError(f"The database lacks {', '.join(missing)}. Run: opennrw db migrate")


def _load(database: Database, settings: Settings, dataset: str, **options: Any) -> Report:
    # here, because every worker process imports this module and needs none of the geometry libraries
    from loaders.run import LoadOptions, load_dataset  # noqa: PLC0415

    with console.progress() as progress:
        store = settings.home / "deliveries"
        return load_dataset(dataset, LoadOptions(database.owner_url, store, progress=progress, **options))


def _load_example(database: Database, settings: Settings) -> None:
    from server import demo  # noqa: PLC0415 (see _load)

    folder: Path = settings.home / "example"
    if demo.prepare_deliveries(folder):
        say(f"Example deliveries written to {folder}")
    for dataset in demo.DATASETS:
        say(f"Example data: {dataset}")
        options = {"source": str(folder), "only": (), "dry_run": False, "accept_shrink": True}
        report = _load(database, settings, dataset, **options)
        say(f"  {report.status}")


def _serve(database: Database, settings: Settings) -> None:
    """Serves; ends the command with 130 after Ctrl-C, 0 after another signal, 1 if the workers failed."""
    os.environ["DATABASE_URL"] = database.owner_url
    if database.reader_url:
        os.environ["READER_DATABASE_URL"] = database.reader_url
    serving = _settings()
    doctor.check_collections(serving)
    ended_by = serve(serving, lambda: _say_ready(serving))
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
