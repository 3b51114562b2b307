"""What GDAL reads: GeoPackage, Shape, GeoJSON, FlatGeobuf, XLSX. What a file claims to be is looked at before that."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyogrio.raw

from loaders.archive import check_archive
from loaders.files.layer import ROWS, Block, Layer, choose, refused
from loaders.geopackage import BROKEN, read_layers
from loaders.recipe import AREAS, LINES, POINTS, Kind
from loaders.shapefile import find_encoding, open_parts, sibling
from loaders.shapes import quietly

MULTIPOINTS = Kind("points", (8, 18, 28), POINTS.convert)
KINDS = (POINTS, LINES, AREAS, MULTIPOINTS)
MAX_SHEET = 1 << 30  # bytes unpacked, which GDAL reads as a whole
SHEET = {"HEADERS": "FORCE"}
Options = dict[str, Any]


def open_geopackage(path: Path, wanted: str | None) -> Layer:
    """One layer of a GeoPackage; its own key is `fid` for --key."""
    name = choose(path, [layer.name for layer in read_layers(path)], wanted)
    return _open(path, "gpkg", {"layer": name})


def open_shape(path: Path, wanted: str | None) -> Layer:
    """A Shape file with the parts it needs."""
    del wanted  # it has chosen the file
    for suffix in (".shx", ".dbf"):
        if sibling(path, suffix) is None:
            raise refused(path, f"lacks {path.stem}{suffix}; a Shape file needs .shp, .shx and .dbf. Give all of them.")
    number = _type_of(path)
    parts = open_parts(path, next((kind for kind in KINDS if number in kind.types), POINTS))
    layer = _open(path, "shp", {"encoding": find_encoding(path, parts.table)})
    return replace(layer, name=path.stem)


def open_geojson(path: Path, wanted: str | None) -> Layer:
    """Features in the CRS of a member `crs`, which old programs write, or in degrees, as RFC 7946 has it."""
    require_start(path, b"{", "GeoJSON")
    layer = _open(path, "geojson", {"layer": choose(path, _layers(path), wanted)})
    if _names_crs(path):
        return layer
    return replace(layer, told="GeoJSON without a member crs is in degrees (RFC 7946)")


def open_flatgeobuf(path: Path, wanted: str | None) -> Layer:
    """The one layer of a FlatGeobuf."""
    require_start(path, b"fgb\x03", "FlatGeobuf")
    return _open(path, "fgb", {"layer": choose(path, _layers(path), wanted)})


def open_sheet(path: Path, wanted: str | None) -> Layer:
    """A sheet whose first line names the columns. Cells have the types that they have there."""
    require_start(path, b"PK\x03\x04", "XLSX")
    check_archive(path, MAX_SHEET)
    with quietly():
        found = _layers(path)
    return _open(path, "xlsx", {"layer": choose(path, found, wanted, "sheets"), **SHEET})


def require_start(path: Path, start: bytes, name: str) -> None:
    """A file under another kind's name would be opened as something else. Raises InvalidDelivery."""
    with path.open("rb") as opened:
        found = opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not found.startswith(start):
        raise refused(path, f"is no {name}: it begins with {found[:12]!r}. Give it the suffix of what it is.")


def _type_of(path: Path) -> int:
    with path.open("rb") as opened:
        return int.from_bytes(opened.read(36)[32:], "little")


def _names_crs(path: Path) -> bool:
    """Whether a member crs stands before the features, or behind them."""
    with path.open("rb") as opened:
        start = opened.read(1 << 16)
        opened.seek(max(0, path.stat().st_size - (1 << 12)))
        return b'"crs"' in start.partition(b'"features"')[0] or b'"crs"' in opened.read()


def _layers(path: Path) -> list[str]:
    try:
        return [str(name) for name, _ in pyogrio.list_layers(path)]
    except BROKEN as error:
        raise refused(path, f"cannot be read: {error}. Export it again.") from error


def _open(path: Path, kind: str, options: Options) -> Layer:
    try:
        with quietly(), pyogrio.raw.open_arrow(path, batch_size=1, return_fids=True, use_pyarrow=True, **options) as o:
            meta, reader = o
            fields, schema = [str(name) for name in meta["fields"]], reader.schema
    except BROKEN as error:
        raise refused(path, f"cannot be read: {error}. Export it again.") from error
    geometry = meta["geometry_name"] or "wkb_geometry"
    binary = [name for name in fields if pa.types.is_binary(schema.field(name).type)]
    return Layer(
        path,
        kind,
        options.get("layer"),
        tuple(name for name in fields if name not in binary),
        lambda: _read(path, kind, options, geometry),
        crs=meta["crs"],
        has_geometry=geometry in schema.names,
        fids=meta["fid_column"] if kind == "gpkg" else None,
        left_out=dict.fromkeys(binary, "it holds bytes"),
    )


def _read(path: Path, kind: str, options: Options, geometry: str) -> Iterator[Block]:
    read = 1 if kind == "xlsx" else 0  # a sheet's first line is its head
    try:
        with quietly():
            source = pyogrio.raw.open_arrow(path, batch_size=ROWS, return_fids=True, use_pyarrow=True, **options)
        with source as (meta, reader):
            while rows := _next(reader):
                fids = rows[meta["fid_column"] or "OGC_FID"]
                lines = np.arange(read + 1, read + 1 + len(rows))
                read += len(rows)
                columns = {str(name): rows[name] for name in meta["fields"]}
                if kind == "gpkg":
                    columns[meta["fid_column"]], lines = fids, fids.to_numpy()
                wkb = rows[geometry].cast(pa.binary()) if geometry in rows.schema.names else None
                yield Block(lines, columns, wkb)
    except BROKEN as error:
        raise refused(path, f"cannot be read after row {read}: {error}. Export it again.") from error


def _next(reader: Any) -> pa.RecordBatch | None:
    with quietly():
        return next((rows for rows in reader if len(rows)), None)
