"""Downloads that are not complete: they survive whatever ends a process, and go on only where that is safe.

`<key>.part` holds the beginning of a file. `<key>.json` beside it says how much of that is certain, its SHA-256, and of
which version of the file it is. Whoever has the part open holds a lock on it.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

from httpx import Headers

from loaders.listing import ListedFile
from loaders.retries import Stop
from loaders.store import CHUNK, incoming, key_of, write_json

# a file that changed shortly before it was sent may have changed twice within the second that Last-Modified tells
SETTLED = timedelta(seconds=60)
POLL = 0.5


@dataclass(frozen=True)
class Version:
    """How a server names a version of a file. `total`: its size in bytes, None where it is not told."""

    etag: str | None
    modified: str | None
    total: int | None
    settled: bool

    @property
    def validator(self) -> str | None:
        """What If-Range may name (RFC 9110 section 13.1.5); None if two versions could not be told apart."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified if self.settled else None


def version_of(headers: Headers) -> Version:
    """The version that a full answer (200) is of."""
    length = None if "Transfer-Encoding" in headers else headers.get("Content-Length")
    modified = headers.get("Last-Modified")
    return Version(headers.get("ETag"), modified, int(length) if length else None, _settled(modified, headers))


def _settled(modified: str | None, headers: Headers) -> bool:
    try:
        return parsedate_to_datetime(headers["Date"]) - parsedate_to_datetime(modified or "") >= SETTLED
    except (KeyError, ValueError, TypeError):
        return False


class Part:
    """The beginning of a download. `size` bytes of it are there; `advance` is told of what comes and goes."""

    def __init__(self, path: Path, opened: IO[bytes], save_every: float, advance: Callable[[int], None]) -> None:
        self.path = path
        self.version: Version | None = None
        self.size = 0
        self._file = opened
        self._digest = hashlib.sha256()
        self._advance = advance
        self._save_every = save_every
        self._saved = time.monotonic()
        self._gone = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def resume(self) -> None:
        """Take up what an earlier process left, if it is what was written then; otherwise begin anew."""
        try:
            state = json.loads(self._state.read_text("utf-8"))
            version, size, sha256 = Version(**state["version"]), int(state["size"]), str(state["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.clear()
        self._file.seek(0)
        while self.size < size and (chunk := self._file.read(min(CHUNK, size - self.size))):
            self._digest.update(chunk)
            self.size += len(chunk)
            self._advance(len(chunk))
        if version.validator is None or (self.size, self.sha256) != (size, sha256):
            return self.clear()
        self._file.truncate(size)
        self.version = version
        return None

    def begin(self, version: Version) -> None:
        """From the first byte on, of this version."""
        self.clear()
        self.version = version

    def clear(self) -> None:
        self._state.unlink(missing_ok=True)
        self._file.truncate(0)
        self._advance(-self.size)
        self._digest = hashlib.sha256()
        self.version, self.size = None, 0

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)
        self._advance(len(chunk))
        if time.monotonic() - self._saved >= self._save_every:
            self.save()

    def save(self) -> None:
        """From here on a download goes on after a crash."""
        self._file.flush()
        if self.version:
            state = {"version": asdict(self.version), "size": self.size, "sha256": self.sha256}
            write_json(self._state, state)
        self._saved = time.monotonic()

    def hand_over(self, take: Callable[[Path], Path]) -> Path:
        """The file is whole: put it on the disk and give it to who moves it away. Returns where it is now."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._state.unlink(missing_ok=True)
        moved = take(self.path)
        self._gone = True
        return moved

    def leave(self) -> None:
        """Keep for the next process what it can go on with."""
        if self._gone:
            return
        if self.size and self.version and self.version.validator:
            self.save()
        else:
            self._state.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    @property
    def _state(self) -> Path:
        return self.path.with_suffix(".json")


def part_size(store: Path, file: ListedFile) -> int:
    """Bytes of a file that need no space any more."""
    try:
        return _part_path(store, file).stat().st_size
    except FileNotFoundError:
        return 0


def _part_path(store: Path, file: ListedFile) -> Path:
    return store / "incoming" / f"{key_of(file)}.part"


@dataclass(frozen=True)
class Parts:
    """The incomplete downloads of a store."""

    store: Path
    stop: Stop
    save_every: float
    advance: Callable[[int], None]
    note: Callable[[str], None]

    @contextmanager
    def open(self, file: ListedFile) -> Iterator[tuple[Part, bool]]:
        """A file's part, for this thread alone; and whether another one had to be waited for."""
        incoming(self.store)
        path = _part_path(self.store, file)
        opened, waited = self._lock(path, file.url)
        with opened:
            part = Part(path, opened, self.save_every, self.advance)
            part.resume()
            try:
                yield part, waited
            finally:
                part.leave()

    def _lock(self, path: Path, url: str) -> tuple[IO[bytes], bool]:
        waited = False
        while True:
            opened = path.open("a+b")
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists() and os.path.samestat(os.fstat(opened.fileno()), path.stat()):
                    return opened, waited
            except FileNotFoundError:  # taken away by its former holder between two looks
                pass
            except BlockingIOError:
                if not waited:
                    self.note(f"{url} is being fetched by another process; waiting for it")
                waited = True
                self.stop.wait(POLL)
            except BaseException:
                opened.close()
                raise
            opened.close()
