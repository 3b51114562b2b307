"""Shapefiles of points, lines and polygons, written record by record.

The same rows give the same bytes, and no row count needs memory.

ESRI Shapefile Technical Description (1998); dBASE III table. GDAL is not used because it writes the day of today into
the table and chooses its own field widths.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
POINT, LINE, POLYGON = 1, 3, 5
LIMIT = 2**31 - 1  # bytes: GDAL and ESRI refuse longer parts
RECORD = np.dtype(
    [("number", ">i4"), ("words", ">i4"), ("type", "<i4"), ("box", "<f8", 4), ("parts", "<i4"), ("points", "<i4")]
)
POINT_RECORD = np.dtype([("number", ">i4"), ("words", ">i4"), ("type", "<i4"), ("point", "<f8", 2)])
POINT_WORDS = 10
PRJ = (
    'PROJCS["ETRS_1989_UTM_Zone_32N",GEOGCS["GCS_ETRS_1989",DATUM["D_ETRS_1989",SPHEROID["GRS_1980",6378137.0,'
    '298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",9.0],'
    'PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


@dataclass(frozen=True)
class Field:
    """`kind` C (text) or D (date as YYYYMMDD, 8 wide); width in bytes of UTF-8."""

    name: str
    kind: str
    width: int


@dataclass(frozen=True)
class Polygons:
    """Points of closed rings, outer ones clockwise; how many points each ring and how many rings each polygon has.

    Lines are rings that need not be closed, points rings of one.
    """

    points: Floats
    ring_sizes: Ints
    ring_counts: Ints

    @classmethod
    def from_geometries(cls, geometries: list[shapely.Geometry]) -> Self:
        oriented = shapely.orient_polygons(np.array(geometries), exterior_cw=True)
        parts, polygon = shapely.get_parts(oriented, return_index=True)
        areal = shapely.get_dimensions(parts) == 2
        rings, part = shapely.get_rings(parts, return_index=True) if areal.all() else (parts, np.arange(len(parts)))
        sizes = shapely.get_num_coordinates(rings)
        counts = np.bincount(polygon[part], minlength=len(geometries))
        return cls(shapely.get_coordinates(rings), sizes.astype(np.int64), counts.astype(np.int64))

    @classmethod
    def from_rings(cls, rings: Floats, corners: Ints) -> Self:
        """From (n, k, 2) open clockwise rings of which the first `corners` points count."""
        closed = np.concatenate([rings, rings[:, :1]], axis=1)
        column = np.arange(closed.shape[1])
        closed[column[None] == corners[:, None]] = rings[:, 0]
        return cls(closed[column[None] <= corners[:, None]], corners + 1, np.ones_like(corners))


class ShapefileWriter:
    """Writes <path>.shp, .shx, .dbf, .prj and .cpg; the headers are completed when it closes."""

    def __init__(self, path: Path, fields: list[Field], date: dt.date, kind: int = POLYGON) -> None:
        self._path, self._fields, self._date, self._kind = path, fields, date, kind
        self._files: dict[str, BinaryIO] = {}
        self._rows = 0
        self._size = 100
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def __enter__(self) -> Self:
        for ending in ("shp", "shx", "dbf"):
            self._files[ending] = self._path.with_suffix(f".{ending}").open("wb")
        self._files["shp"].write(bytes(100))
        self._files["shx"].write(bytes(100))
        self._files["dbf"].write(self._table_header(0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._complete()
        for file in self._files.values():
            file.close()

    def write(self, polygons: Polygons, columns: list[npt.NDArray[np.bytes_]]) -> None:
        """Columns hold UTF-8 bytes, in the order of the fields."""
        count = polygons.ring_counts.size
        if not count:
            return
        make = _point_records if self._kind == POINT else _records
        body, offsets, words, boxes = make(polygons, self._rows, self._kind)
        if self._size + body.nbytes > LIMIT:
            raise ValueError(
                f"{self._path.name}: more than 2 GB, the limit of a shapefile, after {self._rows} polygons; "
                "ask for fewer addresses"
            )
        self._files["shp"].write(body.tobytes())
        index = np.column_stack([(self._size + offsets) // 2, words]).astype(">i4")
        self._files["shx"].write(index.tobytes())
        self._files["dbf"].write(self._table_rows(columns, count))
        self._rows += count
        self._size += body.nbytes
        self._box = np.concatenate(
            [np.minimum(self._box[:2], boxes[:, :2].min(0)), np.maximum(self._box[2:], boxes[:, 2:].max(0))]
        )

    def _table_header(self, rows: int) -> bytes:
        length = 1 + sum(field.width for field in self._fields)
        date = bytes([self._date.year - 1900, self._date.month, self._date.day])
        head = b"\x03" + date + rows.to_bytes(4, "little") + (33 + 32 * len(self._fields)).to_bytes(2, "little")
        head += length.to_bytes(2, "little") + bytes(20)
        for field in self._fields:
            head += field.name.encode("ascii").ljust(11, b"\0") + field.kind.encode() + bytes(4)
            head += bytes([field.width]) + bytes(15)
        return head + b"\r"

    def _table_rows(self, columns: list[npt.NDArray[np.bytes_]], count: int) -> bytes:
        table = np.full((count, 1 + sum(field.width for field in self._fields)), b" ", dtype="S1").view(np.uint8)
        start = 1
        for field, column in zip(self._fields, columns, strict=True):
            if column.dtype.itemsize > field.width:
                longest = max(column.tolist(), key=len)
                raise ValueError(f"{field.name}={longest!r}: the field is {field.width} bytes wide; use a shorter text")
            cells = column.astype(f"S{field.width}").view(np.uint8).reshape(count, field.width)
            table[:, start : start + field.width] = np.where(cells == 0, ord(" "), cells)
            start += field.width
        return table.tobytes()

    def _complete(self) -> None:
        self._files["dbf"].write(b"\x1a")
        self._files["dbf"].seek(0)
        self._files["dbf"].write(self._table_header(self._rows))
        for ending, size in (("shp", self._size), ("shx", 100 + 8 * self._rows)):
            box = self._box if self._rows else np.zeros(4)
            head = np.array([9994, 0, 0, 0, 0, 0, size // 2], dtype=">i4").tobytes()
            head += np.array([1000, self._kind], dtype="<i4").tobytes() + box.astype("<f8").tobytes() + bytes(32)
            self._files[ending].seek(0)
            self._files[ending].write(head)
        self._path.with_suffix(".prj").write_text(PRJ, encoding="ascii")
        self._path.with_suffix(".cpg").write_text("UTF-8", encoding="ascii")


def _point_records(points: Polygons, rows_before: int, kind: int) -> tuple[npt.NDArray[np.uint8], Ints, Ints, Floats]:
    """The same of points, each the only one of its ring."""
    count = len(points.points)
    body = np.empty(count, POINT_RECORD)
    body["number"], body["words"], body["type"] = rows_before + 1 + np.arange(count), POINT_WORDS, kind
    body["point"] = points.points
    offsets = np.arange(count) * POINT_RECORD.itemsize
    return body.view(np.uint8), offsets, np.full(count, POINT_WORDS), np.hstack([points.points, points.points])


def _records(polygons: Polygons, rows_before: int, kind: int) -> tuple[npt.NDArray[np.uint8], Ints, Ints, Floats]:
    """Bytes of the records, where each begins, its length in 16-bit words, and its box."""
    count = polygons.ring_counts.size
    first_ring = np.cumsum(polygons.ring_counts) - polygons.ring_counts
    first_point = np.cumsum(polygons.ring_sizes) - polygons.ring_sizes
    points = np.add.reduceat(polygons.ring_sizes, first_ring)
    start = first_point[first_ring]
    boxes = np.concatenate(
        [np.minimum.reduceat(polygons.points, start, axis=0), np.maximum.reduceat(polygons.points, start, axis=0)],
        axis=1,
    )
    sizes = RECORD.itemsize + 4 * polygons.ring_counts + 16 * points
    offsets = np.cumsum(sizes) - sizes
    words = (sizes - 8) // 2
    head = np.empty(count, dtype=RECORD)
    head["number"] = rows_before + 1 + np.arange(count)
    head["words"], head["type"], head["box"] = words, kind, boxes
    head["parts"], head["points"] = polygons.ring_counts, points
    body = np.empty(int(sizes.sum()), dtype=np.uint8)
    rest = np.ones(body.size, dtype=bool)
    in_head = offsets[:, None] + np.arange(RECORD.itemsize)
    body[in_head] = head.view(np.uint8).reshape(count, -1)
    rest[in_head] = False
    owner = np.repeat(np.arange(count), polygons.ring_counts)
    turn = np.arange(owner.size) - first_ring[owner]
    in_parts = (offsets[owner] + RECORD.itemsize + 4 * turn)[:, None] + np.arange(4)
    body[in_parts] = (first_point - start[owner]).astype("<i4").view(np.uint8).reshape(-1, 4)
    rest[in_parts] = False
    body[rest] = np.ascontiguousarray(polygons.points, dtype="<f8").view(np.uint8).ravel()
    return body, offsets, words, boxes
