"""A page of features, as the database gave it."""

from dataclasses import dataclass
from typing import Any

import orjson
from psycopg.rows import TupleRow

from server.editions import NOTHING_YET, Edition
from server.features.cursor import Cursor
from server.features.params import ItemsQuery

# How each feature's text begins. Inside a JSON string its quotes would be escaped, so it stands nowhere else
BEGINNING = b'{"type":"Feature","id":'


@dataclass(frozen=True)
class Page:
    """features: JSON texts joined by commas. matched: number of all that match, None where it is not known exactly.

    next, previous: cursors of the neighbouring pages, None where there is none. past: the edition where it is not the
    one that is live.
    """

    features: bytes | memoryview = b""
    returned: int = 0
    matched: int | None = None
    next: Cursor | None = None
    previous: Cursor | None = None
    past: Edition | None = None


@dataclass(frozen=True)
class Reading:
    """How a page was read: version of the collection, edition that the page and its neighbours show."""

    version: int
    edition: Edition = NOTHING_YET
    past: bool = False


def to_page(query: ItemsQuery, row: TupleRow | None, reading: Reading) -> Page:
    """The page of a row of `items_query`; None = nothing was asked of the database, because nothing can match."""
    past = reading.edition if reading.past else None
    if row is None:
        return Page(matched=0, past=past)
    if query.hits:
        return Page(matched=row[2], past=past)
    _, total, features, first, last, found = row
    features = features or b""
    more = found > query.limit
    if query.cursor and query.cursor.backward:
        near, far = (first, last) if query.sort else (last, first)
        features = _without_first(features) if more and features else features
        previous = _cursor(query, reading, far, backward=True) if more else None
        following = _cursor(query, reading, near, beside=1) if found else None
    else:
        near, far = first, last
        features = _without_last(features) if more and features else features
        previous = _cursor(query, reading, near, beside=-1, backward=True) if query.cursor and found else None
        following = _cursor(query, reading, far) if more else None
    return Page(
        features=features,
        returned=min(found, query.limit),
        matched=_matched(query, None if past else total, found),
        next=following,
        previous=previous,
        past=past,
    )


def _cursor(query: ItemsQuery, reading: Reading, key: Any, *, beside: int = 0, backward: bool = False) -> Cursor:
    """A cursor at a row's key, or at the place before (-1) or behind (1) it: keys are whole numbers at their end."""
    if not query.sort:
        return Cursor(key + beside, backward, reading.version, reading.edition)
    *values, fid = orjson.loads(key)
    fid += -beside if query.sort[0].descending else beside
    return Cursor(fid, backward, reading.version, reading.edition, tuple(values))


def _without_last(features: bytes) -> memoryview:
    return memoryview(features)[: features.rindex(b"," + BEGINNING)]


def _without_first(features: bytes) -> memoryview:
    return memoryview(features)[features.index(b"," + BEGINNING) + 1 :]


def _matched(query: ItemsQuery, total: int | None, found: int) -> int | None:
    """Known where nothing is filtered, and where all matches fit on the first page."""
    if query.unfiltered and total is not None:
        return total
    if query.cursor is None and found <= query.limit:
        return found
    return None
