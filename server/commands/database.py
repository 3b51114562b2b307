"""`opennrw db`: the database's start, stop, address and schema."""

from typing import Annotated

import typer

from server.commands.shared import EXIT_CODES, migrate, open_database, private_cluster, read_settings
from server.console import out, say
from server.embedded import ClusterError

commands = typer.Typer(help="The database: start, stop, address, schema.", epilog=EXIT_CODES, no_args_is_help=True)


@commands.command("start", epilog=EXIT_CODES)
def db_start() -> None:
    """Start the private cluster; it stays until `opennrw db stop`."""
    cluster = private_cluster(read_settings())
    started = cluster.start()
    out(f"The private cluster {cluster.data} {'is running now' if started else 'was already running'}.")


@commands.command("stop", epilog=EXIT_CODES)
def db_stop() -> None:
    """Stop the private cluster, also under a running server."""
    cluster = private_cluster(read_settings())
    out(f"The private cluster {cluster.data} {'has stopped' if cluster.stop() else 'was not running'}.")


@commands.command("url", epilog=EXIT_CODES)
def db_url(
    reader: Annotated[bool, typer.Option("--reader", help="The role that can only read.")] = False,
) -> None:
    """Print the database's URL, for psql, GDAL (behind `PG:`) and others: psql "$(opennrw db url)".

    A private cluster that is not running is started and stays until `opennrw db stop`.
    """
    settings = read_settings()
    if settings.database_url or settings.reader_database_url:
        url = settings.reader_database_url if reader else settings.database_url
        if url is None:
            raise ClusterError(f"{'READER_' if reader else ''}DATABASE_URL is not set, only the other role's URL is.")
        out(url)
        return
    cluster = private_cluster(settings)
    if not cluster.running():
        cluster.start()
        say("The private cluster was started; `opennrw db stop` stops it.")
    out(cluster.reader_url if reader else cluster.owner_url)


@commands.command("migrate", epilog=EXIT_CODES)
def db_migrate() -> None:
    """Bring the database's schema up to date.

    If READER_DATABASE_URL has a password for opennrw_reader, that role gets it, so that a server needs no other URL.
    """
    settings = read_settings()
    with open_database(settings) as opened:
        if not migrate(opened, settings):
            out("The schema is up to date.")
