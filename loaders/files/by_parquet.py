"""GeoParquet 1.0 and 1.1, and Parquet without geometries, by row groups."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loaders.files.by_gdal import require_start
from loaders.files.layer import ROWS, Block, Layer, refused

DEGREES = "OGC:CRS84"


def open_parquet(path: Path, wanted: str | None) -> Layer:
    """The table of a file; the geometries must be WKB."""
    del wanted
    require_start(path, b"PAR1", "Parquet")
    try:
        with pq.ParquetFile(path) as opened:
            schema = opened.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise refused(path, f"cannot be read: {error}. Export it again.") from error
    told = _read_told(path, schema.metadata or {})
    primary = told.get("primary_column")
    geometry: dict[str, Any] = told.get("columns", {}).get(primary, {}) if primary else {}
    if primary and (geometry.get("encoding") != "WKB" or primary not in schema.names):
        raise refused(
            path,
            f"has geometries in the encoding '{geometry.get('encoding')}'; it must be WKB. Export it so.",
            "geometry",
        )
    crs = geometry.get("crs", DEGREES) if primary else None
    others = {f.name for f in schema if f.name in told.get("columns", {}) or f.name == geometry_bbox(geometry)}
    left_out = {f.name: "it holds bytes" for f in schema if pa.types.is_binary(f.type) and f.name not in others}
    left_out |= dict.fromkeys(others - {primary}, "it belongs to the geometries")
    names = tuple(name for name in schema.names if name not in left_out and name != primary)
    return Layer(
        path,
        "parquet",
        None,
        names,
        lambda: _read(path, names, primary),
        crs=json.dumps(crs) if isinstance(crs, dict) else crs,
        has_geometry=primary is not None,
        told="GeoParquet without a CRS is in degrees" if primary and "crs" not in geometry else None,
        left_out=left_out,
    )


def geometry_bbox(geometry: dict[str, Any]) -> str | None:
    """The column with the boxes of the geometries (GeoParquet 1.1, covering)."""
    corner = geometry.get("covering", {}).get("bbox", {}).get("xmin")
    return corner[0] if corner else None


def _read_told(path: Path, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    try:
        told = json.loads(metadata.get(b"geo", b"{}"))
        return {"primary_column": told["primary_column"], "columns": dict(told["columns"])} if told else {}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise refused(path, f"has no valid member geo: {error}. Export it again as GeoParquet 1.0 or 1.1.") from error


def _read(path: Path, names: tuple[str, ...], primary: str | None) -> Iterator[Block]:
    read = 0
    try:
        with pq.ParquetFile(path) as opened:
            wanted = [*names, *([primary] if primary else [])]
            for rows in opened.iter_batches(ROWS, columns=wanted):
                lines = np.arange(read + 1, read + 1 + len(rows))
                read += len(rows)
                wkb = rows[primary].cast(pa.binary()) if primary else None
                yield Block(lines, {name: rows[name] for name in names}, wkb)
    except (pa.ArrowException, OSError) as error:
        raise refused(path, f"cannot be read after row {read}: {error}. Export it again.") from error
