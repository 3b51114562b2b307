"""GeoParquet 1.1: WKB, a bounding box per feature, row groups of neighbours (rows come in the spatial key's order).

https://geoparquet.org/releases/v1.1.0/. A reader finds the row groups of a box by the statistics of `bbox`.
"""

import io
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from psycopg.rows import TupleRow

from server.formats.arrow import ArrowReader
from server.formats.layer import About, Layer
from server.formats.outline import GEOMETRY, Outline, to_outline

BBOX = "bbox"
SIDES = ("xmin", "ymin", "xmax", "ymax")
# A row group is what a reader of a small box must fetch; it is kept in memory while it grows
GROUP_ROWS = 30_000
GROUP_BYTES = 16 << 20


class GeoParquetEncoder:
    """Gives out each row group as soon as it is full; the footer comes at the end."""

    def __init__(self, layer: Layer, about: About) -> None:
        outline = to_outline(layer, about)
        self._reader = ArrowReader(outline, lists=True)
        self._schema = to_schema(self._reader.schema, outline)
        self._waiting: list[pa.RecordBatch] = []
        self._spool = Spool()
        texts = [f.name for f in self._reader.schema if pa.types.is_string(f.type) and f.name != "id"]
        measured = [*(f.name for f in self._reader.schema if f.name != GEOMETRY), *(f"{BBOX}.{s}" for s in SIDES)]
        options: dict[str, Any] = {"use_dictionary": texts, "write_statistics": measured, "write_page_index": True}
        self._writer = pq.ParquetWriter(cast("Any", self._spool), self._schema, compression="zstd", **options)

    def begin(self) -> bytes:
        """The magic number."""
        return self._spool.take()

    def batch(self, row: TupleRow) -> bytes:
        """What is finished with this batch."""
        self._waiting.append(self._with_boxes(self._reader.read(row)))
        rows, size = (sum(getattr(b, name) for b in self._waiting) for name in ("num_rows", "nbytes"))
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            self._flush()
        return self._spool.take()

    def end(self) -> bytes:
        """What is left, and the footer."""
        self._flush()
        self._writer.close()
        return self._spool.take()

    def close(self) -> None:
        """Nothing is temporary."""

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting)
            self._waiting = []
            self._writer.write_table(table, row_group_size=table.num_rows)

    def _with_boxes(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        schema = self._schema
        if BBOX not in schema.names:
            return batch.replace_schema_metadata(schema.metadata)
        bounds = shapely.bounds(shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False)))
        sides = [pa.array(side) for side in to_floats(bounds)]
        boxes = pa.StructArray.from_arrays(sides, fields=list(schema.field(BBOX).type))
        return pa.RecordBatch.from_arrays([*batch.columns, boxes], schema=schema)


def to_floats(bounds: np.ndarray) -> list[np.ndarray]:
    """Sides of boxes as 32-bit numbers, rounded outwards: a reader that asks for a box must not lose a feature."""
    low, high = np.float32(-np.inf), np.float32(np.inf)
    rounded = bounds.astype("f4")
    away = np.nextafter(rounded, np.array([low, low, high, high]))
    inside = np.concatenate([rounded[:, :2] > bounds[:, :2], rounded[:, 2:] < bounds[:, 2:]], axis=1)
    return list(np.ascontiguousarray(np.where(inside, away, rounded).T))


def to_schema(schema: pa.Schema, outline: Outline) -> pa.Schema:
    """The file's schema: with boxes where there are geometries, and with the metadata of the whole."""
    metadata: dict[str, Any] = {"about": outline.notes}
    if outline.kind:
        schema = schema.append(pa.field(BBOX, pa.struct([pa.field(s, pa.float32(), False) for s in SIDES]), False))
        metadata["geo"] = to_geo(outline)
    return schema.with_metadata({name: orjson.dumps(value) for name, value in metadata.items()})


def to_geo(outline: Outline) -> dict[str, Any]:
    """The file's `geo` metadata."""
    column = {
        "encoding": "WKB",
        "geometry_types": [outline.typed],
        "crs": outline.projjson,
        "covering": {"bbox": {side: [BBOX, side] for side in SIDES}},
    }
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


class Spool(io.RawIOBase):
    """A sink whose bytes are taken away again and again, for an answer that is sent while it grows."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Keep the bytes until they are taken."""
        self._parts.append(bytes(data))
        self._place += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        """All that was written so far."""
        return self._place

    def take(self) -> bytes:
        """What came since it was last asked."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
