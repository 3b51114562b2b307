"""CityJSON 2.0 and its text sequence, CityJSONSeq: buildings with all of their solids, as the CityGML file had them.

Only for collections with solids. Their coordinates are the official ones, whole millimetres from ORIGIN on, so that
batches know nothing of each other and nothing is lost.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from psycopg import sql
from psycopg.rows import TupleRow

from server.formats.layer import About, Format, Layer, Text

MEDIA_TYPE, SEQUENCE = "application/city+json", "application/city+json-seq"
# south-west of the state, EPSG:25832; the scale keeps what is written: millimetres
ORIGIN, PER_METRE = (280_000, 5_570_000, 0), 1_000
# The pattern of the standard's schema has no place for a CRS of two, and EPSG has no code for these
HORIZONTAL, VERTICAL = (f"https://www.opengis.net/def/crs/EPSG/0/{code}" for code in (25832, 7837))
SURFACES = {
    "W": "WallSurface",
    "R": "RoofSurface",
    "G": "GroundSurface",
    "C": "ClosureSurface",
    "L": "OuterCeilingSurface",
    "F": "OuterFloorSurface",
}
WHOLE = frozenset({"storeysAboveGround", "storeysBelowGround", "yearOfConstruction"})
# what a building's row has besides its solids
RECORD = (
    "json_build_object('id', t.id, 'parts', t.teile, 'created', t.erstellt, 'key', t.gmdschl, "
    "'model', t.model::json)::text"
)
HEAD, COUNT, RING = struct.Struct("<BI"), struct.Struct("<I"), 24

Object = dict[str, Any]


class Vertices:
    """Positions in whole units, each once. `first`: the number of the first one."""

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._numbers: dict[tuple[int, ...], int] = {}

    def number(self, position: Sequence[float]) -> int:
        """The number of a position in metres."""
        units = tuple(round((value - least) * PER_METRE) for value, least in zip(position, ORIGIN, strict=True))
        return self._numbers.setdefault(units, self._first + len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def dump(self) -> bytes:
        """As JSON, in the order of their numbers."""
        return orjson.dumps(list(self._numbers))


def columns(_: Layer) -> sql.Composable:
    """See layer.Format: a record and the solids of each building."""
    return sql.SQL(f"array_agg(convert_to({RECORD}, 'UTF8')), array_agg(ST_AsBinary(t.solids, 'NDR'))")


def to_objects(record: Object, solids: bytes, lod: str, vertices: Vertices) -> dict[str, Object]:
    """A building and its parts by their ids."""
    model, shells = record["model"], list(read_shells(solids, vertices))
    building: Object = {"type": "Building", "attributes": _attributes(model["attributes"])}
    building["attributes"] |= {
        name: record[key] for name, key in (("creationDate", "created"), ("Gemeindeschluessel", "key")) if record[key]
    }
    if addresses := [_address(found, vertices) for found in model["addresses"]]:
        building["address"] = addresses
    found: dict[str, Object] = {record["id"]: building}
    for ident, told, shell in zip(record["parts"], model["solids"], shells, strict=True):
        geometry = [_solid(shell, told["surfaces"], lod)]
        if ident == record["id"]:
            building["geometry"] = geometry
            continue
        building.setdefault("children", []).append(ident)
        attributes = _attributes(told["attributes"])
        found[ident] = {
            "type": "BuildingPart",
            "attributes": attributes,
            "parents": [record["id"]],
            "geometry": geometry,
        }
    return found


def _attributes(texts: dict[str, str]) -> Object:
    """Numbers where CityGML has numbers; codes and generic attributes are texts."""
    found: Object = dict(texts)
    for name in WHOLE & texts.keys():
        found[name] = int(float(texts[name]))
    if "measuredHeight" in texts:
        found["measuredHeight"] = float(texts["measuredHeight"])
    return found


def _address(told: Object, vertices: Vertices) -> Object:
    found = {name: value for name, value in told.items() if name != "location"}
    if "location" in told:
        found["location"] = {"type": "MultiPoint", "lod": "0", "boundaries": [vertices.number(told["location"])]}
    return found


def _solid(shell: list[list[list[int]]], letters: str, lod: str) -> Object:
    solid: Object = {"type": "Solid", "lod": lod, "boundaries": [shell]}
    kinds = [letter for letter in SURFACES if letter in letters]
    if kinds:
        values = [kinds.index(letter) if letter in SURFACES else None for letter in letters]
        solid["semantics"] = {"surfaces": [{"type": SURFACES[kind]} for kind in kinds], "values": [values]}
    return solid


def read_shells(wkb: bytes, vertices: Vertices) -> Iterator[list[list[list[int]]]]:
    """The numbers of the vertices of each ring of each polygon of each solid. Rings do not repeat their first one.

    `wkb`: a GeometryCollection Z of PolyhedralSurfaces Z, little endian, as `loaders.solids` writes it.
    """
    (count,) = COUNT.unpack_from(wkb, HEAD.size)
    place = HEAD.size + COUNT.size
    for _ in range(count):
        (polygons,) = COUNT.unpack_from(wkb, place + HEAD.size)
        place += HEAD.size + COUNT.size
        shell = []
        for _ in range(polygons):
            polygon, place = _read_polygon(wkb, place, vertices)
            shell.append(polygon)
        yield shell


def _read_polygon(wkb: bytes, place: int, vertices: Vertices) -> tuple[list[list[int]], int]:
    (rings,) = COUNT.unpack_from(wkb, place + HEAD.size)
    place += HEAD.size + COUNT.size
    polygon = []
    for _ in range(rings):
        (points,) = COUNT.unpack_from(wkb, place)
        place += COUNT.size
        numbers = struct.unpack_from(f"<{3 * points}d", wkb, place)
        polygon.append([vertices.number(numbers[at : at + 3]) for at in range(0, 3 * points - 3, 3)])
        place += points * RING
    return polygon, place


def _root(layer: Layer, about: About) -> Object:
    metadata: Object = {"title": about.title} if about.title else {}
    if about.published:
        metadata["referenceDate"] = about.published.date().isoformat()
    metadata |= {"referenceSystem": HORIZONTAL, "verticalReferenceSystem": VERTICAL}
    transform = {"scale": [1 / PER_METRE] * 3, "translate": list(ORIGIN)}
    return {"type": "CityJSON", "version": "2.0", "metadata": metadata, "transform": transform}


class CityJson:
    """One document: the vertices of all buildings stand at its end."""

    def __init__(self, layer: Layer, about: About) -> None:
        self._lod = str(layer.collection.lod)
        self._root = _root(layer, about)
        self._vertices: list[bytes] = []
        self._count = 0

    def begin(self) -> bytes:
        """See layer.Encoder."""
        return orjson.dumps(self._root)[:-1] + b',"CityObjects":{'

    def batch(self, row: TupleRow) -> bytes:
        """See layer.Encoder."""
        vertices = Vertices(self._count)
        objects: dict[str, Object] = {}
        for record, solids in zip(*row, strict=True):
            objects |= to_objects(orjson.loads(record), solids, self._lod, vertices)
        separator = b"," if self._count else b""
        self._count += len(vertices)
        self._vertices.append(vertices.dump()[1:-1])
        return separator + orjson.dumps(objects)[1:-1]

    def end(self) -> bytes:
        """See layer.Encoder."""
        return b'},"vertices":[' + b",".join(self._vertices) + b"]}"

    def close(self) -> None:
        """Nothing is temporary."""


class CityJsonSequence(Text):
    """A line for the head, and one for each building with vertices of its own."""

    def __init__(self, layer: Layer, about: About) -> None:
        super().__init__(orjson.dumps({**_root(layer, about), "CityObjects": {}, "vertices": []}) + b"\n")
        self._lod = str(layer.collection.lod)

    def batch(self, row: TupleRow) -> bytes:
        """See layer.Encoder."""
        return b"".join(self._line(orjson.loads(record), solids) for record, solids in zip(*row, strict=True))

    def _line(self, record: Object, solids: bytes) -> bytes:
        vertices = Vertices()
        objects = to_objects(record, solids, self._lod, vertices)
        feature = {"type": "CityJSONFeature", "id": record["id"], "CityObjects": objects}
        return orjson.dumps({**feature, "vertices": orjson.Fragment(vertices.dump())}) + b"\n"


def _single(layer: Layer, about: About, row: TupleRow) -> bytes:
    encoder = CityJson(layer, about)
    return encoder.begin() + encoder.batch(row) + encoder.end()


CITYJSON = Format(
    key="cityjson",
    media_type=MEDIA_TYPE,
    extension="city.json",
    title="CityJSON",
    columns=columns,
    encoder=CityJson,
    threaded=True,
    single=_single,
    solids=True,
)
CITYJSONSEQ = Format(
    key="cityjsonseq",
    media_type=SEQUENCE,
    extension="city.jsonl",
    title="CityJSONSeq",
    columns=columns,
    encoder=CityJsonSequence,
    threaded=True,
    solids=True,
)
