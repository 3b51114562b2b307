"""downloads (files of whole collections), and download: a part of a collection as a file."""

import re
from typing import Any, BinaryIO

import anyio.to_thread
import orjson
import psycopg
from psycopg import sql
from starlette.requests import Request
from starlette.responses import Response

from server.areas import read_areas
from server.cql2.filter import not_computable
from server.downloads.answer import Sent, answer_file
from server.downloads.asking import ask_for, read_standing
from server.downloads.documents import downloads_document, sums_text, to_status
from server.enclosures import MAP_FILE, SUMS, entries, file_name, offer_of
from server.errors import Busy, Gone, NotFound, QueryTooSlow, Unavailable, shorten
from server.exchange import (
    Exchange,
    open_exchange,
    render,
    respond,
    respond_document,
    to_page_state,
    validators,
)
from server.exports.area import no_area, parse_area
from server.exports.cuts import Cut
from server.exports.extract import PARAMETERS, Extract, parse_extract
from server.exports.kinds import MEDIA_TYPES, OFFERED, TILES, kinds_of
from server.exports.shelf import MAP
from server.links import link
from server.negotiation import HTML, JSON

LOOK = 5  # seconds to find out whether it is small
PATIENCE = 10  # seconds until it is the request's turn
KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
TEXT = "text/plain"
COUNT = "select count(*) from (select from {table} where {where} limit {most}) t"
STATUS_FORMATS = {"json": JSON, "html": HTML}


async def get_downloads(request: Request) -> Response:
    """/collections/{collectionId}/downloads"""
    exchange = open_exchange(request)
    collection = exchange.collection()
    stamp = (exchange.context.registry.version, offer_of(exchange, collection).stamp)
    return respond_document(
        exchange,
        lambda: downloads_document(exchange, collection),
        "downloads.html",
        marks=validators(exchange, stamp, None),
        collection=collection,
        state=to_page_state(exchange.state(collection)),
        files=entries(exchange, collection),
        areas=await read_areas(exchange),
    )


async def get_file(request: Request) -> Response:
    """/collections/{collectionId}/downloads/{fileName}"""
    exchange = open_exchange(request, {"file": "*/*"})
    collection = exchange.collection()
    name = request.path_params["fileName"]
    if name == SUMS:
        text = sums_text(collection, offer_of(exchange, collection))
        return respond(exchange, text.encode(), TEXT, validators(exchange, offer_of(exchange, collection).stamp, None))
    kind = next((key for key in OFFERED if name == file_name(collection, key)), None)
    if kind is None:
        known = ", ".join([*(file_name(collection, key) for key in OFFERED), SUMS])
        raise NotFound(f"There is no file '{shorten(name)}'. Files of this collection: {known}.")
    found = exchange.context.place.shelf.open(collection.id, kind)
    if found is None:
        raise _not_there(exchange, kind)
    at = exchange.href("collections", collection.id)
    return answer_file(exchange, Sent(*found), [link("collection", at, JSON), link("provenance", f"{at}/provenance")])


async def get_map_file(request: Request) -> Response:
    """/downloads/{fileName}: the tiles of all collections."""
    exchange = open_exchange(request, {"file": "*/*"})
    if (name := request.path_params["fileName"]) != MAP_FILE:
        raise NotFound(f"There is no file '{shorten(name)}'. There is {MAP_FILE}; other files are each collection's.")
    if (found := exchange.context.place.shelf.open(MAP, TILES.key)) is None:
        raise NotFound(f"There is no file {MAP_FILE} now. A worker makes it after a delivery; ask again later.")
    return answer_file(exchange, Sent(*found), [link("collection", exchange.href("collections"), JSON)])


def _not_there(exchange: Exchange, kind: str) -> NotFound:
    collection = exchange.collection()
    omitted = offer_of(exchange, collection).omitted.get(kind)
    why = omitted.why if omitted else "A worker makes it after a delivery; ask again later."
    at = exchange.href("collections", collection.id, "downloads")
    return NotFound(f"There is no file {file_name(collection, kind)} now. {why} What there is: {at}")


async def get_download(request: Request) -> Response:
    """/collections/{collectionId}/download: a part of it as a file, at once, or later by a job."""
    collection = request.app.state.context.registry.collection(request.path_params["collectionId"])
    formats = {key: MEDIA_TYPES[key] for key in kinds_of(collection)}
    exchange = open_exchange(request, formats, PARAMETERS)
    extract = parse_extract(collection, exchange.format, exchange.parameters)
    if extract.whole:
        return _redirect_to_whole(exchange, extract)
    state = exchange.state(extract.collection)
    if not state.version:
        raise NotFound(f"Nothing was published in '{extract.collection.id}' yet, so there is nothing to download.")
    key = extract.key(state.mark)
    if found := exchange.context.place.cuts.open(key):
        return _answer_cut(exchange, *found)
    await _check_area(exchange, extract)
    if await _is_small(exchange, extract):
        return _answer_cut(exchange, *await _make_now(exchange, extract))
    await ask_for(exchange.context.database, extract, key)
    return await _answer_later(exchange, key)


def _redirect_to_whole(exchange: Exchange, extract: Extract) -> Response:
    collection, kind = extract.collection, extract.kind.key
    if kind not in offer_of(exchange, collection).files:
        raise _not_there(exchange, kind)
    location = f"{exchange.base}/collections/{collection.id}/downloads/{file_name(collection, kind)}"
    return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})


async def _check_area(exchange: Exchange, extract: Extract) -> None:
    """Raises InvalidParameter where there is no such area."""
    area = extract.area
    if area and not await exchange.context.database.fetch(area.name_query.as_bytes()):
        raise no_area(area)


async def _is_small(exchange: Exchange, extract: Extract) -> bool:
    """Whether few features match; where that takes long to find out, it is large. Raises InvalidParameter."""
    most = exchange.context.settings.downloads_at_once
    where, parameters = extract.where()
    table = sql.Identifier("geobasis", extract.collection.id)
    query = sql.SQL(COUNT).format(table=table, where=where, most=sql.Literal(most + 1)).as_bytes()
    try:
        row = await exchange.context.database.fetch_one(query, parameters, plan_by_values=True, seconds=LOOK)
    except QueryTooSlow:
        return False
    except psycopg.DataError as error:
        raise not_computable(exchange.parameters.get("filter", ""), error) from error
    return row is not None and row[0] <= most


async def _make_now(exchange: Exchange, extract: Extract) -> tuple[Cut, BinaryIO]:
    """Make a small cut in a thread; some at once, so that others are still answered."""
    from server.exports.part import Order, make_cut  # noqa: PLC0415 - a server that makes no file does without pyarrow

    context = exchange.context
    order = Order(extract.collection, extract.kind.key, dict(extract.given))
    with anyio.move_on_after(PATIENCE) as waiting:
        await context.place.turns.acquire()
    if waiting.cancelled_caught:
        raise Busy("Other files are being made now. Send the request again in a moment.")
    try:
        cut = await anyio.to_thread.run_sync(make_cut, context.settings, context.service, order)
    except psycopg.OperationalError as error:
        raise Unavailable("The database did not answer in time. Send the request again in a moment.") from error
    finally:
        context.place.turns.release()
    if (found := context.place.cuts.open(cut.key)) is None:
        raise Unavailable("The file was removed before it could be sent. Send the request again.")
    return found


def _answer_cut(exchange: Exchange, cut: Cut, file: BinaryIO) -> Response:
    at = exchange.href("collections", cut.collection)
    links = [
        link("collection", at, JSON),
        link("monitor", exchange.href("collections", cut.collection, "download", cut.key), JSON),
    ]
    return answer_file(exchange, Sent(cut.stored, file), links)


async def _answer_later(exchange: Exchange, key: str) -> Response:
    """202 with the address of the status, and the status itself."""
    collection = exchange.collection()
    location = exchange.href("collections", collection.id, "download", key)
    if HTML in exchange.request.headers.get("accept", ""):  # so that to load the page again asks for the status
        return Response(status_code=303, headers={"Location": location, "Cache-Control": "no-store"})
    document = to_status(exchange, key, None, await read_standing(exchange.context.database, key))
    headers = {"Location": location, "Retry-After": "5", "Cache-Control": "no-store"}
    answer = respond(exchange, orjson.dumps(document), JSON, None, headers)
    answer.status_code = 202
    return answer


async def get_status(request: Request) -> Response:
    """/collections/{collectionId}/download/{key}: how far a cut is, and where its file is."""
    exchange = open_exchange(request, STATUS_FORMATS)
    cut, standing = await _find(exchange)
    document = to_status(exchange, request.path_params["key"], cut, standing)
    headers = {"Cache-Control": "no-store"}
    if document["status"] in {"accepted", "running"}:
        headers["Retry-After"] = "5"
    if exchange.format == "json":
        return respond(exchange, orjson.dumps(document), JSON, None, headers)
    name = await _area_name(exchange, document["request"].get("area"))
    page = render(
        exchange, "download.html", document=document, collection=exchange.collection(), cut=cut, area_name=name
    )
    return respond(exchange, page, HTML, None, headers)


async def _area_name(exchange: Exchange, key: str | None) -> str | None:
    area = parse_area(key)
    rows = await exchange.context.database.fetch(area.name_query.as_bytes()) if area else []
    return rows[0][0].decode() if rows else None


async def get_result(request: Request) -> Response:
    """/collections/{collectionId}/download/{key}/{fileName}"""
    exchange = open_exchange(request, {"file": "*/*"})
    cut, standing = await _find(exchange)
    found = exchange.context.place.cuts.open(cut.key) if cut else None
    if found is None:
        status = (standing or {}).get("status", "expired")
        at = exchange.href("collections", exchange.collection().id, "download", request.path_params["key"])
        raise NotFound(f"The file is not there: its status is '{status}'. See {at}.")
    if found[0].stored.name != request.path_params["fileName"]:
        found[1].close()
        raise NotFound(f"The name of this file is {found[0].stored.name}. Correct the address.")
    return _answer_cut(exchange, *found)


async def _find(exchange: Exchange) -> tuple[Cut | None, dict[str, Any] | None]:
    """A finished cut, or how far its job is. Raises NotFound, Gone."""
    collection, key = exchange.collection(), exchange.request.path_params["key"]
    cuts = exchange.context.place.cuts
    again = f"Ask for it again: {exchange.href('collections', collection.id, 'download')}"
    cut = cuts.find(key) if KEY.fullmatch(key) else None
    standing = await read_standing(exchange.context.database, key) if KEY.fullmatch(key) and not cut else None
    if standing and standing["result"]:  # a delivery came before it was made: it shows that one
        cut = cuts.find(standing["result"]) if KEY.fullmatch(standing["result"]) else None
        if cut is None:
            raise Gone(f"The file was kept for a day and is gone. {again}")
    owner = cut.collection if cut else standing["collection"] if standing else None
    if owner != collection.id:
        raise NotFound(f"There is no download '{shorten(key)}' of this collection; files are kept for a day. {again}")
    return cut, standing
