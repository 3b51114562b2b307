"""What the commands share: settings, the database they work on, and a load with progress."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import psycopg
import typer

from loaders.manifest import Manifest
from loaders.report import Report
from server import console, migrations
from server.catalogue import read_collections
from server.console import say
from server.embedded import ClusterError, PrivateCluster
from server.migrations import MigrationError
from server.settings import Settings

FAILED = 1

EXIT_CODES = (
    "Exit codes: 0 = done; 1 = failed or refused, the message says why; 2 = wrong usage; 130 = ended by Ctrl-C; "
    "143 = ended by SIGTERM (up and serve: 0, because that is how they are stopped).\n\n"
    "Without DATABASE_URL every command uses a private PostGIS cluster below OPENNRW_HOME (Unix socket only, no TCP) "
    "and starts it on demand."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@dataclass(frozen=True)
class Database:
    """Where the database is; `private` = it is the private cluster's."""

    owner_url: str
    reader_url: str | None
    private: bool


def read_settings(host: str | None = None, port: int | None = None) -> Settings:
    """From the environment, where the workers find the options, too."""
    if host is not None:
        os.environ["OPENNRW_HOST"] = host
    if port is not None:
        os.environ["OPENNRW_PORT"] = str(port)
    return Settings()  # pyright: ignore[reportCallIssue]


def private_cluster(settings: Settings) -> PrivateCluster:
    """The cluster below OPENNRW_HOME. Raises ClusterError where the environment names another database."""
    if settings.database_url or settings.reader_database_url:
        raise ClusterError(
            "DATABASE_URL is set: its server is not ours to start or stop. Unset it for the private cluster."
        )
    return PrivateCluster(settings.home)


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database of DATABASE_URL, or the private cluster's for as long as the block lasts."""
    if url := settings.database_url or settings.reader_database_url:
        yield Database(url, settings.reader_database_url, private=False)
        return
    with private_cluster(settings).session() as cluster:
        yield Database(cluster.owner_url, cluster.reader_url, private=True)


def migrate(database: Database, settings: Settings) -> list[str]:
    """Bring the schema up to date; returns the names of what was applied."""
    applied = migrations.migrate(database.owner_url, settings.config_dir)
    if applied:
        own = [name for name in applied if not name.startswith(f"{migrations.QUEUE}/")]
        queue = [f"{len(applied) - len(own)} of the queue"] if len(own) < len(applied) else []
        say(f"Schema brought up to date: {', '.join([*own, *queue])}")
    if database.reader_url:
        migrations.set_reader_password(database.owner_url, database.reader_url)
    return applied


def require_schema(database: Database, settings: Settings) -> None:
    """Raises MigrationError where the schema is not up to date: a server or worker never changes it."""
    if missing := migrations.pending(database.owner_url, settings.config_dir):
        raise MigrationError(f"The database lacks {', '.join(missing)}. Run: opennrw db migrate")


@contextmanager
def open_current_database(settings: Settings) -> Iterator[Database]:
    """The same with its schema up to date: a private cluster's is brought there. Raises MigrationError elsewhere."""
    with open_database(settings) as opened:
        if opened.private:
            migrate(opened, settings)
        else:
            require_schema(opened, settings)
        yield opened


class Queue(NamedTuple):
    """An autocommit connection to the queue, and the settings that name its database."""

    settings: Settings
    connection: psycopg.Connection[Any]


@contextmanager
def open_queue() -> Iterator[Queue]:
    """The queue of the database that the environment names, or of the private cluster's."""
    from server.jobs.app import connect_queue  # noqa: PLC0415 - the library is for the commands that need it

    settings = read_settings()
    with open_current_database(settings) as opened:
        os.environ["DATABASE_URL"] = opened.owner_url
        settings = read_settings()
        with connect_queue(settings) as connection:
            yield Queue(settings, connection)


def load_delivery(database: Database, settings: Settings, dataset: str, **options: Any) -> Report:
    """Load with progress on the console. `options`: the further fields of `loaders.run.LoadOptions`."""
    # here, because every worker process imports this module and needs none of the geometry libraries
    from loaders.manifest import read_manifest  # noqa: PLC0415

    return load_manifest(database, settings, read_manifest(dataset), **options)


def load_manifest(database: Database, settings: Settings, manifest: Manifest, **options: Any) -> Report:
    """The same for what is described already."""
    from loaders.rejoin import rejoin  # noqa: PLC0415 (see load_delivery)
    from loaders.run import LoadOptions  # noqa: PLC0415
    from loaders.run import load_manifest as run  # noqa: PLC0415

    with console.progress() as progress:
        store = settings.home / "deliveries"
        before = {collection.id for collection in read_collections(*settings.collection_folders)}
        chosen = LoadOptions(database.owner_url, store, progress=progress, **options)
        report = run(manifest, chosen)
        if report.status == "published":
            for name in report.collections:
                for joined in rejoin(name, LoadOptions(database.owner_url, store, progress=progress)):
                    progress.note(f"{joined.dataset} is joined to the areas anew: {joined.status}")
    if report.status == "published":
        refresh_search(database, settings)
        if new := sorted(report.collections.keys() - before):
            say(f"New: {', '.join(new)}. A server that runs with the same OPENNRW_HOME shows them in a moment.")
    return report


def to_packages(areas: Iterable[str]) -> tuple[str, ...]:
    """Keys of a product's packages: a district's five digits, also where they are given as those of a municipality."""
    return tuple(area[:5] if len(area) == 8 and area.endswith("000") else area for area in areas)


def refresh_search(database: Database, settings: Settings) -> None:
    """Make what was published searchable at once; without this a worker does it."""
    from server.gazetteer import refresh  # noqa: PLC0415

    refresh(database.owner_url, read_collections(*settings.collection_folders))


def tell_of_tiles(database: Database, settings: Settings) -> None:
    """Say where tiles stay as they were, because no worker is alive that makes them of what was published."""
    from server.jobs.listing import WORKERS_ALIVE  # noqa: PLC0415

    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        row = connection.execute(WORKERS_ALIVE.encode(), {"silence": 3 * settings.worker_heartbeat}).fetchone()
    if row and not row[0]:
        say("Tiles follow when a worker runs (opennrw worker; opennrw up has one), or now: opennrw tiles prepare")
