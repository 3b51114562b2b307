"""Long answers: how far one reaches is found out first, then it is read in batches, each where the last one ended.

A batch is a page of its own, so that no transaction lasts as long as the slowest client, and nobody keeps a delivery
from going live. All batches show the same edition, as pages do whose links are followed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from psycopg.rows import TupleRow

from server.errors import Unavailable
from server.exchange import Exchange
from server.features.page import Page
from server.features.params import ItemsQuery
from server.features.reading import read_batch, read_span
from server.state import State

FIRST = 500  # features of the first batch, which a client waits for
MOST = 20_000
SIZE = 1_000_000  # bytes that a batch should have
TRIES = 3


class Incomplete(Exception):
    """An answer got fewer or more features than it has announced."""


async def open_rows(
    exchange: Exchange, query: ItemsQuery, key: str
) -> tuple[State, Page, AsyncGenerator[TupleRow, None]]:
    """The state; the page without its features, so that its links and numbers are known; its batches in a format.

    Raises as `read_page` does, and Unavailable where each try met another delivery.
    """
    for _ in range(TRIES):
        state, span, seen, first = await _begin(exchange, query, key)
        if seen.mark == state.mark:
            return state, span, _rows(exchange, _forward(query, span), key, span.returned, first)
    raise Unavailable("New data went live several times while this answer began. Send the request again in a moment.")


async def _begin(exchange: Exchange, query: ItemsQuery, key: str) -> tuple[State, Page, State, tuple[Page, TupleRow]]:
    """How far the answer reaches and its first batch, each with the state it belongs to; at the same time, where the
    one does not decide the other.
    """
    begin = replace(query, limit=FIRST)
    if query.unfiltered and not (query.cursor or query.as_of):
        state, page, row = await read_batch(exchange, begin, key)
        if state.features <= query.limit:
            return state, Page(returned=state.features, matched=state.features), state, (page, row)
    if query.cursor and query.cursor.backward:
        state, span = await read_span(exchange, query)
        if not span.returned:
            return state, span, state, (span, ())
        begin = replace(_forward(query, span), limit=min(FIRST, span.returned))
        seen, page, row = await read_batch(exchange, begin, key)
    else:
        (state, span), (seen, page, row) = await asyncio.gather(
            read_span(exchange, query), read_batch(exchange, begin, key)
        )
    return state, span, seen, (page, row)


def _forward(query: ItemsQuery, span: Page) -> ItemsQuery:
    """The same page read from its beginning; one before another is found backward from its end."""
    cursor = query.cursor
    if cursor is None or not cursor.backward:
        return query
    if span.previous is None:
        return replace(query, cursor=None, as_of=cursor.edition.published)
    step = -1 if query.sort and query.sort[0].descending else 1
    return replace(query, cursor=replace(span.previous, fid=span.previous.fid + step, backward=False))


async def _rows(
    exchange: Exchange, query: ItemsQuery, key: str, total: int, first: tuple[Page, TupleRow]
) -> AsyncGenerator[TupleRow, None]:
    """The next batch is read while one is sent."""
    page, row = first
    sent = 0
    while True:
        sent += page.returned
        if sent >= total or page.next is None:
            break
        part = replace(query, cursor=page.next, limit=min(_features(page, row), total - sent))
        reading = asyncio.create_task(read_batch(exchange, part, key))
        try:
            yield row
            _, page, row = await reading
        finally:
            reading.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await reading
    if row:
        yield row
    if sent != total:
        raise Incomplete(f"{query.collection.id}: {sent} features instead of {total}")


def _features(page: Page, row: TupleRow) -> int:
    """How many features the next batch should have, by the size of this one."""
    size = sum(map(_length, row)) / page.returned
    return max(FIRST, min(MOST, int(SIZE / max(size, 1))))


def _length(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_length, value))
    return len(value) if isinstance(value, bytes) else 8
