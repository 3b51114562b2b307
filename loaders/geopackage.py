"""GeoPackages: which layers they hold, and their rows. SQLite is asked first whether a file is what GDAL may read."""

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio.raw
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyproj import CRS
from pyproj.exceptions import CRSError

from loaders.area import ZONE_PREFIX
from loaders.batch import Batch, Sieve
from loaders.context import Context
from loaders.errors import InvalidDelivery
from loaders.manifest import CollectionSource, Manifest
from loaders.recipe import TEXTS, Recipe, listed, nulls, take_ids
from loaders.report import Reject
from loaders.shapes import quietly
from loaders.values import parse_dates, parse_integers, parse_numbers, parse_texts

ROWS = 20_000  # at once
MAX_VALUE = 64 << 20  # bytes of one value
KINDS = """
select lower(name),
  case when type = 'view' then 'a view' when sql like 'create virtual%' then 'a virtual table' else type end
from sqlite_schema where type in ('table', 'view')
"""
# OGR's types that a column of the manifest's type may have
FITTING = {
    "text": {"OFTString"},
    "verbatim": {"OFTInteger", "OFTInteger64", "OFTReal", "OFTString"},
    "date": {"OFTDate", "OFTDateTime", "OFTString"},
    "integer": {"OFTInteger", "OFTInteger64", "OFTReal", "OFTString"},
    "number": {"OFTInteger", "OFTInteger64", "OFTReal", "OFTString"},
}
FALSE_EASTS = {25832: 0.0, 4647: ZONE_PREFIX}

BROKEN = (DataSourceError, DataLayerError, FeatureError, pa.ArrowException, sqlite3.Error)


@dataclass(frozen=True)
class Layer:
    """One layer of one file."""

    path: Path
    name: str
    rows: int


def stage_geopackages(context: Context, recipes: Mapping[str, Recipe]) -> None:
    """Stage the wanted collections of all files. Raises InvalidDelivery for an unknown or missing layer."""
    for collection, layers in find_layers(context).items():
        for layer in layers:
            try:
                _stage(context, collection, layer, recipes[collection])
            except InvalidDelivery as error:
                raise InvalidDelivery(error.rule, str(error), collection) from error
            except BROKEN as error:
                raise _broken(layer.path, error, collection) from error


def find_layers(context: Context) -> dict[str, list[Layer]]:
    """The layers of each wanted collection, one per file; every layer must be known to the manifest."""
    found: dict[str, list[Layer]] = {name: [] for name in context.wanted}
    for path in context.files.values():
        layers = _assign(read_layers(path), context.manifest)
        for collection in context.wanted:
            if collection not in layers:
                layer = context.manifest.collections[collection].layer
                remedy = f"Fetch the delivery again, or leave {collection} out (--only)."
                raise InvalidDelivery("layers", f"{path.name} lacks the layer {layer}. {remedy}", collection)
            found[collection].append(layers[collection])
    return found


def _assign(layers: list[Layer], manifest: Manifest) -> dict[str, Layer]:
    """The layer of each collection in one file."""
    known = {to_plain(str(source.layer)): name for name, source in manifest.collections.items()}
    ignored = {to_plain(name) for name in manifest.ignored}
    found: dict[str, Layer] = {}
    for layer in layers:
        collection = _recognise(layer.name, known)
        if to_plain(layer.name) in ignored:
            continue
        if collection is None:
            raise InvalidDelivery(
                "layers",
                f"{layer.path.name} holds the layer {layer.name}, which is unknown to the loader {manifest.dataset}. "
                f"If it is new, add it to loaders/{manifest.dataset}/source.yaml, under collections or ignored.",
            )
        if collection in found:
            raise InvalidDelivery(
                "layers",
                f"{layer.path.name} holds two layers of {collection}, {found[collection].name} and {layer.name}, so it "
                "is not clear which counts. Fetch the delivery again.",
                collection,
            )
        found[collection] = layer
    return found


def _recognise(layer: str, known: Mapping[str, str]) -> str | None:
    """The collection of a layer, whose name may have something before it, such as that of the file."""
    plain = to_plain(layer)
    name = max((name for name in known if plain.endswith(name)), key=len, default=None)
    return known[name] if name else None


def to_plain(layer: str) -> str:
    """A layer's name without what differs between editions: case, signs, digits, and the publisher's `Gebauede`."""
    return re.sub(r"[^a-zäöüß]", "", layer.lower()).replace("gebauede", "gebaeude").replace("gebäude", "gebaeude")


def read_layers(path: Path) -> list[Layer]:
    """The layers that the file lists. Raises InvalidDelivery for a file that no honest program wrote."""
    try:
        with closing(_open(path)) as database:
            kinds = dict(database.execute(KINDS).fetchall())
            _require_table("gpkg_contents", kinds, path)
            listed = "select table_name from gpkg_contents where data_type in ('features', 'attributes') order by 1"
            names = [name for (name,) in database.execute(listed)]
            for name in [*names, *(name for name in kinds if name.startswith("gpkg_"))]:
                _require_table(name, kinds, path)
            return [Layer(path, name, _count(database, name)) for name in names]
    except sqlite3.Error as error:
        raise _broken(path, error) from error


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    for setting in ("trusted_schema = off", "cell_size_check = on", "query_only = on"):
        database.execute(f"pragma {setting}")
    return database


def _require_table(name: str, kinds: dict[str, str], path: Path) -> None:
    """A view could make any number of rows, or none ever."""
    kind = kinds.get(name.lower(), "missing")
    if kind != "table":
        raise InvalidDelivery("files", f"{path.name}: {name} is {kind}; it must be a table. Fetch the delivery again.")


def _count(database: sqlite3.Connection, name: str) -> int:
    quoted = name.replace('"', '""')
    return database.execute(f'select count(*) from "{quoted}"').fetchone()[0]  # noqa: S608 - a name cannot be bound


@dataclass(frozen=True)
class _Reader:
    """How the rows of one layer are read."""

    layer: Layer
    source: CollectionSource
    manifest: Manifest
    recipe: Recipe
    meta: dict[str, Any]
    names: dict[str, str]

    def sift(self, rows: pa.RecordBatch) -> tuple[Batch, list[Reject]]:
        """Usable rows and rejects."""
        sieve = Sieve(self.layer.path.name, rows[self.meta["fid_column"]].to_numpy(), partial(self._raw, rows))
        attributes = {
            name: self._parse(rows, name, kind, sieve)
            for name, kind in (self.source.columns | self.source.optional).items()
        }
        complete = self.recipe.complete(attributes, sieve, self.layer.path)
        ids, complete = take_ids(complete, attributes, self.source.key)
        false_east = _read_false_east(self.meta["crs"], self.layer)
        wkb = rows[self.meta["geometry_name"]]
        geometries = self.recipe.kind.convert(wkb, false_east, self.manifest.area_of_use, sieve)
        return sieve.batch(ids, complete, geometries), sieve.rejects(ids)

    def _parse(self, rows: pa.RecordBatch, name: str, kind: str, sieve: Sieve) -> pa.Array:
        if name not in self.names:
            return nulls(kind, len(rows))
        column = rows[self.names[name]]
        if kind == "number" and pa.types.is_floating(column.type):
            sieve.refuse(_is_infinite(column), lambda i: f"{name} is {column[i]}, which is no number")
            return column.cast(pa.float64())
        if kind == "date" and pa.types.is_timestamp(column.type):
            column = column.cast(pa.date32())
        texts = parse_texts(_to_text(column), name, sieve, self.recipe.cut_at)
        if kind == "date":
            return parse_dates(texts, name, self.source.since, sieve)
        if kind in TEXTS:
            return texts
        return (parse_integers if kind == "integer" else parse_numbers)(texts, name, sieve)

    def _raw(self, rows: pa.RecordBatch, index: int) -> str:
        """The record's attributes as a reader of the report can find them again."""
        return "; ".join(f"{name}={_shown(rows[actual][index])}" for name, actual in self.names.items())


def _stage(context: Context, collection: str, layer: Layer, recipe: Recipe) -> None:
    source = context.manifest.collections[collection]
    context.staging.count(collection, layer.rows)
    options = {"layer": layer.name, "batch_size": ROWS, "return_fids": True, "use_pyarrow": True}
    with quietly():
        opened = pyogrio.raw.open_arrow(layer.path, **options)
    with opened as (meta, reader):
        names = _match_columns(layer, source, meta)
        if meta["geometry_name"] not in reader.schema.names:
            raise InvalidDelivery("geometry", f"{layer.path.name}: {layer.name} has no geometries. Fetch it again.")
        batches = _Reader(layer, source, context.manifest, recipe, meta, names)
        for rows in reader:
            if len(rows):
                context.staging.write(collection, *batches.sift(rows))


def _match_columns(layer: Layer, source: CollectionSource, meta: dict[str, Any]) -> dict[str, str]:
    """The file's columns by the manifest's names. Raises InvalidDelivery where they differ."""
    kinds = source.columns | source.optional
    present = dict(zip(meta["fields"], meta["ogr_types"], strict=True))
    names = {name.lower(): name for name in present}
    missing = [name for name in source.columns if name not in names]
    unknown = [actual for name, actual in names.items() if name not in kinds]
    other = [
        f"{actual} ({present[actual]})"
        for name, actual in names.items()
        if name in kinds and present[actual] not in FITTING[kinds[name]]
    ]
    faults = {"lacks": missing, "has in addition": unknown, "has of another type": other}
    if any(faults.values()):
        described = " and ".join(f"{text} {listed(found)}" for text, found in faults.items() if found)
        raise InvalidDelivery(
            "columns",
            f"{layer.path.name}: {layer.name} {described}; the loader knows the columns {', '.join(kinds)}. "
            "If the publisher changed the layout, the loader, its table and its collection must follow.",
        )
    return names


def _read_false_east(crs: str | None, layer: Layer) -> float:
    try:
        code = CRS.from_user_input(crs).to_epsg() if crs else None
    except CRSError:
        code = None
    if code not in FALSE_EASTS:
        raise InvalidDelivery(
            "crs",
            f"{layer.path.name}: the CRS of {layer.name} is {str(crs)[:60]!r}; it must be EPSG:25832 or EPSG:4647. "
            "Reproject the delivery (ogr2ogr -t_srs EPSG:25832).",
        )
    return FALSE_EASTS[code]


def _to_text(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _is_infinite(column: pa.Array) -> np.ndarray:
    """Also what is no number at all."""
    return pc.invert(pc.is_finite(column)).fill_null(False).to_numpy(zero_copy_only=False)


def _shown(value: Any) -> str:
    if not (pa.types.is_string(value.type) and value.is_valid):
        return str(value)
    content = value.cast(pa.binary()).as_py()
    return content.decode("utf-8", "backslashreplace")


def _broken(path: Path, error: Exception, collection: str = "") -> InvalidDelivery:
    return InvalidDelivery("files", f"{path.name} cannot be read: {error}. Fetch the delivery again.", collection)
