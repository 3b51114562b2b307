"""Buildings of CityGML in the AdV's profiles for LoD1 and LoD2: attributes, addresses, and solids with what each of
their surfaces is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loaders.gml import GeometryError
from loaders.xml_stream import HREF, Element, local

Floats = NDArray[np.float64]
Polygon = list[Floats]  # its rings, the outer one first; closed, of east, north and height
Attributes = dict[str, str]

VERSIONS = ("1.0", "2.0")  # what differs between them is not in the profiles
BUILDING = tuple(f"http://www.opengis.net/citygml/building/{version}" for version in VERSIONS)
GML = "{http://www.opengis.net/gml}"
ID, POLYGON = f"{GML}id", f"{GML}Polygon"
POSITIONS = frozenset({f"{GML}posList", f"{GML}pos"})
HIGHEST = 2_000  # metres; the state reaches from -290 to 900
# one letter for each kind of surface; `-` where the model does not say
SURFACES = {
    "WallSurface": "W",
    "RoofSurface": "R",
    "GroundSurface": "G",
    "ClosureSurface": "C",
    "OuterCeilingSurface": "L",
    "OuterFloorSurface": "F",
}
UNTOLD = "-"
ATTRIBUTES = frozenset(
    {"creationDate", "name", "class", "function", "usage", "yearOfConstruction", "roofType", "measuredHeight",
     "storeysAboveGround", "storeysBelowGround"}
)  # fmt: skip
GENERIC = frozenset({f"{kind}Attribute" for kind in ("string", "int", "double", "date", "uri")})
SOLIDS = frozenset({"lod1Solid", "lod2Solid"})
# what a building has besides: read elsewhere, or not taken over
OTHERS = frozenset(
    {"boundedBy", "consistsOfBuildingPart", "address", "externalReference", "lod1TerrainIntersection",
     "lod2TerrainIntersection"}
)  # fmt: skip
METRES = frozenset({None, "m", "urn:adv:uom:m", "urn:ogc:def:uom:UCUM::m"})
ADDRESS = ("CountryName", "LocalityName", "ThoroughfareName", "ThoroughfareNumber", "PostalCodeNumber")
NUMBERS = frozenset({"measuredHeight", "storeysAboveGround", "storeysBelowGround"})
NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?")
SRS = re.compile(
    r"urn:adv:crs:ETRS89_UTM32\*DE_DHHN2016_NH(\*GCG2016)?|"
    r"urn:ogc:def:crs,crs:EPSG:[0-9.]*:25832,crs:EPSG:[0-9.]*:7837|EPSG:25832\+7837"
)


@dataclass(frozen=True)
class Solid:
    """The body of a building or of one of its parts. `surfaces`: a letter of SURFACES for each polygon."""

    id: str
    attributes: Attributes
    polygons: list[Polygon]
    surfaces: str


@dataclass(frozen=True)
class Building:
    """`parts`: how many of the solids are those of building parts."""

    id: str
    attributes: Attributes = field(default_factory=dict)
    addresses: list[dict[str, Any]] = field(default_factory=list)
    solids: list[Solid] = field(default_factory=list)
    parts: int = 0


def check_srs(srs: str | None) -> None:
    """Raises GeometryError for what is not EPSG:25832 with heights in DHHN2016 (EPSG:7837), east before north."""
    if srs is None or not SRS.fullmatch(srs):
        raise GeometryError(
            f"its CRS is '{(srs or 'not told')[:80]}'; it must be EPSG:25832 with heights in DHHN2016 (EPSG:7837), "
            "which the publisher calls urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH"
        )


def read_building(element: Element) -> Building:
    """The building of an element. Raises GeometryError for what cannot be taken over whole."""
    parts = [part for child in element if local(child) == "consistsOfBuildingPart" for part in child]
    surfaces = {id_: found for owner in (element, *parts) for id_, found in _surfaces(owner)}
    used: set[str] = set()
    solids = [solid for owner in (element, *parts) for solid in _solids(owner, surfaces, used)]
    if lost := surfaces.keys() - used:
        raise GeometryError(f"{len(lost)} of its surfaces belong to no solid, among them {min(lost)}")
    if not solids:
        raise GeometryError("it has no solid")
    if bare := [part for part in parts if not any(solid.id == part.get(ID) for solid in solids)]:
        raise GeometryError(f"its part {bare[0].get(ID)} has no solid")
    addresses = [found for child in element if local(child) == "address" for found in _addresses(child)]
    return Building(element.get(ID) or "", _attributes(element), addresses, solids, len(parts))


def _surfaces(owner: Element) -> Iterator[tuple[str, tuple[Element, str]]]:
    """The polygons that bound a building or a part, by their ids, each with the letter of what it is."""
    for child in owner:
        if local(child) != "boundedBy":
            continue
        for surface in child:
            name = local(surface)
            if name not in SURFACES:
                raise GeometryError(f"it is bounded by a {name}, which is not known")
            for number, polygon in enumerate(surface.iter(POLYGON)):
                # without an id no solid can refer to it
                yield polygon.get(ID) or f"{surface.get(ID)} polygon {number}", (polygon, SURFACES[name])


def _solids(owner: Element, surfaces: dict[str, tuple[Element, str]], used: set[str]) -> Iterator[Solid]:
    found = [child for child in owner if local(child) in SOLIDS]
    if len(found) > 1:
        raise GeometryError("it has several solids in one place")
    for child in found:
        if any(local(part) == "interior" and local(part[0]) != "LinearRing" for part in child.iter() if len(part)):
            raise GeometryError("its solid has a void, which is not known of these products")
        polygons, letters = [], []
        for member in child.iter(f"{GML}surfaceMember"):
            polygon, letter = _member(member, surfaces, used)
            polygons.append(_polygon(polygon))
            letters.append(letter)
        if not polygons:
            raise GeometryError("its solid has no surface")
        yield Solid(owner.get(ID) or "", _attributes(owner), polygons, "".join(letters))


def _member(member: Element, surfaces: dict[str, tuple[Element, str]], used: set[str]) -> tuple[Element, str]:
    """The polygon that a solid has or refers to."""
    if target := member.get(HREF):
        key = target.removeprefix("#")
        if key not in surfaces:
            raise GeometryError(f"its solid refers to the surface {key[:80]}, which the building does not hold")
        used.add(key)
        return surfaces[key]
    if len(member) != 1 or member[0].tag != POLYGON:
        name = local(member[0]) if len(member) else "nothing"
        raise GeometryError(f"its solid is made of {name}; only polygons are known")
    return member[0], UNTOLD


def _polygon(polygon: Element) -> Polygon:
    rings = [_ring(boundary) for kind in ("exterior", "interior") for boundary in polygon if local(boundary) == kind]
    if not rings:
        raise GeometryError("a polygon of it has no ring")
    return rings


def _ring(boundary: Element) -> Floats:
    texts: list[str] = []
    for part in boundary.iter():
        if part.tag in POSITIONS:
            texts += _numbers(part)
    ring = _to_array(texts)
    if len(ring) < 4 or not np.array_equal(ring[0], ring[-1]):
        raise GeometryError("a ring of it is not closed")
    return ring


def _numbers(part: Element) -> list[str]:
    if part.get("srsDimension", "3") != "3":
        raise GeometryError(f"its positions have {part.get('srsDimension')} numbers; they must have 3")
    return (part.text or "").split()


def _to_array(texts: list[str]) -> Floats:
    """Positions, a row each. Heights are checked here; where they are, with the other geometries."""
    try:
        positions = np.array(texts, np.float64).reshape(-1, 3)
    except ValueError as error:
        raise GeometryError(f"its coordinates cannot be read: {' '.join(texts[:6])} …") from error
    if not (np.isfinite(positions).all() and (np.abs(positions[:, 2]) < HIGHEST).all()):
        raise GeometryError(f"its heights are not between -{HIGHEST} and {HIGHEST} metres: {' '.join(texts[:6])} …")
    return positions


def _attributes(owner: Element) -> Attributes:
    """By the names that CityGML has for them, and those of generic ones."""
    found: Attributes = {}
    for child in owner:
        name = local(child)
        if name in GENERIC:
            name, text = child.get("name") or "", "".join(child.itertext())
        elif name in ATTRIBUTES:
            text = child.text or ""
        elif name in SOLIDS or name in OTHERS:
            continue
        else:
            raise GeometryError(f"it has a {name}, which the loader does not know")
        if name == "measuredHeight" and child.get("uom") not in METRES:
            raise GeometryError(f"its height is in {child.get('uom')}; it must be in metres (urn:adv:uom:m)")
        if not (text := text.strip()):
            continue
        if name in NUMBERS and not NUMBER.fullmatch(text):
            raise GeometryError(f"its {name} is '{text[:40]}', which is no number")
        if found.setdefault(name, text) != text:
            raise GeometryError(f"it has several values of {name}: {found[name][:40]}, {text[:40]}")
    return found


def _addresses(holder: Element) -> Iterator[dict[str, Any]]:
    for address in holder:
        found: dict[str, Any] = {}
        for part in address.iter():
            name = local(part)
            if name in ADDRESS and (text := (part.text or "").strip()):
                found[name] = text
            elif part.tag == f"{GML}pos":
                found["location"] = _to_array(_numbers(part))[0].tolist()
        if any(name in found for name in ADDRESS[1:]):
            yield found
