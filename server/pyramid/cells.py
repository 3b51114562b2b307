"""Levels whose rows stand for all that lies in a cell of a regular grid: clusters of points, blocks of areas.

A cell's row depends on what lies in the cell alone, so a change makes only its own cells anew, here and at the levels
above. Sums are taken of whole centimetres: they do not depend on the order of the rows.
"""

from typing import Any

from psycopg import Connection, sql

from server.catalogue import Collection
from server.pyramid.plan import BLOCK, BLOCK_DETAIL, CLOSING, CLUSTER, LEAST_AREA, Level

# offset 0: else the planner has each shape made twice, once for the condition
ROWS = """
select cell as fid, {single}, number as count, shape as geom from (
  select {cell} as cell, {properties}, {number}::bigint as number, {shape} as shape
  from {finer} t {within} group by 1 offset 0
) cells where shape is not null"""
POINT = """ST_SetSRID(ST_MakePoint(sum(round(ST_X(t.geom) * 100)::bigint * {each}) / 100.0 / {number},
  sum(round(ST_Y(t.geom) * 100)::bigint * {each}) / 100.0 / {number}), 3857)"""
BLOCKS = "tiles.grown_together(ST_Collect(t.geom order by t.fid), {distance}, {least}, {detail})"


def fill(connection: Connection[Any], level: Level, finer: Level | None, base: sql.Identifier) -> None:
    """All rows of a level into its empty table; `finer` None: made of the features themselves."""
    rows = _rows(level, finer, base, sql.SQL(""))
    connection.execute(sql.SQL("insert into {} {} order by 1").format(level.table, rows))


def find_fresh(
    connection: Connection[Any], level: Level, finer: Level | None, base: sql.Identifier, changed: sql.Identifier
) -> None:
    """What the cells hold that a change of the finer level touches: into the temporary tables affected (fid), fresh."""
    cell = _cell(level, finer)
    connection.execute(
        sql.SQL("create temp table affected on commit drop as select distinct {} as fid from {} t").format(
            cell, changed
        )
    )
    connection.execute("analyze affected")
    if finer is None:
        within = sql.SQL("join affected a on t.geom && tiles.cell_area(a.fid, {size}) and {cell} = a.fid")
    else:
        # the four cells of a cell
        within = sql.SQL(
            "join (select c.fid, ((c.fid >> 32) << 33) + ((c.fid & 4294967295) << 1) + (dy::bigint << 32) + dx as part "
            "from affected c, generate_series(0, 1) dx, generate_series(0, 1) dy) a on t.fid = a.part"
        )
    rows = _rows(level, finer, base, within.format(size=sql.Literal(_size(level)), cell=cell))
    connection.execute(sql.SQL("create temp table fresh on commit drop as {}").format(rows))


def _size(level: Level) -> float:
    pyramid = level.collection.tiles.pyramid
    return level.pixel * (CLUSTER if pyramid and pyramid.method == "clusters" else BLOCK)


def _cell(level: Level, finer: Level | None) -> sql.Composable:
    if finer:
        return sql.SQL("tiles.parent(t.fid)")
    return sql.SQL("tiles.cell(t.geom, {})").format(sql.Literal(_size(level)))


def _rows(level: Level, finer: Level | None, base: sql.Identifier, within: sql.Composable) -> sql.Composed:
    names = ("id", *level.collection.tiles.properties)
    number = sql.SQL("sum(t.count)" if finer else "count(*)")
    return sql.SQL(ROWS).format(
        single=sql.SQL(", ").join(
            sql.SQL("case when number = 1 then {0} end as {0}").format(sql.Identifier(name)) for name in names
        ),
        properties=sql.SQL(", ").join(_any(level.collection, name) for name in names),
        cell=_cell(level, finer),
        number=number,
        shape=_shape(level, finer, number),
        finer=finer.table if finer else base,
        within=within,
    )


def _any(collection: Collection, name: str) -> sql.Composed:
    """Of a cell with one row its value."""
    types = {p.name: p.type for p in collection.properties}
    function = "bool_or" if types.get(name) == "boolean" else "min"
    return sql.SQL("{}(t.{}) as {}").format(sql.SQL(function), sql.Identifier(name), sql.Identifier(name))


def _shape(level: Level, finer: Level | None, number: sql.Composable) -> sql.Composed:
    pyramid = level.collection.tiles.pyramid
    if pyramid and pyramid.method == "clusters":
        return sql.SQL(POINT).format(each=sql.SQL("t.count" if finer else "1"), number=number)
    pixel = level.pixel
    return sql.SQL(BLOCKS).format(
        distance=sql.Literal(pixel * CLOSING),
        least=sql.Literal(pixel * pixel * LEAST_AREA),
        detail=sql.Literal(pixel * BLOCK_DETAIL),
    )
