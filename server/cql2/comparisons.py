"""=, <>, <, <=, >, >=, LIKE, BETWEEN and IN.

A property that the catalogue calls `caseless` has an index of `geobasis.caseless(…)`, its text without case and
accents. What casei() and accenti() find is among what that index finds: both conditions are put side by side.
"""

import re
from collections.abc import Sequence

from psycopg import sql

from server.catalogue import Property
from server.cql2 import spatial, values
from server.cql2.terms import HOW, Scope, Term, as_timestamp, describe
from server.cql2.tree import Literal, Node, Op

COMPARISONS = {
    "=": sql.SQL("="),
    "<>": sql.SQL("<>"),
    "<": sql.SQL("<"),
    "<=": sql.SQL("<="),
    ">": sql.SQL(">"),
    ">=": sql.SQL(">="),
}
COMPARABLE = {"string", "number", "boolean", "date", "timestamp", "null"}
FOLDS = ("casei", "accenti")
CASELESS = sql.SQL('(geobasis.caseless({}) collate "C")')
CODE_POINTS = sql.SQL('({}) collate "C"')
# A date as GDAL writes it: what was not given of the time is left out
GDAL_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d))?)?Z)?)?", re.ASCII)
WILDCARDS = re.compile(r"\\(.)|([%_])", re.DOTALL)


def compared(scope: Scope, node: Op, left: Term, right: Term) -> Term:
    """A comparison."""
    left, right = adapted(scope, left, right), adapted(scope, right, left)
    check_comparable(scope, node.name, (left, right))
    guards: list[sql.Composable] = []
    if node.name == "=":
        guards += [among(a, [b]) for a, b in ((left, right), (right, left)) if a.folded and b.constant]
    guards += nearby(scope, node.name, left, right)
    indexed = node.name != "<>" and (_served(left, right) or _served(right, left))
    return _guarded(guards, comparison(node.name, left, right), node, indexed=indexed)


def _served(column: Term, value: Term) -> bool:
    return column.column is not None and value.constant


def _guarded(guards: Sequence[sql.Composable], test: sql.Composable, node: Node, *, indexed: bool) -> Term:
    """A test behind what an index finds."""
    text = sql.SQL("({})").format(sql.SQL(" and ").join([*guards, test])) if guards else test
    return Term(text, "boolean", node, indexed=indexed or bool(guards))


def comparison(name: str, left: Term, right: Term) -> sql.Composable:
    """SQL of a comparison of two terms of one type; texts are ordered by code points."""
    a, b = left.sql, right.sql
    if {left.type, right.type} == {"date", "timestamp"}:
        a, b = as_timestamp(left), as_timestamp(right)
    if "string" in {left.type, right.type} and name not in {"=", "<>"}:
        a, b = CODE_POINTS.format(a), CODE_POINTS.format(b)
    return sql.SQL("({} {} {})").format(a, COMPARISONS[name], b)


def adapted(scope: Scope, term: Term, other: Term) -> Term:
    """In GDAL's dialect a text beside a date is a date, and 0 or 1 beside a boolean is one."""
    if not scope.gdal or not isinstance(term.node, Literal):
        return term
    value = term.node.value
    if other.type == "boolean" and term.type == "number" and value in {0, 1}:
        return scope.literal(Literal(bool(value)))
    found = GDAL_TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None or other.type not in {"date", "timestamp"}:
        return term
    day, *time = found.groups(default="00")
    try:
        if other.type == "date" and set(time) == {"00"}:
            return scope.literal(Literal(values.to_date(day)))
        return scope.literal(Literal(values.to_timestamp(f"{day}T{':'.join(time)}Z")))
    except ValueError as error:
        raise scope.wrong(str(error), "Correct it") from None


def check_comparable(scope: Scope, name: str, terms: Sequence[Term]) -> None:
    """Raises InvalidParameter where types cannot be compared."""
    for term in terms:
        if term.type not in COMPARABLE:
            use = "S_INTERSECTS, S_EQUALS" if term.type == "geometry" else "A_EQUALS, A_CONTAINS"
            raise scope.wrong(f"{describe(term)}, which {name.upper()} does not compare", f"Use {use} and their like")
    first = next((term for term in terms if not isinstance(term.node, Literal)), terms[0])
    for term in terms:
        kinds = {first.type, term.type} - {"null"}
        if len(kinds) > 1 and kinds != {"date", "timestamp"}:
            rule = f"{describe(first)}, {describe(term)}: they cannot be compared"
            raise scope.wrong(rule, HOW[first.type])


def folded(term: Term) -> Property | None:
    """The property in a term that casei() or accenti() is called with, where an index serves that."""
    return term.folded or (term.column if term.column is not None and term.column.caseless else None)


def nearby(scope: Scope, name: str, left: Term, right: Term) -> list[sql.Composable]:
    """For `distance(geom, …) < 100`, what the spatial index can find."""
    if name in {">", ">="}:
        name, left, right = {">": "<", ">=": "<="}[name], right, left
    node = left.node
    if name not in {"<", "<="} or not right.constant or not isinstance(node, Op) or node.name != "distance":
        return []
    if not left.pieces or spatial.in_degrees(scope.collection.srid):
        return []
    return [sql.SQL("ST_DWithin({}, {}, ({})::float8)").format(*left.pieces, right.sql)]


def like(scope: Scope, node: Op, left: Term, pattern: Term) -> Term:
    """LIKE: % is any text, _ one character, a backslash takes the meaning from what follows."""
    scope.need(left, "string", "LIKE")
    text = _pattern(scope, pattern)
    prefix = text[: found.start()] if (found := _first_wildcard(text)) else text
    guards: list[sql.Composable] = []
    if prefix and left.folded:
        bound = scope.bind(f"{prefix}%", sql.SQL("text"))
        column = CASELESS.format(sql.Identifier(left.folded.name))
        guards.append(sql.SQL("{} like geobasis.caseless({})").format(column, bound))
    test = sql.SQL("({} like {})").format(left.sql, pattern.sql)
    return _guarded(guards, test, node, indexed=bool(prefix) and left.column is not None)


def _pattern(scope: Scope, pattern: Term) -> str:
    """The literal in a pattern. Raises InvalidParameter where there is none or it ends in a lone backslash."""
    node = pattern.node
    while isinstance(node, Op) and node.name in FOLDS and len(node.args) == 1:
        node = node.args[0]
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise scope.wrong(
            "the pattern of LIKE is no text", "Write name LIKE 'Haupt%' or CASEI(name) LIKE CASEI('haupt%')"
        )
    if (len(node.value) - len(node.value.rstrip("\\"))) % 2:
        raise scope.wrong("the pattern of LIKE ends in a backslash", "Double it to find a backslash")
    return node.value


def _first_wildcard(pattern: str) -> re.Match[str] | None:
    """The first % or _ that no backslash takes its meaning from."""
    return next((found for found in WILDCARDS.finditer(pattern) if found.group(2)), None)


def among(column: Term, items: Sequence[Term]) -> sql.Composable:
    """What the caseless index of a property finds for equality with one of some values."""
    name = column.folded.name if column.folded else ""
    listed = sql.SQL(", ").join([sql.SQL("geobasis.caseless({})").format(item.sql) for item in items])
    return sql.SQL("{} in ({})").format(CASELESS.format(sql.Identifier(name)), listed)


def between(scope: Scope, node: Op, terms: Sequence[Term]) -> Term:
    """BETWEEN: both bounds are included."""
    value, low, high = (adapted(scope, term, terms[0]) for term in terms)
    check_comparable(scope, "BETWEEN", (value, low, high))
    tests = [comparison(">=", value, low), comparison("<=", value, high)]
    indexed = _served(value, low) and _served(value, high)
    return Term(sql.SQL("({})").format(sql.SQL(" and ").join(tests)), "boolean", node, indexed=indexed)


def member(scope: Scope, node: Op, value: Term, items: Sequence[Term]) -> Term:
    """IN."""
    items = [adapted(scope, item, value) for item in items]
    check_comparable(scope, "IN", (value, *items))
    constant = all(item.constant for item in items)
    guards = [among(value, items)] if value.folded and constant else []
    same = {value.type, *(item.type for item in items)} - {"null"}
    if same == {"date", "timestamp"}:
        listed, sought = [as_timestamp(item) for item in items], as_timestamp(value)
    else:
        listed, sought = [item.sql for item in items], value.sql
    test = sql.SQL("({} in ({}))").format(sought, sql.SQL(", ").join(listed))
    return _guarded(guards, test, node, indexed=value.column is not None and constant)
