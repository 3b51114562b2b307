"""Geometries as they are stored: in EPSG:25832, inside the area of use, areas valid and counter-clockwise."""

import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from loaders.area import Area
from loaders.batch import Geometries, Sieve
from loaders.repair import repair
from loaders.wkb import MAX_BYTES, is_flat, sizes, type_codes

SRID = 25832
RULE = "geometry"
POINT, LINE, POLYGON, MULTIPOINT, MULTILINE, MULTIPOLYGON = (
    1,
    2,
    3,
    4,
    5,
    6,
)  # the codes of WKB; from 3 those of shapely, too
POINT_OF_SHAPELY, LINE_OF_SHAPELY = 0, 1
WKB_NAMES = ("Geometry", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
             "GeometryCollection", "CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve", "MultiSurface",
             "Curve", "Surface", "PolyhedralSurface", "TIN", "Triangle")  # fmt: skip
EWKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("srid", "<u4"), ("east", "<f8"), ("north", "<f8")])


def points(east: NDArray[np.float64], north: NDArray[np.float64], area: Area, sieve: Sieve) -> Geometries:
    """Points from coordinates in EPSG:25832; those outside the area are rejected."""
    area.refuse_outside(np.column_stack([east, north, east, north]), sieve)
    ewkb = np.empty(len(east), EWKB_POINT)
    ewkb["order"], ewkb["type"], ewkb["srid"] = 1, 0x20000001, SRID
    ewkb["east"], ewkb["north"] = east, north
    array = pa.Array.from_buffers(pa.binary(EWKB_POINT.itemsize), len(east), [None, pa.py_buffer(ewkb.tobytes())])
    return Geometries(array.cast(pa.binary()), east, north, np.zeros(len(east), np.bool_))


def points_of(wkb: pa.Array, false_east: float, area: Area, sieve: Sieve) -> Geometries:
    """Points from WKB whose eastings are too large by `false_east`."""
    codes = type_codes(wkb)
    missing = pc.is_null(wkb).to_numpy(zero_copy_only=False)
    sieve.refuse(missing, lambda _: "the record has no geometry", RULE)
    sieve.refuse(codes != POINT, lambda i: f"the geometry is a {_name(codes[i])}; only points are allowed here", RULE)
    contents = wkb.to_numpy(zero_copy_only=False)
    contents[~sieve.good] = None
    shapes = shapely.from_wkb(contents, on_invalid="ignore")
    east, north = shapely.get_x(shapes), shapely.get_y(shapes)
    if false_east:
        east = np.round(east - false_east, 6)
    return points(east, north, area, sieve)


def multipoints(wkb: pa.Array, false_east: float, area: Area, sieve: Sieve) -> Geometries:
    """Heaps of points from WKB whose eastings are too large by `false_east`."""
    with np.errstate(all="ignore"):
        shapes = _shift(_parse(wkb, "points", (POINT, MULTIPOINT), sieve), false_east)
        bounds = shapely.bounds(shapes)
    area.refuse_outside(bounds, sieve)
    shapes[~sieve.good] = None
    west, south, east, north = bounds.T
    ewkb = _to_multi(shapes, shapely.get_type_id(shapes) == POINT_OF_SHAPELY, MULTIPOINT)
    return Geometries(ewkb, (west + east) / 2, (south + north) / 2, np.zeros(len(shapes), np.bool_))


def multipolygons(wkb: pa.Array, false_east: float, area: Area, sieve: Sieve) -> Geometries:
    """Areas from WKB whose eastings are too large by `false_east`; what cannot be made a valid area is rejected."""
    # what overflows or is no number is found by its outcome, row by row
    with np.errstate(all="ignore"):
        return _to_areas(_parse(wkb, "polygons", (POLYGON, MULTIPOLYGON), sieve), wkb, false_east, area, sieve)


def multilines(wkb: pa.Array, false_east: float, area: Area, sieve: Sieve) -> Geometries:
    """Lines from WKB whose eastings are too large by `false_east`; those without any length are rejected."""
    with np.errstate(all="ignore"):
        shapes = _shift(_parse(wkb, "lines", (LINE, MULTILINE), sieve), false_east)
        bounds = shapely.bounds(shapes)
    area.refuse_outside(bounds, sieve)
    sieve.refuse(~shapely.is_valid(shapes), lambda _: "the line has no length", RULE)
    shapes[~sieve.good] = None
    west, south, east, north = bounds.T
    ewkb = _to_multi(shapes, shapely.get_type_id(shapes) == LINE_OF_SHAPELY, MULTILINE)
    return Geometries(ewkb, (west + east) / 2, (south + north) / 2, np.zeros(len(shapes), np.bool_))


def _to_areas(shapes: NDArray[np.object_], wkb: pa.Array, false_east: float, area: Area, sieve: Sieve) -> Geometries:
    shapes = _shift(shapes, false_east)
    area.refuse_outside(shapely.bounds(shapes), sieve)
    shapes[~sieve.good] = None
    repaired = repair(shapes, wkb, sieve)
    shapes = shapely.orient_polygons(shapes)
    west, south, east, north = shapely.bounds(shapes).T
    ewkb = _to_multi(shapes, shapely.get_type_id(shapes) == POLYGON, MULTIPOLYGON)
    return Geometries(ewkb, (west + east) / 2, (south + north) / 2, repaired)


def _shift(shapes: NDArray[np.object_], false_east: float) -> NDArray[np.object_]:
    if not false_east:
        return shapes
    # micrometres, so that taking the prefix away leaves no digits that the publisher did not write
    return shapely.transform(shapes, lambda xy: np.round(xy - [false_east, 0], 6))


def _parse(wkb: pa.Array, kind: str, allowed: tuple[int, int], sieve: Sieve) -> NDArray[np.object_]:
    """Shapes in two dimensions; null where the row is rejected."""
    sieve.refuse(pc.is_null(wkb).to_numpy(zero_copy_only=False), lambda _: "the record has no geometry", RULE)
    codes = type_codes(wkb)
    sieve.refuse(codes == 0, lambda _: "the geometry is no WKB; the file is damaged", RULE)
    fitting = np.isin(codes, allowed)
    sieve.refuse(~fitting, lambda i: f"the geometry is a {_name(codes[i])}; only {kind} are allowed here", RULE)
    _refuse_large(wkb, sieve)
    sieve.refuse(~is_flat(wkb, codes), lambda i: f"the parts of the {_name(codes[i])} are no {kind}", RULE)
    contents = wkb.to_numpy(zero_copy_only=False)
    contents[~sieve.good] = None
    shapes = shapely.from_wkb(contents, on_invalid="ignore")
    more = shapely.has_z(shapes) | shapely.has_m(shapes)
    shapes[more] = shapely.force_2d(shapes[more])
    sieve.refuse(shapely.is_missing(shapes), lambda i: f"the geometry cannot be read: {_fault(contents[i])}", RULE)
    sieve.refuse(shapely.is_empty(shapes), lambda _: "the geometry is empty: it has no rings", RULE)
    return shapes


def _refuse_large(wkb: pa.Array, sieve: Sieve) -> None:
    found = sizes(wkb)
    sieve.refuse(
        found > MAX_BYTES,
        lambda i: f"the geometry has about {found[i] // 16} vertices; at most {MAX_BYTES // 16} are allowed",
        RULE,
    )


def _name(code: int) -> str:
    return WKB_NAMES[code] if code < len(WKB_NAMES) else f"geometry of the unknown type {code}"


def _fault(wkb: bytes) -> str:
    try:
        shapely.from_wkb(wkb)
    except shapely.errors.ShapelyError as error:
        return str(error).strip().rpartition("Exception: ")[2]
    return "unknown"


def _to_multi(shapes: NDArray[np.object_], single: NDArray[np.bool_], code: int) -> pa.Array:
    """EWKB. What makes a shape the only part is a head in front of it: quicker than another shape."""
    wkb = shapely.to_wkb(shapes, byte_order=1)
    head = struct.pack("<BIII", 1, 0x20000000 | code, SRID, 1)
    wkb[~single] = shapely.to_wkb(shapely.set_srid(shapes[~single], SRID), byte_order=1, include_srid=True)
    heads = pc.if_else(pa.array(single), pa.scalar(head), pa.scalar(b""))
    return pc.binary_join_element_wise(heads, pa.array(wkb, pa.binary()), pa.scalar(b""))
