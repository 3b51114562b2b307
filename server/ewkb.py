"""Boxes as the texts that PostGIS reads."""

import struct

from server.crs import Box


def to_ewkb(box: Box, srid: int) -> str:
    """A box as hexadecimal EWKB, which PostgreSQL reads once, when the parameter is bound.

    A box without area is a point or a line: as a polygon it would be invalid and intersect nothing.
    """
    west, south, east, north = box
    if west == east and south == north:
        return struct.pack("<BII2d", 1, 0x20000001, srid, west, south).hex()
    if west == east or south == north:
        return struct.pack("<BIII4d", 1, 0x20000002, srid, 2, *box).hex()
    ring = (west, south, west, north, east, north, east, south, west, south)
    return struct.pack("<BIIII10d", 1, 0x20000003, srid, 1, 5, *ring).hex()


def to_box2d(box: Box) -> str:
    """A box as text of PostGIS' type box2d."""
    return f"BOX({box.xmin!r} {box.ymin!r},{box.xmax!r} {box.ymax!r})"
