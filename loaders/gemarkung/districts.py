"""Gemarkungen and Fluren with their areas: the layer KatasterBezirk of ALKIS."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Batch, Mask, Sieve
from loaders.context import Context, Shape, Staging
from loaders.fingerprint import Prints
from loaders.gemarkung.rows import KEYS, OF_GEOPACKAGE, Row, Rows
from loaders.geopackage import stage_geopackages
from loaders.manifest import Manifest, read_manifest
from loaders.recipe import Columns, Recipe
from loaders.report import Reject
from loaders.values import to_mask

WIDTH = 254  # bytes of the schema's text fields
LAYER = "katasterbezirk"
OFFICE = KEYS["katasteramt"]


def read_districts(context: Context, paths: dict[str, Path]) -> Rows:
    """The rows of all GeoPackages; of an object that several hold, the newest."""
    kept = _Kept(context.staging)
    if paths:
        alkis = read_manifest("alkis")
        own = replace(context, manifest=alkis, files=paths, wanted=(LAYER,), staging=kept)
        stage_geopackages(own, {LAYER: Recipe(_complete, cut_at=WIDTH)})
    newest: dict[str, Row] = {}
    for row in kept.rows:
        key = str(row.key)
        if key not in newest or _day(row) > _day(newest[key]):
            newest[key] = row
    found: Rows = {name: [] for name in KEYS}
    for row in [*newest.values(), *kept.rejected]:
        found[_collection(row)].append(row)
    return found


def _complete(columns: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    keys = columns["schluessel"]
    known = to_mask(pc.match_substring_regex(keys, "^05[0-9]{4}([0-9]{3})?$"))
    sieve.refuse(
        ~known, lambda i: f"schluessel is '{keys[i]}'; a Gemarkung has six digits, a Flur nine, from 05 on", "key"
    )
    return {**columns, "id": keys}


def _day(row: Row) -> date:
    return row.values["aktualit"] or date.min


def _collection(row: Row) -> str:
    return "gemarkung" if len(row.key or "") == KEYS["gemarkung"] else "flur"


@dataclass
class _Kept:
    """Takes rows as a staging does, and keeps them; what else is asked goes to `behind`."""

    behind: Staging
    rows: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)

    def write(self, collection: str, batch: Batch, rejects: Sequence[Reject]) -> None:
        """Take the next rows."""
        del collection
        columns = {name: column.to_pylist() for name, column in batch.attributes.items()}
        ewkb: list[Any] = batch.geometries.ewkb.to_pylist()
        keys: list[Any] = batch.ids.to_pylist()
        for index, key in enumerate(keys):
            own = {name: values[index] for name, values in columns.items()}
            shape = Shape(ewkb[index], float(batch.geometries.east[index]), float(batch.geometries.north[index]))
            line = int(batch.lines[index])
            self.rows.append(Row(batch.file, line, f"schluessel={key}", key, _to_values(key, own), shape))
        self.rejected += [Row(r.file, r.line, r.raw, r.feature, fault=r.reason) for r in rejects]

    def transform(self, wkb: pa.Array, srid: int, target: int) -> pa.Array:
        """As the staging behind does."""
        return self.behind.transform(wkb, srid, target)

    def place(self, srid: int, point: tuple[float, float], target: int) -> tuple[float, float]:
        """As the staging behind does."""
        return self.behind.place(srid, point, target)

    def count(self, collection: str, rows: int) -> None:
        """Rows are counted when they are staged."""

    def leave_out(self, collection: str, rows: int, reason: str) -> None:
        """No row is left out here."""

    def salt(self, manifest: Manifest, collection: str, *circumstances: object) -> bytes:
        """No row is recognised."""
        del manifest, collection, circumstances
        return b""

    def knows(self, collection: str) -> bool:
        """No row is recognised."""
        del collection
        return False

    def recognise(self, collection: str, prints: Prints) -> Mask:
        """No row is recognised."""
        del collection
        return np.zeros(len(prints), np.bool_)


def _to_values(key: str, own: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a Gemarkung or a Flur. The Amt is that of the district which the municipality lies in."""
    municipality = own["gmdschl"]
    values = {
        "schluessel": key,
        "amtschl": municipality[:OFFICE] if municipality else None,
        "gmdschl": municipality,
        "gemeinde": own["gemeinde"],
        "aktualit": own["aktualit"],
        "geometrie_aus": OF_GEOPACKAGE,
    }
    if len(key) == KEYS["gemarkung"]:
        return {**values, "nummer": key[2:], "name": own["name"]}
    return {**values, "flur": str(int(key[-3:])), "gemaschl": key[: KEYS["gemarkung"]], "gemarkung": own["ueboname"]}
