"""Values of a live feature, so that what a page offers to try finds something."""

from functools import lru_cache
from typing import Any

import orjson
from psycopg import sql

from server.catalogue import Collection
from server.exchange import Exchange


async def read_examples(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    """The queryables of one feature, by name; empty where the collection is."""
    row = await exchange.context.database.fetch_one(_text(collection))
    return orjson.loads(row[0]) if row else {}


@lru_cache(maxsize=128)
def _text(collection: Collection) -> bytes:
    names = [p.name for p in collection.queryables]
    label = collection.label if collection.label in names else None
    return (
        sql.SQL("select row_to_json(t)::text::bytea from (select {} from {} where {} order by fid limit 1) t")
        .format(
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.Identifier("geobasis", collection.id),
            sql.SQL("{} is not null").format(sql.Identifier(label)) if label else sql.SQL("true"),
        )
        .as_bytes()
    )
