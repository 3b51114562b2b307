"""Files of any kind: rows as the collection's YAML describes them."""

from functools import partial
from hashlib import sha256
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.context import Context
from loaders.described import Described
from loaders.errors import InvalidDelivery
from loaders.files.crs import STORAGE, name_operation
from loaders.files.description import FileCollection, path_of, read_collection
from loaders.files.layer import Block, Layer
from loaders.files.opening import open_layer
from loaders.files.shapes import TAKEN, from_wkt, to_geometries, to_points
from loaders.files.values import convert, pad, to_texts
from loaders.recipe import listed
from loaders.report import Check, Reject
from loaders.values import parse_texts, to_mask
from loaders.wkb import type_codes

# characters of a text with an index: what an entry of PostgreSQL's indexes has room for
LONGEST_INDEXED = 600
MOST_OF_WORLD = 1_000_000
KIND_NAMES = {1: "points", 2: "lines", 3: "areas", 4: "points", 5: "lines", 6: "areas"}


def load(context: Context) -> None:
    """Stage the file's rows."""
    manifest = context.manifest
    assert isinstance(manifest, Described)  # noqa: S101 - it names this loader as its reader
    ((name, text),) = manifest.documents.items()
    collection = read_collection(text, str(path_of(name)))
    layer = open_layer(context.files, collection.source.layer)
    _require_columns(layer, collection)
    source, storage = collection.source, collection.srid
    if storage == STORAGE:
        place = partial(_place, context)
        how = f"EPSG:{source.crs} to EPSG:{STORAGE}: {name_operation(source.crs, place)}"
    else:
        how = f"EPSG:{source.crs} to EPSG:{storage}, since the features reach beyond the state"
    context.checks.append(Check(name, "crs", True, how if source.crs != storage else f"EPSG:{storage}, as in the file"))
    rows = 0
    for block in layer.read():
        rows += len(block.lines)
        if storage != STORAGE and rows > MOST_OF_WORLD:
            raise InvalidDelivery(
                "area", f"{layer.path.name} has more than {MOST_OF_WORLD} rows, beyond the state.", name
            )
        _stage(context, collection, layer, block)


def _place(context: Context, srid: int, point: tuple[float, float]) -> tuple[float, float]:
    return context.staging.place(srid, point, STORAGE)


def _require_columns(layer: Layer, collection: FileCollection) -> None:
    """The file's columns are those that the YAML knows. Raises InvalidDelivery that says what to do."""
    source = collection.source
    wanted = [column.column for column in source.columns.values()]
    needed = [*wanted, *source.coordinates, *([source.key] if source.key else [])]
    present = {*layer.columns, *([layer.fids] if layer.fids else [])}
    missing = [name for name in dict.fromkeys(needed) if name not in present]
    known = {*needed, *source.ignored}
    unknown = [name for name in layer.columns if name not in known]
    faults = {"lacks": missing, "has in addition": unknown}
    if any(faults.values()):
        described = " and ".join(f"{text} {listed(found)}" for text, found in faults.items() if found)
        raise InvalidDelivery(
            "columns",
            f"{layer.path.name} {described}; {collection.id} is made of {listed(list(dict.fromkeys(needed)))}. "
            f"If the new layout is right, edit {path_of(collection.id)}: properties and source.columns are those that "
            "are published, source.ignored names those that are left out. Then load again.",
            collection.id,
        )
    if not source.coordinates and not layer.has_geometry:
        raise InvalidDelivery("geometry", f"{layer.path.name} has no geometries.", collection.id)


def _stage(context: Context, collection: FileCollection, layer: Layer, block: Block) -> None:
    name, source = collection.id, collection.source
    block, others = _leave_others(block, collection)
    context.staging.leave_out(name, others, f"their geometries are no {collection.geometry}")
    context.staging.count(name, len(block.lines) + len(block.faults))
    sieve = Sieve(layer.path.name, block.lines, partial(_raw, block))
    columns = {key: _to_column(collection, key, block, sieve) for key in source.columns}
    wkb = _to_wkb(collection, block, sieve)
    ids = _to_ids(collection, block, wkb, sieve)
    geometries = to_geometries(wkb, collection.geometry, source.crs, collection.srid, context.staging.transform, sieve)
    faults = [
        Reject(layer.path.name, line, why, text[:500].replace("\0", "\\x00"), "lines")
        for line, text, why in block.faults
    ]
    context.staging.write(name, sieve.batch(ids, columns, geometries), [*faults, *sieve.rejects(ids)])


def _leave_others(block: Block, collection: FileCollection) -> tuple[Block, int]:
    """Without the rows whose geometries are of another kind, where the YAML says that those are left out."""
    if block.wkb is None or collection.source.others == "refused":
        return block, 0
    codes = type_codes(block.wkb)
    other = ~np.isin(codes, (0, *TAKEN[collection.geometry]))
    if not other.any():
        return block, 0
    keep = pa.array(~other)
    columns = {name: column.filter(keep) for name, column in block.columns.items()}
    return Block(block.lines[~other], columns, block.wkb.filter(keep), block.faults), int(np.count_nonzero(other))


def _to_column(collection: FileCollection, key: str, block: Block, sieve: Sieve) -> pa.Array:
    column, entry = collection.source.columns[key], collection.properties[key]
    values = pad(
        convert(block.columns[column.column], entry.type, column.column, sieve, column.decimal == ","), column.digits
    )
    if entry.type == "string" and (entry.queryable or entry.caseless):
        lengths: Any = pc.utf8_length(cast("Any", values))
        long = to_mask(pc.greater(lengths, pa.scalar(LONGEST_INDEXED)))
        if long.any():
            line = int(sieve.lines[np.flatnonzero(long)[0]])
            raise InvalidDelivery(
                "columns",
                f"{sieve.file}, line {line}: {column.column} has more than {LONGEST_INDEXED} characters, which no "
                f"index takes. Take queryable and caseless from {key} in {path_of(collection.id)}, then load again.",
                collection.id,
            )
    return values


def _to_wkb(collection: FileCollection, block: Block, sieve: Sieve) -> pa.Array:
    coordinates = collection.source.coordinates
    if not coordinates:
        assert block.wkb is not None  # noqa: S101 - the layer has geometries
        return block.wkb
    if len(coordinates) == 1:
        return from_wkt(parse_texts(to_texts(block.columns[coordinates[0]]), coordinates[0], sieve), sieve)
    commas = {c.column for c in collection.source.columns.values() if c.decimal == ","}
    x, y = (convert(block.columns[name], "number", name, sieve, name in commas) for name in coordinates)
    return to_points(x, y)


def _to_ids(collection: FileCollection, block: Block, wkb: pa.Array, sieve: Sieve) -> pa.Array:
    """The key's values as text; without a key a digest of all that the row holds."""
    key = collection.source.key
    if key is None:
        return _digest(collection, block, wkb)
    digits = next((c.digits for c in collection.source.columns.values() if c.column == key), None)
    ids = pad(parse_texts(to_texts(block.columns[key]), key, sieve), digits)
    sieve.refuse(to_mask(ids.is_null()), lambda _: f"{key} is empty, and the features are told apart by it", "key")
    return ids


def _digest(collection: FileCollection, block: Block, wkb: pa.Array) -> pa.Array:
    names = [column.column for column in collection.source.columns.values()]
    columns = [_plain(block.columns[name]) for name in names]
    rows = zip(wkb.to_pylist(), *columns, strict=True)
    return pa.array([sha256(repr(row).encode()).hexdigest()[:20] for row in rows], pa.string())


def _plain(column: pa.Array) -> list[Any]:
    return (column.cast(pa.binary()) if pa.types.is_string(column.type) else column).to_pylist()


def _raw(block: Block, index: int) -> str:
    """The row's attributes as a reader of the report can find them again."""
    return "; ".join(f"{name}={str(column[index])[:100]}" for name, column in block.columns.items())
