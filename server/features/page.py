"""A page of features, as the database gave it."""

from dataclasses import dataclass

from psycopg.rows import TupleRow

from server.features.cursor import Cursor
from server.features.params import ItemsQuery

# How each feature's text begins. Inside a JSON string its quotes would be escaped, so it stands nowhere else
BEGINNING = b'{"type":"Feature","id":'


@dataclass(frozen=True)
class Page:
    """features: JSON texts joined by commas. matched: number of all that match, None where it is not known exactly.

    next, previous: cursors of the neighbouring pages, None where there is none.
    """

    features: bytes | memoryview = b""
    returned: int = 0
    matched: int | None = None
    next: Cursor | None = None
    previous: Cursor | None = None


def to_page(query: ItemsQuery, row: TupleRow | None) -> Page:
    """The page of a row of `items_query`; None = nothing was asked of the database, because nothing can match."""
    if row is None:
        return Page(matched=0)
    version, total, features, first, last, found = row
    version = version or 0
    features = features or b""
    more = found > query.limit
    if query.cursor and query.cursor.backward:
        features = _without_first(features) if more else features
        previous = Cursor(first, True, version) if more else None
        following = Cursor(last + 1, False, version) if found else None
    else:
        features = _without_last(features) if more else features
        previous = Cursor(first - 1, True, version) if query.cursor and found else None
        following = Cursor(last, False, version) if more else None
    return Page(
        features=features,
        returned=min(found, query.limit),
        matched=_matched(query, total, found),
        next=following,
        previous=previous,
    )


def _without_last(features: bytes) -> memoryview:
    return memoryview(features)[: features.rindex(b"," + BEGINNING)]


def _without_first(features: bytes) -> memoryview:
    return memoryview(features)[features.index(b"," + BEGINNING) + 1 :]


def _matched(query: ItemsQuery, total: int | None, found: int) -> int | None:
    """Known where nothing is filtered, and where all matches fit on the first page."""
    if query.unfiltered:
        return total or 0
    if query.cursor is None and found <= query.limit:
        return found
    return None
