"""What the columns of a file are, found by reading all of it once: types, keys, coordinates, kinds of geometries."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from loaders.batch import Sieve
from loaders.files.layer import Block, Layer
from loaders.files.names import words
from loaders.files.values import to_texts
from loaders.tables import PropertyType
from loaders.values import parse_texts
from loaders.wkb import type_codes

DAY = r"(0?[1-9]|[12][0-9]|3[01])\.(0?[1-9]|1[0-2])\.[0-9]{4}|[0-9]{4}[-/](0[1-9]|1[0-2])[-/](0[1-9]|[12][0-9]|3[01])"
TIME = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
PATTERNS = {
    "integer": r"^[+-]?(0|[1-9][0-9]{0,17})$",
    "point": r"^[+-]?(0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$",
    "comma": r"^[+-]?(0|[1-9][0-9]{0,17}|[1-9][0-9]{0,2}(\.[0-9]{3})+)(,[0-9]+)?$",
    "date": f"^({DAY})$",
    "datetime": rf"^({DAY})[T ]{TIME}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?$",
    "boolean": r"^(?i:true|false|wahr|falsch)$",
    "wkt": r"^(?i:(SRID=[0-9]+;)?(MULTI)?(POINT|LINESTRING|POLYGON)\s*(Z|M|ZM)?\s*\()",
    "digits": r"^[0-9]+$",
}
# words of names whose numbers are keys
KEYS = {"ags", "ars", "rs", "plz", "postleitzahl", "schluessel", "schl", "schluesselnummer", "key", "kennzeichen",
        "kennz", "kennung", "flstkennz", "gemeindeschluessel", "kreisschluessel", "gemarkungsnummer", "gmdschl", "tel",
        "telefon", "fax", "iban", "hausnummer", "hnr", "aktenzeichen", "az", "kn"}  # fmt: skip
OFFICIAL = {"ags", "gemeindeschluessel", "kreisschluessel", "gemeindekennziffer", "kn", "gmdschl"}
# words of names that tell rows apart, the best first
IDS = ("id", "gml_id", "gmlid", "oid", "uuid", "guid", "objectid", "objid", "identifikator", "kennung", "kennzeichen",
       "ags", "schluessel", "nummer", "nr", "key", "lfd", "fid")  # fmt: skip
CODES = {1: "Point", 2: "Line", 3: "Area", 4: "Points", 5: "Line", 6: "Area"}


@dataclass
class Profile:
    """What is seen of a column. `longest`: characters of its longest value; `lengths`: of its values of digits."""

    name: str
    type: pa.DataType | None = None
    rows: int = 0
    nulls: int = 0
    example: str | None = None
    longest: int = 0
    possible: set[str] = field(default_factory=lambda: set(PATTERNS))
    lengths: set[int] = field(default_factory=set)
    prints: list[np.ndarray] | None = field(default_factory=list)

    def see(self, column: pa.Array, sieve: Sieve) -> None:
        """Take note of a block's values."""
        self.type = column.type
        texts = parse_texts(to_texts(column), self.name, sieve)
        found: Any = texts.drop_null()
        self.rows += len(texts)
        self.nulls += len(texts) - len(found)
        if not len(found):
            self.prints = None if len(texts) else self.prints
            return
        if self.example is None:
            self.example = found[0].as_py()
        self.longest = max(self.longest, pc.max(pc.utf8_length(found)).as_py())
        for name in tuple(self.possible):
            if not pc.all(pc.match_substring_regex(found, PATTERNS[name])).as_py():
                self.possible.discard(name)
        if "digits" in self.possible:
            self.lengths |= set(pc.unique(pc.utf8_length(found)).to_pylist())
        self._look_for_repeated(found, complete=len(found) == len(texts))

    def _look_for_repeated(self, found: Any, *, complete: bool) -> None:
        if self.prints is None:
            return
        floating = self.type is not None and pa.types.is_floating(self.type)
        if not complete or floating or pc.count_distinct(found).as_py() < len(found):
            self.prints = None
        else:
            self.prints.append(np.fromiter(map(hash, found.to_pylist()), np.int64, len(found)))

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        if not self.prints or not self.rows:
            return False
        prints = np.concatenate(self.prints)
        return len(np.unique(prints)) == len(prints) == self.rows

    @property
    def key_like(self) -> bool:
        """Whether numbers in it are keys by their name."""
        found = words(self.name)
        return not KEYS.isdisjoint(found) or "".join(found) in KEYS

    @property
    def digits(self) -> int | None:
        """Of official keys that lost their first zero: how many they must have."""
        if OFFICIAL.isdisjoint(words(self.name)) or "digits" not in self.possible or not self.example:
            return None
        for length in (5, 8):
            if self.lengths == {length - 1} and self.example.startswith("5"):
                return length
        return None


@dataclass(frozen=True)
class Kind:
    """A property's type, whether its texts have a decimal comma, how many digits its keys have, and a remark."""

    type: PropertyType
    comma: bool = False
    digits: int | None = None
    remark: str = ""


def to_kind(profile: Profile, *, texts: bool) -> Kind:
    """What a column is. `texts`: all cells of the file are texts, so that numbers must be found among them."""
    kind = profile.type
    if profile.nulls == profile.rows:
        return Kind("string", remark="no values")
    if digits := profile.digits:
        return Kind("string", digits=digits, remark=f"a key: filled up with zeros to {digits} digits")
    if profile.key_like and (texts or kind is None or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return Kind("string", remark="a key")
    if kind is None or pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return _of_texts(profile, numbers=texts)
    return _of_type(kind)


def _of_type(kind: pa.DataType) -> Kind:
    if pa.types.is_nested(kind):
        return Kind("string", remark="lists and objects as JSON")
    tests: tuple[tuple[Any, PropertyType], ...] = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_floating, "number"),
        (pa.types.is_decimal, "number"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "datetime"),
    )
    for test, name in tests:
        if test(kind):
            return Kind(name)
    return Kind("string")


def _of_texts(profile: Profile, *, numbers: bool) -> Kind:
    for name in ("date", "datetime"):
        if name in profile.possible:
            return Kind("date" if name == "date" else "datetime")
    if not numbers:
        return Kind("string")
    found = profile.possible
    if "integer" in found:
        return Kind("integer")
    if {"point", "comma"} <= found:
        return Kind("string", remark="numbers such as 1.234 can be read in two ways: set type and decimal")
    if "point" in found or "comma" in found:
        return Kind("number", comma="comma" in found)
    return (
        Kind("boolean") if "boolean" in found else Kind("string", remark="" if "digits" not in found else "zeros kept")
    )


@dataclass
class Survey:
    """What is seen of a layer: `kinds` of geometries and how many there are, and the box of each block's."""

    columns: dict[str, Profile]
    rows: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    bounds: list[np.ndarray] = field(default_factory=list)

    def see(self, block: Block) -> None:
        """Take note of a block."""
        sieve = Sieve("", block.lines, str)
        self.rows += len(block.lines) + len(block.faults)
        for name, column in block.columns.items():
            if name in self.columns:
                self.columns[name].see(column, sieve)
        if block.wkb is not None:
            self.see_shapes(block.wkb)

    def see_shapes(self, wkb: pa.Array) -> None:
        """Take note of geometries; what is none is the load's matter."""
        codes = type_codes(wkb)
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            if code:
                name = CODES.get(int(code), "Other")
                self.kinds[name] = self.kinds.get(name, 0) + int(count)
        simple = np.isin(codes, list(CODES))
        values = wkb.filter(pa.array(simple)).to_numpy(zero_copy_only=False)
        boxes = shapely.bounds(shapely.from_wkb(values, on_invalid="ignore"))
        boxes = boxes[np.isfinite(boxes).all(axis=1)].reshape(-1, 4)
        if len(boxes):
            self.bounds.append(np.array([*boxes.min(0)[:2], *boxes.max(0)[2:]]))
            self.bounds_of_rows(boxes)

    centres: list[np.ndarray] = field(default_factory=list)

    def bounds_of_rows(self, boxes: np.ndarray) -> None:
        """A hundred centres of each block tell where most features lie."""
        some = boxes[:: max(1, len(boxes) // 100)]
        self.centres.append((some[:, :2] + some[:, 2:]) / 2)

    @property
    def box(self) -> tuple[float, ...] | None:
        """West, south, east, north of all, in the file's coordinates."""
        if not self.bounds:
            return None
        boxes = np.array(self.bounds)
        return (*boxes.min(0)[:2].tolist(), *boxes.max(0)[2:].tolist())


def survey(layer: Layer) -> Survey:
    """Read all of a layer. Raises InvalidDelivery."""
    names = [*layer.columns, *([layer.fids] if layer.fids else [])]
    found = Survey({name: Profile(name) for name in names})
    for block in layer.read():
        found.see(block)
    return found


def find_key(profiles: dict[str, Profile]) -> str | None:
    """The column that tells rows apart by its name and its values; None where there is none."""
    best = [
        (IDS.index(word), name)
        for name, profile in profiles.items()
        for word in {*words(name)[-1:], name.lower()}
        if word in IDS and profile.unique
    ]
    return min(best)[1] if best else None


PAIRS = (
    ("lon", "lat"), ("lng", "lat"), ("long", "lat"), ("longitude", "latitude"), ("laenge", "breite"),
    ("laengengrad", "breitengrad"), ("geolaenge", "geobreite"), ("x", "y"), ("xkoord", "ykoord"),
    ("xkoordinate", "ykoordinate"), ("koordx", "koordy"), ("koordinatex", "koordinatey"), ("xcoord", "ycoord"),
    ("xwert", "ywert"), ("ost", "nord"), ("ostwert", "nordwert"), ("east", "north"), ("easting", "northing"),
    ("rechtswert", "hochwert"), ("rechts", "hoch"), ("rw", "hw"), ("utmx", "utmy"), ("utmost", "utmnord"),
    ("utme", "utmn"), ("e", "n"), ("e32", "n32"), ("etrsx", "etrsy"), ("xetrs", "yetrs"), ("linrefx", "linrefy"),
    ("xgcswgs84", "ygcswgs84"),
)  # fmt: skip
DEGREES = {"lon", "lng", "long", "longitude", "laenge", "laengengrad", "geolaenge", "xgcswgs84"}


def find_coordinates(profiles: dict[str, Profile]) -> tuple[str, ...]:
    """The columns with x and y, or the one with WKT; none where no names tell."""
    plain = {re.sub(r"[^a-z0-9]", "", "".join(words(name))): name for name in profiles}
    for profile in profiles.values():
        if profile.rows > profile.nulls and "wkt" in profile.possible:
            return (profile.name,)
    for x, y in PAIRS:
        if x in plain and y in plain:
            return plain[x], plain[y]
    return ()


def are_degrees(coordinates: tuple[str, ...]) -> bool:
    """Whether the name of the first says so."""
    return len(coordinates) == 2 and re.sub(r"[^a-z0-9]", "", "".join(words(coordinates[0]))) in DEGREES
