"""The YAML of a collection, made of what is seen of a file and of what its publisher says."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from loaders.described import to_yaml
from loaders.errors import LoadError
from loaders.files.crs import IN_DEGREES, ROUNDED, STORAGE, WORLD, is_geographic, looks_like, suggestion, to_srid
from loaders.files.guess import Kind, Survey, are_degrees, find_coordinates, find_key, to_kind
from loaders.files.layer import Layer, refused
from loaders.files.names import to_names, words
from loaders.files.values import convert

LICENCES = {
    "dl-de/zero-2-0": ("Datenlizenz Deutschland – Zero – Version 2.0", "https://www.govdata.de/dl-de/zero-2-0"),
    "dl-de/by-2-0": ("Datenlizenz Deutschland – Namensnennung – Version 2.0", "https://www.govdata.de/dl-de/by-2-0"),
    "cc0-1.0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "cc-by-4.0": ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    "cc-by-sa-4.0": ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
    "odbl-1.0": ("ODbL 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
}
UNSTATED = ("Keine Angabe / not stated", "http://dcat-ap.de/def/licenses/other-closed")
GEOMETRIES = {"points": "Point", "lines": "MultiLineString", "areas": "MultiPolygon"}
FAMILIES = {"Point": "points", "Points": "points", "Line": "lines", "Area": "areas"}
NAMED = ("name", "bezeichnung", "titel", "title", "label", "beschreibung", "strasse", "ort", "namn")
MOST_INDEXED = 30
LONGEST_INDEXED = 300
TILED = 8


@dataclass(frozen=True)
class Wishes:
    """What the user says of a file that it does not say itself. `geometry`: points, lines or areas, of several kinds;
    `coordinates`: names of the columns with x and y, or with WKT.
    """

    layer: str | None = None
    key: str | None = None
    crs: str | None = None
    title: str | None = None
    attribution: str | None = None
    licence: str | None = None
    geometry: str | None = None
    coordinates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where the features lie: the EPSG codes of the file and of storage, and why."""

    crs: int
    storage: int
    remark: str


def compose(name: str, layer: Layer, seen: Survey, wishes: Wishes) -> tuple[str, list[list[str]]]:
    """The YAML, and what is shown of the columns: a line each, the first one names them.

    Raises InvalidDelivery and LoadError that name what to give.
    """
    if not seen.rows:
        raise refused(layer.path, "holds no rows. Give one with at least one feature.")
    coordinates = () if layer.has_geometry else _coordinates(layer, seen, wishes)
    geometry, others = _geometry(layer, seen, wishes)
    place = find_place(layer, seen, wishes, coordinates)
    profiles = {n: seen.columns[n] for n in layer.columns if not (len(coordinates) == 1 and n == coordinates[0])}
    key = _key(layer, seen, wishes)
    if not profiles:
        raise refused(
            layer.path, "has nothing but geometries. Give each row a column more, such as a number.", "columns"
        )
    if key and key.lower() == "id" and len(profiles) > 1:
        profiles.pop(key, None)  # every feature has it as its id
    kinds = {n: _kind(layer, seen, n, coordinates) for n in profiles}
    names = to_names(list(profiles))
    properties = _properties(names, kinds, seen)
    source: dict[str, Any] = {
        "crs": place.crs,
        **({"layer": wishes.layer} if wishes.layer else {}),
        **({"key": key} if key else {}),
        **({"coordinates": list(coordinates)} if coordinates else {}),
        "columns": {names[n]: _column(n, kind) for n, kind in kinds.items()},
        **({"others": "left out"} if others else {}),
    }
    document = _document(name, layer, wishes, geometry, properties, seen.rows)
    if place.storage != STORAGE:
        document["srid"] = place.storage
        document["tiles"] = {"minzoom": 0, "maxzoom": 12, "properties": document["tiles"]["properties"]}
    text = to_yaml({**document, "source": source}, *COMMENT)
    return text, [*_lines(layer, seen, names, kinds, key), *_remarks(layer, seen, place, geometry, key)]


COMMENT = (
    "Made of a file by `opennrw load --as`. Edit it as you like: each further load keeps what stands here.",
    "`source` says how the file is read: docs/any-file.md.",
)


def _coordinates(layer: Layer, seen: Survey, wishes: Wishes) -> tuple[str, ...]:
    """The columns with the coordinates of a table without geometries; what they hold is added to what is seen."""
    found = wishes.coordinates or find_coordinates(seen.columns)
    listed = ", ".join(layer.columns)
    if not found:
        raise refused(
            layer.path,
            f"has no geometries, and none of its columns is named like coordinates: {listed}. Name them: "
            "--coordinates X,Y, the easting or longitude first, or one column with WKT.",
            "geometry",
        )
    if missing := [name for name in found if name not in layer.columns]:
        raise refused(layer.path, f"has no column '{missing[0]}' for --coordinates. It has: {listed}.", "geometry")
    _see_coordinates(layer, seen, found)
    if not seen.box:
        raise refused(
            layer.path,
            f"has no coordinates in {' and '.join(found)}: they must be numbers such as 361380.31 or 361380,31, or "
            "WKT. Name other columns with --coordinates.",
            "geometry",
        )
    return found


def _see_coordinates(layer: Layer, seen: Survey, found: tuple[str, ...]) -> None:
    import numpy as np  # noqa: PLC0415

    from loaders.batch import Sieve  # noqa: PLC0415
    from loaders.files.shapes import from_wkt, to_points  # noqa: PLC0415

    for block in layer.read():
        sieve = Sieve("", np.asarray(block.lines), str)
        if len(found) == 1:
            seen.see_shapes(from_wkt(convert(block.columns[found[0]], "string", found[0], sieve), sieve))
        else:
            commas = [_is_comma(seen, name) for name in found]
            x, y = (convert(block.columns[n], "number", n, sieve, c) for n, c in zip(found, commas, strict=True))
            seen.see_shapes(to_points(x, y))


def _is_comma(seen: Survey, name: str) -> bool:
    """Whether decimals stand behind a comma; `361.380` alone is a number with decimals here."""
    return "comma" in seen.columns[name].possible and "point" not in seen.columns[name].possible


def _kind(layer: Layer, seen: Survey, name: str, coordinates: tuple[str, ...]) -> Kind:
    if name in coordinates:
        return Kind("number", comma=_is_comma(seen, name), remark="coordinates")
    return to_kind(seen.columns[name], texts=layer.texts)


def _geometry(layer: Layer, seen: Survey, wishes: Wishes) -> tuple[str, bool]:
    """The type of the geometries, and whether others are left out."""
    families: dict[str, int] = {}
    for kind, count in seen.kinds.items():
        family = FAMILIES.get(kind, "others")
        families[family] = families.get(family, 0) + count
    told = ", ".join(f"{count} {family}" for family, count in families.items()) or "none"
    wanted = wishes.geometry or next(iter(families), None)
    usable = [family for family in families if family in GEOMETRIES]
    if wanted not in GEOMETRIES or not families.get(wanted):
        rule = "They must be points, lines or areas: convert curves and solids (ogr2ogr -nlt CONVERT_TO_LINEAR)"
        rule = f"Name one of these with --geometry: {', '.join(usable)}" if usable else rule
        raise refused(layer.path, f"has these geometries: {told}. {rule}.", "geometry")
    if len(families) > 1 and wishes.geometry is None:
        raise refused(
            layer.path,
            f"has geometries of several kinds: {told}. A collection has one. Name it with --geometry {usable[0]}; the "
            "others can become a collection under another name.",
            "geometry",
        )
    several = wanted == "points" and bool(seen.kinds.get("Points"))
    return "MultiPoint" if several else GEOMETRIES[wanted], len(families) > 1


def find_place(layer: Layer, seen: Survey, wishes: Wishes, coordinates: tuple[str, ...]) -> Place:
    """The file's CRS: as the user says, as the file says, or as the names of its columns do. Raises InvalidDelivery."""
    told = wishes.crs or layer.crs
    remark = "as you say" if wishes.crs else layer.told or "as the file says"
    if told is None and are_degrees(coordinates):
        told, remark = "EPSG:4326", f"since {coordinates[0]} and {coordinates[1]} are degrees"
    box = seen.box
    if told is None:
        raise refused(layer.path, f"does not say in which CRS its coordinates are. {suggestion(box)}", "crs")
    srid = to_srid(told)
    if srid is None:
        raise refused(layer.path, f"has a CRS without an EPSG code: {told[:80]!r}. {suggestion(box)}", "crs")
    if box is None:
        raise refused(layer.path, "has no geometry that can be read. Export it again.", "geometry")
    geographic = is_geographic(srid)
    if geographic and (max(-box[0], box[2]) > 180 + ROUNDED or max(-box[1], box[3]) > 90 + ROUNDED):
        shown = ", ".join(f"{edge:.6g}" for edge in box)
        raise refused(layer.path, f"has coordinates that are no degrees ({shown}): {remark}. {suggestion(box)}", "crs")
    if not geographic or _lies_in_state(seen):
        return Place(srid, STORAGE, remark)
    if looks_like((box[1], box[0], box[3], box[2])) == "EPSG:4326":
        raise refused(layer.path, f"has latitude and longitude swapped. {suggestion(box)}", "crs")
    return Place(srid, WORLD, f"{remark}; most features lie outside the state, so they stay in degrees")


def _lies_in_state(seen: Survey) -> bool:
    """Whether half of the features, in degrees, do."""
    west, south, east, north = IN_DEGREES
    inside = total = 0
    for centres in seen.centres:
        x, y = centres.T
        inside += int(((x >= west) & (x <= east) & (y >= south) & (y <= north)).sum())
        total += len(centres)
    return 2 * inside >= total


def _key(layer: Layer, seen: Survey, wishes: Wishes) -> str | None:
    wanted = wishes.key
    if wanted is None:
        return find_key({name: seen.columns[name] for name in layer.columns})
    profile = seen.columns.get(wanted)
    if profile is None:
        raise refused(layer.path, f"has no column '{wanted}' for --key. It has: {', '.join(layer.columns)}.", "key")
    if not profile.unique and wanted != layer.fids:
        fault = f"is empty in {profile.nulls} rows" if profile.nulls else "has the same value in several rows"
        raise refused(
            layer.path, f"cannot be told apart by {wanted}: it {fault}. Name another column with --key.", "key"
        )
    return wanted


def _properties(names: dict[str, str], kinds: dict[str, Kind], seen: Survey) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for number, (original, name) in enumerate(names.items()):
        profile, kind = seen.columns[original], kinds[original]
        short = kind.type != "string" or profile.longest <= LONGEST_INDEXED
        queryable = number < MOST_INDEXED and short and kind.remark != "coordinates"
        entries[name] = {
            "type": kind.type,
            "title": {"de": original, "en": original},
            **({"queryable": True} if queryable else {}),
            **({"caseless": True} if queryable and kind.type == "string" and not kind.remark else {}),
        }
    return entries


def _column(original: str, kind: Kind) -> Any:
    more = {**({"decimal": ","} if kind.comma else {}), **({"digits": kind.digits} if kind.digits else {})}
    return {"column": original, **more} if more else original


def _document(
    name: str, layer: Layer, wishes: Wishes, geometry: str, properties: dict[str, dict[str, Any]], rows: int
) -> dict[str, Any]:
    title = wishes.title or (
        layer.name if layer.name and layer.format != "shp" else PurePosixPath(layer.path.name).stem
    )
    texts = [key for key, entry in properties.items() if entry["type"] == "string" and entry.get("caseless")]
    named = [key for key in texts if any(word in NAMED for word in words(key))]
    tiled = [key for key, entry in properties.items() if entry.get("queryable")][:TILED]
    label = next(iter(named), None)
    return {
        "id": name,
        "dataset": name,
        "title": {"de": title, "en": title},
        "description": {"de": f"Aus der Datei {layer.path.name}.", "en": f"Made of the file {layer.path.name}."},
        "keywords": {"de": [title], "en": [title]},
        "rights": _rights(layer, wishes),
        "geometry": geometry,
        **({"label": label} if label in tiled else {}),
        **({"text": named[:4]} if named else {}),
        "properties": properties,
        "tiles": _tiles(geometry, rows, tiled),
    }


def _tiles(geometry: str, rows: int, tiled: list[str]) -> dict[str, Any]:
    """From the level on at which their number fits into tiles; points come together before."""
    if geometry == "Point":
        return {"minzoom": 6, "maxzoom": 16, "properties": tiled, "pyramid": {"method": "clusters", "below": 12}}
    return {"minzoom": 6 if rows < 5_000 else 9 if rows < 50_000 else 12, "maxzoom": 16, "properties": tiled}


def _rights(layer: Layer, wishes: Wishes) -> dict[str, Any]:
    """Whose the data are; where nobody says, that nobody does: they must not pass for the state's."""
    de = wishes.attribution or f"Herkunft nicht angegeben (Datei {layer.path.name})"
    en = wishes.attribution or f"Source not stated (file {layer.path.name})"
    title, url = to_licence(wishes.licence) if wishes.licence else UNSTATED
    return {"attribution": {"de": de, "en": en}, "licence": {"title": title, "url": url}}


def to_licence(text: str) -> tuple[str, str]:
    """Title and URL of a licence by its short name, or by its URL. Raises LoadError."""
    if found := LICENCES.get(text.lower()):
        return found
    if text.startswith(("https://", "http://")):
        return text, text
    raise LoadError(f"The licence '{text[:60]}' is unknown. Give one of {', '.join(LICENCES)}, or the URL of its text.")


def _lines(
    layer: Layer, seen: Survey, names: dict[str, str], kinds: dict[str, Kind], key: str | None
) -> list[list[str]]:
    lines = [["column", "property", "type", "example", "nulls", "remark"]]
    for original, name in names.items():
        profile, kind = seen.columns[original], kinds[original]
        remark = "; ".join(filter(None, ["tells features apart" if original == key else "", kind.remark]))
        lines.append([original, name, kind.type, (profile.example or "")[:40], str(profile.nulls), remark])
    return [*lines, *([name, "", "", "", "", f"left out: {why}"] for name, why in layer.left_out.items())]


def _remarks(layer: Layer, seen: Survey, place: Place, geometry: str, key: str | None) -> list[list[str]]:
    count = sum(seen.kinds.values())
    missing = f"; {seen.rows - count} rows have none" if count < seen.rows else ""
    crs = f"EPSG:{place.crs}, {place.remark}"
    return [
        ["(geometry)", "", geometry, crs, str(seen.rows - count), f"stored in EPSG:{place.storage}{missing}"],
        *([] if key else [["(id)", "", "string", "", "0", "made of each row's content; --key names a column"]]),
    ]
