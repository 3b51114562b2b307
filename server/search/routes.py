"""/search: addresses, streets and places by what people type; or what is near a point."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.exchange import Exchange, open_exchange, render, respond
from server.negotiation import GEOJSON, HTML
from server.search.found import to_document
from server.search.params import PARAMETERS, parse_search
from server.search.reading import reverse, search

FORMATS = {"json": GEOJSON, "html": HTML}
CACHE = {"Cache-Control": "public, max-age=60"}


async def get_search(request: Request) -> Response:
    """/search"""
    exchange = open_exchange(request, FORMATS, PARAMETERS)
    collections = tuple(exchange.context.registry.collections.values())
    if exchange.format == "html" and not {"q", "lon", "lat"} & exchange.parameters.keys():
        return _page(exchange, None)
    wanted = parse_search(collections, exchange.parameters)
    database = exchange.context.database
    hits = await (reverse if wanted.point else search)(database, wanted)
    document = to_document(exchange, hits)
    if exchange.format == "html":
        return _page(exchange, document)
    headers = {**CACHE, "Content-Crs": f"<{wanted.crs.uri}>"}
    return respond(exchange, orjson.dumps(document), GEOJSON, None, headers)


def _page(exchange: Exchange, document: dict[str, Any] | None) -> Response:
    """The page for people; without an answer it asks what is searched for."""
    content = render(exchange, "search.html", document=document, asked=exchange.parameters.get("q", ""))
    return respond(exchange, content, HTML, None, CACHE)
