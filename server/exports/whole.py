"""The files of whole collections: made after a publication, each put into the place of the former one when done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loaders.progress import Progress
from server.catalogue import Collection, Service
from server.errors import NotFitting
from server.exports.archives import Archives
from server.exports.extract import parse_extract
from server.exports.kinds import TILES, kinds_of
from server.exports.make import LONGEST, Maker
from server.exports.place import shelf_of
from server.exports.shelf import Shelf, room
from server.exports.source import Overtaken, connect, read_edition
from server.settings import Settings
from server.tiling.batch import Overtaken as TilesOvertaken


@dataclass(frozen=True)
class Result:
    """What was done: `made`, `unchanged`, `overtaken` by a delivery, `interrupted` for more urgent jobs, `empty`."""

    outcome: str
    made: list[str] = field(default_factory=list)
    omitted: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """Makes a collection's files; `give_way` is asked between two of them."""

    settings: Settings
    service: Service
    progress: Progress
    give_way: Callable[[], bool] = lambda: False

    def make(self, collection: Collection) -> Result:
        """All that are not of the state that is live. Raises Busy, NoRoom, OSError, psycopg.Error."""
        shelf = shelf_of(self.settings)
        owner = self.settings.database_url
        with room(shelf.folder), shelf.making(collection.id) as folder, connect(self.settings, owner, LONGEST) as link:
            if (live := read_edition(link, collection.id)) is None:
                return Result("empty")
            result = Result("made")
            maker = Maker(link, self.service, self.progress)
            for key in self._missing(shelf, collection, live.mark):
                if (result.made or result.omitted) and self.give_way():
                    return Result("interrupted", result.made, result.omitted)
                try:
                    self._make_one(shelf, maker, collection, key, folder)
                    result.made.append(key)
                except Overtaken:
                    return Result("overtaken", result.made, result.omitted)
                except NotFitting as error:
                    shelf.omit(collection.id, key, live.mark, error.detail)
                    result.omitted[key] = error.detail
            try:
                archives = Archives(self.settings, self.service, self.progress)
                if archives.make_one(shelf, collection, live.mark, folder):
                    result.made.append(TILES.key)
            except (Overtaken, TilesOvertaken):
                return Result("overtaken", result.made, result.omitted)
            return result if result.made or result.omitted else Result("unchanged")

    def _missing(self, shelf: Shelf, collection: Collection, mark: tuple[int, str]) -> list[str]:
        return [key for key in kinds_of(collection) if shelf.offer(collection.id).mark(key) != mark]

    def _make_one(self, shelf: Shelf, maker: Maker, collection: Collection, key: str, folder: Path) -> None:
        extract = parse_extract(collection, key, {})
        part, stored = maker.make(extract, maker.open(extract), folder)
        shelf.put(collection.id, part, stored)
