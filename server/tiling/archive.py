"""PMTiles archives (version 3): all tiles of WebMercatorQuad in one file, of which clients read parts by ranges."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pmtiles.tile import Compression, Entry, TileType, zxy_to_tileid
from pmtiles.writer import finalize_header

from loaders.progress import Progress
from server.catalogue import Collection, Language, Service
from server.crs import Box
from server.errors import NotFitting
from server.pyramid.sources import usable
from server.settings import Settings
from server.state import State
from server.tilecache import Tile as Kept
from server.tiling.batch import Order, connect, processes, read_states
from server.tiling.grid import Tile, last_level
from server.tiling.layers import layers_beside
from server.tiling.matrixsets import MERCATOR, read_grids
from server.tiling.places import levels_of, occupied

MEDIA_TYPE = "application/vnd.pmtiles"
FIELDS = {"integer": "Number", "number": "Number", "boolean": "Boolean"}


@dataclass(frozen=True)
class Scope:
    """What an archive holds: collections, levels of WebMercatorQuad (None: all that they have), an area in degrees."""

    collections: tuple[Collection, ...]
    zooms: tuple[int, int] | None = None
    area: Box | None = None


@dataclass(frozen=True)
class Archived:
    """An archive that was made. left_out: features that had no room in their tile, summed over the tiles."""

    tiles: int
    size: int
    left_out: int
    states: dict[str, State]


class Writer:
    """Writes an archive: its tiles into a file beside it, at the end all together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._contents: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed in __exit__
        self._entries: list[Entry] = []
        self._offsets: dict[bytes, int] = {}
        self._end = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._contents.close()

    def add(self, tile: Tile, kept: Kept) -> None:
        """The next tile in the order of PMTiles. Equal ones are written once."""
        number = zxy_to_tileid(tile.matrix, tile.col, tile.row)
        offset = self._offsets.get(kept.etag)
        if offset is None:
            offset = self._offsets[kept.etag] = self._end
            self._contents.write(kept.content)
            self._end += len(kept.content)
        last = self._entries[-1] if self._entries else None
        if last and last.offset == offset and number == last.tile_id + last.run_length:
            last.run_length += 1
        else:
            self._entries.append(Entry(number, offset, len(kept.content), 1))

    @property
    def count(self) -> int:
        """Tiles so far."""
        return sum(entry.run_length for entry in self._entries)

    def finish(self, header: dict[str, Any], metadata: dict[str, Any]) -> int:
        """Write the file; its size in bytes."""
        unique = len(self._offsets)
        parts = finalize_header(header, self.count, self._entries, unique, metadata, True, self._end)
        self._contents.seek(0)
        with self._path.open("wb") as file:
            file.writelines(parts)
            shutil.copyfileobj(self._contents, file, 1 << 20)
            return file.tell()


@dataclass(frozen=True)
class Archivist:
    """Makes archives with so many processes. `texts`: the service's, in a language."""

    settings: Settings
    owner_url: str
    service: Service
    progress: Progress
    number: int = 1
    lang: Language = "de"

    def make(self, scope: Scope, path: Path) -> Archived:
        """An archive at `path`. Raises NotFitting where there are no tiles to be had, Overtaken, OSError."""
        with connect(self.settings, self.owner_url) as connection:
            states = read_states(connection, scope.collections)
            order = Order(self.settings, self.owner_url, _made(scope, states), MERCATOR)
            self.progress.step("look for tiles", None)
            wanted = self._tiles(connection, scope, states)
        self.progress.step("make tiles", len(wanted), "tiles")
        left_out = 0
        with Writer(path) as writer, processes(order, self.number) as making:
            for tile, kept in making.tiles(wanted):
                if kept.content:
                    writer.add(tile, kept)
                    left_out += kept.left_out
                self.progress.advance(1)
            if not writer.count:
                raise NotFitting("There is no tile with anything in it. Choose other levels or another area.")
            size = writer.finish(_header(scope, states), {**self._metadata(scope), "left_out": left_out})
            return Archived(writer.count, size, left_out, states)

    def _tiles(self, connection: Any, scope: Scope, states: dict[str, State]) -> list[Tile]:
        """Those that some of the collections has something in at its own levels, in the order of PMTiles."""
        grid = read_grids(self.settings.config_dir)[MERCATOR]
        found: set[Tile] = set()
        for collection in scope.collections:
            first, last = levels_of([collection])
            low, high = scope.zooms or (first, last)
            zooms = max(first, low), min(last, high)
            for tiles in occupied(connection, states[collection.id], grid, zooms, scope.area):
                found.update(tiles)
        return sorted(found, key=lambda tile: zxy_to_tileid(tile.matrix, tile.col, tile.row))

    def _metadata(self, scope: Scope) -> dict[str, Any]:
        last = last_level(scope.collections)
        one = scope.collections[0] if len(scope.collections) == 1 else self.service
        return {
            "name": one.title.in_(self.lang),
            "description": one.description.in_(self.lang),
            "attribution": self.service.attribution_of(scope.collections, self.lang),
            "license": self.service.licence_of(scope.collections),
            "type": "overlay",
            "vector_layers": [layer for c in scope.collections for layer in self._layers(c, last)],
        }

    def _layers(self, collection: Collection, last: int) -> list[dict[str, Any]]:
        own = self._layer(collection, last)
        return [own] + [
            {
                **own,
                "id": beside.id,
                "description": beside.title.in_(self.lang),
                "fields": {"rank": "String"}
                if beside.ranks
                else {name: own["fields"][name] for name in ("id", *beside.properties)},
            }
            for beside in layers_beside(collection)
        ]

    def _layer(self, collection: Collection, last: int) -> dict[str, Any]:
        types = {p.name: FIELDS.get(p.type, "String") for p in collection.properties}
        fields = {"id": "String", **{name: types[name] for name in collection.tiles.properties}}
        if collection.tiles.pyramid and collection.tiles.pyramid.counts:
            fields["count"] = "Number"
        return {
            "id": collection.id,
            "description": collection.title.in_(self.lang),
            "minzoom": collection.tiles.minzoom,
            "maxzoom": last,
            "fields": fields,
        }


def _made(scope: Scope, states: dict[str, State]) -> dict[str, int]:
    found = {}
    for collection in scope.collections:
        pyramid = usable(collection, states[collection.id])
        if pyramid is None:
            raise NotFitting(
                f"The tables that tiles of '{collection.id}' are made of are not there yet: a worker makes them after "
                f"each publication. Do it now: opennrw tiles prepare --collection {collection.id}"
            )
        found[collection.id] = pyramid.made
    return found


def _header(scope: Scope, states: dict[str, State]) -> dict[str, Any]:
    boxes = [scope.area] if scope.area else [box for state in states.values() if (box := state.bbox_crs84)]
    west, south = min(box.xmin for box in boxes), min(box.ymin for box in boxes)
    east, north = max(box.xmax for box in boxes), max(box.ymax for box in boxes)
    return {
        "version": 3,
        "tile_type": TileType.MVT,
        "tile_compression": Compression.GZIP,
        "min_lon_e7": round(west * 1e7),
        "min_lat_e7": round(south * 1e7),
        "max_lon_e7": round(east * 1e7),
        "max_lat_e7": round(north * 1e7),
        "center_zoom": (scope.zooms or levels_of(scope.collections))[0],
        "center_lon_e7": round((west + east) / 2 * 1e7),
        "center_lat_e7": round((south + north) / 2 * 1e7),
    }
