"""Shape files: which layers a delivery holds, whether they are whole, and their rows."""

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyogrio
import pyogrio.raw
from pyogrio.errors import DataSourceError
from pyproj import CRS
from pyproj.exceptions import CRSError

from loaders.batch import Batch, Sieve
from loaders.context import Context
from loaders.errors import InvalidDelivery
from loaders.geometry import ZONE_PREFIX, multipolygons
from loaders.report import Reject
from loaders.values import parse_dates, parse_numbers, parse_texts

BATCH = 16_384
PARTS = (".shp", ".shx", ".dbf", ".prj")
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf8": "UTF-8",
    "65001": "UTF-8",
    "1252": "CP1252",
    "cp1252": "CP1252",
    "ansi 1252": "CP1252",
}
ENCODINGS |= dict.fromkeys(("windows-1252", "iso-8859-1", "iso 8859-1", "iso88591", "88591", "latin1"), "CP1252")
ARROW_TYPES = {"text": pa.string(), "date": pa.date32(), "integer": pa.int32(), "number": pa.float64()}
GRS80 = (6378137.0, 298.257222101)
UTM32 = {
    "Latitude of natural origin": 0.0,
    "Longitude of natural origin": 9.0,
    "Scale factor at natural origin": 0.9996,
    "False northing": 0.0,
}


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
        false_east = _read_false_east(_sibling(path, ".prj"))
        context.staging.count(collection, _count_rows(path))
        _require_columns(path, layer.fields)
        for table in _read(path, _find_encoding(path)):
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


def _sibling(path: Path, suffix: str) -> Path | None:
    return next((p for p in path.parent.iterdir() if p.stem == path.stem and p.suffix.lower() == suffix), None)


def _read_false_east(prj: Path | None) -> float:
    """0 for EPSG:25832, the zone prefix for EPSG:4647; judged by the projection, as names differ between programs."""
    text = prj.read_text("utf-8", "replace") if prj else ""
    try:
        crs = CRS.from_wkt(text)
        operation = crs.coordinate_operation
        parameters = {p.name: float(p.value) for p in operation.params} if operation else {}
        false_east = parameters.pop("False easting", 0.0) - 500_000.0
        ellipsoid = crs.ellipsoid and (crs.ellipsoid.semi_major_metre, round(crs.ellipsoid.inverse_flattening, 9))
    except CRSError:
        false_east, parameters, ellipsoid = -1.0, {}, None
    if parameters != UTM32 or ellipsoid != GRS80 or false_east not in {0.0, ZONE_PREFIX}:
        raise InvalidDelivery(
            "crs",
            f"{prj.name if prj else '.prj'} says {text[:60]!r}, which is neither EPSG:25832 nor EPSG:4647. "
            "Reproject the delivery (ogr2ogr -t_srs EPSG:25832), or correct the .prj if it is wrong.",
        )
    return false_east


def _count_rows(path: Path) -> int:
    """Records by the headers of the three files, which must agree: a file that was cut off does not."""
    shp, shx, dbf = path, _sibling(path, ".shx"), _sibling(path, ".dbf")
    assert shx is not None  # noqa: S101 - _whole has seen them
    assert dbf is not None  # noqa: S101
    with shp.open("rb") as opened:
        listed = int.from_bytes(opened.read(100)[24:28], "big") * 2
    with dbf.open("rb") as opened:
        in_table = int.from_bytes(opened.read(32)[4:8], "little")
    in_index = (shx.stat().st_size - 100) // 8
    if listed != shp.stat().st_size or in_index != in_table:
        raise InvalidDelivery(
            "files",
            f"{shp.name} has {shp.stat().st_size} bytes (its header says {listed}), {shx.name} has {in_index} records, "
            f"{dbf.name} {in_table}: they must agree. Fetch the delivery again.",
        )
    return in_table


def _find_encoding(path: Path) -> str:
    """As the .cpg says; without one UTF-8 where the whole table is valid UTF-8, otherwise cp1252."""
    cpg, dbf = _sibling(path, ".cpg"), _sibling(path, ".dbf")
    if cpg is None:
        return "UTF-8" if dbf and _is_utf8(dbf) else "CP1252"
    name = cpg.read_text("ascii", "replace").strip().lower()
    if name not in ENCODINGS:
        raise InvalidDelivery(
            "encoding", f"{cpg.name} says '{name}'; known are {', '.join(sorted(ENCODINGS))}. Correct it or remove it."
        )
    return ENCODINGS[name]


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as opened:
            opened.seek(int.from_bytes(opened.read(10)[8:10], "little"))
            while chunk := opened.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


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
