"""What is live: version, counts and extent of each collection, read at start and after every delivery.

The server may read from standbys, which are behind their primary and not equally so. Therefore a state is read from
where the rows come from, an answer is made from rows and a state of one version (`Registry.read`), and a state goes
back to an older version only where the primary says so or cannot be asked.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import orjson
import structlog
from psycopg.rows import TupleRow

from server.catalogue import STORAGE_SRID, Collection
from server.crs import CRS84, Box, around
from server.database import Database, Reader
from server.errors import NotFound, Unavailable

CHANNEL = b"opennrw_publication"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HEARTBEAT = 10  # seconds after which the states are read anew although nothing was heard
# Pauses, s, until a standby has replayed what its primary told
CATCH_UP = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, *[1.0] * 10)

STATES = b"""
select not r.standby, c.collection::bytea, c.version, c.delivery, c.published, c.features, c.bbox,
  c.half_width, c.half_height, c.first_date, c.last_date,
  t.made, t.version, t.published, t.declared::bytea, t.base::bytea, t.zooms, t.relations::bytea[]
from (select pg_is_in_recovery() as standby) r left join provenance.collection c on true
left join tiles.collection t using (collection)"""

log = structlog.get_logger()


@dataclass(frozen=True)
class Pyramid:
    """What tiles of a collection are read from: tables of schema tiles with all features in EPSG:3857 (`base`) and what
    is shown at small scales (`levels`). `version` may be a former one of the collection; `made` is another number
    whenever anything in the tables is; `declared`: digest of what the YAML said of them.
    """

    made: int
    version: int
    published: datetime
    declared: str
    base: str
    levels: Mapping[int, str]


@dataclass(frozen=True)
class State:
    """State of a collection; bbox and half extents in its CRS, `srid`; version 0 = nothing loaded yet."""

    version: int = 0
    delivery: int | None = None
    published: datetime = EPOCH
    features: int = 0
    bbox: Box | None = None
    half_width: float = 0.0
    half_height: float = 0.0
    first_date: date | None = None
    last_date: date | None = None
    pyramid: Pyramid | None = None
    srid: int = STORAGE_SRID

    @cached_property
    def mark(self) -> tuple[int, str]:
        """Names the state for ever: after a return to a backup a version number is given anew."""
        return self.version, self.published.isoformat()

    @property
    def bbox_crs84(self) -> Box | None:
        """West, south, east, north in degrees, rounded outwards to about 0.1 m."""
        if self.bbox is None:
            return None
        box = around(self.bbox, self.srid, CRS84.srid)
        return Box(*(round(v + sign * 5e-7, 6) for v, sign in zip(box, (-1, -1, 1, 1), strict=True)))


States = dict[str, State]
Ask = Callable[[State, Reader], Awaitable[TupleRow | None]]


@dataclass(frozen=True)
class Moment:
    """The states of all collections as one server of the database had them."""

    primary: bool
    states: States


class Registry:
    """The collections and their states. The mapping is replaced as a whole, so that a request sees one moment.

    `version` names the sum of all states, alike in every worker process.
    """

    def __init__(self, collections: tuple[Collection, ...]) -> None:
        self.collections = {c.id: c for c in collections}
        self.states: States = dict.fromkeys(self.collections, State())
        self.declared = _digest(repr(collections))
        self.version = "empty"

    def declare(self, collections: tuple[Collection, ...]) -> None:
        """Take other collections, which were checked; those that are as before stay what they are."""
        before = {repr(c): c for c in self.collections.values()}
        kept = {c.id: before.get(repr(c), c) for c in collections}
        known = self.states
        # whoever finds a collection finds its state, too
        self.states = {**known, **{name: known.get(name, State()) for name in kept}}
        self.collections = kept
        self.declared = _digest(repr(collections))

    @property
    def loaded(self) -> list[Collection]:
        """Those that something was loaded into: clients would offer the others as layers without features."""
        return [c for c in self.collections.values() if self.states[c.id].version]

    def collection(self, collection_id: str) -> Collection:
        """The collection of that id. Raises NotFound."""
        if found := self.collections.get(collection_id):
            return found
        raise NotFound(
            f"There is no collection '{collection_id[:80]}'. Collections: {', '.join(self.collections)}.",
            remedy="see /collections",
        )

    async def read(self, database: Database, name: str, ask: Ask, least: int = 0) -> tuple[State, TupleRow | None]:
        """What `ask` found in a collection, and the collection's state at that very moment.

        `ask` plans by the state that it gets and gives a row whose first column is the collection's version, or None.
        `least`: the version that the client has seen. Raises Unavailable where only an older one can be had now; the
        state is older nevertheless where that version exists no more, as after a return to a backup.
        """
        state = self.states[name]
        if state.version >= least:
            row = await ask(state, database)
            if row is None or (row[0] or 0) == state.version:
                return state, row
        return await self._read_anew(database, name, ask, least)

    async def _read_anew(self, database: Database, name: str, ask: Ask, least: int) -> tuple[State, TupleRow | None]:
        """A delivery came between the state and the row, or the standby that answered is older or newer than another:
        take both from one snapshot, of the primary where the standby is too old, of the standby where it must do.
        """

        async def look(reader: Reader, least: int) -> tuple[State, TupleRow | None]:
            moment = await self._moment(reader)
            state = moment.states[name]
            if state.version < least and not moment.primary:
                raise Unavailable(
                    "The database that answers now is older than the page that you come from. "
                    "Send the request again in a moment."
                )
            self._take({**self.states, name: state})
            return state, await ask(state, reader)

        known = max(self.states[name].version, least)
        with contextlib.suppress(Unavailable):
            return await database.snapshot(name, lambda reader: look(reader, known))
        with contextlib.suppress(Unavailable):
            return await database.snapshot_of_primary(name, lambda reader: look(reader, known))
        return await database.snapshot(name, lambda reader: look(reader, least))

    async def refresh(self, database: Database) -> None:
        """Read all states anew. Those of a standby replace older ones only."""
        moment = await self._moment(database)
        states = moment.states
        if not moment.primary:
            none = State()
            states = {name: max(state, self.states.get(name, none), key=_version) for name, state in states.items()}
        self._take(states)

    async def _moment(self, reader: Reader) -> Moment:
        return to_moment(await reader.fetch(STATES), self.collections)

    def _take(self, states: States) -> None:
        # a collection may have been declared since these were asked for
        self.states = {**{name: self.states.get(name, State()) for name in self.collections}, **states}
        marks = repr(
            [
                self.declared,
                *((name, *state.mark, state.pyramid and state.pyramid.made) for name, state in self.states.items()),
            ]
        )
        self.version = _digest(marks)

    async def watch(self, database: Database, look: Callable[[], Awaitable[None]] | None = None) -> None:
        """Follow the loaders' notifications until cancelled; `look` whether other collections are described now."""
        async for payload in database.notifications(CHANNEL, HEARTBEAT):
            if look:
                await look()
            await self._follow(database, payload)

    async def _follow(self, database: Database, payload: str | None) -> None:
        name, version = _parse_event(payload)
        before = self.version
        for pause in CATCH_UP:
            await asyncio.sleep(pause)
            try:
                await self.refresh(database)
            except Unavailable:
                log.warning("states not refreshed: the database is away")
                return
            if name not in self.states or self.states[name].version >= version:
                break
        else:
            log.warning("a standby is far behind its primary", collection=name, version=version)
        if self.version != before:
            log.info("states refreshed", notification=payload)


def to_moment(rows: Sequence[TupleRow], collections: Mapping[str, Collection]) -> Moment:
    """What the rows of STATES say of collections."""
    states = dict.fromkeys(collections, State())
    for row in rows:
        name = row[1].decode() if row[1] else None  # a row of nulls where nothing was ever loaded
        if name in states:
            bbox = Box(*row[6]) if row[6] else None
            state = State(row[2], row[3], row[4], row[5], bbox, *row[7:11], pyramid=_to_pyramid(*row[11:]))
            states[name] = replace(state, srid=collections[name].srid)
    return Moment(rows[0][0], states)


def _to_pyramid(made: int | None, *values: Any) -> Pyramid | None:
    if made is None:
        return None
    version, published, declared, base, zooms, relations = values
    levels = {zoom: name.decode() for zoom, name in zip(zooms, relations, strict=True)}
    return Pyramid(made, version, published, declared.decode(), base.decode(), levels)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _version(state: State) -> int:
    return state.version


def _parse_event(payload: str | None) -> tuple[str, int]:
    """Collection and version of a notification; an empty name where it is none of the loaders'."""
    try:
        event = orjson.loads(payload or "{}")
        return str(event["collection"]), int(event["version"])
    except (ValueError, TypeError, KeyError):
        return "", 0
