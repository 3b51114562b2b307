"""ALKIS as NAS (GeoInfoDok 6.0 and 7.1): parcels and buildings with what the simplified schema leaves out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from loaders.alkis_nas.features import read_feature
from loaders.batch import Batch, Sieve
from loaders.coded import find_texts
from loaders.columns import parse_columns
from loaders.context import Context
from loaders.geometry import RULE, multipolygons
from loaders.gml import GeometryError, find_srs, to_false_east, to_wkb
from loaders.packages import read_package
from loaders.parcels import parse_marks, split_marks
from loaders.report import Reject
from loaders.values import to_mask
from loaders.xml_blocks import Block, Model, stage_file
from loaders.xml_stream import XmlFeature

NAMESPACES = ("http://www.adv-online.de/namespaces/adv/gid/6.0", "http://www.adv-online.de/namespaces/adv/gid/7.1")
MODEL = Model(NAMESPACES, rows=5_000, others=True)
COLLECTIONS = {"AX_Flurstueck": "ax_flurstueck", "AX_Gebaeude": "ax_gebaeude"}

Columns = dict[str, pa.Array]


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    named = {name: collection for name, collection in COLLECTIONS.items() if collection in context.wanted}
    for path in context.files.values():
        package = read_package(path, context.manifest, context.origins)
        blocks = {name: _Block(path, context.manifest, collection, package) for name, collection in named.items()}
        stage_file(context, path, MODEL, blocks)


@dataclass
class _Block(Block):
    rows: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[bytes | None] = field(default_factory=list)

    def add(self, feature: XmlFeature, srs: str | None) -> None:
        index = len(self.lines)
        self.lines.append(feature.number)
        self.rows.append(read_feature(feature))
        self.shapes.append(None)
        try:
            own = find_srs(feature.element) or srs
            if own is None:
                raise GeometryError("neither it nor the file says which CRS it is in")
            if to_false_east(own):
                raise GeometryError("its eastings bear the zone (EPSG:4647): reproject the delivery to EPSG:25832")
            self.shapes[index] = to_wkb(feature.element)
        except GeometryError as error:
            self.faults[index] = f"the geometry cannot be used: {error}"

    def take(self) -> tuple[Batch, list[Reject]]:
        source, rows, faults = self.manifest.collections[self.collection], self.rows, self.faults
        sieve = Sieve(self.path.name, np.array(self.lines), lambda i: "; ".join(f"{k}={v}" for k, v in rows[i].items()))
        sieve.refuse(np.isin(np.arange(len(rows)), list(faults)), faults.__getitem__, RULE)
        columns = COMPLETE[self.collection](parse_columns(rows, source, sieve), rows, sieve)
        columns["paket"] = pa.array([self.package] * len(rows), pa.string())
        geometries = multipolygons(pa.array(self.shapes, pa.binary()), 0.0, self.manifest.area_of_use, sieve)
        result = sieve.batch(columns["oi"], columns, geometries), sieve.rejects(columns["oi"])
        self.lines, self.rows, self.shapes, self.faults = [], [], [], {}
        return result


def _lists(rows: list[dict[str, Any]], name: str) -> pa.Array:
    return pa.array([row[name] or None for row in rows], pa.list_(pa.string()))


def _current(columns: Columns, rows: list[dict[str, Any]], sieve: Sieve) -> None:
    sieve.refuse(to_mask(columns["oi"].is_null()), lambda _: "the object has no identifier", "key")
    ended = np.array([row["endet"] is not None for row in rows])
    sieve.refuse(ended, lambda i: f"the object ended at {rows[i]['endet']}; a delivery holds current ones only", "date")


def _parcel(columns: Columns, rows: list[dict[str, Any]], sieve: Sieve) -> Columns:
    _current(columns, rows, sieve)
    marks = parse_marks(columns["flstkennz"], "flurstueckskennzeichen", sieve)
    flags = {
        name: _to_bool(columns[name], name, sieve) for name in ("abweichenderrechtszustand", "rechtsbehelfsverfahren")
    }
    lists = {name: _lists(rows, name) for name in ("weistauf", "zeigtauf")}
    return {**columns, "flstkennz": marks, **split_marks(marks), **flags, **lists}


def _building(columns: Columns, rows: list[dict[str, Any]], sieve: Sieve) -> Columns:
    _current(columns, rows, sieve)
    codes = columns["gebaeudefunktion"]
    full = pa.array([f"31001_{code}" if code else None for code in codes.to_pylist()], pa.string())
    return {
        **columns,
        "gebaeudefunktion": full,
        "funktion": find_texts(full, "gebaeudefunktion"),
        "hochhaus": _to_bool(columns["hochhaus"], "hochhaus", sieve),
        "weiterefunktionen": _lists(rows, "weiterefunktionen"),
        "zeigtauf": _lists(rows, "zeigtauf"),
    }


def _to_bool(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    meant = {"true": True, "1": True, "false": False, "0": False, None: None}
    texts = column.to_pylist()
    sieve.refuse(
        np.array([text not in meant for text in texts]), lambda i: f"{name} is '{texts[i]}'; it must be true or false"
    )
    return pa.array([meant.get(text) for text in texts], pa.bool_())


COMPLETE: dict[str, Callable[[Columns, list[dict[str, Any]], Sieve], Columns]] = {
    "ax_flurstueck": _parcel,
    "ax_gebaeude": _building,
}
