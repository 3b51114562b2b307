"""A page of features, as the database gave it."""

from dataclasses import dataclass

from psycopg.rows import TupleRow

from server.features.params import ItemsQuery
from server.state import State


@dataclass(frozen=True)
class Page:
    """features: JSON texts joined by commas. matched: number of all that match, None where it is not known exactly.

    next_after, previous_before: keys for the cursors of the neighbouring pages, None where there is none.
    """

    version: int
    features: bytes = b""
    returned: int = 0
    matched: int | None = None
    next_after: int | None = None
    previous_before: int | None = None


def to_page(query: ItemsQuery, state: State, row: TupleRow | None) -> Page:
    """The page of a row of `items_query`; None = nothing was asked of the database, because nothing can match."""
    if row is None:
        return Page(version=state.version, matched=0)
    version, total, features, first, last, found = row
    more = found > query.limit
    returned = min(found, query.limit)
    backward = query.cursor.backward if query.cursor else False
    has_next = returned > 0 and (backward or more)
    has_previous = returned > 0 and (more if backward else query.cursor is not None)
    return Page(
        version=version or 0,
        features=features or b"",
        returned=returned,
        matched=_matched(query, total, found),
        next_after=last if has_next else None,
        previous_before=first if has_previous else None,
    )


def _matched(query: ItemsQuery, total: int | None, found: int) -> int | None:
    """Known where nothing is filtered, and where all matches fit on the first page."""
    if query.unfiltered:
        return total or 0
    if query.cursor is None and found <= query.limit:
        return found
    return None
