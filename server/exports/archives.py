"""PMTiles archives among the files for download: of each collection, and of the whole map in one.

They are made after the tables that tiles are read from, which follow a publication; where those are not of what is live
yet, nothing is made, because the job that makes them asks for the archives again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loaders.progress import Progress
from server.catalogue import Collection, Service
from server.crs import EPSG
from server.errors import NotFitting
from server.exports.kinds import TILES
from server.exports.make import LONGEST
from server.exports.place import shelf_of
from server.exports.shelf import MAP, PART, Shelf, Stored, digest, room
from server.exports.source import connect
from server.pyramid.plan import SRID
from server.pyramid.sources import usable
from server.settings import Settings
from server.state import State
from server.tiling.archive import Archivist, Scope
from server.tiling.batch import Overtaken, read_states


@dataclass(frozen=True)
class Archives:
    """Makes archives where they are offered."""

    settings: Settings
    service: Service
    progress: Progress

    def make_one(self, shelf: Shelf, collection: Collection, mark: tuple[int, str], folder: Path) -> bool:
        """That of a collection, if it is not of the state `mark`, which is live; only within `Shelf.making`.

        Raises Overtaken.
        """
        state = self._states([collection])[collection.id]
        pyramid = usable(collection, state)
        if pyramid is None or (pyramid.version, pyramid.published.isoformat()) != mark:
            return False
        offer = shelf.offer(collection.id)
        former = offer.files.get(TILES.key)
        if offer.mark(TILES.key) == mark and (former is None or former.made_of == pyramid.declared):
            return False
        try:
            stored = self._make(collection.id, {collection: state}, pyramid.declared, folder)
        except NotFitting as error:  # nothing is there
            shelf.omit(collection.id, TILES.key, mark, error.detail)
            return False
        shelf.put(collection.id, _part(folder), stored)
        return True

    def make_map(self, collections: Sequence[Collection]) -> str:
        """That of all collections but those that double another: `made`, `unchanged`, `early` where tables are still
        to be made, `overtaken` by a delivery, or `empty`. Raises Busy, NoRoom, OSError, psycopg.Error.
        """
        shelf = shelf_of(self.settings)
        states = self._states([c for c in collections if not c.tiles.separate])
        shown = {c: states[c.id] for c in collections if c.id in states and states[c.id].features}
        if not shown:
            return "empty"
        if not all(_is_current(collection, state) for collection, state in shown.items()):
            return "early"
        made_of = " ".join(f"{c.id}:{state.pyramid.made}" for c, state in shown.items() if state.pyramid)
        with room(shelf.folder), shelf.making(MAP) as folder:
            former = shelf.offer(MAP).files.get(TILES.key)
            if former and former.made_of == made_of:
                return "unchanged"
            try:
                shelf.put(MAP, _part(folder), self._make("map", shown, made_of, folder))
            except Overtaken:
                return "overtaken"
            return "made"

    def _states(self, collections: Sequence[Collection]) -> dict[str, State]:
        with connect(self.settings, self.settings.database_url, LONGEST) as link:
            found = read_states(link, collections)
        return {c.id: found[c.id] for c in collections}

    def _make(self, name: str, shown: Mapping[Collection, State], made_of: str, folder: Path) -> Stored:
        """An unfinished archive of collections."""
        archivist = Archivist(self.settings, self.settings.database_url or "", self.service, self.progress)
        size = archivist.make(Scope(tuple(shown)), _part(folder)).size
        return Stored(
            kind=TILES.key,
            name=f"{name}.{TILES.extension}",
            size=size,
            sha256=digest(_part(folder)),
            features=sum(state.features for state in shown.values()),
            version=sum(state.version for state in shown.values()),
            published=max(state.published for state in shown.values()),
            updated=datetime.now(UTC),
            crs=f"{EPSG}{SRID}",
            made_of=made_of,
        )


def _part(folder: Path) -> Path:
    return folder / f"{TILES.key}{PART}"


def _is_current(collection: Collection, state: State) -> bool:
    pyramid = usable(collection, state)
    return pyramid is not None and (pyramid.version, pyramid.published.isoformat()) == state.mark
