"""A whole FlatGeobuf with its index."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from psycopg import sql

from server.formats.fgb_index import NODE_SIZE, PackedIndex, index_bytes, write_all
from server.formats.flatgeobuf import Extent, FeatureReader, feature_columns, to_header
from server.formats.outline import Outline
from server.formats.source import Source, read_ahead

# lengths of their WKB in bytes
POLYGON, POINT = 93, 21
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
        for row in read_ahead(source.read(_indexed_columns(outline))):
            features, sizes = reader.read(row)
            count += len(sizes)
            if total:
                index.add(to_bounds(row[reader.width]), sizes)
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
    envelopes = sql.SQL("array_agg(ST_AsBinary(ST_Envelope({}), 'NDR'))").format(outline.shape)
    return sql.SQL("{}, {}").format(feature_columns(outline), envelopes)


def to_bounds(envelopes: Sequence[bytes]) -> np.ndarray:
    """xmin, ymin, xmax, ymax of each feature; of a thin one the envelope is a line or a point."""
    for length, begin, corners in ((POLYGON, 13, [0, 1, 4, 5]), (POINT, 5, [0, 1, 0, 1])):
        if all(len(envelope) == length for envelope in envelopes):
            table = np.frombuffer(b"".join(envelopes), "u1").reshape(-1, length)
            return np.ascontiguousarray(table[:, begin:]).view("<f8")[:, corners]
    return shapely.bounds(shapely.from_wkb(envelopes))
