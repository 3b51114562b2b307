"""The one table of a delivery that becomes a collection."""

from collections.abc import Callable
from pathlib import Path

from loaders.errors import InvalidDelivery
from loaders.files.by_csv import open_csv
from loaders.files.by_gdal import open_flatgeobuf, open_geojson, open_geopackage, open_shape, open_sheet
from loaders.files.by_parquet import open_parquet
from loaders.files.layer import Layer, choose

READERS: dict[str, Callable[[Path, str | None], Layer]] = {
    ".gpkg": open_geopackage,
    ".shp": open_shape,
    ".geojson": open_geojson,
    ".json": open_geojson,
    ".fgb": open_flatgeobuf,
    ".parquet": open_parquet,
    ".geoparquet": open_parquet,
    ".csv": open_csv,
    ".xlsx": open_sheet,
}
# that belong to a Shape file
BESIDE = (".shx", ".dbf", ".prj", ".cpg")
READS = (*READERS, *BESIDE)


def open_layer(files: dict[str, Path], wanted: str | None) -> Layer:
    """The table of a delivery's files: that of its only one, or where there are several, the one that is wanted.

    Raises InvalidDelivery.
    """
    found = {path.stem: path for path in files.values() if path.suffix.lower() in READERS}
    if not found:
        lone = ", ".join(sorted(files)) or "nothing"
        raise InvalidDelivery(
            "files", f"There is only {lone}, which is no file by itself. Give the .shp with its .shx, .dbf and .prj."
        )
    if len(found) == 1:
        (path,) = found.values()
        return READERS[path.suffix.lower()](path, wanted if path.suffix.lower() != ".shp" else None)
    folder = next(iter(found.values())).parent
    path = found[choose(folder, sorted(found), wanted, "files")]
    return READERS[path.suffix.lower()](path, None)
