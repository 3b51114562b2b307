"""Shape, zipped: for those whose programs read nothing newer. What the format cannot hold is told beside it.

Names of attributes have 10 characters, texts 254 bytes, a file 2 GB; a file has no moments, only days.
https://www.esri.com/content/dam/esrisites/sitecore-archive/Files/Pdfs/library/whitepapers/pdfs/shapefile.pdf
"""

import csv
import glob
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from server.errors import NotFitting
from server.formats.arrow import ArrowReader
from server.formats.gdal import to_target, write_batches
from server.formats.layer import About, Encoder, Layer
from server.formats.outline import Column, Outline
from server.formats.sent import to_columns
from server.formats.source import Source, read_ahead

NAME_LENGTH = 10
TEXT_LENGTH = 254
# of an offset in 16-bit words; many programs end at half of it
MAX_BYTES = (1 << 31) - 1
WIDTHS = {"integer": 18, "number": 24, "boolean": 1, "date": 8, "datetime": 32}
KINDS = {"Point": 0, "MultiPoint": 40}


@dataclass(frozen=True)
class Measured:
    """What the first pass finds: longest text of each column in bytes, texts that are too long, positions."""

    longest: tuple[int, ...]
    cut: tuple[int, ...]
    positions: int


def no_encoder(layer: Layer, about: About) -> Encoder:
    """It knows its fields' widths only when it has seen all."""
    raise TypeError(f"{layer.collection.id}: a Shape is made as a whole file, by write_shape")


def write_shape(source: Source, outline: Outline, path: Path) -> int:
    """Write the zip; number of features. Raises NotFitting."""
    measured = measure(outline, source)
    names = to_names([column.name for column in outline.columns])
    refuse_too_large(outline, source.total, measured)
    reader = ArrowReader(outline, lists=False)
    schema = to_schema(reader.schema, names, measured.longest)
    count = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal count
        for row in read_ahead(source.read(to_columns(outline, lists=False))):
            batch = reader.read(row)
            count += batch.num_rows
            yield pa.RecordBatch.from_arrays([_cut(array) for array in batch.columns], schema=schema)

    target = path.with_name(f"{path.name}.shp")
    try:
        write_batches(to_target(outline, target, "ESRI Shapefile"), schema, batches())
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=5) as archive:
            for part in sorted(path.parent.glob(f"{glob.escape(path.name)}.*")):
                archive.write(part, f"{outline.name}{part.suffix}")
            archive.writestr(f"{outline.name}_felder.csv", to_field_list(outline.columns, names, measured))
    finally:
        for part in path.parent.glob(f"{glob.escape(path.name)}.*"):
            part.unlink()
    return count


def measure(outline: Outline, source: Source) -> Measured:
    """Read everything once for its lengths: the format's fields are as wide as their longest value."""
    parts: list[sql.Composable] = [sql.SQL("coalesce(sum(ST_NPoints({})), 0)::bigint").format(outline.shape)]
    for column in outline.columns:
        length = _length(column)
        parts.append(sql.SQL("coalesce(max({}), 0)::bigint").format(length))
        parts.append(sql.SQL("(count(*) filter (where {} > {}))::bigint").format(length, sql.Literal(TEXT_LENGTH)))
    positions, longest, cut = 0, [0] * len(outline.columns), [0] * len(outline.columns)
    for row in read_ahead(source.read(sql.SQL(", ").join(parts))):
        positions += row[0]
        longest = [max(pair) for pair in zip(longest, row[1::2], strict=True)]
        cut = [sum(pair) for pair in zip(cut, row[2::2], strict=True)]
    return Measured(tuple(longest), tuple(cut), positions)


def _length(column: Column) -> sql.Composable:
    if column.type in WIDTHS:
        return sql.Literal(WIDTHS[column.type])
    text = "octet_length(t.{}::text)" if column.type == "string" else "octet_length(to_json(t.{})::text)"
    return sql.SQL(text).format(sql.Identifier(column.name))


def refuse_too_large(outline: Outline, features: int, measured: Measured, most: int = MAX_BYTES) -> None:
    """Raises NotFitting where one of the files would pass the format's limit."""
    attributes = features * (1 + sum(min(max(length, 1), TEXT_LENGTH) for length in measured.longest))
    head = 8 + KINDS.get(outline.kind or "", 60)
    shapes = 100 + features * head + measured.positions * (24 if outline.has_z else 16)
    if max(attributes, shapes) > most:
        raise NotFitting(
            f"The {features} features of '{outline.name}' need {max(attributes, shapes)} bytes in one of the files "
            f"of a Shape, which ends at {most}. Take FlatGeobuf, GeoPackage or GeoParquet, or a smaller area.",
            remedy="take f=fgb, f=gpkg or f=parquet, or a smaller area",
        )


def to_names(names: Sequence[str]) -> list[str]:
    """Names of at most 10 characters, each once whatever its case; what fits stays."""
    found: list[str] = []
    taken = {name.lower() for name in names if len(name) <= NAME_LENGTH}
    for name in names:
        short, number = name[:NAME_LENGTH], 0
        while len(name) > NAME_LENGTH and short.lower() in taken:
            number += 1
            short = f"{name[: NAME_LENGTH - 1 - len(str(number))]}_{number}"
        taken.add(short.lower())
        found.append(short)
    return found


def to_schema(schema: pa.Schema, names: Sequence[str], longest: Sequence[int]) -> pa.Schema:
    """The schema with the short names and, for texts, the width of the field."""
    fields = []
    for number, field in enumerate(schema):
        if number < len(names):
            width = str(min(max(longest[number], 1), TEXT_LENGTH))
            texts = {"GDAL:OGR:width": width} if pa.types.is_string(field.type) else None
            field = pa.field(names[number], field.type, field.nullable, texts)  # noqa: PLW2901
        fields.append(field)
    return pa.schema(fields)


def _cut(array: Any) -> pa.Array:
    """Texts without what is behind the last whole character that fits."""
    if not pa.types.is_string(array.type) or (pc.max(pc.binary_length(array)).as_py() or 0) <= TEXT_LENGTH:
        return array
    texts = [None if t is None else t.encode()[:TEXT_LENGTH].decode(errors="ignore") for t in array.to_pylist()]
    return pa.array(texts, pa.string())


def to_field_list(columns: Sequence[Column], names: Sequence[str], measured: Measured) -> str:
    """CSV: which field is which attribute, and how many of its texts were cut."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["feld", "attribut", "titel", "beschreibung", "gekuerzte_werte"])
    for column, name, cut in zip(columns, names, measured.cut, strict=True):
        writer.writerow([name, column.name, column.title, column.description, cut])
    return "\ufeff" + text.getvalue()
