"""Geometries of any file as those of a collection: transformed by PostGIS, of one kind, valid."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from loaders.area import Area
from loaders.batch import Geometries, Sieve
from loaders.files.crs import ROUNDED, STORAGE, WORLD, false_east
from loaders.geometry import RULE, multilines, multipoints, multipolygons, points_of
from loaders.grid import GRID
from loaders.recipe import ToGeometries
from loaders.wkb import MAX_BYTES, is_flat, sizes, type_codes

KINDS: dict[str, ToGeometries] = {
    "Point": points_of,
    "MultiPoint": multipoints,
    "MultiLineString": multilines,
    "MultiPolygon": multipolygons,
}
# the codes of WKB that a kind takes
TAKEN = {"Point": (1,), "MultiPoint": (1, 4), "MultiLineString": (2, 5), "MultiPolygon": (3, 6)}
SRID_AT = slice(5, 9)  # in EWKB
# WKB in a CRS to WKB in another one; null where that is not possible
Transform = Callable[[pa.Array, int, int], pa.Array]


class World(Area):
    """Degrees of the whole world."""

    def refuse_outside(self, bounds: NDArray[np.float64], sieve: Sieve) -> None:
        """Reject what is outside; also infinite coordinates and those that are no numbers."""
        west, south, east, north = bounds.T
        wide, high = 180 + ROUNDED, 90 + ROUNDED
        inside = (west >= -wide) & (east <= wide) & (south >= -high) & (north <= high)
        sieve.refuse(~inside, lambda i: f"the coordinates {bounds[i].tolist()} are no longitudes and latitudes", "area")


def to_geometries(wkb: pa.Array, kind: str, srid: int, storage: int, transform: Transform, sieve: Sieve) -> Geometries:
    """EWKB in the CRS of storage, EPSG:25832 or degrees."""
    shift = false_east(srid) if storage == STORAGE else None
    if shift is None and srid != storage:
        wkb = transform(_whole(wkb, kind, sieve), srid, storage)
        lost = pc.is_null(wkb).to_numpy(zero_copy_only=False)
        sieve.refuse(
            lost, lambda _: f"the coordinates cannot be transformed from EPSG:{srid} to EPSG:{storage}", "area"
        )
    area = World(-180, -90, 180, 90) if storage == WORLD else Area(*GRID)
    found = KINDS[kind](wkb, shift or 0.0, area, sieve)
    return (
        found
        if storage == STORAGE
        else Geometries(_stamped(found.ewkb, storage), found.east, found.north, found.repaired)
    )


def _stamped(ewkb: pa.Array, srid: int) -> pa.Array:
    """With another SRID."""
    content: Any = ewkb
    mark = int(srid).to_bytes(4, "little")
    return pc.binary_replace_slice(content, SRID_AT.start, SRID_AT.stop, mark)


def _whole(wkb: pa.Array, kind: str, sieve: Sieve) -> pa.Array:
    """In two dimensions; what PostGIS could not read is null and rejected."""
    sieve.refuse(pc.is_null(wkb).to_numpy(zero_copy_only=False), lambda _: "the record has no geometry", RULE)
    codes = type_codes(wkb)
    usable = np.isin(codes, TAKEN[kind]) & (sizes(wkb) <= MAX_BYTES) & is_flat(wkb, codes)
    contents = wkb.to_numpy(zero_copy_only=False)
    sent = contents.copy()
    sent[~usable] = None
    shapes = shapely.force_2d(shapely.from_wkb(sent, on_invalid="ignore"))
    finite = np.isfinite(shapely.bounds(shapes)).all(axis=1)
    shapes[~finite] = None
    broken = shapely.is_missing(shapes)
    sieve.refuse(broken & usable, lambda _: "the geometry cannot be read, is empty, or is not finite", RULE)
    sieve.refuse(broken, lambda i: f"the geometry is no {kind} that can be read", RULE)
    return pa.array(shapely.to_wkb(shapes), pa.binary())


def to_points(x: pa.Array, y: pa.Array) -> pa.Array:
    """WKB of coordinates in two columns; null where one is missing."""
    numbers = [column.to_numpy(zero_copy_only=False) for column in (x, y)]
    wkb: Any = shapely.to_wkb(shapely.points(*numbers))
    wkb[np.isnan(numbers[0]) | np.isnan(numbers[1])] = None
    return pa.array(wkb, pa.binary())


def from_wkt(texts: pa.Array, sieve: Sieve) -> pa.Array:
    """WKB of WKT; a leading SRID is not looked at."""
    plain: Any = pc.replace_substring_regex(texts, r"^SRID=[0-9]+;", "")
    deep = pc.greater(pc.count_substring(plain, "("), pa.scalar(2_000_000)).fill_null(False)
    sieve.refuse(deep.to_numpy(zero_copy_only=False), lambda _: "the WKT has too many parts", RULE)
    flat = pc.match_substring_regex(plain, r"^\s*(?i:(MULTI)?(POINT|LINESTRING|POLYGON))\b").fill_null(False)
    contents = pc.if_else(flat, plain, None).to_numpy(zero_copy_only=False)
    shapes = shapely.from_wkt(contents, on_invalid="ignore")
    bad = shapely.is_missing(shapes) & texts.is_valid().to_numpy(zero_copy_only=False)
    sieve.refuse(bad, lambda i: f"'{str(texts[i])[:60]}' is no WKT of points, lines or areas", RULE)
    return pa.array(shapely.to_wkb(shapes), pa.binary())
