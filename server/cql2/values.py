"""Numbers, dates, timestamps and geometries as they stand in a filter -> values. Raises ValueError with the rule."""

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from server.cql2.limits import MAX_NUMBER, MAX_VERTICES

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
WORDS = re.compile(r"[^\W\d_]+")
WKT_WORDS = {
    *("POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"),
    *("Z", "E"),
}


def to_number(text: str) -> int | Decimal:
    """The exact number: an int where it is whole. What is smaller than a double can hold is 0."""
    if len(text) > MAX_NUMBER:
        raise ValueError(f"a number has more than {MAX_NUMBER} characters")
    if INTEGER.fullmatch(text):
        number = int(text)
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"the whole number {text[:40]} does not fit into 64 bits")
        return number
    approximate = float(text)
    if not math.isfinite(approximate):
        raise ValueError(f"the number {text[:40]} is too large: at most 1.79e308")
    exact = Decimal(text) if approximate else Decimal(0)
    return int(exact) if exact == exact.to_integral_value() and abs(exact) < 2**63 else exact


def to_date(text: str) -> date:
    """A day, YYYY-MM-DD."""
    try:
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"'{text[:40]}' is no date: write DATE('2026-07-01')")


def to_timestamp(text: str) -> datetime:
    """A moment, in UTC; microseconds at most."""
    try:
        if TIMESTAMP.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"'{text[:40]}' is no moment: write TIMESTAMP('2026-07-01T12:00:00Z')")


def to_instant(text: str) -> date | datetime | None:
    """A bound of an interval: a day, a moment or the open end `..`."""
    if text == "..":
        return None
    return to_date(text) if DATE.fullmatch(text) else to_timestamp(text)


def to_shape(text: str) -> BaseGeometry:
    """A geometry from WKT, without heights."""
    unknown = {word.upper() for word in WORDS.findall(text)} - WKT_WORDS
    if unknown:
        raise ValueError(f"'{min(unknown)[:40]}' means nothing in a geometry")
    if text.count(",") >= MAX_VERTICES:
        raise ValueError(f"its geometries have more than {MAX_VERTICES} vertices")
    try:
        with np.errstate(all="ignore"):  # an overflow is an infinite coordinate, which is looked for
            shape = shapely.from_wkt(text)
        return checked(shape)
    except shapely.errors.GEOSException as error:
        raise ValueError(f"the geometry '{text[:60]}' cannot be read: {_reason(error)}") from None


def from_geojson(text: bytes) -> BaseGeometry:
    """A geometry from GeoJSON, without heights."""
    try:
        with np.errstate(all="ignore"):
            shape = shapely.from_geojson(text)
        return checked(shape)
    except shapely.errors.GEOSException as error:
        raise ValueError(f"a GeoJSON geometry cannot be read: {_reason(error)}") from None


def checked(shape: BaseGeometry) -> BaseGeometry:
    """The geometry in two dimensions, finite and not empty. Whether its rings cross is asked for in x, y order."""
    shape = shapely.force_2d(shape)
    if shape.is_empty:
        raise ValueError("a geometry is empty")
    coordinates = shapely.get_coordinates(shape)
    if not np.isfinite(coordinates).all():
        raise ValueError("a coordinate of a geometry is no finite number")
    if len(coordinates) > MAX_VERTICES:
        raise ValueError(f"its geometries have more than {MAX_VERTICES} vertices")
    return shape


def to_corners(numbers: list[float]) -> tuple[float, float, float, float]:
    """The corners of a box of four or six numbers, without heights."""
    if len(numbers) not in {4, 6}:
        raise ValueError(f"a box has 4 numbers, or 6 with heights, not {len(numbers)}")
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a corner of a box is no finite number")
    half = len(numbers) // 2
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def _reason(error: Exception) -> str:
    return str(error).removeprefix("ParseException: ").split("\n")[0][:120]
