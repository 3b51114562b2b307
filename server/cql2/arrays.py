"""Lists, and predicates that compare them as sets."""

from psycopg import sql

from server.cql2.terms import CASTS, Scope, Term, describe
from server.cql2.tree import Array, Op

PREDICATES = {
    "a_equals": sql.SQL("({0} @> {1} and {0} <@ {1})"),
    "a_contains": sql.SQL("({0} @> {1})"),
    "a_containedby": sql.SQL("({0} <@ {1})"),
    "a_overlaps": sql.SQL("({0} && {1})"),
}
EXAMPLE = "Write a list of one type, such as ('a', 'b')"


def literal(scope: Scope, terms: list[Term], node: Array) -> Term:
    """A list of values of one type."""
    kinds = {term.type for term in terms}
    if len(kinds) > 1 or kinds & {"geometry", "null"} or any(kind.endswith("[]") for kind in kinds):
        listed = ", ".join(sorted(kinds))
        raise scope.wrong(f"a list holds values of the types {listed}", EXAMPLE)
    kind = kinds.pop() if kinds else "null"
    text = sql.SQL("array[{}]").format(sql.SQL(", ").join([term.sql for term in terms]))
    return Term(text, f"{kind}[]", node, constant=all(term.constant for term in terms))


def predicate(scope: Scope, node: Op, left: Term, right: Term) -> Term:
    """A predicate on two lists."""
    for term in (left, right):
        if not term.type.endswith("[]") and term.type != "null":
            raise scope.wrong(f"{node.name.upper()} needs lists, and {describe(term)}", EXAMPLE)
    kinds = {term.type.removesuffix("[]") for term in (left, right)} - {"null"}
    if len(kinds) > 1:
        raise scope.wrong(f"{describe(left)} and {describe(right)}: they cannot be compared", EXAMPLE)
    cast = CASTS[kinds.pop() if kinds else "string"]
    sides = [sql.SQL("({})::{}[]").format(term.sql, cast) for term in (left, right)]
    return Term(PREDICATES[node.name].format(*sides), "boolean", node)
