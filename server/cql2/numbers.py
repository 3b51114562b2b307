"""Arithmetic, in PostgreSQL's exact numbers. What has no result, such as a division by zero, is null."""

from psycopg import sql

from server.cql2.terms import Scope, Term
from server.cql2.tree import Op

OPERATORS = {
    "+": sql.SQL("({0} + {1})"),
    "-": sql.SQL("({0} - {1})"),
    "*": sql.SQL("({0} * {1})"),
    "/": sql.SQL("({0} / nullif({1}, 0))"),
    "div": sql.SQL("div({0}, nullif({1}, 0))"),
    "%": sql.SQL("mod({0}, nullif({1}, 0))"),
    "^": sql.SQL("geobasis.power_or_null({0}, {1})"),
}
EXACT = sql.SQL("({})::numeric")


def calculated(scope: Scope, node: Op, left: Term, right: Term) -> Term:
    """An arithmetic expression."""
    terms = [scope.need(term, "number", f"'{node.name}'") for term in (left, right)]
    text = OPERATORS[node.name].format(*[EXACT.format(term.sql) for term in terms])
    return Term(text, "number", node, constant=left.constant and right.constant)
