"""Shape files: which layers a delivery holds, whether they are whole, and their rows."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyogrio.raw
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from loaders.batch import Batch, Sieve
from loaders.context import Context
from loaders.dbf import DELETED, MIXED, Column, to_texts
from loaders.errors import InvalidDelivery
from loaders.fingerprint import Mask, Prints
from loaders.manifest import CollectionSource, Manifest
from loaders.recipe import TEXTS, Recipe, listed, nulls, take_ids
from loaders.report import Check, Reject
from loaders.shapefile import Parts, find_encoding, open_parts, read_false_east
from loaders.values import parse_dates, parse_integers, parse_numbers, parse_texts

PARTS = (".shp", ".shx", ".dbf", ".prj")
# dBASE's types that a column of the manifest's type may have
FITTING = {"text": "C", "verbatim": "CNF", "date": "CD", "integer": "CNF", "number": "CNF"}
LONGEST_NAME = 10


def stage_layers(context: Context, recipes: Mapping[str, Recipe]) -> None:
    """Stage the wanted collections. Raises InvalidDelivery for an unknown or incomplete layer."""
    for collection, paths in find_layers(context).items():
        for path in paths:
            _stage(context, collection, path, recipes[collection])


def find_layers(context: Context) -> dict[str, list[Path]]:
    """The .shp of each wanted collection. Every .shp of the delivery must be known to the manifest."""
    sources = context.manifest.collections
    found: dict[str, list[str]] = {name: [] for name in context.wanted}
    for path in context.files.values():
        if path.suffix.lower() == ".shp" and path.stem.lower() not in context.manifest.ignored:
            collection = _recognise(path, context.manifest)
            if collection in found:
                found[collection].append(path.stem.lower())
    parts = {name.lower(): path for name, path in context.files.items()}
    return {
        name: [_whole(layer, name, parts, context.wanted) for layer in layers or _required(sources[name])]
        for name, layers in found.items()
    }


def _required(source: CollectionSource) -> list[str]:
    """What is missed where no layer of a collection came."""
    return [str(source.layer)] if source.min else []


def _recognise(path: Path, manifest: Manifest) -> str:
    """The collection of a layer."""
    known = {str(source.layer): name for name, source in manifest.collections.items()}
    for layer, name in known.items():
        if re.fullmatch(layer, path.stem, re.IGNORECASE):
            return name
    raise InvalidDelivery(
        "layers",
        f"The layer {path.name} is unknown to the loader {manifest.dataset}, which knows {', '.join(known)}. "
        f"If it is new, add it to loaders/{manifest.dataset}/source.yaml, under collections or ignored; "
        "if it belongs to another dataset, load from a folder without it.",
    )


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


@dataclass(frozen=True)
class _Reader:
    """How the rows of one layer are read."""

    path: Path
    source: CollectionSource
    manifest: Manifest
    parts: Parts
    encoding: str
    false_east: float
    recipe: Recipe
    salt: bytes

    def sift(self, fids: np.ndarray, wkb: pa.Array) -> tuple[Batch, list[Reject]]:
        """Usable rows and rejects of the records that GDAL counts from 0."""
        table = self.parts.table
        first = int(fids[0])
        records = table.read(first, int(fids[-1]) - first + 1)[fids - first]
        prints = self.parts.records.fingerprints(fids, self.salt, records)
        sieve = Sieve(self.path.name, fids + 1, partial(_raw, records, table.columns), prints)
        columns = {column.name.upper(): column for column in table.columns}
        attributes = {}
        for name, kind in (self.source.columns | self.source.optional).items():
            column = columns.get(_in_file(name))
            attributes[name] = self._parse(records, column, kind, sieve) if column else nulls(kind, len(fids))
        complete = self.recipe.complete(attributes, sieve, self.path)
        ids, complete = take_ids(complete, attributes, self.source.key)
        self.parts.records.refuse_broken(fids, sieve, self.recipe.kind.name)
        geometries = self.recipe.kind.convert(wkb, self.false_east, self.manifest.area_of_use, sieve)
        return sieve.batch(ids, complete, geometries), sieve.rejects(ids)

    def read_unknown(self, recognise: Callable[[Prints], Mask]) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """What `_read` gives, without the records that are known."""
        table, batch = self.parts.table, self.parts.batch
        for first in range(0, table.records, batch):
            records = table.read(first, min(batch, table.records - first))
            present = np.flatnonzero(records[:, 0] != DELETED)
            fids = present + first
            if len(fids):
                prints = self.parts.records.fingerprints(fids, self.salt, records[present])
                fids = fids[~recognise(prints)]
            if len(fids):
                yield _read_some(self.path, fids)

    def _parse(self, records: np.ndarray, column: Column, kind: str, sieve: Sieve) -> pa.Array:
        texts = parse_texts(to_texts(records, column, self.encoding, sieve), column.name, sieve)
        if kind == "date":
            return parse_dates(texts, column.name, self.source.since, sieve)
        if kind in TEXTS:
            return texts
        return (parse_integers if kind == "integer" else parse_numbers)(texts, column.name, sieve)


def _stage(context: Context, collection: str, path: Path, recipe: Recipe) -> None:
    source = context.manifest.collections[collection]
    try:
        false_east = read_false_east(path)
        parts = open_parts(path, recipe.kind)
        _require_columns(path, source, parts.table.columns)
        if further := _further(source, parts.table.columns):
            told = f"{path.name} has in addition {listed(further)}, which are not loaded"
            context.checks.append(Check(collection, "further", True, told))
        context.staging.count(collection, parts.table.count_live())
        encoding = MIXED if source.mixed else find_encoding(path, parts.table)
        readers = pyogrio.__version__, pyogrio.__gdal_version__
        salt = context.staging.salt(context.manifest, collection, parts.table.columns, encoding, false_east, readers)
        reader = _Reader(path, source, context.manifest, parts, encoding, false_east, recipe, salt)
        known = context.staging.knows(collection)
        recognise = partial(context.staging.recognise, collection)
        for fids, wkb in reader.read_unknown(recognise) if known else _read(path, parts.batch):
            batch, rejects = reader.sift(fids, wkb)
            context.staging.write(collection, batch, rejects)
    except InvalidDelivery as error:
        raise InvalidDelivery(error.rule, str(error), collection) from error
    except (DataSourceError, DataLayerError, FeatureError) as error:
        raise InvalidDelivery(
            "files", f"{path.name} cannot be read: {error}. Fetch the delivery again.", collection
        ) from error


def _read(path: Path, batch: int) -> Iterator[tuple[np.ndarray, pa.Array]]:
    """Numbers of the records, from 0 and rising, and their WKB; without those that are deleted."""
    options = {"columns": [], "batch_size": batch, "return_fids": True, "use_pyarrow": True}
    with quietly():
        source = pyogrio.raw.open_arrow(path, **options)
    with source as (_, reader):
        while table := _next(reader):
            yield table["OGC_FID"].to_numpy(), table["wkb_geometry"]


def _read_some(path: Path, fids: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    with quietly():
        _, found, wkb, _ = pyogrio.raw.read(path, columns=[], fids=fids, return_fids=True)
    return found, pa.array(wkb, pa.binary())


def _next(reader: Any) -> pa.RecordBatch | None:
    with quietly():
        return next((table for table in reader if len(table)), None)


@contextmanager
def quietly() -> Iterator[None]:
    """GDAL warns of what the checks here reject or repair, by record and with a remedy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _require_columns(path: Path, source: CollectionSource, columns: tuple[Column, ...]) -> None:
    known = _known(source)
    present = {column.name.upper(): column.kind for column in columns}
    missing = [_in_file(name) for name in source.columns if _in_file(name) not in present]
    unknown = [] if source.tolerant else _further(source, columns)
    other = [
        f"{name} ({kind}, not {' or '.join(FITTING[known[name]])})"
        for name, kind in present.items()
        if name in known and kind not in FITTING[known[name]]
    ]
    faults = {"lacks": missing, "has in addition": unknown, "has of another type": other}
    if any(faults.values()):
        described = " and ".join(f"{text} {listed(names)}" for text, names in faults.items() if names)
        raise InvalidDelivery(
            "columns",
            f"{path.name} {described}; the loader knows the columns {', '.join(known)}. "
            "If the publisher changed the layout, the loader, its table and its collection must follow.",
        )


def _known(source: CollectionSource) -> dict[str, str]:
    """Types of the manifest's columns by their names in the file."""
    return {_in_file(name): kind for name, kind in (source.columns | source.optional).items()}


def _further(source: CollectionSource, columns: tuple[Column, ...]) -> list[str]:
    """The file's columns that the manifest does not know."""
    known = _known(source)
    return [column.name.upper() for column in columns if column.name.upper() not in known]


def _in_file(name: str) -> str:
    return name.upper()[:LONGEST_NAME]


def _raw(records: np.ndarray, columns: tuple[Column, ...], index: int) -> str:
    """The record's attributes as a reader of the report can find them again."""
    record = records[index].tobytes()
    return "; ".join(f"{c.name}={_shown(record[c.start : c.start + c.width])}" for c in columns)


def _shown(value: bytes) -> str:
    return value.rstrip(b" \0").decode("utf-8", "backslashreplace").replace("\0", "\\x00")
