"""The areas that a collection can be cut to, for people to choose from."""

import orjson
from psycopg import sql

from server.exchange import Exchange

LEVELS = {"regierungsbezirk": 3, "kreis": 5, "gemeinde": 8}  # significant digits of the key
Areas = dict[str, list[tuple[str, str]]]


async def read_areas(exchange: Exchange) -> Areas:
    """Key and name of each area, by level; read once for each state of the data, for pages only."""
    if exchange.format != "html":
        return {}
    kept, mark = exchange.context.kept, f"areas {exchange.context.registry.version}"
    if (content := kept.get(mark)) is None:
        rows = await exchange.context.database.fetch(_text())
        content = rows[0][0]
        kept.put(mark, content)
    return {level: found for level, found in orjson.loads(content).items() if found}


def _text() -> bytes:
    """German names in German order."""
    level = sql.SQL(
        "{name}, (select json_agg(json_build_array(left(kn, {digits}), gn) order by gn collate {order}) from {table})"
    )
    order = sql.Identifier("de-x-icu")
    parts = [
        level.format(
            name=sql.Literal(name),
            digits=sql.Literal(digits),
            order=order,
            table=sql.Identifier("geobasis", name),
        )
        for name, digits in LEVELS.items()
    ]
    return sql.SQL("select json_build_object({})::text::bytea").format(sql.SQL(", ").join(parts)).as_bytes()
