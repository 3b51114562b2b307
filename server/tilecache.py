"""Made tiles, kept where all servers find them: in the database, and the latest in each process's memory.

What is kept in the database (tiles.cache) is right by itself: the transaction that changes the tables which tiles are
made of takes out what it touches. What is kept in memory is right as long as those tables are the ones that it was
made of. A cold tile is made once for all who ask: within a process they wait for one task, among the processes of a
machine for a lock, which ends with its holder however that ends.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import math
import os
import time
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from server.crs import Box
from server.database import Database, primary_conninfo
from server.errors import Unavailable
from server.ewkb import to_box2d

# Somebody waits: 1 takes 0.6 of the time of 5 for 1.05 of its bytes, 3 takes 0.87 for 1.03
QUICK = 1
SMALL = 5  # nobody waits
GZIP = 31  # zlib's name of the format
IN_THREAD = 100_000  # bytes from which compressing would hold up other requests
OVERHEAD = 400  # bytes of a tile in memory besides its content
PATIENCE = 20.0  # seconds that a process waits for the tile that another one makes
REST = 5.0  # seconds without keeping after the database refused
PRUNE_AFTER = 32 * 1024 * 1024  # bytes that this process may add before the whole is measured

LOOK = b"""
select c.made, t.etag, t.features, t.left_out, t.content from tiles.collection c
left join tiles.cache t on t.collection = c.collection and t.grid = %(grid)s and t.level = %(level)s
  and t.row = %(row)s and t.col = %(col)s
where c.collection = %(collection)s"""
KEEP = """
select tiles.keep(%s, %s, %s::text[], %s::integer[], %s::integer[], %s::integer[], %s::integer[], %s::text[],
  %s::bytea[], %s::integer[], %s::integer[], %s::bytea[])"""
PRUNE = "select tiles.prune(%s)"

log = structlog.get_logger()


class Key(NamedTuple):
    """A tile without a selection: of one collection, or in memory of several, their names with commas."""

    collection: str
    grid: str
    level: int
    row: int
    col: int


class Place(NamedTuple):
    """What a change must touch to touch the tile: its level of WebMercatorQuad, its box and buffer in EPSG:3857."""

    zoom: int
    area: Box


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile as it is sent. content: gzip, empty where nothing is there; features: in it; left_out: had no room."""

    etag: bytes
    content: bytes
    features: int
    left_out: int

    @property
    def plain(self) -> bytes:
        """The vector tile."""
        return zlib.decompress(self.content, GZIP) if self.content else b""


# What a tile was made of: the state of its collection's tables (`State.pyramid.made`); of a collection without any what
# else names its state
Mark = int | tuple[Any, ...]


@dataclass(frozen=True)
class Fresh:
    """A tile just made."""

    content: bytes
    features: int
    left_out: int
    mark: Mark


Make = Callable[[], Awaitable[Fresh]]


class Memory:
    """Tiles of this process; those that were not asked for longest go when the room is used up."""

    def __init__(self, most: int) -> None:
        self._tiles: OrderedDict[Key, tuple[Mark, Tile]] = OrderedDict()
        self._bytes = 0
        self._most = most

    def get(self, key: Key, mark: Mark) -> Tile | None:
        """The tile, if it was made of that state."""
        found = self._tiles.get(key)
        if found is None or found[0] != mark:
            return None
        self._tiles.move_to_end(key)
        return found[1]

    def put(self, key: Key, mark: Mark, tile: Tile) -> None:
        """Keep a tile."""
        former = self._tiles.pop(key, None)
        if former:
            self._bytes -= len(former[1].content) + OVERHEAD
        self._tiles[key] = mark, tile
        self._bytes += len(tile.content) + OVERHEAD
        while self._bytes > self._most and self._tiles:
            _, (_, dropped) = self._tiles.popitem(last=False)
            self._bytes -= len(dropped.content) + OVERHEAD


class Locks:
    """Locks among the processes of a machine: a byte of a file each. `path` None: this process is alone."""

    def __init__(self, path: Path | None) -> None:
        self._file: int | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                log.warning("processes may make the same tile at the same time", why=str(error))

    def take(self, key: Key) -> bool:
        """Whether nobody else has it; from now on this process has."""
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
        except OSError:
            return False
        return True

    def release(self, key: Key) -> None:
        """Let others have it."""
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(key))

    def close(self) -> None:
        """Let go of all."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _offset(key: Key) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest()) >> 2


class TileCache:
    """Of one worker process; `open` and `close` with the application. `most`: bytes in the database, 0: none."""

    def __init__(self, database: Database, memory: int, most: int, lock_file: Path | None) -> None:
        self._database = database
        self._memory = Memory(memory)
        self._locks = Locks(lock_file if most else None)
        self._flights: dict[Key, asyncio.Task[Tile]] = {}
        self._keeper = Keeper(database.conninfo, most, self._locks) if most else None
        self.made = 0  # tiles that this process had to make

    def open(self) -> None:
        """Begin to keep tiles."""
        if self._keeper:
            self._keeper.open()

    async def close(self) -> None:
        """Keep what waits to be kept, and end."""
        if self._keeper:
            await self._keeper.close()
        self._locks.close()

    def peek(self, key: Key, mark: Mark) -> Tile | None:
        """The tile, if it is at hand and right."""
        return self._memory.get(key, mark)

    def remember(self, key: Key, mark: Mark, tile: Tile) -> None:
        """Keep a tile in this process."""
        self._memory.put(key, mark, tile)

    async def get(self, key: Key, place: Callable[[], Place], mark: Mark, make: Make) -> Tile:
        """The tile, kept or made now. `mark`: what its tables are known to be now. Raises what `make` raises."""
        if tile := self._memory.get(key, mark):
            return tile
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fetch(key, place, mark, make))
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)  # who leaves does not take the tile from those who stay

    async def _fetch(self, key: Key, place: Callable[[], Place], mark: Mark, make: Make) -> Tile:
        if self._keeper is None or not isinstance(mark, int):
            return (await self._make(key, make))[1]
        if tile := await self._look(key):
            return tile
        alone = self._locks.take(key)
        if not alone:
            alone = await self._wait(key)
            if tile := await self._look(key):
                if alone:
                    self._locks.release(key)
                return tile
        kept = False
        try:
            found, tile = await self._make(key, make)
            if isinstance(found, int):
                kept = self._keeper.keep(Wanted(key, place(), found, tile, locked=alone))
            return tile
        finally:
            if alone and not kept:
                self._locks.release(key)

    async def _make(self, key: Key, make: Make) -> tuple[Mark, Tile]:
        fresh = await make()
        tile = await pack_aside(fresh.content, fresh.features, fresh.left_out)
        self.made += 1
        self._memory.put(key, fresh.mark, tile)
        return fresh.mark, tile

    async def _look(self, key: Key) -> Tile | None:
        """The tile that the database has kept."""
        row = await self._database.fetch_one(LOOK, key._asdict())
        if row is None or row[1] is None:
            return None
        tile = Tile(bytes(row[1]), bytes(row[4]), row[2], row[3])
        self._memory.put(key, row[0], tile)
        return tile

    async def _wait(self, key: Key) -> bool:
        """Until the process that makes the tile has kept it, or is gone; False where it takes too long."""
        pause, end = 0.005, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            await asyncio.sleep(pause)
            if self._locks.take(key):
                return True
            pause = min(pause * 1.5, 0.1)
        return False


async def pack_aside(content: bytes, features: int, left_out: int) -> Tile:
    """As `pack`; a large one in a thread."""
    if len(content) > IN_THREAD:
        return await asyncio.to_thread(pack, content, features, left_out)
    return pack(content, features, left_out)


def pack(content: bytes, features: int, left_out: int, level: int = QUICK) -> Tile:
    """A vector tile as it is kept and sent; gzip of a level."""
    etag = hashlib.blake2b(content, digest_size=12).digest()
    return Tile(etag, zlib.compress(content, level, GZIP) if content else b"", features, left_out)


class Wanted(NamedTuple):
    """A tile to be kept."""

    key: Key
    place: Place
    made: int
    tile: Tile
    locked: bool


class Keeper:
    """Writes tiles to the database behind the requests' backs, those that came meanwhile in one statement.

    A connection of its own, which may write: the role has the right to two functions only. Where it fails, tiles are
    made again for the next who asks; nobody waits for it.
    """

    def __init__(self, conninfo: str, most: int, locks: Locks) -> None:
        self._conninfo = writing_conninfo(conninfo)
        self._most = most
        self._locks = locks
        self._waiting: list[Wanted] = []
        self._called = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._rest_until = -math.inf
        self._added = PRUNE_AFTER  # measured once at the start: the bound may be another one now

    def open(self) -> None:
        self._task = asyncio.create_task(self._run())

    def keep(self, wanted: Wanted) -> bool:
        """Whether it will be tried; then the tile's lock is released here."""
        if self._task is None or time.monotonic() < self._rest_until:
            return False
        self._waiting.append(wanted)
        self._called.set()
        return True

    async def close(self) -> None:
        if self._task:
            self._rest_until = math.inf
            self._called.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._task, 5)
        if self._connection:
            await self._connection.close()

    async def _run(self) -> None:
        while self._rest_until != math.inf or self._waiting:
            if not self._waiting:
                await self._called.wait()
            self._called.clear()
            batch, self._waiting = self._waiting, []
            try:
                await self._store(batch)
            except (psycopg.Error, OSError, Unavailable) as error:
                log.warning("tiles are not kept for a while", why=str(error).strip())
                self._rest_until = max(self._rest_until, time.monotonic() + REST)
                await self._disconnect()
            finally:
                for wanted in batch:
                    if wanted.locked:
                        self._locks.release(wanted.key)

    async def _store(self, batch: list[Wanted]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        for arguments in to_arguments(batch):
            await self._connection.execute(KEEP, arguments, binary=True, prepare=True)
        self._added += sum(len(wanted.tile.content) + OVERHEAD for wanted in batch)
        if self._added >= PRUNE_AFTER:
            self._added = 0
            await self._connection.execute(PRUNE, [self._most])

    async def _disconnect(self) -> None:
        if self._connection:
            await self._connection.close()
        self._connection = None


def to_arguments(batch: list[Wanted]) -> Iterator[list[Any]]:
    """Arguments of tiles.keep, for each collection and state of its tables."""
    groups: dict[tuple[str, int], list[Wanted]] = {}
    for wanted in batch:
        groups.setdefault((wanted.key.collection, wanted.made), []).append(wanted)
    for (collection, made), group in groups.items():
        yield [
            collection,
            made,
            [w.key.grid for w in group],
            [w.key.level for w in group],
            [w.key.row for w in group],
            [w.key.col for w in group],
            [w.place.zoom for w in group],
            [to_box2d(w.place.area) for w in group],
            [w.tile.etag for w in group],
            [w.tile.features for w in group],
            [w.tile.left_out for w in group],
            [w.tile.content for w in group],
        ]


def writing_conninfo(conninfo: str) -> str:
    """A connection to the primary that may write where the role may."""
    options = conninfo_to_dict(conninfo).get("options") or ""
    flags = f"{options} -c default_transaction_read_only=off -c application_name=opennrw-tiles"
    return make_conninfo(primary_conninfo(conninfo), options=flags.strip())
