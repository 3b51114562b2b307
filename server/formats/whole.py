"""Whole files: every feature of a source, in any format. For jobs: synchronous, and flat in memory.

A file is complete or not there: whoever calls gives a temporary name and moves the file when `write_file` is back.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from psycopg import sql

from server.formats.arrow import ArrowReader
from server.formats.fgb_index import NODE_SIZE, PackedIndex, index_bytes, write_all
from server.formats.flatgeobuf import Extent, FeatureReader, feature_columns, to_header
from server.formats.geopackage import write_geopackage
from server.formats.layer import About, Format, Layer
from server.formats.outline import Outline, to_outline
from server.formats.shape import write_shape
from server.formats.source import Source

NOWHERE = (0.0, 0.0, 0.0, 0.0)


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
    outline = to_outline(layer, about)
    writers: dict[str, Callable[[], int]] = {
        "fgb": lambda: write_indexed_flatgeobuf(source, outline, path),
        "gpkg": lambda: _write_geopackage(source, outline, path),
        "shp": lambda: write_shape(outline, source, path),
    }
    write = writers.get(kind.key, lambda: _write_encoded(source, layer, about, kind, path))
    features = write()
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
            for *row, count in source.read(columns):
                file.write(encoder.batch(tuple(row)))
                features += count
            rest = encoder.end()
            if not isinstance(rest, bytes):
                raise TypeError(f"{kind.key} makes a file of its own: give it a writer here")
            file.write(rest)
    finally:
        encoder.close()
    return features


def _write_geopackage(source: Source, outline: Outline, path: Path) -> int:
    reader = ArrowReader(outline, lists=False)
    features = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal features
        for row in source.read(reader.columns):
            batch = reader.read(row)
            features += batch.num_rows
            yield batch

    target = path.with_name(f"{path.name}.gpkg")  # GDAL warns of any other ending
    try:
        write_geopackage(outline, reader.schema, batches(), target)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)
    return features


def write_indexed_flatgeobuf(source: Source, outline: Outline, path: Path) -> int:
    """A FlatGeobuf with its index: header, index and features have places of known lengths, so that each batch is
    written where it belongs.
    """
    total = source.total if outline.kind else 0
    node_size = NODE_SIZE if total else 0
    begin = len(to_header(outline, Extent(source.total, NOWHERE, node_size)))
    place = begin + index_bytes(total)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        index = PackedIndex(file, begin, total)
        reader = FeatureReader(outline)
        count = 0
        for row in source.read(_indexed_columns(outline)):
            features, sizes = reader.read(row)
            count += len(sizes)
            if total:
                index.add(_bounds(row[reader.width]), sizes)
            write_all(file, features, place)
            place += len(features)
        index.finish()
        write_all(file, to_header(outline, Extent(count, index.bounds if count and total else NOWHERE, node_size)), 0)
    finally:
        os.close(file)
    return count


def _indexed_columns(outline: Outline) -> sql.Composable:
    if outline.kind is None:
        return feature_columns(outline)
    return sql.SQL("{}, array_agg(ST_AsBinary(ST_Envelope({})))").format(feature_columns(outline), outline.shape)


def _bounds(envelopes: list[Any]) -> np.ndarray:
    """xmin, ymin, xmax, ymax of each feature."""
    return shapely.bounds(shapely.from_wkb(envelopes))
