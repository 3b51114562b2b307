"""What is live: version, counts and extent of each collection, read at start and after every delivery."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog

from server.catalogue import STORAGE_SRID, Collection
from server.crs import CRS84, Box, around
from server.database import Database
from server.errors import NotFound, Unavailable

CHANNEL = b"opennrw_publication"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATES = b"""
select collection::bytea, version, delivery, published, features, bbox, half_width, half_height, first_date, last_date
from provenance.collection"""

log = structlog.get_logger()


@dataclass(frozen=True)
class State:
    """State of a collection; bbox and half extents in metres, EPSG:25832; version 0 = nothing loaded yet."""

    version: int = 0
    delivery: int | None = None
    published: datetime = EPOCH
    features: int = 0
    bbox: Box | None = None
    half_width: float = 0.0
    half_height: float = 0.0
    first_date: date | None = None
    last_date: date | None = None

    @property
    def bbox_crs84(self) -> Box | None:
        """West, south, east, north in degrees, rounded outwards to about 0.1 m."""
        if self.bbox is None:
            return None
        box = around(self.bbox, STORAGE_SRID, CRS84.srid)
        return Box(*(round(v + sign * 5e-7, 6) for v, sign in zip(box, (-1, -1, 1, 1), strict=True)))


class Registry:
    """The collections and their states. The mapping is replaced as a whole, so that a request sees one moment.

    `version` names the sum of all states, alike in every worker process.
    """

    def __init__(self, collections: tuple[Collection, ...]) -> None:
        self.collections = {c.id: c for c in collections}
        self.states: dict[str, State] = dict.fromkeys(self.collections, State())
        self.version = "empty"

    def collection(self, collection_id: str) -> Collection:
        """The collection of that id. Raises NotFound."""
        if found := self.collections.get(collection_id):
            return found
        raise NotFound(
            f"There is no collection '{collection_id[:80]}'. Collections: {', '.join(self.collections)}.",
            remedy="see /collections",
        )

    async def refresh(self, database: Database) -> None:
        """Read all states anew."""
        states = dict.fromkeys(self.collections, State())
        for row in await database.fetch(STATES):
            name = row[0].decode()
            if name in states:
                bbox = Box(*row[5]) if row[5] else None
                states[name] = State(row[1], row[2], row[3], row[4], bbox, *row[6:])
        self.states = states
        marks = repr([(name, state.version, state.delivery) for name, state in states.items()])
        self.version = hashlib.blake2b(marks.encode(), digest_size=12).hexdigest()

    async def watch(self, database: Database) -> None:
        """Follow the loaders' notifications until cancelled."""
        async for payload in database.notifications(CHANNEL):
            try:
                await self.refresh(database)
            except Unavailable:
                log.warning("states not refreshed: the database is away")
                await asyncio.sleep(1)
                continue
            log.info("states refreshed", notification=payload)
