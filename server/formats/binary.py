"""The binary formats' lines for the table of formats.

What they need (pyarrow, GDAL) takes half a second and a hundred megabytes, and most processes of the service never make
such a file: the modules are imported by those who do.
"""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.rows import TupleRow

from server.formats.flatgeobuf import FlatGeobufEncoder
from server.formats.flatgeobuf import columns as flatgeobuf_columns
from server.formats.layer import About, Encoder, Format, Layer
from server.formats.outline import to_outline
from server.formats.sent import to_columns


def later(module: str, name: str) -> Any:
    """A function of a module of this package, which is imported when it is first called."""

    def call(*given: Any) -> Any:
        return getattr(import_module(f"server.formats.{module}"), name)(*given)

    return call


class LaterEncoder:
    """An encoder whose module is imported in the thread that it works in."""

    def __init__(self, make: Any, layer: Layer, about: About) -> None:
        self._make, self._told = make, (layer, about)
        self._encoder: Encoder | None = None

    def begin(self) -> bytes:
        """See layer.Encoder."""
        encoder: Encoder = self._make(*self._told)
        self._encoder = encoder
        return encoder.begin()

    def batch(self, row: TupleRow) -> bytes:
        """See layer.Encoder."""
        assert self._encoder  # noqa: S101 - begin comes first
        return self._encoder.batch(row)

    def end(self) -> bytes | Path:
        """See layer.Encoder."""
        assert self._encoder  # noqa: S101 - begin comes first
        return self._encoder.end()

    def close(self) -> None:
        """See layer.Encoder."""
        if self._encoder:
            self._encoder.close()


def _lists(layer: Layer) -> sql.Composable:
    return to_columns(to_outline(layer), lists=True)


def _texts(layer: Layer) -> sql.Composable:
    return to_columns(to_outline(layer), lists=False)


FLATGEOBUF = Format(
    key="fgb",
    media_type="application/flatgeobuf",
    extension="fgb",
    title="FlatGeobuf",
    columns=flatgeobuf_columns,
    encoder=FlatGeobufEncoder,
)
GEOPARQUET = Format(
    key="parquet",
    media_type="application/vnd.apache.parquet",
    extension="parquet",
    title="GeoParquet",
    columns=_lists,
    encoder=partial(LaterEncoder, later("geoparquet", "GeoParquetEncoder")),
    threaded=True,
)
GEOPACKAGE = Format(
    key="gpkg",
    media_type="application/geopackage+sqlite3",
    extension="gpkg",
    title="GeoPackage",
    columns=_texts,
    encoder=partial(LaterEncoder, later("geopackage", "GeoPackageEncoder")),
    threaded=True,
)
# a file in several parts, for which GDAL needs this ending
SHAPE = Format(
    key="shp",
    media_type="application/zip",
    extension="shp.zip",
    title="Shape",
    columns=_texts,
    encoder=later("shape", "no_encoder"),
    items=False,
)
