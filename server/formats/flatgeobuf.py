"""FlatGeobuf: PostGIS encodes the features, a batch at a time; the header before them is ours. Pure.

https://github.com/flatgeobuf/flatgeobuf (src/fbs/header.fbs). PostGIS' own header knows no title and only the
CRS's number, and its encoder leaves out the values of what is neither text nor number: dates, moments and arrays are
handed to it as text.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import numpy as np
import orjson
from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import PropertyType
from server.formats.flatbuffers import Numbers, Scalar, Table, to_sized_buffer
from server.formats.layer import About, Layer
from server.formats.outline import Column, Outline, to_outline

MAGIC = b"fgb\x03fgb\x00"
SIZE = struct.Struct("<I")

GEOMETRY_TYPES = {
    "Unknown": 0,
    "Point": 1,
    "LineString": 2,
    "Polygon": 3,
    "MultiPoint": 4,
    "MultiLineString": 5,
    "MultiPolygon": 6,
    "GeometryCollection": 7,
    "PolyhedralSurface": 15,
    "TIN": 16,
}
BOOL, LONG, DOUBLE, STRING, JSON, DATETIME = 2, 7, 10, 11, 12, 13
COLUMN_TYPES: dict[PropertyType, int] = {
    "string": STRING,
    "integer": LONG,
    "number": DOUBLE,
    "boolean": BOOL,
    "date": DATETIME,
    "datetime": DATETIME,
}
# as ISO 8601 where they are moments, as JSON where they are lists
EXPRESSIONS: dict[PropertyType, LiteralString] = {
    "string": "t.{}::text",
    "integer": "t.{}::bigint",
    "number": "t.{}::double precision",
    "boolean": "t.{}",
    "date": "t.{}::text",
    "datetime": "(to_json(t.{}) #>> '{{}}')",
}


# of values that are not as long as they say
LENGTHS: dict[PropertyType, int] = {"integer": 8, "number": 8, "boolean": 1}
# where a feature's vtable tells the place of its properties
PROPERTIES = 6
BITS = 62


@dataclass(frozen=True)
class Extent:
    """What is known of a file only when it is complete; bounds in x, y order. No features = unknown how many."""

    features: int = 0
    bounds: tuple[float, float, float, float] | None = None
    node_size: int = 0


def to_header(outline: Outline, extent: Extent) -> bytes:
    """All that comes before the index or the first feature. As long for any extent that has bounds."""
    fields = [
        outline.name,
        Numbers(extent.bounds) if extent.bounds else None,
        Scalar("B", GEOMETRY_TYPES[outline.kind or "Unknown"]),
        Scalar("?", outline.has_z),
        *(None, None, None),
        [_to_column(column) for column in outline.columns],
        Scalar("Q", extent.features),
        Scalar("H", extent.node_size),
        Table(["EPSG", Scalar("i", outline.crs.srid), outline.definition.name, None, outline.definition.to_wkt()]),
        outline.title,
        outline.description,
        orjson.dumps(outline.notes).decode(),
    ]
    return MAGIC + to_sized_buffer(Table(fields))


def _to_column(column: Column) -> Table:
    """width, precision and scale are unknown."""
    kind = Scalar("B", COLUMN_TYPES.get(column.type, JSON))
    nullable = None if column.nullable else Scalar("?", False)
    identifier = Scalar("?", True) if column.name == "id" else None
    return Table([column.name, kind, column.title, column.description or None, None, None, None, nullable, identifier])


def columns(layer: Layer) -> sql.Composable:
    """SQL of a batch over table alias t, for `FeatureReader`."""
    return feature_columns(to_outline(layer))


def feature_columns(outline: Outline) -> sql.Composable:
    """SQL of the features, behind a header, and of which values are null."""
    values = [
        sql.SQL(EXPRESSIONS.get(column.type, "to_json(t.{})::text")).format(sql.Identifier(column.name))
        for column in outline.columns
    ]
    features = sql.SQL("ST_AsFlatGeobuf(row({}, {}), false, {})").format(
        sql.SQL(", ").join(values), outline.shape, sql.Literal(f"f{len(values) + 1}")
    )
    return sql.SQL(", ").join([features, *(_nulls(part) for part in _parts(outline))])


def _parts(outline: Outline) -> list[Sequence[Column]]:
    """Columns that may be null, as many together as a number has bits."""
    nullable = [column for column in outline.columns if column.nullable]
    return [nullable[at : at + BITS] for at in range(0, len(nullable), BITS)]


def _nulls(part: Sequence[Column]) -> sql.Composable:
    bits = [
        sql.SQL("case when t.{} is null then {}::bigint else 0 end").format(sql.Identifier(column.name), 1 << bit)
        for bit, column in enumerate(part)
    ]
    return sql.SQL("string_agg(int8send({}), '')").format(sql.SQL(" | ").join(bits))


class FeatureReader:
    """Takes the features out of what the database answers to `feature_columns`.

    PostGIS (3.3 and others) numbers the values of a feature without its nulls: what follows a null would be read as
    the value of the column before. Each number is written anew where there are nulls.
    """

    def __init__(self, outline: Outline) -> None:
        self._columns = outline.columns
        self._parts = _parts(outline)

    @property
    def width(self) -> int:
        """How many values of a row are its own."""
        return 1 + len(self._parts)

    def read(self, row: TupleRow) -> tuple[bytes | bytearray, np.ndarray]:
        """The features of a batch, and the length of each in bytes."""
        begin = len(MAGIC) + SIZE.size + SIZE.unpack_from(row[0], len(MAGIC))[0]
        features = row[0][begin:]
        sizes = np.fromiter(_sizes(features), "i8")
        nulls = {c.name: ~bits for c, bits in self._bits(row) if bits.any()}
        if nulls:
            features = bytearray(features)
            _renumber(np.frombuffer(features, "u1"), np.cumsum(sizes) - sizes, self._columns, nulls)
        return features, sizes

    def _bits(self, row: TupleRow) -> Iterator[tuple[Column, np.ndarray]]:
        for part, value in zip(self._parts, row[1:], strict=False):
            numbers = np.frombuffer(value, ">i8")
            for bit, column in enumerate(part):
                yield column, (numbers >> bit & 1).astype(bool)


def _sizes(features: bytes) -> Iterator[int]:
    place = 0
    while place < len(features):
        size = SIZE.unpack_from(features, place)[0] + SIZE.size
        yield size
        place += size


def _renumber(data: np.ndarray, places: np.ndarray, columns: Sequence[Column], there: Mapping[str, np.ndarray]) -> None:
    """Write the number of each value: features begin at `places`; `there`: which of them have a value of a column."""
    table = places + SIZE.size
    table = table + _numbers(data, table, "<u4")
    vtable = table - _numbers(data, table, "<i4")
    reference = table + _numbers(data, vtable + PROPERTIES, "<u2")
    at = reference + _numbers(data, reference, "<u4") + SIZE.size
    everywhere = np.ones(len(places), bool)
    for number, column in enumerate(columns):
        which = there.get(column.name, everywhere)
        place = at[which]
        data[place], data[place + 1] = number & 255, number >> 8
        length = LENGTHS.get(column.type)
        at[which] = place + 2 + (length or 4 + _numbers(data, place + 2, "<u4"))


def _numbers(data: np.ndarray, places: np.ndarray, form: str) -> np.ndarray:
    """Numbers that stand anywhere."""
    kind = np.dtype(form)
    return data[places[:, None] + np.arange(kind.itemsize)].view(kind)[:, 0].astype("i8")


class FlatGeobufEncoder:
    """A stream of features without an index."""

    def __init__(self, layer: Layer, about: About) -> None:
        outline = to_outline(layer, about)
        self._header = to_header(outline, Extent(about.returned or 0))
        self._reader = FeatureReader(outline)

    def begin(self) -> bytes:
        """The header."""
        return self._header

    def batch(self, row: TupleRow) -> bytes:
        """The features."""
        return bytes(self._reader.read(row)[0])

    def end(self) -> bytes:
        """Nothing: the format has no end."""
        return b""

    def close(self) -> None:
        """Nothing is temporary."""
