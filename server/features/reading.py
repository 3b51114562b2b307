"""Features out of the database: which edition is asked for, and its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from server.catalogue import Collection
from server.cql2.filter import not_computable
from server.crs import Crs
from server.database import Reader
from server.editions import EDITION, KEPT, Edition, edition_at, edition_of
from server.errors import Gone, InvalidParameter
from server.exchange import Exchange
from server.features.batches import KEYS, batch_text, span_text
from server.features.cursor import REMEDY, Cursor
from server.features.item import item_text, versions_text
from server.features.page import Page, Reading, to_page
from server.features.params import ItemsQuery
from server.features.query import Shape, items_query
from server.formats.geojson import GEOJSON_FORMAT
from server.formats.layer import Format, Selection
from server.state import State


@dataclass(frozen=True)
class ItemQuery:
    """What a request for one feature asks for."""

    collection: Collection
    feature_id: str
    crs: Crs
    selection: Selection
    as_of: datetime | None = None
    format: Format = GEOJSON_FORMAT


async def read_page(exchange: Exchange, query: ItemsQuery) -> tuple[State, Page]:
    """A page and the state that it was searched by: the search goes by its extent and its largest feature.

    Raises Gone where a cursor's edition is not kept.
    """
    state, row, reading = await _read(exchange, query)
    return state, to_page(query, row, reading)


async def read_span(exchange: Exchange, query: ItemsQuery) -> tuple[State, Page]:
    """A page without its features: how many there are up to the limit, and what follows them. Raises as above."""
    state, row, reading = await _read(exchange, query, span_text)
    return state, to_page(query, row, reading)


async def read_batch(exchange: Exchange, query: ItemsQuery, key: str) -> tuple[State, Page, TupleRow]:
    """A page without its features, which are in the columns of a format; none where it holds none. Raises as above."""
    state, row, reading = await _read(exchange, query, lambda shape: batch_text(shape, key))
    page = to_page(query, row and row[:KEYS], reading)
    return state, page, row[KEYS:] if row and page.returned else ()


async def _read(
    exchange: Exchange, query: ItemsQuery, to_text: Callable[[Shape], bytes] | None = None
) -> tuple[State, TupleRow | None, Reading]:
    past: Edition | None = None

    async def ask(state: State, reader: Reader) -> TupleRow | None:
        nonlocal past
        if query.as_of or query.cursor:
            past = await _past_edition(reader, query.collection, state, query.as_of, query.cursor)
        statement = items_query(query, state, past, to_text)
        if statement is None:
            return None
        plan, seconds = statement.plan_by_values, statement.seconds
        return await reader.fetch_one(statement.text, statement.parameters, plan_by_values=plan, seconds=seconds)

    context = exchange.context
    least = query.cursor.version if query.cursor else 0
    try:
        state, row = await context.registry.read(context.database, query.collection.id, ask, least)
    except psycopg.DataError as error:
        if query.cursor and query.cursor.values:  # a forged one: its values are no values of the sort keys
            token = exchange.parameters.get("cursor", "")
            raise InvalidParameter("cursor", token, "it was altered or belongs to another query", REMEDY) from error
        if query.condition:
            raise not_computable(exchange.parameters.get("filter", ""), error) from error
        raise
    if state.version < least:
        raise _gone(query.collection)
    return state, row, Reading(state.version, past or edition_of(state), past is not None)


async def read_item(exchange: Exchange, query: ItemQuery) -> tuple[State, TupleRow | None, Edition | None]:
    """The state, the row of `item_text` and the edition where it is not the one that is live; no row = no feature."""
    past: Edition | None = None

    async def ask(state: State, reader: Reader) -> TupleRow | None:
        nonlocal past
        if "\0" in query.feature_id:
            return None
        if query.as_of:
            past = await _past_edition(reader, query.collection, state, query.as_of, None)
        text = item_text(query.collection, query.crs, query.selection.form, past is not None, query.format.key)
        return await reader.fetch_one(text, _item_parameters(query, past))

    context = exchange.context
    state, row = await context.registry.read(context.database, query.collection.id, ask)
    return state, row if row and row[1] is not None else None, past


async def read_versions(exchange: Exchange, query: ItemQuery) -> tuple[State, list[TupleRow]]:
    """The state and the rows of `versions_text`."""
    found: list[TupleRow] = []

    async def ask(_: State, reader: Reader) -> TupleRow | None:
        nonlocal found
        if "\0" in query.feature_id:
            return None
        parameters = {"id": query.feature_id, "name": query.collection.id}
        kept = await reader.fetch_one(KEPT, parameters)
        text = versions_text(query.collection, query.crs, bool(kept and kept[0]))
        found = await reader.fetch(text, parameters)
        return found[0] if found else None

    context = exchange.context
    state, _ = await context.registry.read(context.database, query.collection.id, ask)
    return state, found


def _item_parameters(query: ItemQuery, past: Edition | None) -> Mapping[str, Any]:
    found: dict[str, Any] = {"id": query.feature_id, "name": query.collection.id}
    if past:
        found |= {"edition": past.delivery, "moment": past.published}
    if query.selection.tolerance is not None:
        found["tolerance"] = query.selection.tolerance
    return found


async def _past_edition(
    reader: Reader, collection: Collection, state: State, as_of: datetime | None, cursor: Cursor | None
) -> Edition | None:
    """The edition that a request asks for; None = what is live.

    A cursor's edition wins: all pages show what the first one showed, whatever was delivered since.
    """
    if cursor is None:
        return await edition_at(reader, collection, state, as_of) if as_of else None
    live = edition_of(state)
    if cursor.edition == live and cursor.version == state.version:
        return None
    wanted = {"name": collection.id, "instant": cursor.edition.published, "delivery": cursor.edition.delivery}
    row = await reader.fetch_one(EDITION, wanted)
    if not (row and row[0] and row[2]):
        raise _gone(collection)
    return Edition(row[0], row[1])


def _gone(collection: Collection) -> Gone:
    """The error of a cursor whose edition is not kept."""
    return Gone(
        f"The data of '{collection.id}' were replaced since the page that this cursor comes from, and their former "
        "state is not kept: the next page could repeat or leave out features. Begin anew without cursor.",
        parameter="cursor",
        remedy="begin anew without cursor",
    )
