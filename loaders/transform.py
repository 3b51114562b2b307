"""Coordinates from one CRS to another by PostGIS: its PROJ has the grids that the wheels of Python lack."""

from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import shapely
from psycopg import Connection

QUERY = """
select ST_AsBinary(ST_Transform(ST_GeomFromWKB(w, %s), %s::int), 'NDR')
from unnest(%s::bytea[]) with ordinality t(w, n) order by n
"""
PLACE = "select ST_X(p), ST_Y(p) from ST_Transform(ST_SetSRID(ST_MakePoint(%s, %s), %s), %s::int) p"
# micrometres, or what is as small in degrees: digits beyond are those of a machine
DECIMALS, DECIMALS_OF_DEGREES = 6, 11


def transform(connection: Connection, wkb: pa.Array, srid: int, target: int) -> pa.Array:
    """WKB in two dimensions from one EPSG code to another; null where that is not possible."""
    values: list[bytes | None] = wkb.to_pylist()
    try:
        found = _ask(connection, values, srid, target)
    except psycopg.Error:  # one fails all that are asked for together
        found = [_ask_for_one(connection, value, srid, target) for value in values]
    shapes: Any = shapely.from_wkb(np.array(found, dtype=object), on_invalid="ignore")
    decimals = DECIMALS_OF_DEGREES if target == 4326 else DECIMALS
    with np.errstate(invalid="ignore"):
        rounded = shapely.transform(shapes, lambda xy: np.round(xy, decimals))
    return pa.array(shapely.to_wkb(rounded), pa.binary())


def place(connection: Connection, srid: int, point: tuple[float, float], target: int) -> tuple[float, float]:
    """Where PostGIS puts a point. Raises psycopg.Error where it knows no such CRS."""
    row = connection.execute(PLACE, [*point, srid, target]).fetchone()
    assert row  # noqa: S101 - a function gives a row
    return row[0], row[1]


def _ask(connection: Connection, values: list[bytes | None], srid: int, target: int) -> list[bytes | None]:
    with connection.cursor(binary=True) as cursor:
        return [value for (value,) in cursor.execute(QUERY, [srid, target, values])]


def _ask_for_one(connection: Connection, value: bytes | None, srid: int, target: int) -> bytes | None:
    try:
        return _ask(connection, [value], srid, target)[0]
    except psycopg.Error as error:
        if connection.broken:
            raise
        del error
        return None
