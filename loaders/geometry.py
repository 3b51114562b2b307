"""Geometries as they are stored: in EPSG:25832, inside the state's grid, areas valid and counter-clockwise."""

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from loaders.batch import Geometries, Mask, Sieve
from loaders.spatial_key import CELL, ORIGIN_EAST, ORIGIN_NORTH, SIZE

SRID = 25832
ZONE_PREFIX = 32_000_000.0
MAX_EAST = ORIGIN_EAST + CELL * SIZE
MAX_NORTH = ORIGIN_NORTH + CELL * SIZE
POLYGON, MULTIPOLYGON = shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON
EWKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("srid", "<u4"), ("east", "<f8"), ("north", "<f8")])


def points(east: NDArray[np.float64], north: NDArray[np.float64], sieve: Sieve) -> Geometries:
    """Points from coordinates in EPSG:25832; those outside the state are rejected."""
    refuse_outside(np.column_stack([east, north, east, north]), sieve)
    ewkb = np.empty(len(east), EWKB_POINT)
    ewkb["order"], ewkb["type"], ewkb["srid"] = 1, 0x20000001, SRID
    ewkb["east"], ewkb["north"] = east, north
    array = pa.Array.from_buffers(pa.binary(EWKB_POINT.itemsize), len(east), [None, pa.py_buffer(ewkb.tobytes())])
    return Geometries(array.cast(pa.binary()), east, north, np.zeros(len(east), np.bool_))


def multipolygons(wkb: NDArray[np.object_], false_east: float, sieve: Sieve) -> Geometries:
    """Areas from WKB whose eastings are too large by `false_east`; what cannot be made a valid area is rejected."""
    shapes = shapely.force_2d(shapely.from_wkb(wkb, on_invalid="ignore"))
    sieve.refuse(shapely.is_missing(shapes) | shapely.is_empty(shapes), lambda _: "the record has no geometry")
    areal = np.isin(shapely.get_type_id(shapes), [POLYGON, MULTIPOLYGON])
    sieve.refuse(~areal, lambda i: f"the geometry is a {shapes[i].geom_type}; only polygons are allowed here")
    if false_east:
        # micrometres, so that taking the prefix away leaves no digits that the publisher did not write
        shapes = shapely.transform(shapes, lambda xy: np.round(xy - [false_east, 0], 6))
    refuse_outside(shapely.bounds(shapes), sieve)
    shapes[~sieve.good] = None
    repaired = _repair(shapes, sieve)
    shapes = shapely.set_srid(_multi(shapely.orient_polygons(shapes)), SRID)
    west, south, east, north = shapely.bounds(shapes).T
    ewkb = pa.array(shapely.to_wkb(shapes, include_srid=True), pa.binary())
    return Geometries(ewkb, (west + east) / 2, (south + north) / 2, repaired)


def refuse_outside(bounds: NDArray[np.float64], sieve: Sieve) -> None:
    """Reject what is not wholly inside the state's grid; also infinite coordinates and those that are no numbers."""
    west, south, east, north = bounds.T
    inside = (west >= ORIGIN_EAST) & (east <= MAX_EAST) & (south >= ORIGIN_NORTH) & (north <= MAX_NORTH)
    sieve.refuse(~inside, lambda i: _outside(bounds[i]))


def _outside(bounds: NDArray[np.float64]) -> str:
    west, south, east, north = bounds.tolist()
    if ORIGIN_NORTH <= west <= MAX_NORTH and ORIGIN_EAST <= south <= MAX_EAST:
        remedy = "northing and easting seem to be swapped: check the axis order of the delivery's CRS"
    elif ORIGIN_EAST <= west - ZONE_PREFIX <= MAX_EAST:
        remedy = "the easting bears the zone 32 as EPSG:4647 has it: check the delivery's .prj"
    else:
        remedy = "check the delivery's CRS"
    return (
        f"the coordinates E {_span(west, east)}, N {_span(south, north)} are outside North Rhine-Westphalia "
        f"(EPSG:25832: E {ORIGIN_EAST:.0f} to {MAX_EAST:.0f}, N {ORIGIN_NORTH:.0f} to {MAX_NORTH:.0f}); {remedy}"
    )


def _span(low: float, high: float) -> str:
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"


def _repair(shapes: NDArray[np.object_], sieve: Sieve) -> Mask:
    """Make invalid areas valid, in place; rejects those of which no area is left. Returns which were repaired."""
    invalid = ~shapely.is_valid(shapes) & sieve.good
    if not invalid.any():
        return invalid
    broken = shapes[invalid]
    shapes[invalid] = [_areas(shape) for shape in shapely.make_valid(broken, method="structure", keep_collapsed=False)]
    reasons = dict(zip(np.flatnonzero(invalid).tolist(), shapely.is_valid_reason(broken), strict=True))
    lost = invalid & shapely.is_missing(shapes)
    sieve.refuse(lost, lambda i: f"the geometry is invalid and no area is left after repair: {reasons[i]}")
    return invalid & ~lost


def _areas(shape: shapely.Geometry) -> shapely.Geometry | None:
    """The polygons of a repaired geometry; None where there are none."""
    polygons = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and not part.is_empty]
    return shapely.MultiPolygon(polygons) if polygons else None


def _multi(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    single = shapely.get_type_id(shapes) == POLYGON
    polygons = shapes[single]
    shapes[single] = shapely.multipolygons(polygons, indices=np.arange(len(polygons))) if len(polygons) else polygons
    return shapes
