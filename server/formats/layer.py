"""What a format states, and what it is told: the frame that all formats share. Pure.

A batch of features is one row of the database: aggregates over the batch, so that PostGIS does the encoding and
nothing is done per feature here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import Collection, Language
from server.coordinates import Coordinates
from server.crs import Crs
from server.links import Link


@dataclass(frozen=True)
class Selection:
    """properties: names in the order of the collection, None = all. tolerance: metres, None = not simplified."""

    properties: tuple[str, ...] | None = None
    geometry: bool = True
    tolerance: float | None = None

    @property
    def form(self) -> "Selection":
        """What decides the SQL text; the tolerance is bound."""
        return self if self.tolerance is None else Selection(self.properties, self.geometry, 0.0)


EVERYTHING = Selection()


@dataclass(frozen=True)
class Layer:
    """Features of a collection, in a CRS, with the parts of them that are wanted."""

    collection: Collection
    crs: Crs
    selection: Selection = EVERYTHING

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the attributes, in order; the id is always told besides."""
        if self.selection.properties is not None:
            return self.selection.properties
        return (*(p.name for p in self.collection.properties), "delivery")

    @property
    def srid(self) -> int:
        """EPSG code of the coordinates."""
        return self.crs.srid


@dataclass(frozen=True)
class About:
    """What is said of the features as a whole; in a file some of it is unknown.

    base: URL of the service without a slash at its end. matched: number of all that match, where it is known exactly;
    returned: of those in this file or answer. published: when the data went live; written: when the answer began.
    """

    title: str = ""
    description: str = ""
    attribution: str = ""
    licence: str = ""
    lang: Language = "de"
    base: str = ""
    links: list[Link] = field(default_factory=list)
    matched: int | None = None
    returned: int | None = None
    features_estimate: int | None = None
    delivery: int | None = None
    published: datetime | None = None
    written: datetime | None = None
    coordinates: Coordinates | None = None


class Encoder(Protocol):
    """Makes the bytes of one answer or file, in the order begin, batch …, end. Never gets an empty batch."""

    def begin(self) -> bytes:
        """What comes before the first feature."""
        ...

    def batch(self, row: TupleRow) -> bytes:
        """A batch of features: a row of the format's `columns`."""
        ...

    def end(self) -> bytes | Path:
        """What comes behind the last feature, or, where begin and batch gave nothing, the file with all of it."""
        ...

    def close(self) -> None:
        """Remove what is temporary; called whatever happened."""
        ...


class Text:
    """An encoder of texts: `before`, the batches with `separator` between them, `after`."""

    def __init__(self, before: bytes = b"", separator: bytes = b"", after: bytes = b"") -> None:
        self._before, self._separator, self._after = before, separator, after
        self._next = b""

    def begin(self) -> bytes:
        """What comes before the first feature."""
        return self._before

    def batch(self, row: TupleRow) -> bytes:
        """The features of a batch, the only column of its row."""
        separator, self._next = self._next, self._separator
        return separator + row[0]

    def end(self) -> bytes:
        """What comes behind the last feature."""
        return self._after

    def close(self) -> None:
        """Nothing is temporary."""


@dataclass(frozen=True)
class Format:
    """A format of features.

    key: value of the parameter f. columns: select list of aggregates over table alias t, whose rows are a batch in
    reading order with the columns of `editions.columns_of`; texts are bytea. A simplified geometry needs the parameter
    `tolerance`. profile: URI that tells it from others of its media type. threaded: the encoder works in a thread,
    because a batch takes longer than the event loop may stand still. items, files: where the format is offered.
    variants: keys of formats that the parameter profile chooses instead. single: makes the document of one feature of a
    row of its columns. solids: it is offered only of collections that have solids, with all that belongs to them.
    """

    key: str
    media_type: str
    extension: str
    title: str
    columns: Callable[[Layer], sql.Composable]
    encoder: Callable[[Layer, About], Encoder]
    profile: str | None = None
    variants: tuple[str, ...] = ()
    threaded: bool = False
    items: bool = True
    files: bool = True
    single: Callable[[Layer, About, TupleRow], bytes] | None = None
    solids: bool = False


def geometry_expression(layer: Layer, *, flip: bool, srid: int | None = None) -> sql.Composable:
    """SQL of the geometry of table alias t in the layer's CRS, or in `srid`; `flip`: northing or latitude first.

    In a CRS with heights it is a MultiPolygon Z of the surfaces of the solids.
    """
    collection, target = layer.collection, srid or layer.srid
    if layer.crs.heights:
        return sql.SQL("(select ST_Collect(d.geom order by d.path) from ST_Dump(t.solids) d)")
    geometry: sql.Composable = sql.SQL("t.geom")
    if layer.selection.tolerance is not None:
        geometry = sql.SQL("ST_SimplifyPreserveTopology({}, %(tolerance)s)").format(geometry)
        if collection.geometry.startswith("Multi"):
            geometry = sql.SQL("ST_Multi({})").format(geometry)
    if target != collection.srid:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(target))
    if flip:
        geometry = sql.SQL("ST_FlipCoordinates({})").format(geometry)
    return geometry


def declared(layer: Layer) -> sql.Composable:
    """SQL of the geometry in the axis order that its CRS declares."""
    return geometry_expression(layer, flip=layer.crs.northing_first)


def joined(text: sql.Composable, separator: str) -> sql.Composable:
    """SQL of the aggregate of texts, as UTF-8 bytes."""
    return sql.SQL("convert_to(string_agg({}, {}), 'UTF8')").format(text, sql.Literal(separator))
