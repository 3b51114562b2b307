"""Tile matrix sets, tilesets, TileJSON, tiles: of each collection, and of several at once below /tiles."""

import hashlib
from collections.abc import Mapping, Sequence

import psycopg
from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import Collection
from server.cql2.filter import not_computable
from server.enclosures import map_stamp
from server.errors import InvalidParameter, NotFound, shorten
from server.exchange import JSON_HTML, METADATA_CACHE, Exchange, Validators, open_exchange, respond_document, validators
from server.negotiation import GEOJSON, JSON, MVT
from server.tilecache import Tile as Kept
from server.tiles.cache import Joined, at_hand, joined_tile, kept_tile, layer, respond_kept
from server.tiles.compute import MadeTile, make_tile
from server.tiles.documents import (
    LEFT_OUT,
    Tileset,
    joined,
    matrix_sets_document,
    tilejson_document,
    tileset_document,
    tilesets_document,
)
from server.tiles.params import CHOOSING, RESTRICTING, Restriction, parse_collections, parse_restriction
from server.tiling.grid import Tile, all_tiles, check_tile, find_matrix, is_offered, last_level, limits, parse_tile
from server.tiling.making import Wanted
from server.tiling.matrixsets import Grid, grids_by_name, read_grids
from server.tiling.query import Form

BY_FORMAT = {"mvt": MVT, "json": GEOJSON}
BY_NAME = {"mvt": MVT}  # of an address that ends in .mvt


async def get_matrix_sets(request: Request) -> Response:
    """/tileMatrixSets"""
    exchange = open_exchange(request)
    grids = read_grids(exchange.context.settings.config_dir).values()
    return respond_document(exchange, lambda: matrix_sets_document(exchange, grids), "matrixsets.html")


async def get_matrix_set(request: Request) -> Response:
    """/tileMatrixSets/{tileMatrixSetId}"""
    exchange = open_exchange(request)
    grid = _grid(exchange)
    return respond_document(exchange, lambda: grid.document, "matrixset.html", grid=grid)


async def get_tilesets(request: Request) -> Response:
    """/tiles, /collections/{collectionId}/tiles"""
    exchange, collections = _open(request)
    own = _own(exchange)
    grids = read_grids(exchange.context.settings.config_dir).values()
    tilesets = [found for grid in grids if (found := Tileset(exchange, grid, collections, own)).matrices]
    return respond_document(
        exchange,
        lambda: tilesets_document(exchange, tilesets),
        "tilesets.html",
        marks=_marks(exchange),
        collection=own,
        tilesets=tilesets,
    )


async def get_tileset(request: Request) -> Response:
    """/tiles/{tileMatrixSetId}, /collections/{collectionId}/tiles/{tileMatrixSetId}"""
    tileset = _open_tileset(request)
    return respond_document(
        tileset.exchange,
        lambda: tileset_document(tileset),
        "tileset.html",
        marks=_marks(tileset.exchange),
        collection=tileset.own,
        tileset=tileset,
    )


def _marks(exchange: Exchange) -> Validators:
    """Of what changes with the data and with the archive of the whole map."""
    return validators(exchange, (exchange.context.registry.version, map_stamp(exchange)), None)


async def get_tilejson(request: Request) -> Response:
    """…/tilejson"""
    tileset = _open_tileset(request, {"json": JSON})
    return respond_document(tileset.exchange, lambda: tilejson_document(tileset))


async def get_tile(request: Request) -> Response:
    """…/{tileMatrix}/{tileRow}/{tileCol} and, for XYZ clients, …/{tileMatrix}/{tileCol}/{tileRow}.mvt"""
    path = request.path_params
    named = request.scope["path"].endswith(".mvt")
    exchange = open_exchange(request, BY_NAME if named else BY_FORMAT, _allowed(request))
    grid = _grid(exchange)
    tile = parse_tile(path["tileMatrix"], path["tileRow"], path["tileCol"])
    form: Form = "json" if exchange.format == "json" else "mvt"
    collections = _collections(exchange)
    plain = form == "mvt" and not set(RESTRICTING) & exchange.parameters.keys()
    if plain and _is_within(collections, grid, tile) and (kept := at_hand(exchange.context, collections, grid, tile)):
        return respond_kept(exchange, collections, kept, _headers(_left_out(collections, kept), named))
    wanted = [Wanted(c, grid, tile, form, given) for c, given in _shown(exchange, collections, grid, tile)]
    if not plain:
        return _respond(exchange, await _make(exchange, form, wanted), named)
    if len(collections) == 1:
        kept = await kept_tile(exchange.context, wanted[0])
    else:
        kept = await joined_tile(exchange.context, collections, wanted)
    return respond_kept(exchange, collections, kept, _headers(_left_out(collections, kept), named))


def _is_within(collections: Sequence[Collection], grid: Grid, tile: Tile) -> bool:
    """Whether a tile is of a level that its own tileset has: one that was made to be joined may be beyond it."""
    matrix = grid.by_level.get(tile.matrix)
    return matrix is not None and matrix.zoom <= last_level(collections)


def _left_out(collections: Sequence[Collection], tile: Kept) -> dict[str, int]:
    return tile.parts if isinstance(tile, Joined) else {collections[0].id: tile.left_out}


async def _make(exchange: Exchange, form: Form, wanted: Sequence[Wanted]) -> MadeTile:
    """A tile for this request alone. Raises InvalidParameter, and as `make_layer` does."""
    try:
        layers = [await layer(exchange.context, part) for part in wanted]
        return await make_tile(exchange.context, form, wanted, layers)
    except psycopg.DataError as error:
        if not (set(exchange.parameters) & {"filter", "q"}):
            raise
        raise not_computable(exchange.parameters.get("filter", ""), error) from error


def _respond(exchange: Exchange, made: MadeTile, named: bool) -> Response:
    """The ETag names the content: a tile keeps it while a delivery changes others."""
    digest = hashlib.blake2b(made.content, digest_size=12).hexdigest()
    modified = max((part.state.published for part in made.layers), default=None)
    marks = Validators(f'W/"{digest}"', modified)
    headers = {"Cache-Control": METADATA_CACHE, **marks.headers, **_headers(made.left_out, named)}
    if marks.unchanged(exchange.request):
        return Response(status_code=304, headers=headers)
    if not made.content:
        return Response(status_code=204, headers=headers)
    return Response(made.content, headers={"Content-Type": exchange.formats[exchange.format], **headers})


def _headers(left_out: Mapping[str, int], named: bool) -> dict[str, str]:
    """What was left out, by collection; and what the answer depends on besides its address."""
    headers = {} if named else {"Vary": "Accept"}
    if lacking := [f"{name}={number}" for name, number in left_out.items() if number]:
        headers[LEFT_OUT] = ", ".join(lacking)
    return headers


def _shown(
    exchange: Exchange, collections: Sequence[Collection], grid: Grid, tile: Tile
) -> list[tuple[Collection, Restriction]]:
    """The collections that a tile can hold something of. Raises NotFound for a tile outside the tileset,
    InvalidParameter.
    """
    restrictions = {c.id: _restriction(exchange, c, len(collections)) for c in collections}
    lowest = min((c.tiles.minzoom for c in collections), default=0)
    last = last_level(collections)
    matrix = find_matrix(grid, tile, lowest, last)
    offered = [c for c in collections if is_offered(c.tiles, matrix, last)]
    if "asOf" in exchange.parameters:  # a former state may have reached further
        check_tile(tile, all_tiles(matrix))
    else:
        found = {c.id: limits(exchange.state(c), grid, matrix) for c in offered}
        check_tile(tile, joined(found.values()))
        offered = [c for c in offered if (x := found[c.id]) and x.holds(tile)]
    return [(c, restrictions[c.id]) for c in offered]


def _restriction(exchange: Exchange, collection: Collection, together: int) -> Restriction:
    """Of a collection in a tile of so many."""
    try:
        return parse_restriction(collection, exchange.parameters)
    except InvalidParameter as error:
        if together == 1:
            raise
        given = error.members
        rule = f"the tile shows several collections, and for '{collection.id}' {given['rule']}"
        remedy = f"Name by collections those that it fits. For '{collection.id}': {given['remedy']}"
        raise InvalidParameter(given["parameter"], given["value"], rule, remedy) from error


def _open(request: Request, formats: Mapping[str, str] = JSON_HTML) -> tuple[Exchange, tuple[Collection, ...]]:
    """A request for metadata; what it chooses is checked here already, because it goes into the tiles' addresses."""
    exchange = open_exchange(request, formats, _allowed(request))
    collections = _collections(exchange)
    for collection in collections:
        _restriction(exchange, collection, len(collections))
    return exchange, collections


def _open_tileset(request: Request, formats: Mapping[str, str] = JSON_HTML) -> Tileset:
    exchange, collections = _open(request, formats)
    tileset = Tileset(exchange, _grid(exchange), collections, _own(exchange))
    if not tileset.matrices:
        raise NotFound(f"There are no tiles in '{tileset.grid.id}': none of its levels is among those with tiles.")
    return tileset


def _own(exchange: Exchange) -> Collection | None:
    """The collection that the path names."""
    return exchange.collection() if "collectionId" in exchange.request.path_params else None


def _collections(exchange: Exchange) -> tuple[Collection, ...]:
    own = _own(exchange)
    known = exchange.context.registry.collections
    return (own,) if own else parse_collections(known, exchange.parameters.get("collections"))


def _allowed(request: Request) -> tuple[str, ...]:
    return RESTRICTING if "collectionId" in request.path_params else CHOOSING


def _grid(exchange: Exchange) -> Grid:
    """The grid that the path names. Raises NotFound."""
    name = exchange.request.path_params["tileMatrixSetId"]
    if found := grids_by_name(exchange.context.settings.config_dir).get(name):
        return found
    known = ", ".join(read_grids(exchange.context.settings.config_dir))
    raise NotFound(f"There is no tile matrix set '{shorten(name)}'. Available: {known}.")
