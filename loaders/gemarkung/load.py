"""Katasterämter, Gemarkungen und Fluren: lists as JSON, areas from GeoPackages or from what is live."""

from dataclasses import replace
from functools import partial
from itertools import groupby, islice

import numpy as np
import pyarrow as pa

from loaders.batch import Geometries, Sieve
from loaders.context import Context, Shape
from loaders.gemarkung.districts import read_districts
from loaders.gemarkung.lists import read_lists
from loaders.gemarkung.rows import KEYS, Row, Rows
from loaders.report import Check

ROWS = 2_000  # at once
TEXTS = {
    "katasteramt": ("schluessel", "name", "geometrie_aus"),
    "gemarkung": ("schluessel", "nummer", "name", "amtschl", "amt", "gmdschl", "gemeinde", "geometrie_aus"),
    "flur": (
        "schluessel", "flur", "gemaschl", "gemarkung", "amtschl", "amt", "gmdschl", "gemeinde", "geometrie_aus",
    ),
}  # fmt: skip
# whose areas are taken by the same key: the collection, its column, and what follows the key there
LIVE = {
    "katasteramt": ("kreis", "kn", "000"),
    "gemarkung": ("katasterbezirk", "schluessel", ""),
    "flur": ("katasterbezirk", "schluessel", ""),
}


def load(context: Context) -> None:
    """Stage the delivery's rows: what the lists and the GeoPackages say of one key is one feature."""
    lists = read_lists([path for path in context.files.values() if path.suffix.lower() == ".json"])
    areas = read_districts(context, {n: p for n, p in context.files.items() if p.suffix.lower() == ".gpkg"})
    offices = {area.key[: KEYS["katasteramt"]]: area.name for area in context.read_areas("kreis") if area.live}
    offices |= {str(row.key): row.values["name"] for row in lists["katasteramt"] if not row.fault}
    lists["katasteramt"] += _missing_offices(lists, areas, offices)
    rows = {
        collection: [_name_office(row, offices) for row in _merge(lists[collection], areas[collection])]
        for collection in context.wanted
    }
    # all are looked up before the first is staged: until the last one is, the connection takes rows only
    placed = {collection: _place(context, collection, found) for collection, found in rows.items()}
    for collection, found in placed.items():
        _stage(context, collection, found)


def _missing_offices(lists: Rows, areas: Rows, offices: dict[str, str]) -> list[Row]:
    """Ämter that only GeoPackages tell of."""
    told = {row.key for row in lists["katasteramt"]}
    found: dict[str, Row] = {}
    for row in (*areas["gemarkung"], *areas["flur"]):
        key = row.values.get("amtschl")
        if key and key not in told and key not in found:
            values = {"schluessel": key, "name": offices.get(key)}
            found[key] = Row(row.file, row.line, f"gmdschl={row.values['gmdschl']}", key, values)
    return list(found.values())


def _merge(listed: list[Row], areas: list[Row]) -> list[Row]:
    """A key's values in the list count; the GeoPackage adds what the list does not know."""
    by_key = {row.key: row for row in areas if not row.fault}
    rows = [
        replace(row, values={**found.values, **row.values}, shape=found.shape)
        if not row.fault and (found := by_key.pop(row.key, None))
        else row
        for row in listed
    ]
    return [*rows, *by_key.values(), *(row for row in areas if row.fault)]


def _name_office(row: Row, offices: dict[str, str]) -> Row:
    key = row.values.get("amtschl")
    return row if key is None or "amt" in row.values else replace(row, values={**row.values, "amt": offices.get(key)})


def _place(context: Context, collection: str, rows: list[Row]) -> list[Row]:
    """The rows with the areas of the same keys that are live."""
    table, column, tail = LIVE[collection]
    keys = [f"{row.key}{tail}" for row in rows if row.shape is None and not row.fault]
    found: dict[str, Shape] = context.find_shapes(table, column, keys) if keys else {}
    placed: list[Row] = []
    for row in rows:
        shape = None if row.shape or row.fault else found.get(f"{row.key}{tail}")
        placed.append(replace(row, shape=shape, values={**row.values, "geometrie_aus": table}) if shape else row)
    return placed


def _stage(context: Context, collection: str, rows: list[Row]) -> None:
    context.staging.count(collection, len(rows))
    for file, group in groupby(sorted(rows, key=lambda row: row.file), key=lambda row: row.file):
        own = iter(group)
        while part := list(islice(own, ROWS)):
            _write(context, collection, file, part)
    bare = sum(row.shape is None and not row.fault for row in rows)
    told = f"{bare} of {len(rows)} have no geometry: neither the delivery nor {LIVE[collection][0]} holds their key"
    context.checks.append(Check(collection, "join", True, told if bare else "every feature has an area"))


def _write(context: Context, collection: str, file: str, rows: list[Row]) -> None:
    sieve = Sieve(file, np.array([row.line for row in rows], np.int64), partial(_raw, rows))
    faults = [row.fault for row in rows]
    sieve.refuse(np.array([fault is not None for fault in faults]), lambda i: str(faults[i]))
    ids = pa.array([row.key for row in rows], pa.string())
    kinds: dict[str, pa.DataType] = dict.fromkeys(TEXTS[collection], pa.string())
    if collection != "katasteramt":
        kinds["aktualit"] = pa.date32()
    columns = {name: pa.array([row.values.get(name) for row in rows], kind) for name, kind in kinds.items()}
    geometries = Geometries(
        pa.array([row.shape.ewkb if row.shape else None for row in rows], pa.binary()),
        np.array([row.shape.east if row.shape else 0.0 for row in rows]),
        np.array([row.shape.north if row.shape else 0.0 for row in rows]),
        np.zeros(len(rows), np.bool_),
    )
    context.staging.write(collection, sieve.batch(ids, columns, geometries), sieve.rejects(ids))


def _raw(rows: list[Row], index: int) -> str:
    return rows[index].raw
