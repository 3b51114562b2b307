"""ItemsQuery -> SQL and bound parameters. Pure: nothing here runs a query.

A page is read in the order of `fid`, the spatial key, and stops when it is full. A box is searched in one of two
ways: along the ranges of the key that cover it, or by the spatial index where features are as large as boxes.
Either way the features are then tested exactly, in the CRS of the box, as the client sees them.

A sorted page is read along the index of its first key; what follows a cursor is a few ranges of it, one after the
other. An edition of the past is read the same way, from all versions instead of the live features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from psycopg import sql

from server.catalogue import Collection
from server.conditions import Rendered
from server.cql2.limits import SCAN_TIMEOUT
from server.crs import Crs
from server.editions import Edition, columns_of, sources
from server.ewkb import to_ewkb
from server.features.areas import Area, key_ranges, prefers_keys, search_areas, widened
from server.features.cursor import Cursor
from server.features.params import ItemsQuery
from server.features.sorting import SortKey, continuations, order_by
from server.formats.geojson import feature_expression
from server.formats.layer import Selection
from server.state import State

Search = Literal["everything", "keys", "index"]

START = Cursor(0)

ORDERED = "select {wanted} from {table} where {conditions} order by {order} limit %(rows)s"
# `offset 0` keeps PostgreSQL from reading along the order until the page is full: it takes matches for evenly spread,
# and words of one town's addresses lie side by side
FENCED = (
    "select {wanted} from (select {wanted} from {table} where {conditions} offset 0) fenced "
    "order by {order} limit %(rows)s"
)

# So many matches of a filter are sought out of order: about as long as a page of 100 takes along the key
FEW = 5_000


@dataclass(frozen=True)
class Shape:
    """All of a query that decides its SQL text, so that texts are made once and plans are kept.

    nulls: which of the cursor's sort values are null; None where a sorted page has no cursor. past: an edition is read.
    condition: SQL of a filter. narrow: an index may find few features for it. fenced: they are found by an index first.
    """

    collection: Collection
    crs: Crs
    search: Search
    boxes: int
    bbox_srid: int
    filters: tuple[str, ...]
    since: bool
    until: bool
    backward: bool
    selection: Selection
    sort: tuple[SortKey, ...]
    nulls: tuple[bool, ...] | None
    past: bool
    condition: bytes | None
    narrow: bool
    fenced: bool


@dataclass(frozen=True)
class Statement:
    """SQL text with its bound parameters. `plan_by_values`, `seconds`: see `Database.fetch`."""

    text: bytes
    parameters: dict[str, Any]
    plan_by_values: bool = False
    seconds: int | None = None


def items_query(
    query: ItemsQuery, state: State, past: Edition | None = None, to_text: Callable[[Shape], bytes] | None = None
) -> Statement | None:
    """The statement of a page, live or of an edition of the past; None where no feature can match.

    `to_text` makes its text, where another one than that of GeoJSON's page is wanted.

    Its one row: version and number of features of the collection, features as JSON text joined by commas in the
    order of the page, key of the first and of the last row read, number of rows. There is one row more than the limit
    where another page follows; `page.to_page` takes it off. The keys are fids or, of a sorted page, JSON arrays of
    the sort values as text and the fid: of the first row, and of the one more than the limit. Of `hits` the row is
    version, number of features, number of matches.
    """
    cursor = query.cursor or START
    areas = search_areas(query, widened(state) if past else state)
    if query.boxes and not areas:
        return None
    search: Search = "everything"
    if areas:
        fenced = query.condition and query.condition.fenced
        keys = not (query.sort or past or query.hits or fenced) and prefers_keys(areas, state, query.limit)
        search = "keys" if keys else "index"
    parameters = {
        "name": query.collection.id,
        "rows": query.limit + 1,
        "at": cursor.fid,
        "since": query.since,
        "until": query.until,
        **{f"p_{name}": value for name, value in query.filters},
        **_area_parameters(areas, query.bbox_crs.srid, query.collection.srid),
    }
    if search == "keys":
        ranges = key_ranges(areas, state, cursor, query.limit)
        parameters |= {"low": _to_array([r[0] for r in ranges]), "high": _to_array([r[1] for r in ranges])}
    if query.sort or past or query.selection.tolerance is not None or query.condition:
        parameters |= _further_parameters(query, past)
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
        selection=query.selection.form,
        sort=query.sort,
        nulls=tuple(value is None for value in cursor.values) if query.sort and query.cursor else None,
        past=past is not None,
        condition=query.condition and query.condition.sql.as_bytes(),
        narrow=bool(query.condition and query.condition.indexed and not query.condition.fenced) and not past,
        fenced=bool(query.condition and query.condition.fenced),
    )
    text = (to_text or (hits_text if query.hits else page_text))(shape)
    # A span of dates may select all rows or none; each of them has another best plan, and so on
    by_values = shape.since or shape.until or bool(shape.sort) or shape.past or query.hits or bool(query.condition)
    scans = query.condition and not query.condition.indexed
    return Statement(text, parameters, plan_by_values=by_values, seconds=SCAN_TIMEOUT if scans else None)


def _further_parameters(query: ItemsQuery, past: Edition | None) -> dict[str, Any]:
    values = query.cursor.values if query.cursor else ()
    found: dict[str, Any] = {f"s_{number}": value for number, value in enumerate(values) if value is not None}
    if past:
        found |= {"edition": past.delivery, "moment": past.published}
    if query.selection.tolerance is not None:
        found["tolerance"] = query.selection.tolerance
    return found | (query.condition.parameters if query.condition else {})


def _area_parameters(areas: tuple[Area, ...], srid: int, storage: int) -> dict[str, str]:
    boxes: dict[str, str] = {}
    for number, area in enumerate(areas):
        boxes[f"outer{number}"] = to_ewkb(area.outer, storage)
        boxes[f"inner{number}"] = to_ewkb(area.inner, storage)
        boxes[f"exact{number}"] = to_ewkb(area.exact, srid)
    return boxes


def _to_array(numbers: list[int]) -> str:
    """PostgreSQL's text of an array: a list would be examined element by element at every request."""
    return f"{{{','.join(map(str, numbers))}}}"


@lru_cache(maxsize=2048)
def page_text(shape: Shape) -> bytes:
    """SQL text of a page: one aggregate, because each further step over the rows costs a fifth of the answer."""
    feature = feature_expression(shape.collection, shape.crs, shape.selection)
    if shape.sort:
        return _sorted_text(shape, feature)
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
            rows=rows_of(shape),
            feature=feature,
            order=sql.SQL("order by fid" if shape.backward else ""),
        )
        .as_bytes()
    )


def _sorted_text(shape: Shape, feature: sql.Composable) -> bytes:
    return (
        sql.SQL(
            """
select c.version, c.features, f.features, f.near, f.far, f.found
from (
  select string_agg({feature}, ',' {order}) as features, count(*) as found,
    min({key}) filter (where t.place = 1) as near, min({key}) filter (where t.place = %(rows)s) as far
  from (select rows.*, row_number() over () as place from ({rows}) rows) t
) f
left join provenance.collection c on c.collection = %(name)s"""
        )
        .format(
            rows=sorted_rows(shape),
            feature=feature,
            order=sql.SQL("order by t.place desc" if shape.backward else ""),
            key=key_of(shape),
        )
        .as_bytes()
    )


def key_of(shape: Shape) -> sql.Composable:
    """SQL of a sorted row's place: a JSON array of the sort values, as text, and the fid."""
    keys = [sql.SQL("t.{}::text").format(sql.Identifier(key.name)) for key in shape.sort]
    return sql.SQL("json_build_array({}, t.fid)::text").format(sql.SQL(", ").join(keys))


@lru_cache(maxsize=512)
def hits_text(shape: Shape) -> bytes:
    """SQL text of an exact count."""
    counts = [
        sql.SQL("(select count(*) from {} where {})").format(
            source.table, _all([*_conditions(shape), *source.conditions])
        )
        for source in sources(shape.collection, shape.past)
    ]
    return (
        sql.SQL(
            """
select c.version, c.features, f.found from (select {counts} as found) f
left join provenance.collection c on c.collection = %(name)s"""
        )
        .format(counts=sql.SQL(" + ").join(counts))
        .as_bytes()
    )


def rows_of(shape: Shape) -> sql.Composable:
    """The rows of a page, in reading order: at most one more than the limit."""
    order = sql.SQL("fid desc" if shape.backward else "fid asc")
    if shape.search == "keys":
        conditions = [
            sql.SQL("fid between r.low and r.high"),
            *_attribute_conditions(shape),
            sql.SQL("({}) is true").format(_spatial(shape)),
        ]
        return sql.SQL(
            """
  select s.* from unnest(%(low)s::bigint[], %(high)s::bigint[]) r (low, high)
  cross join lateral (
    {scan}
  ) s limit %(rows)s"""
        ).format(scan=_scan(shape, conditions, order))
    place = sql.SQL("fid <= %(at)s" if shape.backward else "fid >= %(at)s")
    conditions = _conditions(shape, place)
    scan = _scan(shape, conditions, order)
    return _narrow(shape, conditions, scan, order) if shape.narrow else scan


def _narrow(
    shape: Shape, conditions: list[sql.Composable], scan: sql.Composable, order: sql.Composable
) -> sql.Composable:
    """The rows where a filter may find few of them: those are sought by its index and then put in order.

    The planner would often rather read along the key until the page is full, because it takes the matches for many
    and for evenly spread; where they are few or lie far off, it reads the whole table. `scan` serves where there are
    more.
    """
    return sql.SQL(
        """
  with few as materialized (select fid from {table} where {conditions} limit {most} + 1)
  select * from (
    (select {wanted} from {table} where fid in (select fid from few) and (select count(*) from few) <= {most}
     order by {order} limit %(rows)s)
    union all
    (select * from ({scan}) many where (select count(*) from few) > {most})
  ) found"""
    ).format(
        table=sql.Identifier("geobasis", shape.collection.id),
        conditions=_all(conditions),
        wanted=sql.SQL(", ").join(map(sql.Identifier, columns_of(shape.collection))),
        most=sql.Literal(FEW),
        order=order,
        scan=scan,
    )


def sorted_rows(shape: Shape) -> sql.Composable:
    """The same for a sorted page: the parts are read one after the other, until the page is full."""
    order = order_by(shape.sort, shape.backward)
    if shape.nulls is None:
        return _scan(shape, _conditions(shape), order)
    parts = [
        sql.SQL("({})").format(_scan(shape, _conditions(shape, part), order))
        for part in continuations(shape.sort, shape.nulls, shape.backward)
    ]
    return sql.SQL("select parts.* from ({}) parts limit %(rows)s").format(sql.SQL("\n  union all ").join(parts))


def _scan(shape: Shape, conditions: list[sql.Composable], order: sql.Composable) -> sql.Composable:
    """Rows of one range, in order. Each source is limited by itself: where it holds nothing that is wanted, PostgreSQL
    would otherwise read all of it along the order, in the belief that it soon can stop.
    """
    wanted = sql.SQL(", ").join(map(sql.Identifier, columns_of(shape.collection)))
    scans = [
        sql.SQL(FENCED if shape.fenced else ORDERED).format(
            wanted=wanted, table=source.table, conditions=_all([*conditions, *source.conditions]), order=order
        )
        for source in sources(shape.collection, shape.past)
    ]
    if len(scans) == 1:
        return scans[0]
    parts = sql.SQL(" union all ").join(sql.SQL("({})").format(scan) for scan in scans)
    return sql.SQL("select {wanted} from ({parts}) past order by {order} limit %(rows)s").format(
        wanted=wanted, parts=parts, order=order
    )


def _all(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(" and ").join(conditions) if conditions else sql.SQL("true")


def _conditions(shape: Shape, place: sql.Composable | None = None) -> list[sql.Composable]:
    """What a row must meet; `place`: where in the order it stands."""
    return [
        *_attribute_conditions(shape),
        *([place] if place else []),
        *([_spatial(shape)] if shape.search == "index" else []),
    ]


def _attribute_conditions(shape: Shape) -> list[sql.Composable]:
    conditions: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(f"p_{name}")) for name in shape.filters
    ]
    if shape.collection.datetime:
        first, last = (sql.Identifier(shape.collection.days[end]) for end in (0, -1))
        # A feature without a date matches every time (Features Part 1, /req/core/fc-time-response)
        if shape.since:
            conditions.append(sql.SQL("({0} >= %(since)s or {0} is null)").format(last))
        if shape.until:
            conditions.append(sql.SQL("({0} <= %(until)s or {0} is null)").format(first))
    if shape.condition:
        conditions.append(Rendered(shape.condition))
    return conditions


def _spatial(shape: Shape) -> sql.Composable:
    """The exact test: what lies well within is taken by its envelope, the rest in the CRS of the box."""
    geometry = (
        sql.SQL("geom")
        if shape.bbox_srid == shape.collection.srid
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
