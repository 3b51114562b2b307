"""What an expression becomes: a piece of SQL with its type. Types are checked by `same_type`."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg.sql import SQL, Composable

from server.catalogue import ID, Collection, Property
from server.cql2.tree import Geometry, Literal, Node, Op
from server.cql2.tree import Property as Name
from server.crs import Crs
from server.errors import InvalidParameter

# Types of the catalogue -> types of expressions; a list's element type goes before []
TYPES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamp",
}
CASTS = {
    "string": sql.SQL("text"),
    "number": sql.SQL("numeric"),
    "boolean": sql.SQL("boolean"),
    "date": sql.SQL("date"),
    "timestamp": sql.SQL("timestamptz"),
}
A_TYPE = {
    "string": "a text",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date",
    "timestamp": "a moment",
    "geometry": "a geometry",
}
HOW = {
    "string": "Write it in single quotes",
    "number": "Write a number without quotes",
    "boolean": "Write true or false",
    "date": "Write DATE('2026-07-01')",
    "timestamp": "Write TIMESTAMP('2026-07-01T12:00:00Z')",
    "geometry": "Write a geometry such as POINT(7 51.5), or a property of that type",
}


@dataclass(frozen=True)
class Term:
    """A compiled expression.

    type: string, number, boolean, date, timestamp, geometry, one of them with [], or null. constant: no property is
    in it. indexed: as a condition, an index can find its features. column: the property that it is. parts: of a
    literal geometry collection, its points, lines and areas. folded: the property that casei() or accenti() is called
    with, where an index serves that. pieces: the arguments of a function.
    """

    sql: Composable
    type: str
    node: Node
    constant: bool = False
    indexed: bool = False
    column: Property | None = None
    parts: tuple[Composable, ...] = ()
    folded: Property | None = None
    pieces: tuple[Composable, ...] = ()


@dataclass
class Scope:
    """Where a filter is compiled: what its names mean, and the values that its SQL binds.

    text: the filter as it came, for messages.
    """

    collection: Collection
    crs: Crs
    text: str
    gdal: bool = False
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any, cast: SQL) -> Composable:
        """A placeholder for a value."""
        name = f"c_{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name) + sql.SQL("::") + cast

    def wrong(self, rule: str, remedy: str) -> InvalidParameter:
        """The error of this filter."""
        return InvalidParameter("filter", self.text, rule, remedy)

    def literal(self, node: Literal) -> Term:
        """A bound value."""
        value = node.value
        if value is None:
            return Term(sql.SQL("null"), "null", node, constant=True)
        if isinstance(value, str) and "\0" in value:
            raise self.wrong("a text holds a NUL character", "Leave it out")
        kind, cast = _kind(value)
        return Term(self.bind(value, cast), kind, node, constant=True)

    def property(self, node: Name) -> Term:
        """A queryable's column."""
        column = sql.Identifier(node.name)
        if node.name == "geom":
            return Term(column, "geometry", node)
        # GDAL asks for the nulls of any attribute, whatever the queryables are, and gives up at a 400
        for prop in (ID, *(self.collection.properties if self.gdal else self.collection.queryables)):
            if prop.name == node.name:
                kind = TYPES[prop.type.removesuffix("[]")] + ("[]" if prop.type.endswith("[]") else "")
                served = prop if prop.queryable else None
                return Term(column, kind, node, column=served, indexed=served is not None and kind == "boolean")
        if self.gdal and node.name == "delivery":
            return Term(column, "number", node)
        names = ", ".join(["id", *(p.name for p in self.collection.queryables), "geom"])
        raise self.wrong(f"'{node.name[:60]}' is no queryable of '{self.collection.id}'", f"Queryables are: {names}")

    def need(self, term: Term, kind: str, where: str) -> Term:
        """The term, which must be of a type. Raises InvalidParameter."""
        if term.type in {kind, "null"}:
            return term
        rule = f"{where} needs {A_TYPE[kind]}, and {describe(term)}"
        raise self.wrong(rule, HOW[kind])


def _kind(value: Any) -> tuple[str, SQL]:
    if isinstance(value, bool):
        return "boolean", sql.SQL("boolean")
    if isinstance(value, int):
        return "number", sql.SQL("bigint")
    if isinstance(value, Decimal):
        return "number", sql.SQL("numeric")
    if isinstance(value, datetime):
        return "timestamp", sql.SQL("timestamptz")
    if isinstance(value, date):
        return "date", sql.SQL("date")
    return "string", sql.SQL("text")


def describe(term: Term) -> str:
    """A term in a message: what it is, with its type."""
    node, kind = term.node, term.type
    what = f"a list of {A_TYPE.get(kind[:-2], kind)}s" if kind.endswith("[]") else A_TYPE.get(kind, kind)
    if isinstance(node, Name):
        return f"'{node.name}' is {what}"
    if isinstance(node, Literal):
        return f"{str(node.value)[:40]!r} is {what}" if isinstance(node.value, str) else f"{node.value} is {what}"
    if isinstance(node, Op):
        return f"what {node.name.upper()} gives is {what}"
    return f"what stands there is {'a geometry' if isinstance(node, Geometry) else what}"


def as_timestamp(term: Term) -> Composable:
    """A date as the beginning of its day, a moment as it is."""
    if term.type != "date":
        return term.sql
    return sql.SQL("(({})::timestamp at time zone 'UTC')").format(term.sql)
