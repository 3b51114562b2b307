"""CSV (RFC 4180): one line for each feature, a header, UTF-8. Points have the columns x and y, others `wkt`.

A table calculation takes a text that begins with = + - @ or a tab for a formula and runs it: such a text gets an
apostrophe before it, and so does one that begins with an apostrophe, which is why none is lost. Every text stands in
quotes, also an empty one; a null is nothing at all.
"""

from typing import LiteralString

from psycopg import sql

from server.catalogue import PropertyType
from server.formats.layer import Format, Layer, Text, geometry_expression, joined

MEDIA_TYPE = "text/csv"
END = "\r\n"
# tab, line feed, carriage return, ' + - = @
DANGEROUS = (9, 10, 13, 39, 43, 45, 61, 64)
# what needs no quotes; a moment as ISO 8601
BARE: dict[PropertyType, LiteralString] = {
    "integer": "{}",
    "number": "{}",
    "boolean": "{}::text",
    "date": "{}",
    "datetime": "to_json({}) #>> '{{}}'",
}


def _cells(layer: Layer) -> dict[str, sql.Composable]:
    types: dict[str, PropertyType] = {"delivery": "integer"}
    types.update({p.name: p.type for p in layer.collection.properties})
    cells = {"id": _cell("id", "string")} | {name: _cell(name, types[name]) for name in layer.names}
    if not layer.selection.geometry:
        return cells
    geometry = geometry_expression(layer, flip=False)
    decimals = sql.Literal(layer.crs.decimals)
    if layer.collection.geometry != "Point":
        return {**cells, "wkt": sql.SQL("""'"' || ST_AsText({}, {}) || '"'""").format(geometry, decimals)}
    place = sql.SQL("round({}({})::numeric, {})")
    return cells | {
        "x": place.format(sql.SQL("ST_X"), geometry, decimals),
        "y": place.format(sql.SQL("ST_Y"), geometry, decimals),
    }


def _cell(name: str, kind: PropertyType) -> sql.Composable:
    """SQL of a cell; null = empty."""
    column = sql.SQL("t.{}").format(sql.Identifier(name))
    if kind in BARE:
        return sql.SQL(BARE[kind]).format(column)
    if kind != "string":
        column = sql.SQL("to_json({})::text").format(column)
    return sql.SQL(
        """'"' || case when ascii({text}) in ({dangerous}) then '''' else '' end || replace({text}, '"', '""') || '"'"""
    ).format(text=column, dangerous=sql.SQL(", ").join(map(sql.Literal, DANGEROUS)))


def _line(layer: Layer) -> sql.Composable:
    cells = list(_cells(layer).values())
    return sql.SQL("concat({}, {})").format(sql.SQL(", ',', ").join(cells), sql.Literal(END))


def _header(layer: Layer) -> bytes:
    return (",".join(_cells(layer)) + END).encode()


CSV = Format(
    key="csv",
    media_type=MEDIA_TYPE,
    extension="csv",
    title="CSV",
    columns=lambda layer: joined(_line(layer), ""),
    encoder=lambda layer, _: Text(_header(layer)),
)
