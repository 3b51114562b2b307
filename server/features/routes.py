"""items, item, and an item's versions."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import Collection
from server.crs import CRS84, offered, parse_crs
from server.editions import Edition
from server.errors import NotFound, shorten
from server.exchange import (
    Exchange,
    Validators,
    open_exchange,
    render,
    respond,
    respond_unchanged,
    validators,
)
from server.features.answers import Wanted, answer_features, choose_variant, to_single
from server.features.heads import (
    coordinates_of,
    headers_features,
    headers_items,
    link_texts,
    links_items,
    links_profile,
    memento,
)
from server.features.item import place_text
from server.features.page import Page
from server.features.params import ItemsQuery, allowed_parameters, parse_items_query
from server.features.posted import read_posted
from server.features.reading import ItemQuery, read_item, read_page, read_versions
from server.features.selection import PARAMETERS, parse_selection
from server.formats.geojson import GEOJSON_FORMAT, to_feature, to_feature_collection, to_version
from server.formats.layer import EVERYTHING
from server.formats.table import media_types_of
from server.limits import AT_ONCE, MAX_LIMIT_HTML
from server.links import Link, link, to_href, to_link_header
from server.negotiation import GEOJSON, HTML, JSON
from server.state import State
from server.times import parse_as_of

ITEM_PARAMETERS = ("crs", "asOf", "profile", *PARAMETERS)
FORMATS = {"json": GEOJSON, "html": HTML}


async def get_items(request: Request) -> Response:
    """/collections/{collectionId}/items; by POST some of the parameters are in the body."""
    collection = request.app.state.context.registry.collection(request.path_params["collectionId"])
    posted = await read_posted(request) if request.method == "POST" else None
    formats = {**FORMATS, **media_types_of(collection)}
    exchange = open_exchange(request, formats, allowed_parameters(collection), posted=posted)
    if exchange.format == "html" and "" in exchange.parameters.values():
        return _redirect_without_blanks(exchange, collection)
    query = parse_items_query(collection, exchange.parameters)
    found = GEOJSON_FORMAT
    if exchange.format != "html":
        found, crs = choose_variant(exchange, collection, query.crs, query.selection)
        query = query if crs is query.crs else replace(query, crs=crs)
    before = exchange.state(collection)
    marks = _marks(exchange, before)
    if posted is None and marks.unchanged(request):
        return respond_unchanged(marks)
    if exchange.format == "html":
        return await _items_page(exchange, query)
    if found is not GEOJSON_FORMAT or query.limit > AT_ONCE:
        return await answer_features(Wanted(exchange, query, found, posted or {}))
    state, page = await read_page(exchange, query)
    return _answer_items(exchange, query, page, marks if state is before else _marks(exchange, state), posted or {})


def _marks(exchange: Exchange, state: State) -> Validators:
    return validators(exchange, state.mark, state.published)


def _redirect_without_blanks(exchange: Exchange, collection: Collection) -> Response:
    """To the address without empty parameters: a form sends its empty fields, too, and they are no conditions."""
    given = {name: value for name, value in exchange.parameters.items() if value}
    location = to_href(exchange.base, "collections", collection.id, "items", query=given)
    return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})


def _answer_items(
    exchange: Exchange, query: ItemsQuery, page: Page, marks: Validators, posted: dict[str, str]
) -> Response:
    if posted:
        found = links_items(exchange, query, page, posted)
        links, header = orjson.dumps(found), to_link_header(found)
    else:
        links, text = link_texts(exchange, query, page)
        header = text.decode()
    return respond(exchange, _to_document(page, links), GEOJSON, marks, headers_items(exchange, query, page, header))


def _to_document(page: Page, links: bytes) -> bytes:
    """GeoJSON of a page; `links` are JSON."""
    head: dict[str, Any] = {"timeStamp": f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"}
    if page.matched is not None:
        head["numberMatched"] = page.matched
    head |= {"numberReturned": page.returned, "links": orjson.Fragment(links)}
    return to_feature_collection(head, page.features)


async def _items_page(exchange: Exchange, query: ItemsQuery) -> Response:
    """The page for people: its map is in degrees and needs the geometries, its table the names of the features."""
    limit = min(query.limit, MAX_LIMIT_HTML)
    shown = replace(query, limit=limit, crs=CRS84, selection=EVERYTHING, hits=False)
    state, page = await read_page(exchange, shown)
    given = exchange.parameters
    content = render(
        exchange,
        "items.html",
        document=orjson.loads(_to_document(page, link_texts(exchange, shown, page)[0])),
        collection=query.collection,
        filters={name: given[name] for name, _ in query.filters},
        limit=limit,
        bbox=given.get("bbox"),
        datetime=given.get("datetime"),
        sort=query.sort,
        selected=query.selection.properties,
        as_of=query.as_of,
        coordinates=coordinates_of(exchange, query.collection.srid, CRS84, EVERYTHING),
    )
    headers = {**headers_features(exchange, shown.collection.srid, CRS84, EVERYTHING), **memento(page.past)}
    return respond(exchange, content, HTML, _marks(exchange, state), headers)


async def get_item(request: Request) -> Response:
    """/collections/{collectionId}/items/{featureId}"""
    collection = request.app.state.context.registry.collection(request.path_params["collectionId"])
    formats = {**FORMATS, **media_types_of(collection, single=True)}
    exchange = open_exchange(request, formats, ITEM_PARAMETERS)
    query = _parse_item_query(exchange)
    state, row, past = await read_item(exchange, query)
    if row is None:
        raise _no_feature(exchange, query)
    marks = _marks(exchange, state)
    headers = {
        **headers_features(exchange, query.collection.srid, query.crs, query.selection),
        **memento(past),
    }
    if marks.unchanged(request):
        return respond_unchanged(marks, headers)
    links = [
        *exchange.links_self(),
        *_links_item(exchange, query.collection),
        link("version-history", _href_item(exchange, query, "versions"), GEOJSON),
        *([link("latest-version", _href_item(exchange, query), GEOJSON)] if past else []),
    ]
    if exchange.format == "html":
        content = to_feature(row[1], links)
        return respond(exchange, await _item_page(exchange, query, content, past), HTML, marks, headers)
    found = query.format
    links += links_profile(found) if found is not GEOJSON_FORMAT else []
    content = to_single(exchange, query, row, links)
    media_type = exchange.formats[exchange.format]
    return respond(exchange, content, media_type, marks, {**headers, "Link": to_link_header(links)})


def _parse_item_query(exchange: Exchange) -> ItemQuery:
    given, collection = exchange.parameters, exchange.collection()
    crs, selection = parse_crs("crs", given.get("crs"), offered(collection)), parse_selection(collection, given)
    found = GEOJSON_FORMAT
    if exchange.format == "html":  # its map is in degrees and needs the geometry
        crs, selection = CRS84, EVERYTHING
    else:
        found, crs = choose_variant(exchange, collection, crs, selection)
    feature_id = exchange.request.path_params["featureId"]
    return ItemQuery(collection, feature_id, crs, selection, parse_as_of(given.get("asOf")), found)


def _no_feature(exchange: Exchange, query: ItemQuery) -> NotFound:
    moment = f" at {query.as_of.isoformat()}" if query.as_of else ""
    return NotFound(
        f"The collection '{query.collection.id}' has no feature '{shorten(query.feature_id)}'{moment}. "
        f"Take an id from {exchange.href('collections', query.collection.id, 'items')}, "
        f"or look for former versions at {shorten(_href_item(exchange, query, 'versions'))}.",
    )


def _href_item(exchange: Exchange, query: ItemQuery, *below: str) -> str:
    return exchange.href("collections", query.collection.id, "items", query.feature_id, *below)


def _links_item(exchange: Exchange, collection: Collection) -> list[Link]:
    at = ("collections", collection.id)
    return [
        link("collection", exchange.href(*at), JSON, collection.title.in_(exchange.lang)),
        link("provenance", exchange.href(*at, "provenance"), JSON),
    ]


async def _item_page(exchange: Exchange, query: ItemQuery, content: bytes, past: Edition | None) -> bytes:
    parameters = {"id": query.feature_id}
    place = None if past else await exchange.context.database.fetch_one(place_text(query.collection), parameters)
    feature = orjson.loads(content)
    return render(
        exchange,
        "item.html",
        collection=query.collection,
        feature=feature,
        document=feature,
        utm={"x": place[0], "y": place[1], "bbox": place[2]} if place else None,
        as_of=query.as_of,
        coordinates=coordinates_of(exchange, query.collection.srid, CRS84, EVERYTHING),
    )


async def get_versions(request: Request) -> Response:
    """/collections/{collectionId}/items/{featureId}/versions: what a feature was, and by which deliveries."""
    exchange = open_exchange(request, FORMATS, ("crs",))
    query = _parse_item_query(exchange)
    state, rows = await read_versions(exchange, query)
    if not rows:
        raise NotFound(
            f"The collection '{query.collection.id}' has and had no feature '{shorten(query.feature_id)}'. "
            f"Take an id from {exchange.href('collections', query.collection.id, 'items')}.",
        )
    marks = _marks(exchange, state)
    headers = {"Content-Crs": f"<{query.crs.uri}>"}
    links = [*exchange.links_self(), *_links_item(exchange, query.collection)]
    head = {"numberMatched": len(rows), "numberReturned": len(rows), "links": links}
    content = to_feature_collection(head, b",".join(to_version(row) for row in rows))
    if exchange.format == "html":
        document = orjson.loads(content)
        page = render(
            exchange, "versions.html", collection=query.collection, document=document, feature_id=query.feature_id
        )
        return respond(exchange, page, HTML, marks, headers)
    return respond(exchange, content, GEOJSON, marks, {**headers, "Link": to_link_header(links)})
