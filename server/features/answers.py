"""Features in any format, as a whole or, where they are many, sent while they are read."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from psycopg.rows import TupleRow
from starlette.responses import Response

from server.catalogue import Collection
from server.crs import OFFERED, WITH_HEIGHTS, Crs
from server.errors import InvalidParameter
from server.exchange import Exchange, respond, validators
from server.features.heads import coordinates_of, headers_items, links_items, links_profile
from server.features.long import open_rows
from server.features.page import Page
from server.features.params import ItemsQuery
from server.features.reading import ItemQuery, read_batch, read_page
from server.features.selection import PARAMETERS
from server.formats.geojson import GEOJSON_FORMAT, to_feature
from server.formats.jsonfg import JSONFG, JSONFG_PLUS
from server.formats.layer import About, Format, Layer, Selection
from server.formats.table import find_format
from server.limits import AT_ONCE
from server.links import Link, to_link_header
from server.state import State
from server.streaming import deliver, encoded


def choose_variant(exchange: Exchange, collection: Collection, crs: Crs, selection: Selection) -> tuple[Format, Crs]:
    """The format of a request, by f, Accept and profile, and the CRS of its coordinates. Raises InvalidParameter.

    JSON-FG without a CRS has both: the official coordinates in `place`, of solids with their heights, and CRS84 in
    `geometry`.
    """
    given = exchange.parameters
    found = find_format(exchange.format, given.get("profile"))
    if found.solids:
        _require_whole(found, given, crs)
        return found, WITH_HEIGHTS
    if found in {JSONFG, JSONFG_PLUS} and "crs" not in given:
        official = WITH_HEIGHTS if collection.lod else None
        found = JSONFG_PLUS
        crs = official or next((one for one in OFFERED if one.srid == collection.srid), crs)
    if crs.heights and selection.tolerance is not None:
        rule, remedy = "solids are not simplified", "Leave it out, or ask for a crs without heights"
        raise InvalidParameter("zoom-level", given["zoom-level"], rule, remedy)
    return found, crs


def _require_whole(found: Format, given: Mapping[str, str], crs: Crs) -> None:
    """Refuse what would leave out or change parts of buildings."""
    if "crs" in given and not crs.heights:
        rule = f"{found.title} has the official coordinates with heights"
        raise InvalidParameter("crs", given["crs"], rule, f"Leave it out, or use {WITH_HEIGHTS.uri}")
    if left := [name for name in PARAMETERS if name in given]:
        rule = f"{found.title} holds whole buildings"
        raise InvalidParameter(left[0], given[left[0]], rule, "Leave it out, or ask for another format")


@dataclass(frozen=True)
class Wanted:
    """Features in a format; `posted`: parameters of the request's body."""

    exchange: Exchange
    query: ItemsQuery
    format: Format
    posted: Mapping[str, str]


async def answer_features(wanted: Wanted) -> Response:
    """The answer. Its links and numbers come before its first feature, and are exact."""
    exchange, query, found = wanted.exchange, wanted.query, wanted.format
    at_once = query.hits or query.limit <= AT_ONCE
    state, page, rows = await _read(wanted)
    links = [*links_items(exchange, query, page, wanted.posted), *links_profile(found)]
    layer = Layer(query.collection, query.crs, query.selection)
    about = replace(
        _about(exchange, layer, links),
        matched=page.matched,
        returned=page.returned,
        delivery=state.delivery,
        published=state.published,
    )
    marks = validators(exchange, state.mark, state.published)

    def head(content: bytes) -> Response:
        headers = headers_items(exchange, query, page, to_link_header(links))
        return respond(exchange, content, exchange.formats[exchange.format], marks, headers)

    return await deliver(head, encoded(found.encoder(layer, about), rows, threaded=found.threaded), at_once=at_once)


async def _read(wanted: Wanted) -> tuple[State, Page, AsyncGenerator[TupleRow, None]]:
    exchange, query, key = wanted.exchange, wanted.query, wanted.format.key
    if query.hits:
        return *await read_page(exchange, query), _only(())
    if query.limit > AT_ONCE:
        return await open_rows(exchange, query, key)
    state, page, row = await read_batch(exchange, query, key)
    return state, page, _only(row)


async def _only(row: TupleRow) -> AsyncGenerator[TupleRow, None]:
    if row:
        yield row


def to_single(exchange: Exchange, query: ItemQuery, row: TupleRow, links: list[Link]) -> bytes:
    """The document of one feature, a row of `item_text`."""
    found = query.format
    if found is GEOJSON_FORMAT:
        return to_feature(row[1], links)
    assert found.single  # noqa: S101 (others are not offered)
    layer = Layer(query.collection, query.crs, query.selection)
    return found.single(layer, _about(exchange, layer, links), row[1:])


def _about(exchange: Exchange, layer: Layer, links: list[Link]) -> About:
    """What a format is told of features."""
    lang, collection = exchange.lang, layer.collection
    rights = exchange.context.service.rights_of(collection)
    return About(
        title=collection.title.in_(lang),
        description=collection.description.in_(lang),
        attribution=rights.attribution.in_(lang),
        licence=rights.licence.url,
        lang=lang,
        base=exchange.base,
        links=links,
        written=datetime.now(UTC),
        coordinates=coordinates_of(exchange, collection.srid, layer.crs, layer.selection),
    )
