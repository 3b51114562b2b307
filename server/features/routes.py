"""items and item."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import Collection
from server.crs import CRS84, parse_crs
from server.database import Reader
from server.errors import InvalidParameter, NotFound, shorten
from server.exchange import (
    Exchange,
    Validators,
    open_exchange,
    render,
    respond,
    respond_unchanged,
    validators,
)
from server.features.cursor import REMEDY, to_token
from server.features.formats.geojson import to_feature, to_feature_collection
from server.features.page import Page, to_page
from server.features.params import ItemsQuery, allowed_parameters, parse_items_query
from server.features.query import item_text, items_query, place_text
from server.limits import MAX_LIMIT_HTML
from server.links import Link, link, to_href, to_link_header
from server.negotiation import GEOJSON, HTML, JSON
from server.state import State

FORMATS = {"json": GEOJSON, "html": HTML}


async def get_items(request: Request) -> Response:
    """/collections/{collectionId}/items"""
    collection = request.app.state.context.registry.collection(request.path_params["collectionId"])
    exchange = open_exchange(request, FORMATS, allowed_parameters(collection))
    if exchange.format == "html" and "" in exchange.parameters.values():
        return _redirect_without_blanks(exchange, collection)
    query = parse_items_query(collection, exchange.parameters)
    if exchange.format == "html":
        query = replace(query, limit=min(query.limit, MAX_LIMIT_HTML), crs=CRS84)  # its map is in degrees
    marks = _marks(exchange, exchange.state(collection))
    if marks.unchanged(request):
        return respond_unchanged(marks)
    state, page = await _read_page(exchange, query)
    return _answer_items(exchange, query, page, _marks(exchange, state))


def _marks(exchange: Exchange, state: State) -> Validators:
    return validators(exchange, state.mark, state.published)


async def _read_page(exchange: Exchange, query: ItemsQuery) -> tuple[State, Page]:
    """A page and the state that it belongs to: the search goes by its extent and its largest feature."""

    async def ask(state: State, reader: Reader) -> TupleRow | None:
        statement = items_query(query, state)
        if statement is None:
            return None
        return await reader.fetch_one(statement.text, statement.parameters, plan_by_values=statement.plan_by_values)

    context = exchange.context
    least = query.cursor.version if query.cursor else 0
    state, row = await context.registry.read(context.database, query.collection.id, ask, least)
    if state.version < least:
        rule = "the data were put back to an earlier state since"
        raise InvalidParameter("cursor", exchange.parameters["cursor"], rule, REMEDY)
    return state, to_page(query, row)


def _redirect_without_blanks(exchange: Exchange, collection: Collection) -> Response:
    """To the address without empty parameters: a form sends its empty fields, too, and they are no conditions."""
    given = {name: value for name, value in exchange.parameters.items() if value}
    location = to_href(exchange.base, "collections", collection.id, "items", query=given)
    return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})


def _answer_items(exchange: Exchange, query: ItemsQuery, page: Page, marks: Validators) -> Response:
    links = _links_items(exchange, query, page)
    head: dict[str, Any] = {"timeStamp": f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"}
    if page.matched is not None:
        head["numberMatched"] = page.matched
    head |= {"numberReturned": page.returned, "links": links}
    headers = {
        "Content-Crs": f"<{query.crs.uri}>",
        "Link": to_link_header(links),
        "OGC-NumberReturned": str(page.returned),
        **({} if page.matched is None else {"OGC-NumberMatched": str(page.matched)}),
    }
    content = to_feature_collection(head, page.features)
    if exchange.format == "html":
        content = _items_page(exchange, query, content)
        return respond(exchange, content, HTML, marks, headers)
    return respond(exchange, content, GEOJSON, marks, headers)


def _items_page(exchange: Exchange, query: ItemsQuery, content: bytes) -> bytes:
    given = exchange.parameters
    return render(
        exchange,
        "items.html",
        document=orjson.loads(content),
        collection=query.collection,
        filters={name: given[name] for name, _ in query.filters},
        limit=query.limit,
        bbox=given.get("bbox"),
        datetime=given.get("datetime"),
    )


def _links_items(exchange: Exchange, query: ItemsQuery, page: Page) -> list[Link]:
    at = ("collections", query.collection.id)
    title = query.collection.title.in_(exchange.lang)
    links = [*exchange.links_self(), link("collection", exchange.href(*at), JSON, title)]
    media_type = exchange.formats[exchange.format]
    for rel, cursor in (("next", page.next), ("prev", page.previous)):
        if cursor is not None:
            token = to_token(cursor, query.identity)
            href = exchange.href_self(cursor=token, limit=query.limit, f=exchange.format)
            links.append(link(rel, href, media_type))
    return links


async def get_item(request: Request) -> Response:
    """/collections/{collectionId}/items/{featureId}"""
    exchange = open_exchange(request, FORMATS, ("crs",))
    collection = exchange.collection()
    asked = parse_crs("crs", exchange.parameters.get("crs"))
    crs = CRS84 if exchange.format == "html" else asked
    feature_id = request.path_params["featureId"]
    parameters = {"id": feature_id, "name": collection.id}
    database = exchange.context.database

    async def ask(_: State, reader: Reader) -> TupleRow | None:
        return await reader.fetch_one(item_text(collection, crs), parameters) if "\0" not in feature_id else None

    state, row = await exchange.context.registry.read(database, collection.id, ask)
    if row is None:
        raise NotFound(
            f"The collection '{collection.id}' has no feature '{shorten(feature_id)}'. "
            f"Take an id from {exchange.href('collections', collection.id, 'items')}.",
        )
    marks = _marks(exchange, state)
    headers = {"Content-Crs": f"<{crs.uri}>"}
    if marks.unchanged(request):
        return respond_unchanged(marks, headers)
    title = collection.title.in_(exchange.lang)
    provenance = exchange.href("collections", collection.id, "provenance")
    links = [
        *exchange.links_self(),
        link("collection", exchange.href("collections", collection.id), JSON, title),
        link("provenance", provenance, JSON),
    ]
    content = to_feature(row[1], links)
    if exchange.format == "html":
        place = await database.fetch_one(place_text(collection), parameters)
        utm = {"x": place[0], "y": place[1], "bbox": place[2]} if place else None
        feature = orjson.loads(content)
        content = render(exchange, "item.html", collection=collection, feature=feature, document=feature, utm=utm)
        return respond(exchange, content, HTML, marks, headers)
    return respond(exchange, content, GEOJSON, marks, {**headers, "Link": to_link_header(links)})
