"""3D buildings of the invented districts as CityGML 1.0 in the AdV's profiles: a file for each square kilometre."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely

from loaders.example.alkis import make_layers
from loaders.example.options import ExampleOptions
from loaders.example.write import TITLES, file_index, write_index

Point = tuple[float, float, float]
Face = tuple[str, Sequence[Point]]  # what it is, and its corners

NAMES = {"lod1": "LoD1_32_{}_{}_1_NW.gml", "lod2": "LoD2_32_{}_{}_1_NW.gml"}
HEAD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<core:CityModel xmlns:core="http://www.opengis.net/citygml/1.0" xmlns:gml="http://www.opengis.net/gml"'
    ' xmlns:bldg="http://www.opengis.net/citygml/building/1.0" xmlns:gen="http://www.opengis.net/citygml/generics/1.0"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink">\n<gml:boundedBy><gml:Envelope'
    ' srsName="urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH"/></gml:boundedBy>\n'
)
TAIL = "</core:CityModel>\n"
BUILDING = (
    '<core:cityObjectMember><bldg:Building gml:id="{id}"><core:creationDate>{day}</core:creationDate>'
    '<gen:stringAttribute name="Gemeindeschluessel"><gen:value>{key}</gen:value></gen:stringAttribute>'
    "<bldg:function>{function}</bldg:function>{roof}"
    '<bldg:measuredHeight uom="urn:adv:uom:m">{height:.3f}</bldg:measuredHeight>{solid}</bldg:Building>'
    "</core:cityObjectMember>\n"
)
SOLID = (
    "<bldg:{lod}Solid><gml:Solid><gml:exterior><gml:CompositeSurface>{members}</gml:CompositeSurface></gml:exterior>"
    "</gml:Solid></bldg:{lod}Solid>{surfaces}"
)
POLYGON = (
    '<gml:Polygon gml:id="{id}"><gml:exterior><gml:LinearRing><gml:posList srsDimension="3">{positions}</gml:posList>'
    "</gml:LinearRing></gml:exterior></gml:Polygon>"
)
SURFACE = (
    "<bldg:boundedBy><bldg:{kind}><bldg:lod2MultiSurface><gml:MultiSurface><gml:surfaceMember>{polygon}"
    "</gml:surfaceMember></gml:MultiSurface></bldg:lod2MultiSurface></bldg:{kind}></bldg:boundedBy>"
)
FLAT, GABLED = "1000", "3100"
SLOPE = 0.6  # how much a roof rises for a metre towards its ridge


def write_city(to: Path, options: ExampleOptions, districts: int) -> dict[str, Path]:
    """Writes the tiles of the first districts below `to`; the folder of each level of detail."""
    tiles: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for _, _, layers in make_layers(options, districts):
        for row in layers["GebauedeBauwerk"]:
            place = shapely.centroid(row["geometrie"])
            tiles[int(place.x // 1000), int(place.y // 1000)].append(row)
    folders = {lod: to / lod for lod in NAMES}
    for lod, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        for (east, north), rows in sorted(tiles.items()):
            with (folder / NAMES[lod].format(east, north)).open("w", encoding="utf-8", newline="\n") as file:
                file.write(HEAD)
                file.writelines(_building(row, lod, options) for row in rows)
                file.write(TAIL)
        write_index(folder / "index.json", file_index(TITLES[lod], sorted(folder.glob("*.gml")), options))
    return folders


def _building(row: dict[str, Any], lod: str, options: ExampleOptions) -> str:
    """Its height is the same in both levels and in each delivery."""
    ident = row["oid"][:16]
    rng = np.random.default_rng([options.seed, 7, *ident.encode()])
    outline = shapely.orient_polygons(shapely.get_parts(row["geometrie"])[0])
    ground, eaves = round(40 + 20 * rng.random(), 3), round(2.5 + 7 * rng.random(), 3)
    corners = [(round(x, 3), round(y, 3)) for x, y in shapely.get_coordinates(outline.exterior)[:-1]]
    gabled = lod == "lod2" and len(corners) == 4
    faces, top = (_gabled if gabled else _block)(corners, ground, ground + eaves)
    return BUILDING.format(
        id=escape(ident),
        day=options.date.isoformat(),
        key=row["gmdschl"],
        function=row["gfkzshh"],
        roof=f"<bldg:roofType>{GABLED if gabled else FLAT}</bldg:roofType>" if lod == "lod2" else "",
        height=top - ground,
        solid=_solid(ident, faces, lod),
    )


def _block(corners: list[tuple[float, float]], ground: float, top: float) -> tuple[list[Face], float]:
    """Walls under a flat roof, and its height."""
    walls: list[Face] = [("WallSurface", _wall(a, b, ground, top)) for a, b in _sides(corners)]
    roof, floor = [(*c, top) for c in corners], [(*c, ground) for c in reversed(corners)]
    return [("GroundSurface", floor), *walls, ("RoofSurface", roof)], top


def _gabled(corners: list[tuple[float, float]], ground: float, eaves: float) -> tuple[list[Face], float]:
    """Four corners under a roof of two sides, whose ridge goes along the longer ones; and the ridge's height."""
    points = np.array(corners)
    if np.hypot(*(points[1] - points[0])) < np.hypot(*(points[2] - points[1])):
        corners = [*corners[1:], corners[0]]
        points = np.array(corners)
    a, b, c, d = ((*corner, eaves) for corner in corners)
    ridge = round(eaves + SLOPE * float(np.hypot(*(points[2] - points[1]))) / 2, 3)
    start, end = (_middle(points[3], points[0], ridge), _middle(points[1], points[2], ridge))
    faces, _ = _block(corners, ground, eaves)
    walls = [face for face in faces if face[0] == "WallSurface"]
    gables = {1: end, 3: start}
    walls = [(kind, [*wall[:3], gables[n], wall[3]] if n in gables else wall) for n, (kind, wall) in enumerate(walls)]
    roofs: list[Face] = [("RoofSurface", [a, b, end, start]), ("RoofSurface", [c, d, start, end])]
    return [faces[0], *walls, *roofs], ridge


def _middle(one: Any, other: Any, height: float) -> Point:
    east, north = np.round((one + other) / 2, 3).tolist()
    return east, north, height


def _sides(corners: list[tuple[float, float]]) -> Iterable[tuple[tuple[float, float], tuple[float, float]]]:
    return zip(corners, [*corners[1:], corners[0]], strict=True)


def _wall(a: tuple[float, float], b: tuple[float, float], ground: float, top: float) -> list[Point]:
    return [(*a, ground), (*b, ground), (*b, top), (*a, top)]


def _solid(ident: str, faces: list[Face], lod: str) -> str:
    """Of LoD2 the solid refers to its surfaces, of LoD1 it holds them."""
    polygons = [_polygon(f"{ident}_{number}", corners) for number, (_, corners) in enumerate(faces)]
    if lod == "lod1":
        members = "".join(f"<gml:surfaceMember>{polygon}</gml:surfaceMember>" for polygon in polygons)
        return SOLID.format(lod=lod, members=members, surfaces="")
    members = "".join(f'<gml:surfaceMember xlink:href="#{ident}_{number}"/>' for number in range(len(faces)))
    surfaces = "".join(
        SURFACE.format(kind=kind, polygon=polygon) for (kind, _), polygon in zip(faces, polygons, strict=True)
    )
    return SOLID.format(lod=lod, members=members, surfaces=surfaces)


def _polygon(ident: str, corners: Sequence[Point]) -> str:
    positions = " ".join(f"{number:.3f}" for point in [*corners, corners[0]] for number in point)
    return POLYGON.format(id=ident, positions=positions)
