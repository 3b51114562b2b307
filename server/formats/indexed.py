"""A whole FlatGeobuf with its index."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from psycopg import sql

from server.formats.fgb_index import NODE_SIZE, PackedIndex, index_bytes, write_all
from server.formats.flatgeobuf import Extent, FeatureReader, feature_columns, to_header
from server.formats.outline import Outline
from server.formats.source import Source

NOWHERE = (0.0, 0.0, 0.0, 0.0)


def write_indexed_flatgeobuf(source: Source, outline: Outline, path: Path) -> int:
    """Number of features. Header, index and features have places of known lengths, so that each batch is
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
