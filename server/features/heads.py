"""What an answer of features says before the first of them: links and headers."""

from collections.abc import Mapping
from dataclasses import replace
from email.utils import format_datetime

from server.coordinates import Coordinates
from server.crs import Crs
from server.editions import Edition
from server.exchange import Exchange
from server.features.cursor import to_token
from server.features.page import Page
from server.features.params import ItemsQuery
from server.features.posted import MAX_ADDRESS, as_post
from server.formats.layer import Format, Selection
from server.links import Link, link, to_link_header
from server.negotiation import JSON


def links_items(exchange: Exchange, query: ItemsQuery, page: Page, posted: Mapping[str, str]) -> list[Link]:
    """Links of a page; they are to be followed by POST where they would be too long otherwise."""
    if not posted or len(exchange.href_self()) <= MAX_ADDRESS:
        return _links(exchange, query, page)
    given = {name: value for name, value in exchange.parameters.items() if name not in posted}
    found = _links(replace(exchange, parameters=given), query, page)
    return [as_post(one, dict(posted)) for one in found]


def _links(exchange: Exchange, query: ItemsQuery, page: Page) -> list[Link]:
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


def links_profile(found: Format) -> list[Link]:
    """Which of its media type's profiles a format is; jsonfg-plus is jsonfg, too."""
    if found.profile is None:
        return []
    names = [found.profile, *([found.profile.removesuffix("-plus")] if found.profile.endswith("-plus") else [])]
    return [link("profile", name) for name in names]


def headers_items(exchange: Exchange, query: ItemsQuery, page: Page, links: list[Link]) -> dict[str, str]:
    """Headers of a page."""
    return {
        **headers_features(exchange, query.collection.srid, query.crs, query.selection),
        "Link": to_link_header(links),
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
