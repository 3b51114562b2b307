"""Texts of a block of rows as typed columns, as the manifest says."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from loaders.batch import Sieve
from loaders.manifest import CollectionSource
from loaders.values import parse_dates, parse_integers, parse_numbers, parse_texts


def parse_columns(rows: Sequence[dict[str, Any]], source: CollectionSource, sieve: Sieve) -> dict[str, pa.Array]:
    """The manifest's columns of rows that have texts by their names; what does not parse is rejected."""
    columns: dict[str, pa.Array] = {}
    for name, kind in source.columns.items():
        texts = parse_texts(pa.array([row.get(name) for row in rows], pa.string()), name, sieve)
        if kind == "date":
            columns[name] = parse_dates(texts, name, source.since, sieve)
        elif kind == "text":
            columns[name] = texts
        else:
            columns[name] = (parse_integers if kind == "integer" else parse_numbers)(texts, name, sieve)
    return columns
