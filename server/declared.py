"""Collections that are described anew while the server runs, as a load of a new file does.

All or nothing: what cannot be read, or does not fit the database, is logged, and what was served is served still.
"""

import asyncio

import structlog

from server.catalogue import Collection, read_collections
from server.database import Database
from server.errors import ConfigurationError, Unavailable
from server.palettes import check_colours, read_palettes
from server.schema_check import check_schema
from server.settings import Settings
from server.state import Registry

log = structlog.get_logger()
Stamp = frozenset[tuple[str, int, int]]


class Declared:
    """Looks at the folders of collections whether they changed since they were read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = self._stamp()

    async def look(self, registry: Registry, database: Database) -> None:
        """Let the registry take what is described now, if it is another and right."""
        stamp = await asyncio.to_thread(self._stamp)
        if stamp == self._seen:
            return
        try:
            collections = await asyncio.to_thread(self._read)
            await check_schema(database, collections)
        except ConfigurationError as error:
            log.error("collections not taken, those before are served", reason=str(error))
        except Unavailable:
            return  # to be looked at again
        else:
            registry.declare(collections)
            log.info("collections taken", number=len(collections))
        self._seen = stamp

    def _read(self) -> tuple[Collection, ...]:
        collections = read_collections(*self._settings.collection_folders)
        check_colours(read_palettes(self._settings.config_dir).values(), collections)
        return collections

    def _stamp(self) -> Stamp:
        found: set[tuple[str, int, int]] = set()
        for folder in self._settings.collection_folders:
            for path in folder.glob("*.yaml"):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)
