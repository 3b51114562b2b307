"""The queue: Procrastinate on PostgreSQL, in schema jobs, as the owner."""

from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from server.errors import ConfigurationError
from server.settings import Settings

POOL = 4  # a worker's own connections, its listener apart: jobs run in processes with connections of their own


def queue_conninfo(settings: Settings) -> str:
    """The owner's connection string with the schema that the library's SQL takes for granted."""
    if settings.database_url is None:
        raise ConfigurationError("DATABASE_URL is not set: the queue is written by the owner of the database.")
    flags = "-c search_path=jobs -c timezone=UTC"
    given = conninfo_to_dict(settings.database_url).get("options")
    return make_conninfo(
        settings.database_url,
        options=f"{given} {flags}" if given else flags,
        application_name="opennrw-queue",
        connect_timeout=10,
    )


def connect_queue(settings: Settings) -> psycopg.Connection[Any]:
    """An autocommit connection for commands, which ask and enqueue."""
    return psycopg.connect(queue_conninfo(settings), autocommit=True)


def make_queue(settings: Settings) -> App:
    """The queue without tasks, not opened yet: enough to enqueue by a task's name."""
    return App(
        connector=PsycopgConnector(
            conninfo=queue_conninfo(settings), min_size=1, max_size=POOL, timeout=10, num_workers=1
        )
    )
