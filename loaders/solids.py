"""Solids as PostGIS has them, and the areas on the ground that they cover."""

import struct
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from loaders.citygml import Polygon, Solid
from loaders.geometry import SRID

Floats = NDArray[np.float64]

Z, HAS_SRID = 0x80000000, 0x20000000
POLYGON, COLLECTION, POLYHEDRAL = 3, 7, 15
LEVEL = 0.01  # metres by which the surface that a solid stands on may slope


def to_ewkb(solids: Sequence[Solid]) -> bytes:
    """A GeometryCollection Z with a PolyhedralSurface Z for each solid, in EPSG:25832 with heights."""
    parts = [struct.pack("<BIII", 1, COLLECTION | Z | HAS_SRID, SRID, len(solids))]
    for solid in solids:
        parts.append(struct.pack("<BII", 1, POLYHEDRAL | Z, len(solid.polygons)))
        for polygon in solid.polygons:
            parts.append(struct.pack("<BII", 1, POLYGON | Z, len(polygon)))
            for ring in polygon:
                parts += [struct.pack("<I", len(ring)), ring.astype("<f8").tobytes()]
    return b"".join(parts)


def bounds(solids: Sequence[Solid]) -> Floats:
    """The least and the greatest east, north and height, six numbers."""
    positions = np.concatenate([ring for solid in solids for polygon in solid.polygons for ring in polygon])
    return np.concatenate([positions.min(axis=0), positions.max(axis=0)])


def footprint(solids: Sequence[Solid]) -> shapely.Geometry:
    """What the solids cover on the ground, in two dimensions; empty where they have no extent."""
    areas = [area for solid in solids for area in _ground(solid)]
    if len(areas) == 1:
        return areas[0]
    return shapely.union_all(shapely.make_valid(areas))


def _ground(solid: Solid) -> list[shapely.Polygon]:
    """The ground surfaces; where a model does not name them, what a solid stands on, or else all that it covers."""
    named = [polygon for polygon, letter in zip(solid.polygons, solid.surfaces, strict=True) if letter == "G"]
    return _flat(named) or _flat(_lowest(solid.polygons)) or _flat(solid.polygons)


def _lowest(polygons: Sequence[Polygon]) -> list[Polygon]:
    floor = min(polygon[0][:, 2].min() for polygon in polygons) + LEVEL
    return [polygon for polygon in polygons if (polygon[0][:, 2] <= floor).all()]


def _flat(polygons: Sequence[Polygon]) -> list[shapely.Polygon]:
    """Without heights; walls vanish."""
    found = [shapely.Polygon(polygon[0][:, :2], [ring[:, :2] for ring in polygon[1:]]) for polygon in polygons]
    return [area for area in found if area.area > 0]
