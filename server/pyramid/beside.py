"""What areas have besides themselves in tiles: a point for the name of each, and the lines between them, each once.

Tiles cut areas to pieces, so that a name would stand on each piece; and of two neighbours each has the line between
them as part of its outline, so that dashes would be drawn over each other. The points are of the areas as they are and
serve all levels; lines are made of the areas of each level, which meet.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from psycopg import Connection, sql

from server.catalogue import Collection
from server.pyramid import tables
from server.pyramid.plan import BORDERS, NAMES, SRID, columns

# The middle of the largest circle within: names stand well there
NAME_POINTS = """
insert into {target} select fid, {columns},
  case when ST_Area(geom) > 0 then (ST_MaximumInscribedCircle(geom)).center else ST_PointOnSurface(geom) end
from {areas} {among} order by fid"""
# Temporary, of an amendment
CHANGED_NAMES = sql.Identifier("changed_names")
AREAS = "select fid, coalesce({by}, '')::text, ST_AsBinary(geom) from {areas} order by fid"


def fill_names(connection: Connection[Any], collection: Collection, base: str) -> None:
    """The points of all areas of a table into a new one."""
    if collection.tiles.names:
        table = tables.create_like(connection, collection, columns(collection, None), f"{base}{NAMES}", "Point")
        _find_names(connection, collection, base, table, sql.SQL(""))
        tables.finish(connection, table)


def amend_names(connection: Connection[Any], collection: Collection, base: str) -> None:
    """Those of the areas `affected_base` anew; within a transaction. What changed is in CHANGED_NAMES."""
    if collection.tiles.names:
        table, fresh = sql.Identifier("tiles", f"{base}{NAMES}"), sql.Identifier("fresh_names")
        _temporary(connection, fresh, table)
        among = sql.SQL("where fid in (select fid from affected_base)")
        _find_names(connection, collection, base, fresh, among)
        affected = sql.Identifier("affected_base")
        tables.amend(connection, table, {"affected": affected, "fresh": fresh, "changed": CHANGED_NAMES})


def fill_borders(connection: Connection[Any], collection: Collection, relation: str) -> None:
    """The lines between the areas of a table into a new one."""
    if collection.tiles.borders:
        table = tables.create_like(connection, collection, ("rank",), f"{relation}{BORDERS}", "MultiLineString")
        _find_borders(connection, collection, relation, table)
        tables.finish(connection, table)


def amend_borders(connection: Connection[Any], collection: Collection, relation: str) -> None:
    """The lines anew, of which those that are as they were stay; within a transaction."""
    if collection.tiles.borders:
        table, fresh = sql.Identifier("tiles", f"{relation}{BORDERS}"), sql.Identifier("fresh_borders")
        affected, changed = sql.Identifier("affected_borders"), sql.Identifier("changed_borders")
        _temporary(connection, fresh, table)
        _find_borders(connection, collection, relation, fresh)
        query = "create temp table {} on commit drop as select fid from {} union select fid from {}"
        connection.execute(sql.SQL(query).format(affected, fresh, table))
        tables.amend(connection, table, {"affected": affected, "fresh": fresh, "changed": changed})
        connection.execute(sql.SQL("drop table {}, {}, {}").format(fresh, affected, changed))


def _temporary(connection: Connection[Any], fresh: sql.Identifier, table: sql.Identifier) -> None:
    query = "create temp table {} on commit drop as select * from {} limit 0"
    connection.execute(sql.SQL(query).format(fresh, table))


def _find_names(
    connection: Connection[Any], collection: Collection, base: str, target: sql.Identifier, among: sql.Composable
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns(collection, None)))
    areas = sql.Identifier("tiles", base)
    connection.execute(sql.SQL(NAME_POINTS).format(target=target, columns=names, areas=areas, among=among))


def _find_borders(connection: Connection[Any], collection: Collection, relation: str, target: sql.Identifier) -> None:
    borders = collection.tiles.borders
    assert borders  # noqa: S101 - asked before
    query = sql.SQL(AREAS).format(by=sql.Identifier(borders.by), areas=sql.Identifier("tiles", relation))
    rows = connection.execute(query, binary=True).fetchall()
    with connection.cursor().copy(sql.SQL("copy {} from stdin").format(target)) as copy:
        for (one, other), line in lines(shapely.from_wkb([row[2] for row in rows])):
            fids = rows[one][0], None if other is None else rows[other][0]
            rank = borders.rank(rows[one][1], None if other is None else rows[other][1])
            geometry = shapely.to_wkb(shapely.set_srid(line, SRID), hex=True, include_srid=True)
            copy.write_row((_number(fids), rank, geometry))


def _number(fids: tuple[int, int | None]) -> int:
    """Of a line, by the areas on both its sides; JavaScript counts as far as that."""
    return int.from_bytes(hashlib.blake2b(repr(fids).encode(), digest_size=8).digest()) >> 11


def lines(shapes: Any) -> Iterator[tuple[tuple[int, int | None], Any]]:
    """The outlines of areas, each part once: the numbers of the areas on both sides, and MultiLineStrings.

    Neighbours must have the same vertices along their common line; where they have not, each has a line of its own.
    """
    starts, ends, owners = _segments(shapes)
    segments = np.hstack([starts, ends])
    turned = (starts[:, 0] > ends[:, 0]) | ((starts[:, 0] == ends[:, 0]) & (starts[:, 1] > ends[:, 1]))
    segments[turned] = np.hstack([ends, starts])[turned]
    order = np.lexsort((owners, *segments.T[::-1]))
    segments, owners = segments[order], owners[order]
    again = np.append(False, (segments[1:] == segments[:-1]).all(axis=1))
    first = ~again
    others = np.where(np.append(again[1:], False), np.append(owners[1:], -1), -1)
    pairs = np.stack([owners[first], others[first]], axis=1)
    known, number = np.unique(pairs, axis=0, return_inverse=True)
    by_pair = np.argsort(number.ravel(), kind="stable")
    parts = np.asarray(shapely.linestrings(segments[first][by_pair].reshape(-1, 2, 2)))
    merged = shapely.line_merge(shapely.multilinestrings(parts, indices=number.ravel()[by_pair]))
    for (one, other), line in zip(known.tolist(), np.asarray(merged), strict=True):
        yield (one, None if other < 0 else other), shapely.MultiLineString(shapely.get_parts(line).tolist())


def _segments(shapes: Any) -> tuple[Any, Any, Any]:
    """Start, end and area's number of each segment of all rings."""
    polygons, area = shapely.get_parts(shapes, return_index=True)
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    places, ring = shapely.get_coordinates(rings, return_index=True)
    within = ring[1:] == ring[:-1]
    return places[:-1][within], places[1:][within], area[polygon][ring[:-1][within]]
