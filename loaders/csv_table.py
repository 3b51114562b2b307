"""Tables as text with a separator whose first line names the columns, in whatever order a year's edition has them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from loaders.batch import Geometries, Mask, Sieve
from loaders.context import Context
from loaders.delimited import BOM, MAX_LINE, SEPARATOR, Rows, count_fields, read_rows
from loaders.errors import InvalidDelivery
from loaders.manifest import CollectionSource
from loaders.recipe import TEXTS, Columns, listed, nulls, take_ids
from loaders.values import parse_dates, parse_integers, parse_numbers

Complete = Callable[[Columns, Sieve], Columns]


@dataclass(frozen=True)
class TableRecipe:
    """How rows become a collection's. `aliases`: what editions call a column, in lower case, to the manifest's name.

    `wanted`: which rows belong to the collection at all, and `rest`, what the others are.
    """

    complete: Complete
    geometries: Callable[[Columns, Sieve], Geometries]
    aliases: Mapping[str, str]
    wanted: Callable[[Columns], Mask]
    rest: str


def stage_table(context: Context, collection: str, recipe: TableRecipe) -> None:
    """Stage the rows of all files. Raises InvalidDelivery where a file's columns are not those of the manifest."""
    source = context.manifest.collections[collection]
    for path in context.files.values():
        names = _read_header(path, source, recipe.aliases, collection)
        for rows in read_rows(path, names):
            own = _without_header(rows)
            wanted = recipe.wanted(own.columns)
            context.staging.leave_out(collection, int(np.count_nonzero(~wanted)), recipe.rest)
            own = _only(own, wanted)
            context.staging.count(collection, len(own.lines) + len(own.rejects))
            sieve = Sieve(own.file, own.lines, own.raw, own.prints)
            columns = _parse(own, source, sieve)
            ids, complete = take_ids(recipe.complete(columns, sieve), columns, source.key)
            geometries = recipe.geometries(columns, sieve)
            rejects = [*own.rejects, *sieve.rejects(ids)]
            context.staging.write(collection, sieve.batch(ids, complete, geometries), rejects)


def _read_header(path: Path, source: CollectionSource, aliases: Mapping[str, str], collection: str) -> tuple[str, ...]:
    """The file's columns by the manifest's names."""
    count_fields(path)
    with path.open("rb") as opened:
        line = opened.readline(MAX_LINE).removeprefix(BOM).decode("latin-1").strip("\r\n")
    found = [name.strip().lower() for name in line.split(SEPARATOR)]
    names = tuple(aliases.get(name, name) for name in found)
    known = source.columns | source.optional
    faults = {
        "lacks": [name for name in source.columns if name not in names],
        "has in addition": [name for name in names if name not in known],
        "has twice": sorted({name for name in names if names.count(name) > 1}),
    }
    if any(faults.values()):
        described = " and ".join(f"{text} {listed(wrong)}" for text, wrong in faults.items() if wrong)
        raise InvalidDelivery(
            "columns",
            f"{path.name} {described}; the loader knows the columns {', '.join(known)}. "
            "If the publisher changed the layout, the loader, its table and its collection must follow.",
            collection,
        )
    return names


def _without_header(rows: Rows) -> Rows:
    return _only(rows, rows.lines > 1)


def _only(rows: Rows, mask: Mask) -> Rows:
    keep = pa.array(mask)
    columns = {name: column.filter(keep) for name, column in rows.columns.items()}
    return replace(rows, columns=columns, lines=rows.lines[mask], prints=rows.prints[mask])


def _parse(rows: Rows, source: CollectionSource, sieve: Sieve) -> Columns:
    columns: dict[str, pa.Array] = {}
    for name, kind in (source.columns | source.optional).items():
        if name not in rows.columns:
            columns[name] = nulls(kind, len(rows.lines))
        elif kind in TEXTS:
            columns[name] = rows.columns[name]
        elif kind == "date":
            columns[name] = parse_dates(rows.columns[name], name, source.since, sieve)
        else:
            parse = parse_integers if kind == "integer" else parse_numbers
            columns[name] = parse(rows.columns[name], name, sieve)
    return columns
