"""A file for whoever asks at the console, where it is wanted."""

import os
from pathlib import Path

from loaders.progress import Progress
from server.catalogue import Service
from server.errors import Unavailable
from server.exports.extract import Extract
from server.exports.make import LONGEST, Maker
from server.exports.shelf import PART, Stored, flush, room
from server.exports.source import Overtaken, connect
from server.settings import Settings


def write_single(settings: Settings, service: Service, extract: Extract, target: Path, progress: Progress) -> Stored:
    """Write an extract to a file, which appears when it is complete. Raises what `Maker.make` raises, OSError."""
    folder = target.parent / f".{target.name}.{os.getpid()}{PART}"
    with room(target.parent), connect(settings, settings.database_url, LONGEST) as link:
        folder.mkdir()
        try:
            maker = Maker(link, service, progress)
            part, stored = maker.make(extract, maker.open(extract), folder)
            flush(part)
            part.rename(target)
        except Overtaken as error:
            raise Unavailable("A delivery was published meanwhile. Start the command again.") from error
        finally:
            for left in folder.glob("*"):
                left.unlink()
            folder.rmdir()
    return stored
