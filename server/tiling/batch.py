"""Tiles made in bulk, by processes of their own without the web server: to fill the cache, to write archives."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing.connection import wait
from typing import Any, TypeVar

import psycopg
from psycopg import Connection

from server.catalogue import Collection, read_collections
from server.database import reader_conninfo
from server.errors import Unavailable
from server.pyramid.sources import source_of, usable
from server.settings import Settings
from server.state import STATES, State, to_moment
from server.tilecache import KEEP, LOOK, SMALL, Key, Wanted, pack, to_arguments
from server.tilecache import Tile as Kept
from server.tiling.grid import Tile, is_offered, last_level
from server.tiling.making import MAX_BYTES, WHOLE, LayerRow, Share, fair_shares, layer_steps
from server.tiling.making import Wanted as WantedLayer
from server.tiling.matrixsets import Grid, read_grids
from server.tiling.places import place_of
from server.tiling.query import MAX_FEATURES

CHUNK = 8  # tiles that a process gets at once
AHEAD = 3  # chunks that are handed out for each process

Made = TypeVar("Made")


class Overtaken(Unavailable):
    """A delivery came while tiles of the former one were being made."""


class ProcessLost(Unavailable):
    """A process that makes tiles is no more."""


def read_states(connection: Connection[Any], collections: Sequence[Collection]) -> dict[str, State]:
    """What is live of collections, and what their tiles are made of."""
    rows = connection.execute(STATES, binary=True).fetchall()
    return to_moment(rows, {c.id: c for c in collections}).states


def connect(settings: Settings, owner_url: str) -> Connection[Any]:
    """A connection that only reads, as the server's; without its time limit."""
    connection = psycopg.connect(reader_conninfo(settings, owner_url), autocommit=True)
    connection.execute("set statement_timeout = 0")
    return connection


@dataclass(frozen=True)
class Order:
    """What a process makes tiles of: names of collections, of which the tables must stay `made`; a grid."""

    settings: Settings
    owner_url: str
    made: dict[str, int]
    grid: str
    keep: bool = False


class Maker:
    """Makes tiles of one or several collections on a connection. Raises Overtaken."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._connection = connect(order.settings, order.owner_url)
        self._collections = [c for c in read_collections(*order.settings.collection_folders) if c.id in order.made]
        self._grid = read_grids(order.settings.config_dir)[order.grid]
        self._states = read_states(self._connection, self._collections)
        self._keeper = psycopg.connect(order.owner_url, autocommit=True) if order.keep else None
        for collection in self._collections:
            pyramid = usable(collection, self._states[collection.id])
            if pyramid is None or pyramid.made != order.made[collection.id]:
                raise _overtaken(collection)

    def close(self) -> None:
        """Close its connections."""
        for connection in (self._connection, self._keeper):
            if connection:
                connection.close()

    def make(self, tile: Tile) -> Kept:
        """A tile, out of the cache if it is of one collection and there."""
        if len(self._collections) == 1:
            return self._look(self._collections[0], tile) or pack(*self._one(self._collections[0], tile, WHOLE), SMALL)
        return self._joined(tile)

    def fill(self, tiles: Sequence[Tile]) -> int:
        """Make tiles of one collection and have them kept; the bytes."""
        assert self._keeper  # noqa: S101 - the order says so
        (collection,) = self._collections
        made = self._order.made[collection.id]
        batch = []
        for tile in tiles:
            kept = pack(*self._one(collection, tile, WHOLE), SMALL)
            key = Key(collection.id, self._grid.id, *tile)
            batch.append(Wanted(key, place_of(self._grid, tile), made, kept, locked=False))
        for arguments in to_arguments(batch):
            row = self._keeper.execute(KEEP, arguments, binary=True).fetchone()
            if not (row and row[0]):
                raise _overtaken(collection)
        return sum(len(wanted.tile.content) for wanted in batch)

    def _joined(self, tile: Tile) -> Kept:
        """The layers of all collections, each with its fair share."""
        matrix = self._grid.by_level[tile.matrix]
        last = last_level(self._collections)
        shown = [c for c in self._collections if is_offered(c.tiles, matrix, last)]
        layers = [self._whole(collection, tile) for collection in shown]
        sizes = fair_shares([len(content) for content, _, _ in layers], MAX_BYTES)
        counts = fair_shares([features for _, features, _ in layers], MAX_FEATURES)
        for number, (layer, size, count) in enumerate(zip(layers, sizes, counts, strict=True)):
            if len(layer[0]) > size or layer[1] > count:
                layers[number] = self._one(shown[number], tile, Share(size, count))
        contents = b"".join(content for content, _, _ in layers)
        return pack(contents, sum(n for _, n, _ in layers), sum(n for _, _, n in layers), SMALL)

    def _whole(self, collection: Collection, tile: Tile) -> tuple[bytes, int, int]:
        """A layer as if it were alone, out of the cache if it is there."""
        if kept := self._look(collection, tile):
            return kept.plain, kept.features, kept.left_out
        return self._one(collection, tile, WHOLE)

    def _look(self, collection: Collection, tile: Tile) -> Kept | None:
        key = Key(collection.id, self._grid.id, *tile)
        row = self._connection.execute(LOOK, key._asdict(), binary=True).fetchone()
        if row is None or row[0] != self._order.made[collection.id]:
            raise _overtaken(collection)
        return None if row[1] is None else Kept(bytes(row[1]), bytes(row[4]), row[2], row[3])

    def _one(self, collection: Collection, tile: Tile, share: Share) -> tuple[bytes, int, int]:
        """A layer: content, features, left out."""
        state = self._states[collection.id]
        wanted = WantedLayer(collection, self._grid, tile)
        source = source_of(collection, state, self._grid.srid, wanted.zoom)
        row = self._run(layer_steps(wanted, state, source, share=share))
        if row is None:
            return b"", 0, 0
        version, content, features, left_out = row
        if version != state.version:
            raise _overtaken(collection)
        return bytes(content or b""), features, left_out

    def _run(self, steps: Any) -> LayerRow | None:
        try:
            step = next(steps)
            while True:
                row = self._connection.execute(step.text, step.parameters, binary=True, prepare=True).fetchone()
                step = steps.send(row or ())
        except StopIteration as end:
            return end.value


def _overtaken(collection: Collection) -> Overtaken:
    return Overtaken(f"A delivery of '{collection.id}' came while its former tiles were being made. Start again.")


_orders: list[Order] = []  # of this process, one


def _begin(order: Order) -> None:
    """Of a process; what fails later is told to the one that began it."""
    _orders.append(order)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Killed, it cannot end its processes, and they would wait for it for ever."""
    if parent := multiprocessing.parent_process():
        wait([parent.sentinel])
        os._exit(1)


@cache
def _maker() -> Maker:
    return Maker(_orders[0])


def _make(tiles: list[Tile]) -> list[tuple[Tile, Kept]]:
    return [(tile, _maker().make(tile)) for tile in tiles]


def _fill(tiles: list[Tile]) -> tuple[int, int]:
    return len(tiles), _maker().fill(tiles)


@contextmanager
def processes(order: Order, number: int) -> Iterator["Making"]:
    """Processes that make tiles, for as long as the block lasts. Raises ProcessLost within it."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(number, context, _begin, (order,))
    try:
        yield Making(pool, number)
    except BrokenProcessPool as error:
        raise ProcessLost(
            f"One of {number} processes that make tiles has ended, or could not begin: somebody killed it, or the "
            "system did, as it does where memory is short. Tiles that are kept stay, an unfinished archive goes. Start "
            "again: tiles that are kept are not made twice. Where memory is short give --processes 1."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Making:
    """What so many processes make, of tiles in the order in which they are given. Raises Overtaken."""

    pool: ProcessPoolExecutor
    number: int

    def tiles(self, wanted: Iterable[Tile]) -> Iterator[tuple[Tile, Kept]]:
        """Tiles."""
        for made in self._each(_make, wanted):
            yield from made

    def fill(self, wanted: Iterable[Tile]) -> Iterator[tuple[int, int]]:
        """Numbers and bytes of tiles that are kept now."""
        return self._each(_fill, wanted)

    def _each(self, work: Callable[[list[Tile]], Made], wanted: Iterable[Tile]) -> Iterator[Made]:
        """No more is handed out than keeps the processes busy: what is made and not yet taken is in memory."""
        under_way: deque[Future[Made]] = deque()
        for chunk in chunks(wanted):
            under_way.append(self.pool.submit(work, chunk))
            if len(under_way) >= AHEAD * self.number:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def chunks(tiles: Iterable[Tile]) -> Iterator[list[Tile]]:
    """A process gets some at once."""
    rest = iter(tiles)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def grid_of(settings: Settings, name: str) -> Grid:
    """The grid of that name. Raises Unavailable."""
    grids = read_grids(settings.config_dir)
    if name not in grids:
        raise Unavailable(f"There is no tile matrix set '{name}'. Available: {', '.join(grids)}.")
    return grids[name]
