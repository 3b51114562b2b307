"""The binary formats' lines for the table of formats.

What they need (numpy, pyarrow, shapely, GDAL) takes half a second and tens of megabytes, and most processes of the
service never make such a file: the modules are imported by those who do.
"""

from importlib import import_module
from typing import Any

from server.formats.layer import Format


def later(module: str, name: str) -> Any:
    """A function of a module of this package, which is imported when it is first called."""

    def call(*given: Any) -> Any:
        return getattr(import_module(f"server.formats.{module}"), name)(*given)

    return call


FLATGEOBUF = Format(
    key="fgb",
    media_type="application/flatgeobuf",
    extension="fgb",
    title="FlatGeobuf",
    columns=later("flatgeobuf", "columns"),
    encoder=later("flatgeobuf", "FlatGeobufEncoder"),
)
GEOPARQUET = Format(
    key="parquet",
    media_type="application/vnd.apache.parquet",
    extension="parquet",
    title="GeoParquet",
    columns=later("geoparquet", "columns"),
    encoder=later("geoparquet", "GeoParquetEncoder"),
    threaded=True,
)
GEOPACKAGE = Format(
    key="gpkg",
    media_type="application/geopackage+sqlite3",
    extension="gpkg",
    title="GeoPackage",
    columns=later("geopackage", "columns"),
    encoder=later("geopackage", "GeoPackageEncoder"),
    threaded=True,
)
# a file in several parts, for which GDAL needs this ending
SHAPE = Format(
    key="shp",
    media_type="application/zip",
    extension="shp.zip",
    title="Shape",
    columns=later("shape", "columns"),
    encoder=later("shape", "no_encoder"),
    items=False,
)
