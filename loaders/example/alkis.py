"""ALKIS of the invented districts in the AdV's simplified schema: a GeoPackage each, in a zip as the publisher's."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely

from loaders.codes import read_codelist
from loaders.example.batches import FIRST_SURVEY, LAST_SURVEY, Batch, make_batches
from loaders.example.cadastre import Parcels, lay_out
from loaders.example.noise import make_warp
from loaders.example.numbering import BASE62
from loaders.example.options import ExampleOptions
from loaders.example.region import LAND_NAME, Municipality, Region, make_region

# as the publisher spells it
LAYERS = ("Flurstueck", "FlurstueckPunkt", "GebauedeBauwerk", "KatasterBezirk", "Nutzung", "NutzungFlurstueck",
          "VerwaltungsEinheit")  # fmt: skip
DIGITS = b"".join(BASE62.tolist()).decode()
FIRST_DISTRICT_NUMBER = 3000  # of Gemarkungen

Row = dict[str, Any]


@dataclass(frozen=True)
class _Art:
    """What a unit is called, how many digits its key has, and the kind of unit that it lies in."""

    name: str
    length: int
    above: str


UNITS = {
    "L": _Art("Land", 2, ""),
    "R": _Art("Regierungsbezirk", 3, "L"),
    "K": _Art("Kreis/kreisfreie Stadt", 5, "R"),
    "G": _Art("Gemeinde", 8, "K"),
}


@dataclass(frozen=True)
class _Municipality:
    """What the layers of a municipality are made of. `first`: the number of its first Gemarkung."""

    own: Municipality
    batches: list[Batch]
    parcels: Parcels
    first: int
    surveyed: Any

    def district_key(self, place: int) -> str:
        """Of the Gemarkung of a place."""
        return f"05{self.first + place:04d}"

    def district_name(self, place: int) -> str:
        return self.batches[place].place.name or self.own.unit.name


def make_layers(options: ExampleOptions, districts: int) -> Iterator[tuple[str, str, dict[str, list[Row]]]]:
    """Key, name and layers of the first districts; a row's shape is its `geometrie`."""
    region = make_region(options)
    wanted = region.units["K"][:districts]
    keys = {unit.key[:5] for unit in wanted}
    batches: dict[str, list[Batch]] = defaultdict(list)
    for batch in make_batches(region, options):
        if batch.municipality.unit.key[:5] in keys:
            batches[batch.municipality.unit.key].append(batch)
    first = _count_places(region, batches)
    for unit in wanted:
        layers: dict[str, list[Row]] = {name: [] for name in LAYERS}
        for municipality in region.municipalities:
            key = municipality.unit.key
            if key[:5] == unit.key[:5]:
                for name, rows in _layers_of(municipality, batches[key], first[key], options).items():
                    layers[name] += rows
        layers["VerwaltungsEinheit"] = list(_units(region, unit.key[:5], options))
        yield unit.key, unit.name, layers


def _count_places(region: Region, batches: dict[str, list[Batch]]) -> dict[str, int]:
    """The number of the first Gemarkung of each municipality."""
    numbers, following = {}, FIRST_DISTRICT_NUMBER
    for municipality in region.municipalities:
        numbers[municipality.unit.key] = following
        following += len(batches.get(municipality.unit.key, ()))
    if following > 10_000:
        raise ValueError(f"{following - FIRST_DISTRICT_NUMBER} Gemarkungen: their keys have four digits; ask for fewer")
    return numbers


def _layers_of(
    municipality: Municipality, batches: list[Batch], first: int, options: ExampleOptions
) -> dict[str, list[Row]]:
    rng = np.random.default_rng([options.seed, 5, int(municipality.unit.key)])
    warp = make_warp(np.random.default_rng([options.seed, 2]))
    parcels = lay_out(municipality.unit.geometry, batches, warp, rng)
    days = int((LAST_SURVEY - FIRST_SURVEY).astype(int))
    surveyed = FIRST_SURVEY + rng.integers(0, days, len(parcels.shape))
    town = _Municipality(municipality, batches, parcels, first, surveyed)
    land = list(_parcels(town))
    uses = list(_uses(town, land))
    return {
        "Flurstueck": land,
        "FlurstueckPunkt": [_to_point(row) for row in land],
        "GebauedeBauwerk": list(_buildings(town)),
        "KatasterBezirk": list(_districts(town, land, options)),
        "Nutzung": _whole_uses(town, uses),
        "NutzungFlurstueck": [{name: value for name, value in use.items() if name != "flur"} for use in uses],
    }


def _identify(letter: str, number: int, authority: str) -> str:
    """16 characters like those of the genuine files; authorities number their objects."""
    digits = [DIGITS[number // 62**place % 62] for place in range(6, -1, -1)]
    return f"DENW{authority[3:5]}AL{letter}{''.join(digits)}"


def _parcels(town: _Municipality) -> Iterator[Row]:
    unit, parcels = town.own.unit, town.parcels
    streets = _addresses(town.batches)
    uses: dict[int, list[str]] = defaultdict(list)
    for part, owner, use in zip(parcels.parts, parcels.part_of.tolist(), parcels.use, strict=True):
        uses[owner].append(f"{use};{max(1, round(part.area))}")
    for row, shape in enumerate(parcels.shape):
        place, (counter, divisor) = int(parcels.place[row]), parcels.number[row].tolist()
        flur, key = int(parcels.flur[row]), town.district_key(place)
        mark = f"{key}{flur:03d}{counter:05d}{f'{divisor:04d}' if divisor else '____'}__"
        ident = _identify("F", int(key) * 100_000 + row, unit.key)
        yield {
            "oid": f"{ident}FL", "aktualit": town.surveyed[row], "idflurst": ident, "flaeche": float(round(shape.area)),
            "flstkennz": mark, "land": LAND_NAME, "landschl": unit.key[:2], "gemarkung": town.district_name(place),
            "gemaschl": key, "flur": f"Flur {flur}", "flurschl": f"{key}{flur:03d}", "flstnrzae": str(counter),
            "flstnrnen": str(divisor) if divisor else None, "regbezirk": town.own.bezirk, "regbezschl": unit.key[:3],
            "kreis": town.own.kreis, "kreisschl": unit.key[:5], "gemeinde": unit.name, "gmdschl": unit.key,
            "abwrecht": None, "lagebeztxt": streets.get((place, int(parcels.house[row]))),
            "tntxt": "|".join(uses[row]), "geometrie": shape,
        }  # fmt: skip


def _addresses(batches: list[Batch]) -> dict[tuple[int, int], str]:
    """Street and number of a house, by its place and its number there."""
    return {
        (place, int(house)): f"{street} {number}{suffix}" if number else street
        for place, batch in enumerate(batches)
        for house, street, number, suffix in zip(
            batch.addresses.house, batch.addresses.street, batch.addresses.number, batch.addresses.suffix, strict=True
        )
    }


def _to_point(parcel: Row) -> Row:
    left_out = {"flaeche", "abwrecht", "lagebeztxt", "tntxt"}
    row = {name: value for name, value in parcel.items() if name not in left_out}
    return {**row, "oid": f"{parcel['idflurst']}FP", "geometrie": shapely.point_on_surface(parcel["geometrie"])}


def _buildings(town: _Municipality) -> Iterator[Row]:
    names = read_codelist("gebaeudefunktion")
    streets = _addresses(town.batches)
    for place, batch in enumerate(town.batches):
        rows = batch.outlines
        for index, ident in enumerate(rows.oid):
            code = f"31001_{rows.function[index]}"
            ring = rows.ring[index, : rows.corners[index]]
            house = int(rows.house[index]) if rows.main[index] else -1
            yield {
                "oid": f"{ident}GB", "aktualit": rows.surveyed[index], "gebnutzbez": "Gebäude",
                "funktion": names[code]["de"], "gfkzshh": code, "rellage": None, "name": None,
                "gmdschl": town.own.unit.key, "lagebeztxt": streets.get((place, house)),
                "geometrie": shapely.MultiPolygon([shapely.Polygon(ring[::-1])]),
            }  # fmt: skip


def _uses(town: _Municipality, land: list[Row]) -> Iterator[Row]:
    """The areas of one use within each parcel."""
    parcels = town.parcels
    for number, (part, owner, use) in enumerate(zip(parcels.parts, parcels.part_of.tolist(), parcels.use, strict=True)):
        parcel = land[owner]
        ident = _identify("U", int(parcel["gemaschl"]) * 100_000 + number, town.own.unit.key)
        yield {
            "oid": f"{ident}{parcel['idflurst']}NF", "aktualit": parcel["aktualit"], "nutzart": use, "bez": None,
            "name": None, "flstkennz": parcel["flstkennz"], "flur": parcel["flurschl"], "geometrie": part,
        }  # fmt: skip


def _whole_uses(town: _Municipality, uses: list[Row]) -> list[Row]:
    """What lies together and has one use, Flur by Flur."""
    together: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for use in uses:
        together[use["flur"], use["nutzart"]].append(use)
    rows: list[Row] = []
    for (flur, use), members in together.items():
        newest = max(row["aktualit"] for row in members)
        for part in shapely.get_parts(_union(members)):
            ident = _identify("N", int(flur) * 1000 + len(rows), town.own.unit.key)
            shape = shapely.MultiPolygon([part])
            rows.append(
                {"oid": f"{ident}NU", "aktualit": newest, "nutzart": use, "bez": None, "name": None, "geometrie": shape}
            )
    return rows


def _union(rows: list[Row]) -> shapely.Geometry:
    return shapely.union_all(np.array([row["geometrie"] for row in rows]), grid_size=0.001)


def _districts(town: _Municipality, land: list[Row], options: ExampleOptions) -> Iterator[Row]:
    """Gemarkungen, and the Fluren in them."""
    members: dict[str, list[Row]] = defaultdict(list)
    for parcel in land:
        members[parcel["gemaschl"]].append(parcel)
        members[parcel["flurschl"]].append(parcel)
    for key, parcels in sorted(members.items()):
        whole, first = len(key) == 6, parcels[0]
        yield {
            "oid": f"{key}KB"[:11], "aktualit": np.datetime64(options.date),
            "art": "Gemarkung" if whole else "Gemarkungsteil/Flur",
            "name": first["gemarkung"] if whole else first["flur"], "schluessel": key, "gemeinde": first["gemeinde"],
            "gmdschl": first["gmdschl"], "uebobjekt": None if whole else key[:6],
            "ueboname": None if whole else first["gemarkung"], "geometrie": _multi(_union(parcels)),
        }  # fmt: skip


def _units(region: Region, district: str, options: ExampleOptions) -> Iterator[Row]:
    """The district, its municipalities, and what it lies in: those are in the packages of its neighbours as well."""
    for art, units in region.units.items():
        length, above = UNITS[art].length, UNITS[art].above
        for unit in units:
            key = unit.key[:length]
            if not (district.startswith(key) or key.startswith(district)):
                continue
            upper = [u for u in region.units.get(above, ()) if key.startswith(u.key[: UNITS[above].length])]
            yield {
                "oid": f"{art}{key}VE", "aktualit": np.datetime64(options.date), "art": UNITS[art].name,
                "name": unit.name, "rs": key if length < 8 else f"{key[:5]}0{key[5:]}{key[5:]}", "ags": key,
                "uebobjekt": f"{above}{upper[0].key[: UNITS[above].length]}VE" if upper else None,
                "ueboname": upper[0].name if upper else None, "geometrie": _multi(unit.geometry),
            }  # fmt: skip


def _multi(shape: Any) -> Any:
    return shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])


def write_geopackage(path: Path, layers: dict[str, list[Row]], options: ExampleOptions) -> None:
    """The same bytes for the same rows: GDAL is told which day it is."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{options.date}T06:00:00.000Z"})
    try:
        for name, rows in layers.items():
            _write_layer(path, name, rows)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _write_layer(path: Path, name: str, rows: list[Row]) -> None:
    fields = [field for field in rows[0] if field != "geometrie"]
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array([row["geometrie"] for row in rows], dtype=object)),
        field_data=[_column(field, rows) for field in fields],
        fields=np.array(fields),
        geometry_type="Point" if name == "FlurstueckPunkt" else "MultiPolygon",
        crs="EPSG:25832",
        driver="GPKG",
        layer=name,
        layer_options={"GEOMETRY_NAME": "geometrie"},
    )


def _column(field: str, rows: Iterable[Row]) -> Any:
    values = [row[field] for row in rows]
    if field == "aktualit":
        return np.array(values, dtype="datetime64[D]")
    if field == "flaeche":
        return np.array(values)
    return np.array(values, dtype=object)


def archive_name(key: str, name: str) -> str:
    """As the publisher names a district's archive."""
    return f"gru_vereinf_{key}_{name.replace(' ', '-')}_EPSG25832_GeoPackage.zip"


def file_name(key: str, name: str, options: ExampleOptions) -> str:
    """And the file in it."""
    return f"{options.date:%Y%m}_gru_vereinf_{key}_{name.replace(' ', '-')}_EPSG25832.gpkg"
