"""CQL2 JSON -> tree (OGC 21-065r2, schema cql2.json)."""

from decimal import Decimal
from typing import Any

import orjson

from server.cql2 import values
from server.cql2.limits import MAX_DEPTH, MAX_TERMS, MAX_VERTICES
from server.cql2.tree import Array, Box, Geometry, Interval, Literal, Node, Op, Property, too_deep
from server.errors import InvalidParameter

REMEDY = 'Write CQL2 JSON, for example {"op": "=", "args": [{"property": "gmd"}, "Essen"]}'
LITERALS = ("property", "date", "timestamp", "interval", "bbox")


def parse_json(text: str) -> Node:
    """The tree of a filter. Raises InvalidParameter."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _wrong(text, f"it is no JSON: {error}") from None
    _check_nesting(document, text)
    try:
        return _node(document)
    except ValueError as error:
        raise _wrong(text, str(error)) from None


def _wrong(text: str, rule: str) -> InvalidParameter:
    return InvalidParameter("filter", text, rule, REMEDY)


def _check_nesting(document: Any, text: str) -> None:
    """Before recursion. An expression is an object with a list in it; a geometry has lists only."""
    waiting, count = [(document, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > 2 * MAX_DEPTH:
            raise too_deep(text)
        if count > MAX_TERMS + 4 * MAX_VERTICES:
            raise _wrong(text, f"it has more than {MAX_TERMS} operators, names and values")
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(found, depth + 1) for found in inside]


def _node(value: Any) -> Node:
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return Array(tuple([_node(item) for item in value]))
    if isinstance(value, bool) or value is None:
        return Literal(value)
    if isinstance(value, str):
        return Literal(_text(value))
    return Literal(_number(value))


def _object(value: dict[str, Any]) -> Node:
    if "op" in value:
        return _operation(value)
    if "type" in value:
        return Geometry(values.from_geojson(orjson.dumps(value)))
    for name in LITERALS:
        if name in value:
            if len(value) > 1:
                raise ValueError(f"an object with '{name}' has other members, too")
            return _literal(name, value[name])
    raise ValueError(f"an object is none of CQL2: it has the members {', '.join(sorted(value))[:80] or 'none'}")


def _operation(value: dict[str, Any]) -> Op:
    name, args = value["op"], value.get("args")
    if not isinstance(name, str) or not isinstance(args, list) or len(value) > 2:
        raise ValueError("an operation has a text 'op' and a list 'args', nothing else")
    return Op(name.lower(), tuple([_node(arg) for arg in args]))


def _literal(name: str, value: Any) -> Node:
    if name == "property":
        return Property(_text(value))
    if name == "date":
        return Literal(values.to_date(_text(value)))
    if name == "timestamp":
        return Literal(values.to_timestamp(_text(value)))
    if not isinstance(value, list):
        raise ValueError(f"'{name}' needs a list")
    if name == "bbox":
        return Box(values.to_corners([float(_number(number)) for number in value]))
    if len(value) != 2:
        raise ValueError("an interval has a start and an end")
    return Interval(_bound(value[0]), _bound(value[1]))


def _bound(value: Any) -> Node | None:
    if isinstance(value, str):
        instant = values.to_instant(value)
        return None if instant is None else Literal(instant)
    return _node(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a text is expected, not {orjson.dumps(value).decode()[:40]}")
    if "\0" in value:
        raise ValueError("a text holds a NUL character")
    return value


def _number(value: Any) -> int | Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"a number is expected, not {orjson.dumps(value).decode()[:40]}")
    return values.to_number(repr(value))
