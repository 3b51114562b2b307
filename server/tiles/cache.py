"""Layers of tiles out of the cache; what is selected in a request is made for it alone."""

import re

import psycopg
from starlette.responses import Response

from server.catalogue import Collection
from server.exchange import METADATA_CACHE, Context, Exchange, Validators
from server.pyramid.sources import usable
from server.state import State
from server.tilecache import Fresh, Key, Mark, Tile
from server.tiles.compute import MadeLayer, make_layer
from server.tiling import grid as grids
from server.tiling.making import Wanted
from server.tiling.matrixsets import Grid
from server.tiling.places import place_of

GZIP = re.compile(r"(^|[\s,])(gzip|x-gzip|\*)\s*($|,|;\s*q\s*=\s*(1|0\.0*[1-9]|0\.[1-9]))", re.IGNORECASE)


def at_hand(context: Context, collection: Collection, grid: Grid, tile: grids.Tile) -> Tile | None:
    """A collection's tile from this process's memory, if it is there and right."""
    mark = _mark(collection, context.registry.states[collection.id])
    return context.tiles.peek(_key(collection, grid, tile), mark)


async def kept_tile(context: Context, wanted: Wanted) -> Tile:
    """A collection's tile without a restriction, kept or made now. Raises as `make_layer` does."""
    collection, grid, tile = wanted.collection, wanted.grid, wanted.tile

    async def make() -> Fresh:
        made = await _make(context, wanted)
        return Fresh(made.content, made.features, made.left_out, _mark(collection, made.state))

    mark = _mark(collection, context.registry.states[collection.id])
    return await context.tiles.get(_key(collection, grid, tile), lambda: place_of(grid, tile), mark, make)


async def layer(context: Context, wanted: Wanted) -> MadeLayer:
    """A layer, kept if it can be. Raises as `make_layer` does."""
    if wanted.form != "mvt" or not wanted.restriction.plain:
        return await make_layer(context, wanted)
    tile = await kept_tile(context, wanted)
    state = context.registry.states[wanted.collection.id]
    return MadeLayer(tile.plain, tile.features, tile.left_out, state)


async def _make(context: Context, wanted: Wanted) -> MadeLayer:
    try:
        return await make_layer(context, wanted)
    except psycopg.errors.UndefinedTable:  # dropped since, because others have taken its place
        await context.registry.refresh(context.database)
        return await make_layer(context, wanted)


def _key(collection: Collection, grid: Grid, tile: grids.Tile) -> Key:
    return Key(collection.id, grid.id, *tile)


def _mark(collection: Collection, state: State) -> Mark:
    pyramid = usable(collection, state)
    return pyramid.made if pyramid else state.mark


def respond_kept(exchange: Exchange, collection: Collection, tile: Tile, headers: dict[str, str]) -> Response:
    """A tile as it is kept: compressed already, for all who take gzip. `headers`: further ones."""
    state = exchange.state(collection)
    pyramid = usable(collection, state)
    marks = Validators(f'W/"{tile.etag.hex()}"', pyramid.published if pyramid else state.published)
    given = {"Cache-Control": METADATA_CACHE, **marks.headers, **headers}
    given["Vary"] = f"{headers['Vary']}, Accept-Encoding" if "Vary" in headers else "Accept-Encoding"
    if marks.unchanged(exchange.request):
        return Response(status_code=304, headers=given)
    if not tile.content:
        return Response(status_code=204, headers=given)
    given["Content-Type"] = exchange.formats[exchange.format]
    if GZIP.search(exchange.request.headers.get("accept-encoding", "")):
        return Response(tile.content, headers={**given, "Content-Encoding": "gzip"})
    return Response(tile.plain, headers=given)
