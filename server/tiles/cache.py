"""Layers of tiles out of the cache; what is selected in a request is made for it alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from starlette.responses import Response

from server.catalogue import Collection
from server.exchange import METADATA_CACHE, Context, Exchange, Validators
from server.pyramid.sources import usable
from server.state import State
from server.tilecache import Fresh, Key, Mark, Tile, pack_aside
from server.tiles.compute import MadeLayer, make_layer, make_tile
from server.tiling import grid as grids
from server.tiling.making import Wanted
from server.tiling.matrixsets import Grid
from server.tiling.places import place_of

GZIP = re.compile(r"(^|[\s,])(gzip|x-gzip|\*)\s*($|,|;\s*q\s*=\s*(1|0\.0*[1-9]|0\.[1-9]))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Joined(Tile):
    """A tile of several collections; parts: by collection, how many features had no room in it."""

    parts: dict[str, int]


def at_hand(context: Context, collections: Sequence[Collection], grid: Grid, tile: grids.Tile) -> Tile | None:
    """A tile from this process's memory, if it is there and right: of one collection, or of several joined."""
    return context.tiles.peek(_key(collections, grid, tile), _mark(context, collections))


async def kept_tile(context: Context, wanted: Wanted) -> Tile:
    """A collection's tile without a restriction, kept or made now. Raises as `make_layer` does."""
    collection, grid, tile = wanted.collection, wanted.grid, wanted.tile

    async def make() -> Fresh:
        made = await _make(context, wanted)
        return Fresh(made.content, made.features, made.left_out, _mark_of(collection, made.state))

    mark = _mark(context, [collection])
    return await context.tiles.get(_key([collection], grid, tile), lambda: place_of(grid, tile), mark, make)


async def joined_tile(context: Context, collections: Sequence[Collection], wanted: Sequence[Wanted]) -> Tile:
    """A tile of several collections, made of the kept ones of each. It is remembered if all of them are of the states
    that are known now. Raises as `make_layer` does.
    """
    marks = _mark(context, collections)
    made = await make_tile(context, "mvt", wanted, [await layer(context, part) for part in wanted])
    features = sum(part.features for part in made.layers)
    tile = await pack_aside(made.content, features, sum(made.left_out.values()))
    joined = Joined(tile.etag, tile.content, tile.features, tile.left_out, parts=made.left_out)
    same = [_mark_of(w.collection, part.state) for w, part in zip(wanted, made.layers, strict=True)]
    known = all(at_hand(context, [w.collection], w.grid, w.tile) for w in wanted)
    if wanted and known and same == [_mark(context, [w.collection]) for w in wanted]:
        context.tiles.remember(_key(collections, wanted[0].grid, wanted[0].tile), marks, joined)
    return joined


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


def _key(collections: Sequence[Collection], grid: Grid, tile: grids.Tile) -> Key:
    return Key(",".join(c.id for c in collections), grid.id, *tile)


def _mark(context: Context, collections: Sequence[Collection]) -> Mark:
    states = context.registry.states
    if len(collections) == 1:
        return _mark_of(collections[0], states[collections[0].id])
    return tuple(_mark_of(c, states[c.id]) for c in collections)


def _mark_of(collection: Collection, state: State) -> Mark:
    pyramid = usable(collection, state)
    return pyramid.made if pyramid else state.mark


def respond_kept(
    exchange: Exchange, collections: Sequence[Collection], tile: Tile, headers: dict[str, str]
) -> Response:
    """A tile as it is kept: compressed already, for all who take gzip. `headers`: further ones."""
    marks = Validators(f'W/"{tile.etag.hex()}"', _published(exchange, collections))
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


def _published(exchange: Exchange, collections: Sequence[Collection]) -> datetime | None:
    """When the latest of what the tile is made of went live."""
    states = [(c, exchange.state(c)) for c in collections]
    return max(
        (pyramid.published if (pyramid := usable(c, state)) else state.published for c, state in states), default=None
    )
