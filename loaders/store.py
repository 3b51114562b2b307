"""Raw files by content, shared by any number of processes.

<store>/sha256/<first 2>/<sha256>/<name>   a file: there whole or not at all
<store>/fetched/<key>.json                 where a file was fetched from, so that it is not fetched again
<store>/incoming/                          what is not complete yet
<store>/lock                               held together by all who use files, alone by who removes some
"""

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from loaders.errors import LoadError, SourceError
from loaders.listing import ListedFile
from loaders.progress import megabytes
from loaders.report import FileRecord

CHUNK = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file of a delivery: what is known of it, and where its content is kept."""

    record: FileRecord
    path: Path


@dataclass(frozen=True)
class Known:
    """A file that was fetched before, and how its server named that version."""

    stored: StoredFile
    etag: str | None = None
    modified: str | None = None


def key_of(file: ListedFile) -> str:
    """Names a version of a file as far as its listing tells versions apart."""
    return hashlib.sha256(json.dumps([file.url, file.size, file.timestamp]).encode()).hexdigest()[:40]


def content_path(store: Path, sha256: str, name: str) -> Path:
    return store / "sha256" / sha256[:2] / sha256 / name


def incoming(store: Path) -> Path:
    """The folder for what is not complete; made if there is none."""
    folder = store / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def keep(store: Path, arrived: Path, sha256: str, name: str) -> Path:
    """Move a complete, synced file to its place. What is there gives way: it may be damaged, this was just read."""
    path = content_path(store, sha256, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrived.replace(path)
    with suppress(OSError):  # not every file system has links; then each name has its own copy
        _join(store, path)
    for folder in (path.parent, path.parent.parent):
        _sync(folder)
    return path


def _join(store: Path, path: Path) -> None:
    """The same content under other names becomes one file with several names."""
    for other in path.parent.iterdir():
        if not other.samefile(path):
            link = incoming(store) / f"{uuid.uuid4().hex}.link"
            try:
                link.hardlink_to(path)
                link.replace(other)
            finally:
                link.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, document: object) -> None:
    """As `write_text`."""
    write_text(path, json.dumps(document, default=str))


def write_text(path: Path, text: str) -> None:
    """Replace a small file: it has the former content or the new one."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def remember(store: Path, file: ListedFile, known: Known) -> None:
    """Note from where a file was fetched, for `recall`."""
    folder = store / "fetched"
    folder.mkdir(parents=True, exist_ok=True)
    record = {**asdict(known.stored.record), "etag": known.etag, "modified": known.modified}
    write_json(folder / f"{key_of(file)}.json", record)


def recall(store: Path, file: ListedFile) -> Known | None:
    """What was fetched of this version before and is there with the right size; None for what is not known.

    Only the size is compared here: see `has_digest`.
    """
    return _read_note(store, store / "fetched" / f"{key_of(file)}.json")


def forget_missing(store: Path) -> None:
    """Drop the notes on files that are not there any more."""
    for note in (store / "fetched").glob("*"):
        if _read_note(store, note) is None:
            note.unlink()


def _read_note(store: Path, note: Path) -> Known | None:
    try:
        document = json.loads(note.read_text("utf-8"))
        etag, modified = document.pop("etag"), document.pop("modified")
        record = FileRecord(**{**document, "fetched": datetime.fromisoformat(document["fetched"])})
        path = content_path(store, record.sha256, record.name)
        there = path.stat().st_size == record.size
    except (OSError, ValueError, KeyError, TypeError):  # not there, or cut off by a power failure
        return None
    return Known(StoredFile(record, path), etag, modified) if there else None


def has_digest(path: Path, sha256: str) -> bool:
    """Whether a file can be read and has this content."""
    try:
        return digest_of(path) == sha256
    except OSError:  # a disk that fails, for instance
        return False


@contextmanager
def in_use(store: Path) -> Iterator[None]:
    """While the block lasts nothing is removed from the store. Ends with the process, however that ends."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """While the block lasts nobody uses the store. Raises LoadError if somebody does."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LoadError(
                f"{store} is in use: a load runs, or the files are being verified. Nothing was removed. Prune again "
                "when that has ended."
            ) from None
        yield


def require_space(store: Path, needed: int) -> None:
    """Raises SourceError where the store's disk has less space left than is needed."""
    free = shutil.disk_usage(store).free
    if needed > free:
        raise SourceError(
            f"{store} has {megabytes(free)} free, what is to be fetched needs {megabytes(needed)}. "
            "Free space there (`opennrw store prune` removes what former deliveries left), or set OPENNRW_HOME to a "
            "folder on a larger disk."
        )
