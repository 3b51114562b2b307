"""Levels of areas that share their edges: each edge is simplified once, so that neighbours still meet.

By GEOS's simplification of coverages (Visvalingam and Whyatt on the edges between the nodes) as Shapely brings it; that
of Debian's PostGIS is older. What becomes of an edge depends on the areas on both its sides and where others meet
them, so a batch is simplified together with its neighbours, whose own results are thrown away.
"""

from collections.abc import Iterator
from typing import Any

import shapely
from psycopg import Connection, sql

from loaders.progress import Progress
from server.pyramid.plan import COVERAGE_DETAIL, Level, columns

# Vertices that are simplified at once
BATCH = 1_000_000

SIZES = "select t.fid, ST_NPoints(t.geom) from {finer} t {among} order by t.fid"
MEMBERS = "select t.fid, ST_AsBinary(t.geom) from {finer} t where t.fid = any(%(fids)s) order by t.fid"
NEIGHBOURS = """
select distinct on (t.fid) t.fid, ST_AsBinary(t.geom) from {finer} m join {finer} t on m.geom && t.geom
where m.fid = any(%(fids)s) and not t.fid = any(%(fids)s) order by t.fid"""
STORE = """
insert into {target} select s.fid, {columns}, ST_Multi(s.geom) from simplified s join {finer} t on t.fid = s.fid
order by s.fid"""
AFFECTED = """
create temp table affected on commit drop as
select fid from {changed} union select t.fid from {finer} t join {changed} c on t.geom && c.geom"""


def fill(connection: Connection[Any], level: Level, finer: sql.Identifier, progress: Progress) -> None:
    """All rows of a level into its empty table."""
    _simplify(connection, level, finer, sql.SQL(""), level.table, progress)


def find_fresh(
    connection: Connection[Any], level: Level, finer: sql.Identifier, changed: sql.Identifier, progress: Progress
) -> None:
    """What changed areas and those around them look like now: into the temporary tables affected (fid), fresh."""
    connection.execute(sql.SQL(AFFECTED).format(changed=changed, finer=finer))
    connection.execute("analyze affected")
    connection.execute(
        sql.SQL("create temp table fresh on commit drop as select * from {} limit 0").format(level.table)
    )
    among = sql.SQL("join affected a on a.fid = t.fid")
    _simplify(connection, level, finer, among, sql.Identifier("fresh"), progress)


def _simplify(
    connection: Connection[Any],
    level: Level,
    finer: sql.Identifier,
    among: sql.Composable,
    target: sql.Identifier,
    progress: Progress,
) -> None:
    sizes = connection.execute(sql.SQL(SIZES).format(finer=finer, among=among)).fetchall()
    names = [sql.SQL("t.{}").format(sql.Identifier(name)) for name in columns(level.collection, level.zoom)]
    store = sql.SQL(STORE).format(target=target, finer=finer, columns=sql.SQL(", ").join(names))
    for fids in _batches(sizes):
        whole = len(fids) == len(sizes) and among == sql.SQL("")
        simplified = list(simplify(connection, level, finer, fids, alone=whole))
        with connection.transaction():
            connection.execute(
                "create temp table simplified (fid bigint, geom geometry(Geometry, 3857)) on commit drop"
            )
            with connection.cursor().copy("copy simplified from stdin") as copy:
                for row in simplified:
                    copy.write_row(row)
            connection.execute(store)
            connection.execute("drop table simplified")
        progress.advance(len(fids))


def _batches(sizes: list[Any]) -> Iterator[list[int]]:
    fids, vertices = [], 0
    for fid, size in sizes:
        fids.append(fid)
        vertices += size
        if vertices >= BATCH:
            yield fids
            fids, vertices = [], 0
    if fids:
        yield fids


def simplify(
    connection: Connection[Any], level: Level, finer: sql.Identifier, fids: list[int], *, alone: bool
) -> Iterator[tuple[int, str]]:
    """What areas look like at a level, EWKB in hexadecimal by fid. alone: nobody else borders on them."""
    rows = connection.execute(sql.SQL(MEMBERS).format(finer=finer), {"fids": fids}, binary=True).fetchall()
    if not alone:
        query = sql.SQL(NEIGHBOURS).format(finer=finer)
        rows += connection.execute(query, {"fids": fids}, binary=True).fetchall()
    shapes = shapely.from_wkb([row[1] for row in rows])
    simplified = shapely.coverage_simplify(shapes, level.pixel * COVERAGE_DETAIL)
    for (fid, _), shape in zip(rows[: len(fids)], simplified[: len(fids)], strict=True):
        if not shape.is_empty:
            yield fid, shapely.to_wkb(shapely.set_srid(shape, 3857), hex=True, include_srid=True)
