"""Files that GDAL writes, from record batches: GeoPackage and Shape."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyogrio

from server.formats.outline import GEOMETRY, Outline


@dataclass(frozen=True)
class Options:
    """The driver's name and its creation options."""

    driver: str
    dataset: Mapping[str, str] = field(default_factory=dict)
    layer: Mapping[str, str] = field(default_factory=dict)


def write_batches(
    outline: Outline,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    path: Path,
    options: Options,
) -> None:
    """Write a file with one layer; batches are asked for one by one."""
    # a file that a power failure damages is made anew: nobody has seen it before it is complete
    pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF"})
    there = outline.kind is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # said of layers without geometry, too
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(schema, batches),
            path,
            layer=outline.name,
            driver=options.driver,
            geometry_name=GEOMETRY if there else None,
            geometry_type=outline.typed if there else None,
            crs=f"EPSG:{outline.crs.srid}" if there else None,
            encoding="UTF-8",
            dataset_options=dict(options.dataset),
            layer_options=dict(options.layer),
        )
