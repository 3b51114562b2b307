"""What WKB says of itself, read before GEOS is: it follows collections in collections until the stack is full."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loaders.batch import Mask

POINT, LINE, POLYGON, MULTIPOINT, MULTILINE, MULTIPOLYGON = 1, 2, 3, 4, 5, 6
MAX_BYTES = 16_000_000  # a million vertices; the boundary of the whole state has 63,315 (DVG1)
# so few bytes cannot hold more levels than a stack has room for
SHALLOW = 16_384
HEAD = 5
DIMENSIONS = {0: 2, 1: 3, 2: 3, 3: 4}


def sizes(wkb: pa.Array) -> NDArray[np.int32]:
    """Bytes of each geometry; 0 where there is none."""
    contents: Any = wkb
    return pc.binary_length(contents).fill_null(0).to_numpy(zero_copy_only=False)


def type_codes(wkb: pa.Array) -> NDArray[np.uint32]:
    """The type of each geometry without flags for Z, M and SRID: 3 polygon, 6 multipolygon; 0 where there is none."""
    long = sizes(wkb) >= HEAD
    contents: Any = wkb.filter(pa.array(long))
    heads: Any = pc.binary_slice(contents, 0, HEAD)
    fields = np.frombuffer(b"".join(heads.to_pylist()), np.dtype([("order", "u1"), ("type", "<u4")]))
    codes = np.where(fields["order"] == 0, fields["type"].byteswap(), fields["type"])
    found = np.zeros(len(wkb), np.uint32)
    found[long] = np.where(fields["order"] <= 1, (codes & 0x1FFFFFFF) % 1000, 0)
    return found


def is_flat(wkb: pa.Array, codes: NDArray[np.uint32]) -> Mask:
    """False for large multipolygons whose parts are anything but polygons, and the like of lines and points."""
    large = sizes(wkb) > SHALLOW
    flat = np.ones(len(wkb), np.bool_)
    for code, skip in ((MULTIPOLYGON, _skip_polygon), (MULTILINE, _skip_line), (MULTIPOINT, _skip_point)):
        for index in np.flatnonzero(large & (codes == code)).tolist():
            flat[index] = _has_only(wkb[index].as_py(), code, skip)
    return flat


def _has_only(wkb: bytes, code: int, skip: Callable[[bytes, int], int]) -> bool:
    try:
        position, count = _after_head(wkb, 0, code)
        for _ in range(count):
            position = skip(wkb, position)
    except (struct.error, ValueError):
        return False
    return position <= len(wkb)


def _skip_polygon(wkb: bytes, position: int) -> int:
    order, dimensions = _read_head(wkb, position)[:2]
    position, rings = _after_head(wkb, position, POLYGON)
    for _ in range(rings):
        (vertices,) = struct.unpack_from(order + "I", wkb, position)
        position += 4 + 8 * dimensions * vertices
        if position > len(wkb):
            raise ValueError(position)
    return position


def _skip_line(wkb: bytes, position: int) -> int:
    dimensions = _read_head(wkb, position)[1]
    position, vertices = _after_head(wkb, position, LINE)
    position += 8 * dimensions * vertices
    if position > len(wkb):
        raise ValueError(position)
    return position


def _skip_point(wkb: bytes, position: int) -> int:
    _, dimensions, found, size = _read_head(wkb, position)
    position += size + 8 * dimensions
    if found != POINT or position > len(wkb):
        raise ValueError(found)
    return position


def _after_head(wkb: bytes, position: int, code: int) -> tuple[int, int]:
    """Where the content begins, and how many parts or rings it has."""
    order, _, found, size = _read_head(wkb, position)
    if found != code:
        raise ValueError(found)
    return position + size + 4, struct.unpack_from(order + "I", wkb, position + size)[0]


def _read_head(wkb: bytes, position: int) -> tuple[str, int, int, int]:
    """Byte order, dimensions, type, and size of the head."""
    order = ">" if wkb[position : position + 1] == b"\0" else "<"
    (code,) = struct.unpack_from(order + "I", wkb, position + 1)
    flags, kind = code >> 29, code & 0x1FFFFFFF
    dimensions = DIMENSIONS.get(kind // 1000, 2) + (flags >> 2 & 1) + (flags >> 1 & 1)
    return order, dimensions, kind % 1000, HEAD + 4 * (flags & 1)
