"""3D buildings with their roofs (LoD2): one CityGML file for each square kilometre."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import shapely

from loaders.batch import Batch, Sieve
from loaders.citygml import BUILDING, Building, Solid, check_srs, read_building
from loaders.coded import find_texts
from loaders.columns import parse_columns
from loaders.context import Context
from loaders.geometry import RULE, multipolygons
from loaders.gml import GeometryError
from loaders.manifest import CollectionSource
from loaders.packages import read_package
from loaders.report import Reject
from loaders.solids import bounds, footprint, to_ewkb
from loaders.values import to_mask
from loaders.xml_blocks import Block, Model, stage_file
from loaders.xml_stream import XmlFeature

MODEL = Model(BUILDING, rows=2_000)
# what CityGML calls them, and what their columns are called
NAMES = {
    "function": "gebaeudefunktion",
    "roofType": "dachform",
    "measuredHeight": "hoehe",
    "storeysAboveGround": "geschosse",
    "name": "name",
    "creationDate": "erstellt",
    "Gemeindeschluessel": "gmdschl",
    "Grundrissaktualitaet": "grundrissaktualitaet",
    "DatenquelleDachhoehe": "datenquelledachhoehe",
    "DatenquelleLage": "datenquellelage",
    "DatenquelleBodenhoehe": "datenquellebodenhoehe",
    "BezugspunktDach": "bezugspunktdach",
}
LARGEST = frozenset({"measuredHeight", "storeysAboveGround"})


def load(context: Context) -> None:
    """Stage the delivery's buildings."""
    (collection,) = context.manifest.collections
    for path in context.files.values():
        block = _Block(path, context.manifest, collection, read_package(path, context.manifest, context.origins))
        stage_file(context, path, MODEL, {"Building": block})


@dataclass
class _Block(Block):
    buildings: list[Building] = field(default_factory=list)

    def add(self, feature: XmlFeature, srs: str | None) -> None:
        try:
            check_srs(srs)
            building = read_building(feature.element)
        except GeometryError as error:
            self.faults[len(self.lines)] = f"the building cannot be used: {error}"
            building = Building(feature.element.get("{http://www.opengis.net/gml}id") or "")
        self.lines.append(feature.number)
        self.buildings.append(building)

    def take(self) -> tuple[Batch, list[Reject]]:
        source, buildings, faults = self.manifest.collections[self.collection], self.buildings, self.faults
        sieve = Sieve(self.path.name, np.array(self.lines), lambda i: str(_to_row(buildings[i])))
        sieve.refuse(np.isin(np.arange(len(buildings)), list(faults)), faults.__getitem__, RULE)
        boxes = np.array([bounds(b.solids) if b.solids else np.zeros(6) for b in buildings])
        self.manifest.area_of_use.refuse_outside(boxes[:, [0, 1, 3, 4]], sieve)
        columns = {**_to_columns(buildings, source, sieve), "kachel": _repeated(self.package, len(buildings))}
        columns |= {"bodenhoehe": pa.array(boxes[:, 2]), "dachhoehe": pa.array(boxes[:, 5])}
        wkb = pa.array(shapely.to_wkb([footprint(b.solids) if b.solids else None for b in buildings]), pa.binary())
        geometries = multipolygons(wkb, 0.0, self.manifest.area_of_use, sieve)
        result = sieve.batch(columns["oi"], columns, geometries), sieve.rejects(columns["oi"])
        self.lines, self.buildings, self.faults = [], [], {}
        return result


def _to_columns(buildings: list[Building], source: CollectionSource, sieve: Sieve) -> dict[str, pa.Array]:
    columns = parse_columns([_to_row(building) for building in buildings], source, sieve)
    sieve.refuse(to_mask(columns["oi"].is_null()), lambda _: "the building has no gml:id", "key")
    solids = [building.solids for building in buildings]
    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
    heights = [[_number(solid, "measuredHeight") for solid in one] for one in solids]
    roofs: dict[str, pa.Array] = {}
    if "dachform" in columns:
        kinds = [[solid.attributes.get("roofType") for solid in one] for one in solids]
        roofs = {"dach": find_texts(columns["dachform"], "dachform"), "dachformen": pa.array(kinds, texts)}
    return {
        **columns,
        **roofs,
        "funktion": find_texts(columns["gebaeudefunktion"], "gebaeudefunktion"),
        "adressen": pa.array([_addresses(building) or None for building in buildings], texts),
        "teilezahl": pa.array([building.parts for building in buildings], pa.int32()),
        "teile": pa.array([[solid.id for solid in one] for one in solids], texts),
        "teilhoehen": pa.array(heights, numbers),
        "model": pa.array([_model(building) for building in buildings], pa.string()),
        "solids": pa.array([to_ewkb(one) for one in solids], pa.binary()),
    }


def _to_row(building: Building) -> dict[str, Any]:
    """The texts of the columns: the building's own, or those of its parts where they agree; of heights and storeys the
    largest.
    """
    row: dict[str, Any] = {"oi": building.id or None}
    for name, column in NAMES.items():
        found = {text for solid in building.solids if (text := solid.attributes.get(name))}
        if own := building.attributes.get(name):
            row[column] = own
        elif name in LARGEST and found:
            row[column] = max(found, key=float)
        elif len(found) == 1:
            (row[column],) = found
    return row


def _number(solid: Solid, name: str) -> float | None:
    text = solid.attributes.get(name)
    return None if text is None else float(text)


def _addresses(building: Building) -> list[str]:
    """As people write them: street and number, town."""
    found = []
    for address in building.addresses:
        street = " ".join(address[name] for name in ("ThoroughfareName", "ThoroughfareNumber") if name in address)
        town = " ".join(address[name] for name in ("PostalCodeNumber", "LocalityName") if name in address)
        found.append(", ".join(part for part in (street, town) if part))
    return found


def _model(building: Building) -> str:
    """What the solids are, besides what columns say: see `server.formats.cityjson`."""
    whole = {"creationDate", "Gemeindeschluessel"}
    solids = [
        {
            "surfaces": solid.surfaces,
            # those of a building are told once
            "attributes": {} if solid.id == building.id else _without(solid.attributes, whole),
        }
        for solid in building.solids
    ]
    attributes = _without(building.attributes, whole)
    return orjson.dumps({"attributes": attributes, "addresses": building.addresses, "solids": solids}).decode()


def _without(attributes: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: text for name, text in attributes.items() if name not in names}


def _repeated(text: str, count: int) -> pa.Array:
    return pa.array([text] * count, pa.string())
