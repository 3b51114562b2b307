"""What an answer of features says before the first of them: links and headers."""

from collections.abc import Mapping
from dataclasses import replace
from email.utils import format_datetime
from functools import lru_cache

import orjson

from server.coordinates import Coordinates
from server.crs import Crs
from server.editions import Edition
from server.exchange import Exchange
from server.features.cursor import to_token
from server.features.page import Page
from server.features.params import VARYING, ItemsQuery
from server.features.posted import MAX_ADDRESS, as_post
from server.formats.layer import Format, Selection
from server.links import Link, link, to_link_header, to_value
from server.negotiation import JSON


def links_items(exchange: Exchange, query: ItemsQuery, page: Page, posted: Mapping[str, str]) -> list[Link]:
    """Links of a page; they are to be followed by POST where they would be too long otherwise."""
    tokens = _tokens(query, page)
    if not posted or len(exchange.href_self()) <= MAX_ADDRESS:
        return _links(exchange, query, tokens)
    given = {name: value for name, value in exchange.parameters.items() if name not in posted}
    found = _links(replace(exchange, parameters=given), query, tokens)
    return [as_post(one, dict(posted)) for one in found]


def link_texts(exchange: Exchange, query: ItemsQuery, page: Page) -> tuple[bytes, bytes]:
    """The links of a page as JSON and as the value of the header Link.

    From one request of a client to the next only box and cursors differ, so the texts are kept with gaps for those. A
    gap holds a NUL, which no parameter may.
    """
    given, tokens = exchange.parameters, _tokens(query, page)
    steady = {name: f"\0{name}" if name in VARYING else value for name, value in given.items()}
    key = repr((exchange.base, exchange.format, exchange.lang, query.collection.id, query.limit, *tokens, steady))
    text = exchange.context.kept.get(key)
    if text is None:
        links = _links(replace(exchange, parameters=steady), query, {rel: f"\0{rel}" for rel in tokens})
        text = orjson.dumps(links) + b"\0" + to_link_header(links).encode()
        exchange.context.kept.put(key, text)
    for name, value in {**given, **tokens}.items():
        if name in VARYING or name in tokens:
            text = text.replace(_gap(name), to_value(value).encode())
    as_json, _, header = text.partition(b"\0")
    return as_json, header


@lru_cache(maxsize=16)
def _gap(name: str) -> bytes:
    """As it stands in a link."""
    return to_value(f"\0{name}").encode()


def _tokens(query: ItemsQuery, page: Page) -> dict[str, str]:
    """Cursors of the neighbouring pages by the relation of their links."""
    cursors = {"next": page.next, "prev": page.previous}
    return {rel: to_token(cursor, query.identity) for rel, cursor in cursors.items() if cursor is not None}


def _links(exchange: Exchange, query: ItemsQuery, tokens: Mapping[str, str]) -> list[Link]:
    at = ("collections", query.collection.id)
    title = query.collection.title.in_(exchange.lang)
    links = [*exchange.links_self(), link("collection", exchange.href(*at), JSON, title)]
    media_type = exchange.formats[exchange.format]
    for rel, token in tokens.items():
        href = exchange.href_self(cursor=token, limit=query.limit, f=exchange.format)
        links.append(link(rel, href, media_type))
    return links


def links_profile(found: Format) -> list[Link]:
    """Which of its media type's profiles a format is; jsonfg-plus is jsonfg, too."""
    if found.profile is None:
        return []
    names = [found.profile, *([found.profile.removesuffix("-plus")] if found.profile.endswith("-plus") else [])]
    return [link("profile", name) for name in names]


def headers_items(exchange: Exchange, query: ItemsQuery, page: Page, links: str) -> dict[str, str]:
    """Headers of a page; `links`: value of the header Link."""
    return {
        **headers_features(exchange, query.collection.srid, query.crs, query.selection),
        "Link": links,
        "OGC-NumberReturned": str(page.returned),
        **({} if page.matched is None else {"OGC-NumberMatched": str(page.matched)}),
        **memento(page.past),
    }


def headers_features(exchange: Exchange, srid: int, crs: Crs, selection: Selection) -> dict[str, str]:
    """What the coordinates are."""
    found = coordinates_of(exchange, srid, crs, selection)
    return {"Content-Crs": f"<{crs.uri}>", "OpenNRW-Coordinates": found.header}


def coordinates_of(exchange: Exchange, srid: int, crs: Crs, selection: Selection) -> Coordinates:
    """What the coordinates are of a collection that is stored in `srid`."""
    return exchange.context.operations.coordinates(srid, crs, simplified=selection.tolerance is not None)


def memento(past: Edition | None) -> dict[str, str]:
    """Of a former state, since when it was live (RFC 7089)."""
    return {"Memento-Datetime": format_datetime(past.published, usegmt=True)} if past else {}
