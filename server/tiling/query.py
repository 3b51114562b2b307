"""A tile of one collection -> SQL. Pure.

Features come in the order of their key, so that equal content is equal bytes. A tile that would be too large is made
of fewer features: those that a neighbouring tile shows, too, come first, so that nothing is cut off at an edge; then
the largest, and among points and equals those with the lowest hash of their key, which are spread evenly. The rule
looks at nothing but the feature and the tile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from psycopg import sql

from server.catalogue import Collection
from server.conditions import Rendered
from server.crs import CRS84, Box
from server.editions import sources
from server.ewkb import to_box2d, to_ewkb
from server.pyramid.sources import Source
from server.tiling.grid import BUFFER, EXTENT, Tile, clip_box, inner_box, tile_box
from server.tiling.matrixsets import Grid

Form = Literal["mvt", "json"]
MAX_FEATURES = 50_000
DECIMALS = 7  # of degrees in a GeoJSON tile: 1 cm


@dataclass(frozen=True)
class Shape:
    """All that decides the SQL text. columns: those of the source that a tile carries. condition: SQL of a filter.
    since, until: a date is asked for. past: an edition is read.
    """

    collection: Collection
    source: Source
    columns: tuple[str, ...]
    srid: int
    form: Form
    condition: bytes | None = None
    since: bool = False
    until: bool = False
    past: bool = False


def tile_parameters(grid: Grid, tile: Tile, search: Box, source: Source) -> dict[str, Any]:
    """Values that all statements of a tile bind, but for those of its restriction."""
    box = tile_box(grid, tile)
    unit_x, unit_y = (box.xmax - box.xmin) / EXTENT, (box.ymax - box.ymin) / EXTENT
    return {
        "tile": to_box2d(box),
        "search": to_ewkb(search, source.srid),
        "clip": to_ewkb(clip_box(grid, tile), grid.srid),
        "area": to_ewkb(box, grid.srid),
        "west": box.xmin,
        "north": box.ymax,
        "unit_x": unit_x,
        "unit_y": unit_y,
    }


def thinning_parameters(grid: Grid, tile: Tile, source: Source) -> dict[str, Any]:
    """Values that `thinned_text` and `count_text` bind, too."""
    inner = inner_box(grid, tile, source.srid)
    return {"inner": to_ewkb(inner, source.srid) if inner else None}


@lru_cache(maxsize=1024)
def tile_text(shape: Shape) -> bytes:
    """SQL text of a tile: version, content, number of features (one more than MAX_FEATURES means: too many), number
    of those that are drawn. The others are smaller than a unit of the tile.
    """
    return _made(shape, _rows(shape, ()), sql.SQL("limit {}").format(MAX_FEATURES + 1))


@lru_cache(maxsize=256)
def thinned_text(shape: Shape) -> bytes:
    """The same of at most `most` features."""
    order = sql.SQL(" order by (geom @ %(inner)s::geometry) is true, {size} desc, hashint8(fid), fid limit %(most)s")
    rows = sql.SQL("select * from ({rows}) rows").format(rows=_rows(shape, (_seen(shape),)))
    return _made(shape, sql.Composed([rows, order.format(size=_size(shape.collection))]), sql.SQL(""))


@lru_cache(maxsize=256)
def count_text(shape: Shape) -> bytes:
    """SQL text of the number of a tile's features: version, number."""
    rows = _rows(shape, (_seen(shape),))
    return sql.SQL("select {}, count(*) from ({}) rows").format(Rendered(shape.source.version), rows).as_bytes()


def _made(shape: Shape, rows: sql.Composable, limit: sql.Composable) -> bytes:
    """`offset 0` keeps what is costly from being computed twice: ST_Transform, ST_AsMVTGeom."""
    names = ("fid", *shape.columns)
    geometry = sql.SQL("geom")
    if shape.source.srid != shape.srid:
        geometry = sql.SQL("ST_Transform(geom, {})").format(shape.srid)
    return (
        sql.SQL(
            """
select {version}, {content}, count(*), count(q.geom)
from (
  select * from (
    select {names}, geom
    from (
      select {names}, placed, ST_AsMVTGeom(placed, %(tile)s::box2d, {extent}, {buffer}, true) as geom
      from (select {names}, {geometry} as placed from ({rows}) r offset 0) t
      where placed && %(clip)s::geometry offset 0
    ) m
    where geom is not null or ST_Intersects(placed, %(area)s::geometry) {limit}
  ) found order by fid
) q"""
        )
        .format(
            version=Rendered(shape.source.version),
            content=_mvt(shape) if shape.form == "mvt" else _json(shape),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            geometry=geometry,
            rows=rows,
            limit=limit,
            extent=EXTENT,
            buffer=BUFFER,
        )
        .as_bytes()
    )


def _mvt(shape: Shape) -> sql.Composable:
    """Without a feature id where rows stand for several features: their fid would then be an attribute, so it goes."""
    layer = shape.source.layer or shape.collection.id
    if shape.source.feature_id is None:
        columns = sql.SQL(", ").join(map(sql.Identifier, (*shape.columns, "geom")))
        row = sql.SQL("(select p from (select {}) p)").format(columns)
        return sql.SQL("ST_AsMVT({}, {}, {}, 'geom')").format(row, layer, EXTENT)
    return sql.SQL("ST_AsMVT(q, {}, {}, 'geom', {})").format(layer, EXTENT, shape.source.feature_id)


def _json(shape: Shape) -> sql.Composable:
    """Features of a GeoJSON tile: the same geometries as those of the MVT tile, in CRS84."""
    geometry = sql.SQL(
        "ST_SetSRID(ST_Affine(q.geom, %(unit_x)s::float8, 0, 0, -%(unit_y)s::float8, %(west)s::float8, "
        "%(north)s::float8), {})"
    ).format(shape.srid)
    if shape.srid != CRS84.srid:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, CRS84.srid)
    return sql.SQL(
        """string_agg(concat('{{"type":"Feature","featureType":', {kind}::text, ',"id":', to_json(coalesce(q.id, """
        """q.fid::text)), ',"geometry":', ST_AsGeoJSON(ST_ForcePolygonCCW({geometry}), {decimals}, 0), """
        """',"properties":', (select row_to_json(p) from (select {columns}) p), '}}'), ',') """
        """filter (where q.geom is not null)"""
    ).format(
        kind=f'"{shape.collection.id}"',
        geometry=geometry,
        decimals=DECIMALS,
        columns=sql.SQL(", ").join(sql.SQL("q.{}").format(sql.Identifier(n)) for n in shape.columns if n != "id"),
    )


def _rows(shape: Shape, further: tuple[sql.Composable, ...]) -> sql.Composable:
    """Rows of the search area, of an edition of the past from all versions."""
    names = sql.SQL(", ").join(map(sql.Identifier, ("fid", *shape.columns, "geom")))
    conditions = (sql.SQL("geom && %(search)s::geometry"), *_conditions(shape), *further)
    if shape.source.shape != "geom":
        kept = sql.SQL(", ").join(map(sql.Identifier, ("fid", *shape.columns)))
        names = sql.SQL("{}, {} as geom").format(kept, Rendered(shape.source.shape.encode()))
    scans = [_scan(names, sql.Identifier(*shape.source.table), conditions)]
    if shape.past:
        scans = [_scan(names, t.table, (*conditions, *t.conditions)) for t in sources(shape.collection, past=True)]
    return sql.SQL(" union all ").join(scans)


def _scan(names: sql.Composable, table: sql.Composable, conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("select {} from {} where {}").format(names, table, sql.SQL(" and ").join(conditions))


def _conditions(shape: Shape) -> list[sql.Composable]:
    found: list[sql.Composable] = []
    if shape.collection.datetime:
        first, last = (sql.Identifier(shape.collection.days[end]) for end in (0, -1))
        # a feature without a date matches every time, as in items
        if shape.since:
            found.append(sql.SQL("({0} >= %(since)s or {0} is null)").format(last))
        if shape.until:
            found.append(sql.SQL("({0} <= %(until)s or {0} is null)").format(first))
    if shape.condition:
        found.append(sql.SQL("({})").format(Rendered(shape.condition)))
    return found


def _seen(shape: Shape) -> sql.Composable:
    """Whether the tile or its buffer shows a row; what lies well within need not be transformed to know it."""
    geometry = sql.SQL("geom")
    if shape.source.srid != shape.srid:
        geometry = sql.SQL("ST_Transform(geom, {})").format(shape.srid)
    return sql.SQL("((geom @ %(inner)s::geometry) is true or ST_Intersects({}, %(clip)s::geometry))").format(geometry)


def _size(collection: Collection) -> sql.Composable:
    by_kind = {"Polygon": sql.SQL("ST_Area(geom)"), "LineString": sql.SQL("ST_Length(geom)")}
    return by_kind.get(collection.geometry.removeprefix("Multi"), sql.SQL("0::float8"))
