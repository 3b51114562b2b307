"""The parameters filter, filter-lang and filter-crs -> a condition (Features Part 3, /req/filter)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from server.catalogue import Collection
from server.cql2.compile import Compiler
from server.cql2.from_json import parse_json
from server.cql2.limits import MAX_LENGTH
from server.cql2.terms import Scope
from server.cql2.text import parse_text
from server.cql2.tree import Node, check_size, too_deep
from server.crs import Crs, parse_crs
from server.errors import InvalidParameter

PARAMETERS = ("filter", "filter-lang", "filter-crs")
# cql-text is the name by which GDAL looks for the text form, and the only one that it sends
LANGUAGES = ("cql2-text", "cql2-json", "cql-text")


@dataclass(frozen=True)
class Condition:
    """A filter as SQL on the columns of its collection's table, which stand without the table's name.

    parameters: what the SQL binds, names begin with `c_`. identity: of the filter, for cursors. indexed: an index finds
    its features; otherwise each feature may have to be looked at. fenced: to look at one feature is so dear that those
    which match are to be found by an index before they are put in order.
    """

    sql: sql.Composable
    parameters: dict[str, Any]
    identity: str
    indexed: bool
    fenced: bool = False


def parse_filter(collection: Collection, parameters: Mapping[str, str]) -> Condition | None:
    """The condition of a request, None where it has no filter. Raises InvalidParameter."""
    language = parameters.get("filter-lang", LANGUAGES[0])
    if language not in LANGUAGES:
        raise InvalidParameter(
            "filter-lang", language, "it is no filter language of this service", f"Use one of: {', '.join(LANGUAGES)}"
        )
    crs = parse_crs("filter-crs", parameters.get("filter-crs"))
    text = parameters.get("filter")
    return None if text is None else compile_filter(collection, text, language, crs)


def compile_filter(collection: Collection, text: str, language: str, crs: Crs) -> Condition:
    """The condition of a filter. Raises InvalidParameter."""
    if len(text) > MAX_LENGTH:
        rule = f"it has {len(text)} characters, and this service reads {MAX_LENGTH}"
        raise InvalidParameter("filter", text, rule, "Ask for a part of it at a time")
    try:
        tree = _parse(text, language)
        check_size(tree, text)
        scope = Scope(collection, crs, text, gdal=language == "cql-text")
        term = Compiler(scope).condition(tree, "a filter")
    except RecursionError:
        raise too_deep(text) from None
    return Condition(term.sql, scope.values, repr((language, crs.srid, crs.northing_first, text)), term.indexed)


def _parse(text: str, language: str) -> Node:
    return parse_json(text) if language == "cql2-json" else parse_text(text, gdal=language == "cql-text")


def not_computable(text: str, error: psycopg.Error) -> InvalidParameter:
    """The error of a filter that the database cannot compute, such as for a number out of range."""
    message = error.diag.message_primary or "a value is out of range"
    return InvalidParameter("filter", text, f"it cannot be computed: {message}", "Use values of ordinary size")
