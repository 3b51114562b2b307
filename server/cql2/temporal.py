"""Temporal predicates: each operand is an interval with both ends included; an instant begins where it ends.

A date beside a moment is its whole day, in UTC; dates among themselves are compared as days.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal as OneOf

from psycopg import sql

from server.cql2.terms import Scope, Term, as_timestamp
from server.cql2.tree import Literal, Op

Kind = OneOf["date", "timestamp"]

# s, e: start and end of the first operand; t, f: of the second
PREDICATES = {
    "t_after": sql.SQL("{s} > {f}"),
    "t_before": sql.SQL("{e} < {t}"),
    "t_contains": sql.SQL("({s} < {t} and {e} > {f})"),
    "t_disjoint": sql.SQL("({s} > {f} or {e} < {t})"),
    "t_during": sql.SQL("({s} > {t} and {e} < {f})"),
    "t_equals": sql.SQL("({s} = {t} and {e} = {f})"),
    "t_finishedby": sql.SQL("({s} < {t} and {e} = {f})"),
    "t_finishes": sql.SQL("({s} > {t} and {e} = {f})"),
    "t_intersects": sql.SQL("({s} <= {f} and {e} >= {t})"),
    "t_meets": sql.SQL("{e} = {t}"),
    "t_metby": sql.SQL("{s} = {f}"),
    "t_overlappedby": sql.SQL("({s} > {t} and {s} < {f} and {e} > {f})"),
    "t_overlaps": sql.SQL("({s} < {t} and {e} > {t} and {e} < {f})"),
    "t_startedby": sql.SQL("({s} = {t} and {e} > {f})"),
    "t_starts": sql.SQL("({s} = {t} and {e} < {f})"),
}

FOR_INSTANTS = {"t_after", "t_before", "t_disjoint", "t_equals", "t_intersects"}


@dataclass(frozen=True)
class Span:
    """An operand: its two ends; None is open. instant: it is one instant."""

    start: Term | None
    end: Term | None
    instant: bool = False

    @property
    def terms(self) -> list[Term]:
        """The ends that are given."""
        return [term for term in (self.start, self.end) if term is not None]


def checked(scope: Scope, span: Span) -> Span:
    """Raises InvalidParameter where an end is no time, or a literal interval ends before it begins."""
    for term in span.terms:
        if term.type not in {"date", "timestamp", "null"}:
            scope.need(term, "timestamp", "a temporal predicate")
    ends = [term.node.value for term in span.terms if isinstance(term.node, Literal)]
    if len(ends) == 2 and _moment(ends[0]) > _moment(ends[1]):
        raise scope.wrong("an interval ends before it begins", "Give the earlier instant first")
    return span


def _moment(value: object) -> str:
    """Sorts instants: a day is before the moments in it."""
    return value.isoformat() if isinstance(value, (date, datetime)) else ""


def predicate(scope: Scope, node: Op, left: Span, right: Span) -> Term:
    """A temporal predicate. Raises InvalidParameter where instants stand for intervals (table 7)."""
    if node.name not in FOR_INSTANTS and (left.instant or right.instant):
        name = node.name.upper()
        raise scope.wrong(f"{name} compares intervals, not instants", "Use T_INTERSECTS, T_BEFORE, T_AFTER or T_EQUALS")
    terms = [term for span in (left, right) for term in span.terms]
    kind: Kind = "timestamp" if "timestamp" in {term.type for term in terms} else "date"
    ends = {
        "s": _end(left.start, kind, last=False),
        "e": _end(left.end, kind, last=True),
        "t": _end(right.start, kind, last=False),
        "f": _end(right.end, kind, last=True),
    }
    plain = [term.column is not None and term.type == kind for term in terms]
    served = any(plain) and all(of or term.constant for of, term in zip(plain, terms, strict=True))
    text = PREDICATES[node.name].format(**ends)
    return Term(sql.SQL("({})").format(text), "boolean", node, indexed=served and node.name != "t_disjoint")


def _end(term: Term | None, kind: Kind, *, last: bool) -> sql.Composable:
    if term is None:
        infinite = sql.SQL("'infinity'::") if last else sql.SQL("'-infinity'::")
        return infinite + (sql.SQL("date") if kind == "date" else sql.SQL("timestamptz"))
    if kind == "date" or term.type != "date":
        return term.sql
    if not last:
        return as_timestamp(term)
    return sql.SQL("((({})+ 1)::timestamp at time zone 'UTC' - interval '1 microsecond')").format(term.sql)
