"""Tile matrix sets, tilesets, TileJSON, tiles."""

import orjson
import psycopg
from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import Response

from server.conditions import PARAMETERS, parse_conditions
from server.cql2.filter import not_computable
from server.cql2.limits import SCAN_TIMEOUT
from server.database import Reader
from server.errors import NotFound, shorten
from server.ewkb import to_box2d, to_ewkb
from server.exchange import Exchange, open_exchange, respond, respond_document, respond_unchanged, validators
from server.links import link
from server.negotiation import JSON, MVT
from server.state import State
from server.tiles.documents import tilejson_document, tileset_document, tilesets_document
from server.tiles.grid import NAME, URI, check_tile, matrix_set, parse_tile, search_box, tile_box
from server.tiles.query import filtered_tile_text, tile_text


async def get_matrix_sets(request: Request) -> Response:
    """/tileMatrixSets"""
    exchange = open_exchange(request, {"json": JSON})
    href = exchange.href("tileMatrixSets", NAME)
    listed = {"id": NAME, "title": NAME, "uri": URI, "links": [link("self", href, JSON, NAME)]}
    return respond_document(exchange, lambda: {"tileMatrixSets": [listed], "links": exchange.links_self()})


async def get_matrix_set(request: Request) -> Response:
    """/tileMatrixSets/{tileMatrixSetId}"""
    exchange = open_exchange(request, {"json": JSON})
    _check_matrix_set(exchange)
    return respond_document(exchange, lambda: orjson.loads(matrix_set().model_dump_json(exclude_none=True)))


async def get_tilesets(request: Request) -> Response:
    """/collections/{collectionId}/tiles"""
    exchange = open_exchange(request)
    collection = exchange.collection()
    return respond_document(
        exchange, lambda: tilesets_document(exchange, collection), "tilesets.html", collection=collection
    )


async def get_tileset(request: Request) -> Response:
    """/collections/{collectionId}/tiles/{tileMatrixSetId}"""
    exchange = open_exchange(request)
    collection = exchange.collection()
    _check_matrix_set(exchange)
    state = exchange.state(collection)
    return respond_document(
        exchange, lambda: tileset_document(exchange, collection, state), "tileset.html", collection=collection
    )


async def get_tilejson(request: Request) -> Response:
    """/collections/{collectionId}/tiles/{tileMatrixSetId}/tilejson"""
    exchange = open_exchange(request, {"json": JSON})
    collection = exchange.collection()
    _check_matrix_set(exchange)
    return respond_document(exchange, lambda: tilejson_document(exchange, collection, exchange.state(collection)))


async def get_tile(request: Request) -> Response:
    """/collections/{collectionId}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"""
    exchange = open_exchange(request, {"mvt": MVT}, PARAMETERS)
    collection = exchange.collection()
    condition = parse_conditions(collection, exchange.parameters)
    _check_matrix_set(exchange)
    path = request.path_params
    tile = parse_tile(path["tileMatrix"], path["tileRow"], path["tileCol"])
    state = exchange.state(collection)
    check_tile(tile, collection.tiles, state)
    marks = validators(exchange, state.mark, state.published)
    if marks.unchanged(request):
        return respond_unchanged(marks)

    async def ask(state: State, reader: Reader) -> TupleRow | None:
        if (search := search_box(tile, state)) is None:
            return None
        parameters = {"tile": to_box2d(tile_box(tile)), "search": to_ewkb(search, state.srid)}
        if condition is None:
            return await reader.fetch_one(tile_text(collection), parameters)
        text = filtered_tile_text(collection, condition.sql)
        given = {**parameters, **condition.parameters}
        return await reader.fetch_one(text, given, plan_by_values=True, seconds=SCAN_TIMEOUT)

    try:
        state, row = await exchange.context.registry.read(exchange.context.database, collection.id, ask)
    except psycopg.DataError as error:
        raise not_computable(exchange.parameters.get("filter", ""), error) from error
    marks = validators(exchange, state.mark, state.published)
    if row is None or not row[1]:
        return Response(status_code=204, headers=marks.headers)
    return respond(exchange, bytes(row[1]), MVT, marks)


def _check_matrix_set(exchange: Exchange) -> None:
    name = exchange.request.path_params["tileMatrixSetId"]
    if name != NAME:
        raise NotFound(f"There is no tile matrix set '{shorten(name)}'. Available: {NAME}.")
