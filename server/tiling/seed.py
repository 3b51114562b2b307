"""Tiles made in advance and kept for all servers."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from loaders.progress import Progress
from server.catalogue import Collection
from server.crs import Box
from server.errors import NotFitting
from server.pyramid.sources import usable
from server.settings import Settings
from server.tilecache import OVERHEAD
from server.tiling.batch import Order, connect, grid_of, processes, read_states
from server.tiling.grid import Tile
from server.tiling.places import levels_of, occupied

THERE = "select level, row, col from tiles.cache where collection = %s and grid = %s"
SIZE = "select coalesce(sum(octet_length(content) + %s), 0)::bigint from tiles.cache"


@dataclass(frozen=True)
class Seeded:
    """What was done for a collection: tiles made and their bytes, tiles that were kept before. full: it ended early,
    because more would push out what is kept.
    """

    made: int
    size: int
    kept: int
    full: bool = False


@dataclass(frozen=True)
class Seeder:
    """Fills the cache with so many processes."""

    settings: Settings
    owner_url: str
    grid: str
    progress: Progress
    number: int

    def seed(self, collection: Collection, zooms: tuple[int, int] | None = None, area: Box | None = None) -> Seeded:
        """Make what is lacking. Raises NotFitting where the collection's tables are not there, Overtaken."""
        with connect(self.settings, self.owner_url) as connection:
            state = read_states(connection, [collection])[collection.id]
            if state.features == 0:
                return Seeded(0, 0, 0)
            pyramid = usable(collection, state)
            if pyramid is None:
                raise NotFitting(
                    f"The tables that tiles of '{collection.id}' are made of are not there yet: a worker makes them "
                    f"after each publication. Do it now: opennrw tiles prepare --collection {collection.id}"
                )
            first, last = levels_of([collection])
            low, high = zooms or (first, last)
            there = self._there(connection, collection)
            levels = occupied(
                connection, state, grid_of(self.settings, self.grid), (max(first, low), min(last, high)), area
            )
            self.progress.step(f"{collection.id}: look for tiles", None)
            tiles = [tile for level in levels for tile in level]
            lacking = [tile for tile in tiles if tile not in there]
            room = (self.settings.tile_cache << 20) - self._size(connection)
        order = Order(self.settings, self.owner_url, {collection.id: pyramid.made}, self.grid, keep=True)
        return self._fill(collection, order, lacking, room, len(tiles) - len(lacking))

    def _fill(self, collection: Collection, order: Order, lacking: list[Tile], room: int, kept: int) -> Seeded:
        made = size = 0
        self.progress.step(f"{collection.id}: make tiles", len(lacking), "tiles")
        if not lacking:
            return Seeded(0, 0, kept)
        with processes(order, min(self.number, len(lacking))) as making:
            for number, added in making.fill(lacking):
                made, size = made + number, size + added
                self.progress.advance(number)
                if size + made * OVERHEAD > room:
                    return Seeded(made, size, kept, full=made < len(lacking))
        return Seeded(made, size, kept)

    def _there(self, connection: Connection[Any], collection: Collection) -> set[Tile]:
        return {Tile(*row) for row in connection.execute(THERE, [collection.id, self.grid])}

    def _size(self, connection: Connection[Any]) -> int:
        row = connection.execute(SIZE, [OVERHEAD]).fetchone()
        return row[0] if row else 0
