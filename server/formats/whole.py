"""Whole files: every feature of a source, in any format. For jobs: synchronous, and flat in memory.

A file is complete or not there: whoever calls gives a temporary name and moves the file when `write_file` is back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from server.formats.binary import later
from server.formats.layer import About, Format, Layer
from server.formats.outline import to_outline
from server.formats.source import Source, read_ahead

# Those that need all features, or a file to go back in
WRITERS: dict[str, Any] = {
    "fgb": later("indexed", "write_indexed_flatgeobuf"),
    "gpkg": later("geopackage", "write_whole"),
    "shp": later("shape", "write_shape"),
}


@dataclass(frozen=True)
class Written:
    """What a file holds: features, and its size in bytes."""

    features: int
    size: int


def write_file(source: Source, layer: Layer, about: About, kind: Format, path: Path) -> Written:
    """Write all features of the source to `path`.

    Raises NotFitting where the format cannot hold them, RuntimeError where the source gave more or fewer than it
    said.
    """
    if kind.key in WRITERS:
        features = WRITERS[kind.key](source, to_outline(layer, about), path)
    else:
        features = _write_encoded(source, layer, about, kind, path)
    if features != source.total:
        raise RuntimeError(f"{path.name} holds {features} features, but there are {source.total}: write it again")
    return Written(features, path.stat().st_size)


def _write_encoded(source: Source, layer: Layer, about: About, kind: Format, path: Path) -> int:
    features = 0
    encoder = kind.encoder(layer, about)
    columns = sql.SQL("{}, count(*)").format(kind.columns(layer))
    try:
        with path.open("wb") as file:
            file.write(encoder.begin())
            for *row, count in read_ahead(source.read(columns)):
                file.write(encoder.batch(tuple(row)))
                features += count
            rest = encoder.end()
            if not isinstance(rest, bytes):
                raise TypeError(f"{kind.key} makes a file of its own: give it a writer here")
            file.write(rest)
    finally:
        encoder.close()
    return features
