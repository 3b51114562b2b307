"""Areas and CRSs of GML 3 as NAS has them: polygons and surfaces, whose rings may be made of curves with arcs."""

import re
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loaders.area import ZONE_PREFIX
from loaders.xml_stream import HREF, Element, local

Floats = NDArray[np.float64]

AREAS = frozenset({"Polygon", "PolygonPatch", "Rectangle", "Triangle"})
STRAIGHT = frozenset({"LineString", "LineStringSegment", "LinearRing"})
ARCS = frozenset({"Arc", "ArcString", "Circle"})
OTHER_CURVES = frozenset(
    {"ArcByBulge", "ArcByCenterPoint", "ArcStringByBulge", "BSpline", "Bezier", "CircleByCenterPoint", "Clothoid",
     "CubicSpline", "Geodesic", "GeodesicString", "OrientableCurve"}
)  # fmt: skip
SAGITTA = 0.005  # metres that a chord may be off its arc
MAX_CHORDS = 360
# AdV's names and EPSG's; both have easting first
SRS = re.compile(
    r"urn:adv:crs:ETRS89_UTM32(?:\*.*)?|.*\bEPSG[^0-9]*(?:[0-9.]+[:/])?(?P<code>25832|4647)", re.ASCII | re.IGNORECASE
)
FALSE_EASTS = {None: 0.0, "25832": 0.0, "4647": ZONE_PREFIX}


class GeometryError(ValueError):
    """Why an element is no area."""


def find_srs(element: Element) -> str | None:
    """What a geometry, or the first part of it that does, says of its CRS."""
    return next((name for part in element.iter() if (name := part.get("srsName"))), None)


def to_false_east(srs: str) -> float:
    """By how much eastings are too large. Raises GeometryError for a CRS that is neither EPSG:25832 nor EPSG:4647."""
    match = SRS.fullmatch(srs)
    if match is None:
        raise GeometryError(f"its CRS is '{srs[:80]}', which is neither EPSG:25832 nor EPSG:4647")
    return FALSE_EASTS[match["code"]]


def to_wkb(element: Element) -> bytes:
    """A MultiPolygon of all areas of the element. Raises GeometryError."""
    polygons = [_polygon(area) for area in element.iter() if local(area) in AREAS]
    if not polygons:
        raise GeometryError("it has no polygon and no surface")
    return struct.pack("<BII", 1, 6, len(polygons)) + b"".join(polygons)


def _polygon(area: Element) -> bytes:
    rings = [_ring(boundary) for kind in ("exterior", "interior") for boundary in area if local(boundary) == kind]
    if not rings:
        raise GeometryError("a polygon of it has no ring")
    parts = [struct.pack("<BII", 1, 3, len(rings))]
    for ring in rings:
        parts += [struct.pack("<I", len(ring)), ring.astype("<f8").tobytes()]
    return b"".join(parts)


def _ring(boundary: Element) -> Floats:
    """Closed, from the curves that it is made of."""
    curves = list(_curves(boundary))
    if not curves:
        raise GeometryError("a ring of it is empty")
    points = [curves[0]]
    for curve in curves[1:]:
        if not np.array_equal(points[-1][-1], curve[0]):
            raise GeometryError("the curves of a ring of it do not meet")
        points.append(curve[1:])
    ring = np.concatenate(points)
    if len(ring) < 4 or not np.array_equal(ring[0], ring[-1]):
        raise GeometryError("a ring of it is not closed")
    return ring


def _curves(boundary: Element) -> Iterator[Floats]:
    for part in boundary.iter():
        name = local(part)
        if part.get(HREF):
            raise GeometryError("it refers to a curve elsewhere")
        if name in OTHER_CURVES:
            raise GeometryError(f"it has a curve of the kind {name}, which cannot be read")
        if name in STRAIGHT:
            yield _coordinates(part)
        elif name in ARCS:
            yield _arcs(_coordinates(part))


def _coordinates(curve: Element) -> Floats:
    """East and north of each point."""
    texts: list[str] = []
    size = 2
    for part in curve.iter():
        if local(part) in {"posList", "pos"}:
            size = int(part.get("srsDimension") or curve.get("srsDimension") or 2)
            texts += (part.text or "").split()
    try:
        numbers = np.array(texts, dtype=np.float64)
        return numbers.reshape(-1, size)[:, :2]
    except ValueError as error:
        raise GeometryError(f"its coordinates cannot be read: {' '.join(texts[:4])} …") from error


def _arcs(points: Floats) -> Floats:
    """Arcs through each three points, the next one begins where the one before ends, as chords."""
    if len(points) < 3 or len(points) % 2 == 0:
        raise GeometryError(f"an arc of it has {len(points)} points; it must have 3, or 2 more for each further one")
    pieces = [points[:1]]
    for first in range(0, len(points) - 2, 2):
        pieces.append(_chords(*points[first : first + 3])[1:])
    return np.concatenate(pieces)


def _chords(start: Floats, middle: Floats, end: Floats) -> Floats:
    (ax, ay), (bx, by) = middle - start, end - start
    twice = 2 * (ax * by - ay * bx)
    if abs(twice) < 1e-9:  # on one line
        return np.array([start, middle, end])
    a, b = ax * ax + ay * ay, bx * bx + by * by
    centre = start + np.array([by * a - ay * b, ax * b - bx * a]) / twice
    radius = float(np.hypot(*(start - centre)))
    angles = [float(np.arctan2(*(point - centre)[::-1])) for point in (start, middle, end)]
    turn = 2 * np.pi
    sign = 1 if (angles[1] - angles[0]) % turn < (angles[2] - angles[0]) % turn else -1
    sweep = sign * ((sign * (angles[2] - angles[0])) % turn)
    step = 2 * np.arccos(max(1 - SAGITTA / radius, -1.0)) if radius > SAGITTA else np.pi / 4
    count = int(np.clip(np.ceil(abs(sweep) / step), 2, MAX_CHORDS))
    swept = angles[0] + sweep * np.arange(count + 1)[:, None] / count
    points = np.round(centre + radius * np.hstack([np.cos(swept), np.sin(swept)]), 3)
    points[0], points[-1] = start, end
    return points
