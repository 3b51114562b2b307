"""After the database's connections have died, requests are answered before the new ones are made ready for later."""

import asyncio
from typing import Any

import psycopg

from server.database import Database, reader_conninfo
from server.settings import Settings

# PROJ as slow as on a machine with much else to do
SLOW = """
create schema slow;
grant usage on schema slow to opennrw_reader;
create function slow.st_transform(public.geometry, integer) returns public.geometry language plpgsql as
$$ begin perform pg_sleep(0.5); return public.st_transform($1, $2); end $$;
alter database {} set search_path = slow, public;
"""
END_ALL = """
select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
where application_name = 'opennrw-server' and datname = current_database()
"""


def test_a_request_does_not_wait_until_a_new_connection_is_warm(database_url: str) -> None:
    async def ask() -> tuple[int, list[Any]]:
        database = Database(reader_conninfo(Settings(), database_url), 2, timeout=3)
        await database.open()
        try:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(SLOW.format(connection.info.dbname).encode())
                ended = connection.execute(END_ALL).fetchone()
            return ended[0] if ended else 0, await asyncio.gather(*(database.fetch(b"select 1") for _ in range(6)))
        finally:
            await database.close()

    assert asyncio.run(ask()) == (2, [[(1,)]] * 6)
