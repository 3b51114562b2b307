"""ItemsQuery -> SQL and bound parameters. Pure: nothing here runs a query.

A page is read in the order of `fid`, the spatial key, and stops when it is full. A box is searched in one of two
ways: along the ranges of the key that cover it, or by the spatial index where features are as large as boxes.
Either way the features are then tested exactly, in the CRS of the box, as the client sees them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from psycopg import sql

from server.catalogue import STORAGE_SRID, Collection
from server.crs import Box, Crs, around, to_frame
from server.ewkb import to_ewkb
from server.features.cursor import Cursor
from server.features.params import ItemsQuery
from server.spatial_key import covering
from server.state import State

Search = Literal["everything", "keys", "index"]

START = Cursor(0)
NOWHERE = Box(-2.0, -2.0, -1.0, -1.0)

# Metres by which a searched area must be larger: pyproj is up to 2 m off in DHDN (`crs.transformer`), and the index
# holds boxes as floats, which are rounded to 0.5 m at 5,800 km.
SLACK = 3.0


@dataclass(frozen=True)
class Area:
    """A box, ready for the search: `outer` and `inner` in EPSG:25832, `exact` in its own CRS."""

    exact: Box
    outer: Box
    inner: Box


@dataclass(frozen=True)
class Shape:
    """All of a query that decides its SQL text, so that texts are made once and plans are kept."""

    collection: Collection
    crs: Crs
    search: Search
    boxes: int
    bbox_srid: int
    filters: tuple[str, ...]
    since: bool
    until: bool
    backward: bool


@dataclass(frozen=True)
class Statement:
    """SQL text with its bound parameters. `plan_by_values`: see `Database.fetch`."""

    text: bytes
    parameters: dict[str, Any]
    plan_by_values: bool = False


def items_query(query: ItemsQuery, state: State) -> Statement | None:
    """The statement of a page; None where no feature can match.

    Its one row: version and number of features of the collection, features as JSON text joined by commas in the
    order of fid, lowest and highest fid, number of rows. There is one row more than the limit where another page
    follows; `page.to_page` takes it off.
    """
    cursor = query.cursor or START
    areas = search_areas(query, state)
    if query.boxes and not areas:
        return None
    search: Search = "everything"
    if areas:
        search = "keys" if prefers_keys(areas, state, query.limit) else "index"
    parameters = {
        "name": query.collection.id,
        "rows": query.limit + 1,
        "at": cursor.fid,
        "since": query.since,
        "until": query.until,
        **{f"p_{name}": value for name, value in query.filters},
        **_area_parameters(areas, query.bbox_crs.srid),
    }
    if search == "keys":
        ranges = key_ranges(areas, state, cursor)
        parameters |= {"low": _to_array([r[0] for r in ranges]), "high": _to_array([r[1] for r in ranges])}
    shape = Shape(
        collection=query.collection,
        crs=query.crs,
        search=search,
        boxes=len(areas),
        bbox_srid=query.bbox_crs.srid,
        filters=tuple(name for name, _ in query.filters),
        since=query.since is not None,
        until=query.until is not None,
        backward=cursor.backward,
    )
    # A span of dates may select all rows or none; each of them has another best plan
    return Statement(page_text(shape), parameters, plan_by_values=shape.since or shape.until)


def _area_parameters(areas: tuple[Area, ...], srid: int) -> dict[str, str]:
    boxes: dict[str, str] = {}
    for number, area in enumerate(areas):
        boxes[f"outer{number}"] = to_ewkb(area.outer, STORAGE_SRID)
        boxes[f"inner{number}"] = to_ewkb(area.inner, STORAGE_SRID)
        boxes[f"exact{number}"] = to_ewkb(area.exact, srid)
    return boxes


def _to_array(numbers: list[int]) -> str:
    """PostgreSQL's text of an array: a list would be examined element by element at every request."""
    return f"{{{','.join(map(str, numbers))}}}"


def search_areas(query: ItemsQuery, state: State) -> tuple[Area, ...]:
    """The boxes that touch the collection's extent, each cut to it so that it can be transformed."""
    if state.bbox is None:
        return ()
    srid = query.bbox_crs.srid
    extent = around(state.bbox.grown(SLACK, SLACK), STORAGE_SRID, srid)
    return tuple(to_area(box, cut, srid) for box in query.boxes if (cut := box.common(extent)))


@lru_cache(maxsize=1024)
def to_area(box: Box, cut: Box, srid: int) -> Area:
    """A box whose part `cut` is searched.

    The margin makes up for the sagitta between two points of the outline, too.
    """
    frame = to_frame(cut, srid, STORAGE_SRID)
    margin = SLACK + 1e-4 * max(frame.outer.xmax - frame.outer.xmin, frame.outer.ymax - frame.outer.ymin)
    inner = frame.inner.grown(-margin, -margin) if frame.inner else NOWHERE
    usable = inner.xmin < inner.xmax and inner.ymin < inner.ymax
    return Area(box, frame.outer.grown(margin, margin), inner if usable else NOWHERE)


def prefers_keys(areas: tuple[Area, ...], state: State, limit: int) -> bool:
    """Whether the key's ranges read fewer rows than the spatial index, by the collection's mean density.

    The ranges cover the box enlarged by the largest feature but stop when the page is full; the index reads and
    sorts all that match.
    """
    if state.bbox is None:
        return False
    density = state.features / max(_square(state.bbox), 1.0)
    by_keys = by_index = 0.0
    for area in areas:
        matching = density * _square(area.outer)
        enlarged = density * _square(area.outer.grown(state.half_width, state.half_height))
        by_keys += min(enlarged, limit * enlarged / max(matching, 1e-9))
        by_index += 2 * matching
    return by_keys <= 2 * by_index + 500


def _square(box: Box) -> float:
    return (box.xmax - box.xmin) * (box.ymax - box.ymin)


def key_ranges(areas: tuple[Area, ...], state: State, cursor: Cursor) -> list[tuple[int, int]]:
    """Ranges of fid that hold the areas' features, from the cursor on, in reading order, without overlaps."""
    ranges: list[tuple[int, int]] = []
    grown = [area.outer.grown(state.half_width + 1, state.half_height + 1) for area in areas]
    for low, high in sorted(found for box in grown for found in covering(box)):
        if ranges and low <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
        else:
            ranges.append((low, high))
    if cursor.backward:
        return [(low, min(high, cursor.fid)) for low, high in reversed(ranges) if low <= cursor.fid]
    return [(max(low, cursor.fid), high) for low, high in ranges if high >= cursor.fid]


@lru_cache(maxsize=2048)
def page_text(shape: Shape) -> bytes:
    """SQL text of a page: one aggregate, because each further step over the rows costs a fifth of the answer."""
    return (
        sql.SQL(
            """
select c.version, c.features, f.features, f.first, f.last, f.found
from (
  select string_agg({feature}, ',' {order}) as features, min(fid) as first, max(fid) as last, count(*) as found
  from ({rows}) t
) f
left join provenance.collection c on c.collection = %(name)s"""
        )
        .format(
            rows=_rows(shape),
            feature=feature_expression(shape.collection, shape.crs),
            order=sql.SQL("order by fid" if shape.backward else ""),
        )
        .as_bytes()
    )


def _rows(shape: Shape) -> sql.Composable:
    """The rows of a page, in reading order: at most one more than the limit."""
    wanted = _columns(shape.collection)
    table = sql.Identifier("geobasis", shape.collection.id)
    order = sql.SQL("desc" if shape.backward else "asc")
    conditions = [*_attribute_conditions(shape)]
    if shape.search == "keys":
        conditions = [
            sql.SQL("fid between r.low and r.high"),
            *conditions,
            sql.SQL("({}) is true").format(_spatial(shape)),
        ]
        return sql.SQL(
            """
  select s.* from unnest(%(low)s::bigint[], %(high)s::bigint[]) r (low, high)
  cross join lateral (
    select {wanted} from {table} where {conditions} order by fid {order} limit %(rows)s
  ) s limit %(rows)s"""
        ).format(wanted=wanted, table=table, conditions=sql.SQL(" and ").join(conditions), order=order)
    conditions.append(sql.SQL("fid <= %(at)s" if shape.backward else "fid >= %(at)s"))
    if shape.search == "index":
        conditions.append(_spatial(shape))
    return sql.SQL("select {wanted} from {table} where {conditions} order by fid {order} limit %(rows)s").format(
        wanted=wanted, table=table, conditions=sql.SQL(" and ").join(conditions), order=order
    )


def _columns(collection: Collection) -> sql.Composable:
    names = ("fid", "id", *(p.name for p in collection.properties), "delivery", "geom")
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _attribute_conditions(shape: Shape) -> list[sql.Composable]:
    conditions: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(f"p_{name}")) for name in shape.filters
    ]
    if shape.collection.datetime:
        column = sql.Identifier(shape.collection.datetime)
        # A feature without a date matches every time (Features Part 1, /req/core/fc-time-response)
        if shape.since:
            conditions.append(sql.SQL("({0} >= %(since)s or {0} is null)").format(column))
        if shape.until:
            conditions.append(sql.SQL("({0} <= %(until)s or {0} is null)").format(column))
    return conditions


def _spatial(shape: Shape) -> sql.Composable:
    """The exact test: what lies well within is taken by its envelope, the rest in the CRS of the box."""
    geometry = (
        sql.SQL("geom")
        if shape.bbox_srid == STORAGE_SRID
        else sql.SQL("ST_Transform(geom, {})").format(sql.Literal(shape.bbox_srid))
    )
    tests = [
        sql.SQL(
            "geom && {outer}::geometry and (geom @ {inner}::geometry or _ST_Intersects({geometry}, {exact}::geometry))"
        ).format(
            outer=sql.Placeholder(f"outer{number}"),
            inner=sql.Placeholder(f"inner{number}"),
            exact=sql.Placeholder(f"exact{number}"),
            geometry=geometry,
        )
        for number in range(shape.boxes)
    ]
    return sql.SQL("({})").format(sql.SQL(" or ").join(tests))


def feature_expression(collection: Collection, crs: Crs) -> sql.Composable:
    """SQL for a GeoJSON feature of table alias t, as text."""
    geometry: sql.Composable = sql.SQL("t.geom")
    if crs.srid != STORAGE_SRID:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(crs.srid))
    if crs.northing_first:
        geometry = sql.SQL("ST_FlipCoordinates({})").format(geometry)
    names = (*(p.name for p in collection.properties), "delivery")
    columns = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in names)
    return sql.SQL(
        """concat('{{"type":"Feature","id":', to_json(t.id), ',"geometry":', ST_AsGeoJSON({geometry}, {decimals}, 0),"""
        """ ',"properties":', (select row_to_json(p) from (select {columns}) p), '}}')"""
    ).format(geometry=geometry, decimals=sql.Literal(crs.decimals), columns=columns)


@lru_cache(maxsize=512)
def item_text(collection: Collection, crs: Crs) -> bytes:
    """SQL text for one feature by its id: version and features of the collection, JSON text."""
    return (
        sql.SQL(
            """
select c.version, {feature} from {table} t
left join provenance.collection c on c.collection = %(name)s where t.id = %(id)s"""
        )
        .format(feature=feature_expression(collection, crs), table=sql.Identifier("geobasis", collection.id))
        .as_bytes()
    )


@lru_cache(maxsize=512)
def place_text(collection: Collection) -> bytes:
    """SQL text for where a feature is: x and y of a point on it, its envelope; metres in EPSG:25832."""
    return (
        sql.SQL(
            """
select ST_X(p), ST_Y(p), array[ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom)]
from (select geom, ST_PointOnSurface(geom) p from {} where id = %(id)s) t"""
        )
        .format(sql.Identifier("geobasis", collection.id))
        .as_bytes()
    )
