"""Cuts that are too large to be made at once: asked for by the one function that the reader may write with."""

from typing import Any

import orjson
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from server.database import Database, primary_conninfo
from server.errors import Busy, Unavailable
from server.exports.extract import Extract

ASK = "select jobs.ask_for_cut(%s, %s, %s, %s)"
# of a job that is pruned already nothing is known
STANDING = b"""
select json_build_object(
  'collection', c.collection, 'format', c.kind, 'parameters', c.parameters, 'created', c.asked,
  'status', case j.status::text when 'todo' then 'accepted' when 'doing' then 'running'
    when 'succeeded' then 'successful' when 'failed' then 'failed' else 'dismissed' end,
  'message', p.message, 'done', p.done, 'total', p.total, 'updated', p.updated, 'result', p.report->>'result',
  'before', (select count(*) from jobs.procrastinate_jobs w
    where w.task_name = 'cut' and w.status in ('todo', 'doing') and w.id < j.id))::text::bytea
from jobs.cut c join jobs.procrastinate_jobs j on j.id = c.job left join jobs.progress p on p.job = c.job
where c.key = %(key)s"""


async def ask_for(database: Database, extract: Extract, key: str) -> None:
    """Have a cut made by a job, unless that waits or runs already. Raises Busy, Unavailable.

    Written on the primary, on a connection of its own: the pool's only read, and may lead to a standby.
    """
    given = Jsonb(dict(extract.given))
    conninfo = make_conninfo(primary_conninfo(database.conninfo), application_name="opennrw-download")
    try:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await connection.execute("set default_transaction_read_only = off")
            cursor = await connection.execute(ASK, [key, extract.collection.id, extract.kind.key, given])
            row = await cursor.fetchone()
    except psycopg.OperationalError as error:
        raise Unavailable("The database takes no orders now. Send the request again in a moment.") from error
    if row is None or row[0] is None:
        raise Busy("As many files wait to be made as may wait. Send the request again in some minutes.")


async def read_standing(database: Database, key: str) -> dict[str, Any] | None:
    """How far the job of a cut is; None where there is none."""
    row = await database.fetch_one(STANDING, {"key": key})
    return orjson.loads(row[0]) if row else None
