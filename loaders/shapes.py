"""Shape files: which layers a delivery holds, whether they are whole, and their rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyogrio
import pyogrio.raw
from pyogrio.errors import DataSourceError

from loaders.batch import Batch, Sieve
from loaders.context import Context
from loaders.errors import InvalidDelivery
from loaders.geometry import multipolygons
from loaders.report import Reject
from loaders.shapefile import count_records, find_encoding, read_false_east
from loaders.values import parse_dates, parse_numbers, parse_texts

BATCH = 16_384
PARTS = (".shp", ".shx", ".dbf", ".prj")
ARROW_TYPES = {"text": pa.string(), "date": pa.date32(), "integer": pa.int32(), "number": pa.float64()}


@dataclass(frozen=True)
class Field:
    """A column of a Shape file's table and the attribute it becomes."""

    source: str
    name: str
    kind: Literal["text", "date", "integer", "number"] = "text"
    required: bool = True


Rule = Callable[[dict[str, pa.Array], Sieve], None]


@dataclass(frozen=True)
class Layer:
    """How the rows of a layer are read: its columns, which of them is the key, and what else must hold."""

    fields: tuple[Field, ...]
    key: str
    rule: Rule


def stage_layers(context: Context, layers: dict[str, Layer]) -> None:
    """Stage the wanted collections. Raises InvalidDelivery for an unknown or incomplete layer."""
    paths = find_layers(context)
    for collection, path in paths.items():
        _stage(context, collection, path, layers[collection])


def find_layers(context: Context) -> dict[str, Path]:
    """The .shp of each wanted collection. Every .shp of the delivery must be known to the manifest."""
    manifest = context.manifest
    known = {source.layer: name for name, source in manifest.collections.items()}
    for path in context.files.values():
        if path.suffix.lower() == ".shp" and path.stem.lower() not in known.keys() | manifest.ignored.keys():
            raise InvalidDelivery(
                "layers",
                f"The layer {path.name} is unknown to the loader {manifest.dataset}, "
                f"which knows {', '.join(map(str, known))}. "
                f"If it is new, add it to loaders/{manifest.dataset}/source.yaml, under collections or ignored; "
                "if it belongs to another dataset, load from a folder without it.",
            )
    parts = {name.lower(): path for name, path in context.files.items()}
    wanted = {name: str(layer) for layer, name in known.items() if name in context.wanted}
    return {name: _whole(layer, name, parts, context.wanted) for name, layer in wanted.items()}


def _whole(layer: str, collection: str, parts: dict[str, Path], wanted: tuple[str, ...]) -> Path:
    for suffix in PARTS:
        if layer + suffix not in parts:
            others = " ".join(f"--only {name}" for name in wanted if name != collection)
            raise InvalidDelivery(
                "files",
                f"{layer}{suffix} is missing from the delivery; a Shape file needs {', '.join(PARTS)}. "
                f"Fetch the delivery again" + (f", or leave {collection} out: {others}." if others else "."),
                collection,
            )
    return parts[layer + ".shp"]


def _stage(context: Context, collection: str, path: Path, layer: Layer) -> None:
    try:
        false_east = read_false_east(path)
        context.staging.count(collection, count_records(path))
        _require_columns(path, layer.fields)
        for table in _read(path, find_encoding(path)):
            batch, rejects = _sift(table, path.name, layer, false_east)
            context.staging.write(collection, batch, rejects)
    except InvalidDelivery as error:
        raise InvalidDelivery(error.rule, str(error), collection) from error
    except DataSourceError as error:
        raise InvalidDelivery(
            "files", f"{path.name} cannot be read: {error}. Fetch the delivery again.", collection
        ) from error


def _sift(table: pa.RecordBatch, file: str, layer: Layer, false_east: float) -> tuple[Batch, list[Reject]]:
    records = table["OGC_FID"].to_numpy() + 1
    sieve = Sieve(file, records, partial(_raw, table))
    attributes = {field.name: _parse(table, field, sieve) for field in layer.fields}
    layer.rule(attributes, sieve)
    geometries = multipolygons(table["wkb_geometry"].to_numpy(zero_copy_only=False), false_east, sieve)
    return sieve.batch(attributes[layer.key], attributes, geometries), sieve.rejects()


def _require_columns(path: Path, fields: Sequence[Field]) -> None:
    present = set(pyogrio.read_info(path)["fields"])
    known = {field.source: field.required for field in fields}
    missing = sorted(name for name, required in known.items() if required and name not in present)
    unknown = sorted(present - known.keys())
    if missing or unknown:
        faults = [
            f"{text} {', '.join(names)}" for text, names in (("lacks", missing), ("has in addition", unknown)) if names
        ]
        raise InvalidDelivery(
            "columns",
            f"{path.name} {' and '.join(faults)}; the loader knows the columns {', '.join(known)}. "
            "If the publisher changed the layout, the loader, its table and its collection must follow.",
        )


def _read(path: Path, encoding: str) -> Iterator[pa.RecordBatch]:
    options = {"encoding": encoding, "batch_size": BATCH, "return_fids": True, "use_pyarrow": True}
    with pyogrio.raw.open_arrow(path, **options) as (_, reader):
        yield from reader


def _parse(table: pa.RecordBatch, field: Field, sieve: Sieve) -> pa.Array:
    if field.source not in table.schema.names:
        return pa.nulls(len(table), ARROW_TYPES[field.kind])
    column = table[field.source]
    if pa.types.is_string(column.type):
        column = parse_texts(column, field.source, sieve)
    if field.kind == "date":
        return parse_dates(column, field.source, sieve)
    if field.kind == "text":
        return column
    return parse_numbers(column, field.source, sieve).cast(ARROW_TYPES[field.kind], safe=False)


def _raw(table: pa.RecordBatch, index: int) -> str:
    """The record's attributes as a reader of the report can find them again."""
    names = [name for name in table.schema.names if name not in {"OGC_FID", "wkb_geometry"}]
    return "; ".join(f"{name}={_shown(table[name][index])}" for name in names)


def _shown(value: pa.Scalar) -> str:
    if pa.types.is_string(value.type) and value.is_valid:
        return value.cast(pa.binary()).as_py().decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    return str(value)
