"""Spatial predicates, and the geometries of a filter brought into the collection's CRS."""

from functools import lru_cache

import numpy as np
import shapely
from psycopg import sql
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from server.cql2.terms import Scope, Term
from server.cql2.tree import Box, Geometry, Op, Property
from server.crs import CRS84, Crs, around
from server.crs import Box as Extent

PREDICATES = {
    "s_intersects": sql.SQL("ST_Intersects"),
    "s_equals": sql.SQL("ST_Equals"),
    "s_disjoint": sql.SQL("ST_Disjoint"),
    "s_touches": sql.SQL("ST_Touches"),
    "s_within": sql.SQL("ST_Within"),
    "s_overlaps": sql.SQL("ST_Overlaps"),
    "s_crosses": sql.SQL("ST_Crosses"),
    "s_contains": sql.SQL("ST_Contains"),
}
GLOBE = Extent(-180.0, -90.0, 180.0, 90.0)
# Degrees by which a filter may leave a CRS's area of use: the state itself leaves that of UTM zone 32 in the west
MARGIN = 5.0
# What can be transformed into a zone of UTM 32 without leaving the projection's domain, degrees
PROJECTABLE = Extent(-51.0, -80.0, 69.0, 84.0)
# A straight side bends when it is transformed; between two points so far apart by less than a millimetre
STEP = {True: 0.002, False: 200.0}
MAX_STEPS = 10_000


def literal(scope: Scope, node: Geometry | Box) -> Term:
    """A geometry of the filter, bound, in the collection's CRS. Raises InvalidParameter."""
    try:
        shape = box_shape(node, scope.crs) if isinstance(node, Box) else to_xy(node.shape, scope.crs)
        check(shape, scope.crs)
    except ValueError as error:
        raise scope.wrong(
            str(error), f"Give coordinates in {scope.crs.uri}, or name another CRS in filter-crs"
        ) from None
    parts = tuple(_bound(scope, part) for part in by_dimension(shape))
    return Term(parts[0], "geometry", node, constant=True, parts=parts)


def _bound(scope: Scope, shape: BaseGeometry) -> sql.Composable:
    source, target = scope.crs, scope.collection.srid
    if source.srid != target:
        shape = densified(shape, geographic=source.geographic)
    wkb = shapely.to_wkb(shapely.set_srid(shape, source.srid), hex=True, include_srid=True)
    bound = scope.bind(wkb, sql.SQL("geometry"))
    if source.srid == target:
        return bound
    return sql.SQL("ST_Transform({}, {})").format(bound, sql.Literal(target))


def to_xy(shape: BaseGeometry, crs: Crs) -> BaseGeometry:
    """A geometry as written -> x, y order."""
    return shapely.transform(shape, lambda c: c[:, ::-1]) if crs.northing_first else shape


def box_shape(box: Box, crs: Crs) -> BaseGeometry:
    """The area of a box in x, y order; two areas where its west is east of its east (degrees only)."""
    west, south, east, north = box.corners
    if crs.northing_first:
        west, south, east, north = south, west, north, east
    if south > north:
        raise ValueError("the southern side of a box lies north of its northern one")
    if west <= east:
        return _area(west, south, east, north)
    if not crs.geographic:
        raise ValueError("the western side of a box lies east of its eastern one")
    return shapely.union_all([_area(west, south, 180.0, north), _area(-180.0, south, east, north)])


def _area(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """A box without area is a point or a line: as a polygon it would be invalid."""
    if west < east and south < north:
        return shapely.box(west, south, east, north)
    corners = [(west, south), (east, north)]
    return shapely.Point(corners[0]) if corners[0] == corners[1] else shapely.LineString(corners)


def check(shape: BaseGeometry, crs: Crs) -> None:
    """Raises ValueError where a geometry leaves its CRS or its rings cross."""
    area = domain(crs)
    xmin, ymin, xmax, ymax = shape.bounds
    if not (area.xmin <= xmin and xmax <= area.xmax and area.ymin <= ymin and ymax <= area.ymax):
        order = "second, first" if crs.northing_first else "first, second"
        raise ValueError(
            f"a geometry lies outside the area of {crs.name}: as its {order} coordinate it has "
            f"{xmin:.10g} to {xmax:.10g} and {ymin:.10g} to {ymax:.10g}, allowed are "
            f"{area.xmin:.10g} to {area.xmax:.10g} and {area.ymin:.10g} to {area.ymax:.10g}"
        )
    if not shape.is_valid:
        raise ValueError(f"a geometry is not valid: {shapely.is_valid_reason(shape)}")


@lru_cache(maxsize=64)
def domain(crs: Crs) -> Extent:
    """The coordinates, in x, y order, in which geometries of a CRS may lie."""
    if crs.geographic:
        return GLOBE
    use = CRS.from_epsg(crs.srid).area_of_use
    if use is None:
        raise ValueError(f"the area of {crs.name} is not known")
    wide = GLOBE.common(Extent(use.west, use.south, use.east, use.north).grown(MARGIN, MARGIN)) or GLOBE
    if crs.srid == 3857:
        wide = Extent(use.west, use.south, use.east, use.north)
    found = around(wide, CRS84.srid, crs.srid)
    return Extent(*(float(np.round(value)) for value in found)).grown(1.0, 1.0)


def densified(shape: BaseGeometry, *, geographic: bool) -> BaseGeometry:
    """The part that can be transformed, with points along its sides."""
    if geographic and PROJECTABLE.common(bounds := Extent(*shape.bounds)) != bounds:
        shape = shapely.intersection(shape, shapely.box(*PROJECTABLE))
    if shape.length:
        shape = shapely.segmentize(shape, max(STEP[geographic], shape.length / MAX_STEPS))
    return shape


def by_dimension(shape: BaseGeometry) -> list[BaseGeometry]:
    """The geometry; of a collection its points, its lines and its areas, as PostGIS compares none of mixed kinds."""
    if shape.geom_type != "GeometryCollection":
        return [shape]
    simple = [part for part in _flat(shape) if not part.is_empty]
    kinds = [[part for part in simple if shapely.get_dimensions(part) == number] for number in (2, 1, 0)]
    return [shapely.union_all(parts) for parts in kinds if parts]


def _flat(shape: BaseGeometry) -> list[BaseGeometry]:
    waiting, found = [shape], []
    while waiting:
        part = waiting.pop()
        if hasattr(part, "geoms"):
            waiting += shapely.get_parts(part).tolist()
        else:
            found.append(part)
    return found


def predicate(scope: Scope, node: Op, left: Term, right: Term) -> Term:
    """A spatial predicate. What is apart from a geometry is what no index finds."""
    for term in (left, right):
        scope.need(term, "geometry", node.name.upper())
    served = (_is_column(left) and right.constant) or (_is_column(right) and left.constant)
    if node.name == "s_disjoint":
        return Term(sql.SQL("(not {})").format(_predicate("s_intersects", left, right)), "boolean", node)
    return Term(_predicate(node.name, left, right), "boolean", node, indexed=served)


def _is_column(term: Term) -> bool:
    return isinstance(term.node, Property)


def _predicate(name: str, left: Term, right: Term) -> sql.Composable:
    if max(len(left.parts), len(right.parts)) < 2:
        return _call(PREDICATES[name], left.sql, right.sql)
    return _mixed(name, left, right)


def _call(function: sql.SQL, left: sql.Composable, right: sql.Composable) -> sql.Composable:
    return sql.SQL("{}({}, {})").format(function, left, right)


def _mixed(name: str, left: Term, right: Term) -> sql.Composable:
    """A predicate with a collection, by its parts of one dimension each.

    A set is covered where each part is; it touches where a part does and the others at most touch.
    """
    pairs = [(a, b) for a in left.parts or (left.sql,) for b in right.parts or (right.sql,)]
    some = _joined(" or ", [_call(PREDICATES[name], a, b) for a, b in pairs])
    if name == "s_equals":
        return sql.SQL("false")
    if name == "s_touches":
        rest = [
            sql.SQL("({} or {})").format(_call(PREDICATES[name], a, b), _call(PREDICATES["s_disjoint"], a, b))
            for a, b in pairs
        ]
        return _joined(" and ", [some, *rest])
    covering = {"s_contains": len(right.parts) > 1, "s_within": len(left.parts) > 1}
    if covering.get(name):
        cover = sql.SQL("ST_Covers") if name == "s_contains" else sql.SQL("ST_CoveredBy")
        return _joined(" and ", [some, *(_call(cover, a, b) for a, b in pairs)])
    return some


def _joined(word: str, terms: list[sql.Composable]) -> sql.Composable:
    joiner = sql.SQL(" and ") if word == " and " else sql.SQL(" or ")
    return sql.SQL("({})").format(joiner.join(terms))


def metres(scope: Scope) -> sql.SQL:
    """A cast by which lengths come in metres."""
    return sql.SQL("::geography") if in_degrees(scope.collection.srid) else sql.SQL("")


@lru_cache(maxsize=16)
def in_degrees(srid: int) -> bool:
    """Whether a CRS measures in degrees."""
    return CRS.from_epsg(srid).is_geographic
