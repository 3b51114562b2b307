"""The tree of a filter, alike for CQL2 Text and CQL2 JSON. Names of operators and functions are in lower case."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shapely.geometry.base import BaseGeometry

from server.cql2.limits import MAX_DEPTH, MAX_TERMS
from server.errors import InvalidParameter

Value = str | int | Decimal | bool | date | datetime | None


@dataclass(frozen=True)
class Literal:
    """A value; a datetime is in UTC; None is NULL."""

    value: Value


@dataclass(frozen=True)
class Property:
    """The name of a queryable."""

    name: str


@dataclass(frozen=True)
class Interval:
    """From one instant to another, both included; None is an open end."""

    start: "Node | None"
    end: "Node | None"


@dataclass(frozen=True)
class Geometry:
    """A geometry as it was written: in the axis order of the filter's CRS."""

    shape: BaseGeometry


@dataclass(frozen=True)
class Box:
    """Four numbers as they were written: lower left and upper right corner, in the axis order of the filter's CRS."""

    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class Array:
    """A list in parentheses."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True)
class Op:
    """An operator or function with its operands."""

    name: str
    args: "tuple[Node, ...]"


Node = Literal | Property | Interval | Geometry | Box | Array | Op


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below a node."""
    if isinstance(node, Op):
        return node.args
    if isinstance(node, Array):
        return node.items
    if isinstance(node, Interval):
        return tuple(end for end in (node.start, node.end) if end is not None)
    return ()


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth; without recursion, as the depth is what is asked for."""
    waiting = [(node, 1)]
    while waiting:
        found, depth = waiting.pop()
        yield found, depth
        waiting += [(child, depth + 1) for child in children(found)]


def check_size(tree: Node, text: str) -> None:
    """Raises InvalidParameter where a tree is too deep or has too many terms."""
    for count, (_, depth) in enumerate(walk(tree), start=1):
        if depth > MAX_DEPTH:
            raise too_deep(text)
        if count > MAX_TERMS:
            rule = f"it has more than {MAX_TERMS} operators, names and values"
            raise InvalidParameter("filter", text, rule, "Ask for a part of it at a time")


def too_deep(text: str) -> InvalidParameter:
    """The error of a filter that is nested too deeply."""
    rule = f"its expressions are nested more than {MAX_DEPTH} deep"
    return InvalidParameter("filter", text, rule, "Take out needless parentheses, or use IN and BETWEEN")
