"""Query string -> ItemsQuery. Every rule of a parameter is here, and its message."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache

from server.catalogue import Collection, Property
from server.conditions import PARAMETERS as CONDITION_PARAMETERS
from server.conditions import parse_conditions
from server.cql2.filter import Condition
from server.crs import Box, Crs, offered, parse_crs
from server.errors import InvalidParameter
from server.features.cursor import Cursor, parse_cursor
from server.features.selection import PARAMETERS, parse_selection
from server.features.sorting import SortKey, parse_sortby
from server.formats.layer import EVERYTHING, Selection
from server.limits import DEFAULT_LIMIT, MAX_LIMIT
from server.times import DATE_TIME, FULL_DATE, parse_as_of, parse_datetime

OWN_PARAMETERS = (
    *("limit", "bbox", "bbox-crs", "crs", "datetime", "cursor", "sortby", "resultType", "asOf", "profile"),
    *PARAMETERS,
    *CONDITION_PARAMETERS,
)

VARYING = ("bbox", "cursor")  # in which the requests of a client differ from each other
MAX_KEPT = 2_000  # characters of the parameters of a request that is kept

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)

Value = str | int | float | bool | date


@dataclass(frozen=True)
class ItemsQuery:
    """What a request for items asks for.

    boxes: in x, y order of bbox_crs; two where the box crosses the antimeridian; none = no spatial restriction.
    since, until: dates, both included; None = open. as_of: the data as they were then; None = as they are.
    hits: only the number of features is wanted.
    """

    collection: Collection
    limit: int
    crs: Crs
    bbox_crs: Crs
    boxes: tuple[Box, ...] = ()
    since: date | None = None
    until: date | None = None
    filters: tuple[tuple[str, Value], ...] = ()
    cursor: Cursor | None = None
    sort: tuple[SortKey, ...] = ()
    selection: Selection = EVERYTHING
    as_of: datetime | None = None
    hits: bool = False
    condition: Condition | None = None

    @cached_property
    def identity(self) -> str:
        """What a cursor is bound to: all that decides which features match and in which order."""
        where = (self.collection.id, self.bbox_crs.srid, self.boxes, self.since, self.until, self.filters)
        further = (self.sort, self.as_of, self.condition and self.condition.identity)
        return repr((*where, *further) if any(further) else where)

    @property
    def unfiltered(self) -> bool:
        """Whether every feature of the collection matches."""
        return not (self.boxes or self.since or self.until or self.filters or self.condition)


@lru_cache(maxsize=256)
def allowed_parameters(collection: Collection) -> tuple[str, ...]:
    """Parameters of a collection's items besides f and lang."""
    return (*OWN_PARAMETERS, *(p.name for p in collection.parameters))


def parse_items_query(collection: Collection, parameters: Mapping[str, str]) -> ItemsQuery:
    """The query of a request. Raises InvalidParameter.

    Who pages, and who moves a map, says the same again but for `cursor` and `bbox`: what that means is kept.
    """
    given = tuple(pair for pair in parameters.items() if pair[0] not in VARYING)
    parse = _parse_steady if sum(len(value) for _, value in given) <= MAX_KEPT else _parse_steady.__wrapped__
    query = parse(collection, given)
    if "bbox" in parameters:
        query = replace(query, boxes=parse_bbox(parameters["bbox"], query.bbox_crs))
    if "cursor" in parameters:
        query = replace(query, cursor=parse_cursor(parameters["cursor"], query.identity))
    return query


@lru_cache(maxsize=512)
def _parse_steady(collection: Collection, given: tuple[tuple[str, str], ...]) -> ItemsQuery:
    parameters = dict(given)
    since, until = parse_datetime(parameters.get("datetime"))
    return ItemsQuery(
        collection=collection,
        limit=parse_limit(parameters.get("limit")),
        crs=parse_crs("crs", parameters.get("crs"), offered(collection)),
        bbox_crs=parse_crs("bbox-crs", parameters.get("bbox-crs"), offered(collection)),
        since=since if collection.datetime else None,
        until=until if collection.datetime else None,
        filters=tuple(
            (p.name, parse_value(p, parameters[p.name])) for p in collection.parameters if p.name in parameters
        ),
        sort=parse_sortby(collection, parameters.get("sortby")),
        selection=parse_selection(collection, parameters),
        as_of=parse_as_of(parameters.get("asOf")),
        hits=parse_result_type(parameters.get("resultType")),
        condition=parse_conditions(collection, parameters),
    )


def parse_limit(text: str | None) -> int:
    """Page size; above the maximum it is the maximum (/req/core/fc-limit-response-1)."""
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"\d{1,30}", text, re.ASCII) or int(text) < 1:
        raise InvalidParameter("limit", text, "it is no whole number from 1 on", f"Use 1 to {MAX_LIMIT}")
    return min(int(text), MAX_LIMIT)


def parse_result_type(text: str | None) -> bool:
    """Whether only the number of features is wanted."""
    if text not in {None, "results", "hits"}:
        raise InvalidParameter("resultType", str(text), "it is neither results nor hits", "Use results or hits")
    return text == "hits"


def parse_bbox(text: str | None, crs: Crs) -> tuple[Box, ...]:
    """Boxes in x, y order; heights of a box with six numbers match every feature, as the data have none.

    A box whose west is east of its east crosses the antimeridian and becomes two (degrees only).
    """
    if text is None:
        return ()
    parts = text.split(",") if len(text) <= 500 else []
    if len(parts) not in {4, 6}:
        raise _bad_bbox(text, "it has not 4 or 6 numbers separated by commas", crs)
    if not all(NUMBER.fullmatch(part) and math.isfinite(float(part)) for part in parts):
        raise _bad_bbox(text, "each part must be a finite decimal number", crs)
    numbers = [float(part) for part in parts]
    half = len(numbers) // 2
    (x0, y0), (x1, y1) = numbers[:2], numbers[half : half + 2]
    box = Box(y0, x0, y1, x1) if crs.northing_first else Box(x0, y0, x1, y1)
    if half == 3 and numbers[2] > numbers[5]:
        raise _bad_bbox(text, "the lower height is above the upper one", crs)
    if box.ymin > box.ymax:
        raise _bad_bbox(text, "its southern side lies north of its northern one", crs)
    if crs.geographic:
        return _degrees(text, box, crs)
    if box.xmin > box.xmax:
        raise _bad_bbox(text, "its western side lies east of its eastern one", crs)
    return (box,)


def _degrees(text: str, box: Box, crs: Crs) -> tuple[Box, ...]:
    if max(abs(box.ymin), abs(box.ymax)) > 90 or max(abs(box.xmin), abs(box.xmax)) > 180:
        raise _bad_bbox(text, "it leaves the range of degrees (longitude -180 to 180, latitude -90 to 90)", crs)
    if box.xmin <= box.xmax:
        return (box,)
    return (box._replace(xmax=180.0), box._replace(xmin=-180.0))


def _bad_bbox(text: str, rule: str, crs: Crs) -> InvalidParameter:
    order = "south,west,north,east" if crs.northing_first else "west,south,east,north"
    example = "6.9,51.4,7.1,51.5" if crs.geographic and not crs.northing_first else order
    return InvalidParameter("bbox", text, rule, f"Give the sides as {order} in {crs.uri}, for example {example}")


def parse_value(prop: Property, text: str) -> Value:
    """The value that a queryable is compared with, of the queryable's type."""
    match prop.type:
        case "string":
            return text
        case "integer":
            if INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
                return int(text)
        case "number":
            if NUMBER.fullmatch(text) and math.isfinite(float(text)):
                return float(text)
        case "boolean":
            if text in {"true", "false"}:
                return text == "true"
        case "date":
            return _date_value(prop, text)
        case "datetime":
            return _moment_value(prop, text)
    raise InvalidParameter(prop.name, text, f"the property is of type {prop.type}", f"Give a value of type {prop.type}")


def _moment_value(prop: Property, text: str) -> datetime:
    try:
        if DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidParameter(prop.name, text, "the property is a moment", "Give it as YYYY-MM-DDThh:mm:ssZ")


def _date_value(prop: Property, text: str) -> date:
    """A day; a date-time of midnight, which clients make of a date, is that day."""
    try:
        if FULL_DATE.fullmatch(text):
            return date.fromisoformat(text)
        if DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).date()
    except ValueError:
        pass
    raise InvalidParameter(prop.name, text, "the property is a date", "Give it as YYYY-MM-DD")
