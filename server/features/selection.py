"""Which parts of a feature are wanted, and how exact its geometry: `properties`, `exclude-properties`, `skipGeometry`
(Features Part 6), `zoom-level` (Part 7).
"""

import math
import re
from collections.abc import Mapping

from server.catalogue import Collection
from server.errors import InvalidParameter
from server.formats.layer import EVERYTHING, Selection

PARAMETERS = ("properties", "exclude-properties", "skipGeometry", "zoom-level")
GEOMETRY = "geom"
NUMBER = re.compile(r"\+?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})", re.ASCII)

# Metres of a pixel on the ground at zoom level 0 of WebMercatorQuad (256 pixels), at 51.5° north
PIXEL = 2 * math.pi * 6_378_137 / 256 * math.cos(math.radians(51.5))
# A point may move by half a pixel; from here on, about 1 mm, nothing is left to simplify
FINEST_ZOOM = 26


def returnables(collection: Collection) -> tuple[str, ...]:
    """Names that `properties` may have."""
    return (*(p.name for p in collection.properties), "delivery", GEOMETRY)


def parse_selection(collection: Collection, parameters: Mapping[str, str]) -> Selection:
    """The parts that a request wants. Raises InvalidParameter."""
    if not any(name in parameters for name in PARAMETERS):
        return EVERYTHING
    if "properties" in parameters and "exclude-properties" in parameters:
        rule = "properties is given, too"
        raise InvalidParameter("exclude-properties", parameters["exclude-properties"], rule, "Give one of the two")
    wanted = _names(collection, "properties", parameters.get("properties"))
    excluded = _names(collection, "exclude-properties", parameters.get("exclude-properties"))
    geometry = not _flag("skipGeometry", parameters.get("skipGeometry")) and GEOMETRY not in excluded
    names = None
    if wanted or excluded:
        names = tuple(n for n in returnables(collection)[:-1] if (n in wanted if wanted else n not in excluded))
    tolerance = parse_zoom_level(parameters.get("zoom-level"))
    simple = not geometry or collection.geometry in {"Point", "MultiPoint"}
    return Selection(names, geometry, None if simple else tolerance)


def _names(collection: Collection, parameter: str, text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset()
    known = returnables(collection)
    names = text.split(",")
    for name in names:
        if name not in known:
            remedy = f"Use names out of: {', '.join(known)}, separated by commas"
            raise InvalidParameter(parameter, text, f"the collection has no property '{name[:60]}'", remedy)
    return frozenset(names)


def _flag(parameter: str, text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise InvalidParameter(parameter, str(text), "it is neither true nor false", "Use true or false")
    return text == "true"


def parse_zoom_level(text: str | None) -> float | None:
    """Tolerance in metres: half a pixel of the map at that level; None where that is less than the data's own."""
    if text is None:
        return None
    if not NUMBER.fullmatch(text):
        rule = "it is no decimal number from 0 on"
        raise InvalidParameter("zoom-level", text, rule, "Give the level of WebMercatorQuad, for example 12 or 12.5")
    level = float(text)
    return None if level >= FINEST_ZOOM else PIXEL / 2 ** (level + 1)
