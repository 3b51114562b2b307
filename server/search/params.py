"""Query string -> what is searched for. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from server.catalogue import Collection, Found
from server.conditions import check_words
from server.crs import CRS84, ETRS89_UTM32, Box, Crs, parse_crs, to_frame
from server.errors import InvalidParameter
from server.parcels import Parcel, parse_parcel

PARAMETERS = ("q", "lon", "lat", "kind", "collections", "bbox", "limit", "crs")
KINDS = ("address", "street", "parcel", "place")
DEFAULT_LIMIT, MAX_LIMIT = 10, 50
DECIMAL = re.compile(r"[+-]?\d{1,3}(\.\d{0,20})?", re.ASCII)
# 5, 5a, 5 a, 12-14, 12a/b; not the day of "17. Juni"
NUMBER = re.compile(
    r"(?<![\w.])(\d{1,4})(?: ?([a-z])(?!\w))?( ?[-–/+] ?\d{0,4} ?[a-z]?)?(?!\w|\. *[^\W\d])", re.IGNORECASE
)
POSTCODE = re.compile(r"(?<!\w)\d{5}(?!\w)")


@dataclass(frozen=True)
class House:
    """A house number; `suffix` is in small letters without blanks, such as `a` or `-14`."""

    number: int
    suffix: str = ""
    rest: str = ""


@dataclass(frozen=True)
class Wanted:
    """What is looked for: a text, taken apart, or what is near a point (east, north in EPSG:25832).

    box: where it is preferred, in EPSG:25832. found: the declarations that are searched.
    parcel: what the text means as one.
    """

    text: str
    house: House | None
    point: tuple[float, float] | None
    found: tuple[tuple[Collection, Found], ...]
    kinds: tuple[str, ...]
    limit: int
    crs: Crs
    box: Box | None
    parcel: Parcel | None = None


def parse_search(collections: tuple[Collection, ...], given: Mapping[str, str]) -> Wanted:
    """What a request looks for. Raises InvalidParameter."""
    point = _parse_point(given)
    text, house = ("", None) if point else parse_text(given.get("q"))
    wanted = _parse_names("collections", given.get("collections"), tuple(c.id for c in collections if c.search))
    return Wanted(
        text=text,
        house=house,
        point=point,
        found=tuple((c, found) for c in collections if c.id in wanted for found in c.search),
        kinds=_parse_names("kind", given.get("kind"), KINDS),
        limit=_parse_limit(given.get("limit")),
        crs=parse_crs("crs", given.get("crs")),
        box=_parse_box(given.get("bbox")),
        parcel=None if point else parse_parcel(given.get("q", "")),
    )


def parse_text(text: str | None) -> tuple[str, House | None]:
    """The words and the house number, which is the last number among them; numbers of five digits are postal codes,
    which the data do not have.
    """
    if text is None:
        raise InvalidParameter("q", "", "nothing is searched for", "Give q=Hauptstr. 5 Essen, or lon and lat")
    check_words(text)
    words = POSTCODE.sub(" ", text)
    if not any(c.isalpha() for c in words):
        words = words if words.strip(" ,.") else text
        return words, None
    matches = [m for m in NUMBER.finditer(words) if any(c.isalpha() for c in words[: m.start()] + words[m.end() :])]
    if not matches:
        return words, None
    last = matches[-1]
    rest = re.sub(r"\s", "", last[3] or "").replace("–", "-").lower()
    house = House(int(last[1]), (last[2] or "").lower(), rest)
    return f"{words[: last.start()]} {words[last.end() :]}".strip(), house


def _parse_point(given: Mapping[str, str]) -> tuple[float, float] | None:
    names = [name for name in ("lon", "lat") if name in given]
    if not names:
        return None
    if len(names) == 1 or "q" in given:
        rule = "a place needs lon and lat, and no q beside them"
        raise InvalidParameter(names[0], given[names[0]], rule, "Give lon=7.01&lat=51.45")
    for name, most in (("lon", 180), ("lat", 90)):
        if not DECIMAL.fullmatch(given[name]) or abs(float(given[name])) > most:
            rule = f"it is no number of degrees from -{most} to {most}"
            raise InvalidParameter(name, given[name], rule, "Give lon=7.01&lat=51.45")
    lon, lat = float(given["lon"]), float(given["lat"])
    east, north, _, _ = to_frame(Box(lon, lat, lon, lat), CRS84.srid, ETRS89_UTM32.srid).outer
    if not (math.isfinite(east) and math.isfinite(north)):
        raise InvalidParameter("lon", given["lon"], "it lies too far from the data", "Give lon=7.01&lat=51.45")
    return east, north


def _parse_names(name: str, text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    names = known if text is None else tuple(text.split(","))
    if unknown := [n for n in names if n not in known]:
        raise InvalidParameter(name, unknown[0], "it is none that can be searched", f"Use some of: {', '.join(known)}")
    return names


def _parse_limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < 1:
        raise InvalidParameter("limit", text, "it is no whole number from 1 on", f"Use 1 to {MAX_LIMIT}")
    return min(int(text), MAX_LIMIT)


def _parse_box(text: str | None) -> Box | None:
    if text is None:
        return None
    parts = text.split(",") if len(text) <= 200 else []
    example = "Give west,south,east,north in degrees, such as 6.9,51.4,7.1,51.5"
    if len(parts) != 4 or not all(DECIMAL.fullmatch(part) for part in parts):
        raise InvalidParameter("bbox", text, "it is not four decimal numbers", example)
    box = Box(*map(float, parts))
    in_range = -180 <= box.xmin <= box.xmax <= 180 and -90 <= box.ymin <= box.ymax <= 90
    if not in_range:
        raise InvalidParameter("bbox", text, "its sides are not in order or out of range", example)
    outer = to_frame(box, CRS84.srid, ETRS89_UTM32.srid).outer
    return outer if all(map(math.isfinite, outer)) else None
