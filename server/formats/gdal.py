"""Files that GDAL writes, from record batches: GeoPackage and Shape.

    python -m server.formats.gdal TARGET BATCHES

GDAL holds Python's lock while it writes a batch and, for seconds, while it makes the index of many features: a server
process has larger files written by a process of their own, which also gives its memory back.
"""

import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import pyarrow as pa
import pyogrio

from server.formats.outline import GEOMETRY, Outline

LONGEST = 900  # seconds


@dataclass(frozen=True)
class Target:
    """A file with one layer; `kind`: of its geometries, None where it has none; creation options of the driver."""

    path: str
    driver: str
    name: str
    kind: str | None
    srid: int
    dataset: Mapping[str, str] = field(default_factory=dict)
    layer: Mapping[str, str] = field(default_factory=dict)


def to_target(outline: Outline, path: Path, driver: str) -> Target:
    """The file of a layer, without creation options."""
    return Target(str(path), driver, outline.name, outline.typed if outline.kind else None, outline.crs.srid)


def write_batches(target: Target, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write the file; batches are asked for one by one."""
    # a file that a power failure damages is made anew: nobody has seen it before it is complete
    pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF"})
    there = target.kind is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # said of layers without geometry, too
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(schema, batches),
            target.path,
            layer=target.name,
            driver=target.driver,
            geometry_name=GEOMETRY if there else None,
            geometry_type=target.kind,
            crs=f"EPSG:{target.srid}" if there else None,
            encoding="UTF-8",
            dataset_options=dict(target.dataset),
            layer_options=dict(target.layer),
        )


def write_kept(target: Target, kept: Path) -> None:
    """Write the file of batches that a file holds."""
    with pa.OSFile(str(kept), "rb") as file, pa.ipc.open_stream(file) as reader:
        write_batches(target, reader.schema, reader)


def write_apart(target: Target, kept: Path) -> None:
    """The same by a process of its own. Raises RuntimeError with what it said."""
    command = [sys.executable, "-m", "server.formats.gdal", orjson.dumps(asdict(target)).decode(), str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
    if done.returncode:
        raise RuntimeError(f"{target.path} could not be written: {done.stderr[-2000:]}")


if __name__ == "__main__":
    write_kept(Target(**orjson.loads(sys.argv[1])), Path(sys.argv[2]))
