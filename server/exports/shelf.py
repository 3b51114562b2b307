"""Where finished files are: a folder that the servers and workers of one machine share.

    <folder>/<collection>/manifest.json      what is offered
    <folder>/<collection>/<SHA-256>.<ext>    its files, never written to again
    <folder>/<collection>/lock               held by whoever makes them
    <folder>/cuts/<key>/                     cuts, see `cuts.py`

The manifest is replaced as a whole, so that a reader sees the former file or the new one. Whoever has opened a file
keeps it, although its name is gone. What else offers files to many machines needs the methods of `Shelf`.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

import orjson

from server.errors import Busy, NoRoom
from server.exports.kinds import OFFERED

MANIFEST = "manifest.json"
MAP = "_map"  # in the place of a collection's name, which begins with a letter: what is of all of them
PART = ".part"
LEAST = 64 * 1024  # bytes: with less a disk is full, whatever is said
# the last is GDAL's word for what SQLite has rolled back by itself, as it does on a full disk
SAID = ("disk is full", "no space left", "cannot rollback")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Stored:
    """A finished file. `kind`: its format; `published`: when what it shows went live; `updated`: when it was made;
    `made_of`: what else an archive of tiles depends on.
    """

    kind: str
    name: str
    size: int
    sha256: str
    features: int
    version: int
    published: datetime
    updated: datetime
    crs: str
    made_of: str = ""

    @property
    def mark(self) -> tuple[int, str]:
        """Names the state of the collection that it shows."""
        return self.version, self.published.isoformat()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From the members of a manifest."""
        moments = {name: datetime.fromisoformat(document[name]) for name in ("published", "updated")}
        return cls(**{**document, **moments})


@dataclass(frozen=True)
class Omitted:
    """Why a state of a collection has no file of a format."""

    why: str
    mark: tuple[int, str]


@dataclass(frozen=True)
class Offer:
    """What a collection offers: its files by format, and formats that it has no file of. `stamp` changes with it."""

    files: Mapping[str, Stored]
    omitted: Mapping[str, Omitted]
    stamp: str = ""

    def mark(self, kind: str) -> tuple[int, str] | None:
        """The state for which a format was last seen to."""
        found = self.files.get(kind) or self.omitted.get(kind)
        return found.mark if found else None


NOTHING = Offer({}, {})


class Shelf:
    """The files of whole collections. Raises OSError where the folder cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Offer] = {}

    def offer(self, collection: str) -> Offer:
        """What there is now. Costs a look at the manifest's entry in its folder as long as that does not change."""
        path = self.folder / collection / MANIFEST
        try:
            found = path.stat()
            stamp = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
            if (known := self._read.get(collection)) and known.stamp == stamp:
                return known
            document = orjson.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING
        files = {kind: Stored.of(entry) for kind, entry in document["files"].items() if kind in OFFERED}
        omitted = {kind: Omitted(entry["why"], tuple(entry["mark"])) for kind, entry in document["omitted"].items()}
        self._read[collection] = offer = Offer(files, omitted, stamp)
        return offer

    def open(self, collection: str, kind: str) -> tuple[Stored, BinaryIO] | None:
        """A file and what is known of it, None where there is none."""
        for _ in range(3):  # between the manifest and the file a new one may come
            if (stored := self.offer(collection).files.get(kind)) is None:
                return None
            try:
                return stored, self._path(collection, stored).open("rb")
            except FileNotFoundError:
                self._read.pop(collection, None)
        return None

    @contextmanager
    def making(self, collection: str) -> Iterator[Path]:
        """Be the only one that makes files of a collection: the folder for unfinished ones. Raises Busy.

        What others left unfinished is removed.
        """
        folder = self.folder / collection
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
                raise Busy(
                    f"Another process makes the files of '{collection}' now. Try again when it is done."
                ) from None
            self._prune(collection)
            try:
                yield folder
            finally:
                self._prune(collection)

    def put(self, collection: str, part: Path, stored: Stored) -> None:
        """Offer a finished file instead of the former one of its format; only within `making`."""
        flush(part)
        part.rename(self._path(collection, stored))
        offer = self.offer(collection)
        omitted = {kind: reason for kind, reason in offer.omitted.items() if kind != stored.kind}
        self._write(collection, replace(offer, files={**offer.files, stored.kind: stored}, omitted=omitted))

    def omit(self, collection: str, kind: str, mark: tuple[int, str], why: str) -> None:
        """Offer no file of a format, and say why; only within `making`."""
        offer = self.offer(collection)
        files = {name: stored for name, stored in offer.files.items() if name != kind}
        self._write(collection, replace(offer, files=files, omitted={**offer.omitted, kind: Omitted(why, mark)}))

    def _path(self, collection: str, stored: Stored) -> Path:
        return self.folder / collection / f"{stored.sha256}.{OFFERED[stored.kind].extension}"

    def _write(self, collection: str, offer: Offer) -> None:
        members = {"files": offer.files, "omitted": offer.omitted}
        content = {name: {kind: asdict(entry) for kind, entry in entries.items()} for name, entries in members.items()}
        write_whole(self.folder / collection / MANIFEST, orjson.dumps(content))
        self._prune(collection)

    def _prune(self, collection: str) -> None:
        """Remove what the manifest does not name."""
        kept = {self._path(collection, stored).name for stored in self.offer(collection).files.values()}
        for path in (self.folder / collection).iterdir():
            if path.name not in {MANIFEST, "lock", *kept}:
                path.unlink(missing_ok=True)


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """What is written within. Raises NoRoom where the disk is full, OSError else."""
    try:
        yield
    except OSError as error:
        if is_full(folder, error):
            raise no_room(folder) from error
        raise


def is_full(folder: Path, error: BaseException) -> bool:
    """Whether something failed because the disk of a folder is full; libraries say it in texts, or not at all."""
    told = str(error).lower()
    if (isinstance(error, OSError) and error.errno in FULL) or any(phrase in told for phrase in SAID):
        return True
    return isinstance(error, (OSError, RuntimeError)) and shutil.disk_usage(folder).free < LEAST


def no_room(folder: Path) -> NoRoom:
    """What is said of a full disk."""
    return NoRoom(f"There is no room left in {folder}. Free some, or let OPENNRW_HOME name a larger disk.")


def write_whole(path: Path, content: bytes) -> None:
    """Replace a small file as a whole."""
    part = path.with_name(path.name + PART)
    part.write_bytes(content)
    flush(part)
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def flush(path: Path) -> None:
    """Have a file's content on the disk before a name leads to it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
