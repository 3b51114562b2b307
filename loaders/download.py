"""One file from the web into the store: what is there is used, what has begun goes on, what fails is tried again."""

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from httpx import Headers, Response

from loaders.errors import SourceError
from loaders.listing import ListedFile
from loaders.partial import Part, Parts, Version, version_of
from loaders.progress import megabytes
from loaders.report import FileRecord
from loaders.retries import Again, FetchPolicy, Retries, Stop
from loaders.store import Known, StoredFile, has_digest, keep, recall, remember, require_space
from loaders.web import Web

CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


def find_fault(headers: Headers, version: Version, start: int) -> str | None:
    """Why the answer to a range request (206) does not continue a version's first `start` bytes; None if it does."""
    given = headers.get("Content-Range", "")
    match = CONTENT_RANGE.fullmatch(given)
    if match is None or int(match[1]) != start:
        return f"the server sent the range '{given}' instead of what follows byte {start}"
    if version.total not in {None, int(match[2])}:
        return f"the file changed from {version.total} to {match[2]} bytes while it was fetched"
    # a server that sent the rest unasked whether the version is the same must say so itself
    if version.validator not in {headers.get("ETag"), headers.get("Last-Modified")}:
        return "the file changed while it was fetched"
    return None


class Pace:
    """Sees that a download does not trickle for ever."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._start, self._bytes = time.monotonic(), 0

    def count(self, n: int) -> None:
        """Raises Again where too little came in a whole window."""
        self._bytes += n
        seconds = time.monotonic() - self._start
        if seconds >= self._policy.window:
            if self._bytes < self._policy.slowest * seconds:
                raise Again(f"the server sent only {self._bytes} bytes in {seconds:.0f} s")
            self._start, self._bytes = time.monotonic(), 0


@dataclass(frozen=True)
class Downloader:
    """Downloads of one thread."""

    store: Path
    web: Web
    policy: FetchPolicy
    stop: Stop
    advance: Callable[[int], None]
    note: Callable[[str], None]

    def obtain(self, file: ListedFile) -> StoredFile:
        """The file's content in the store, fetched only if it is not there. Raises SourceError."""
        known = self._recall(file)
        if known and file.identified:
            return self._take(known)
        parts = Parts(self.store, self.stop, self.policy.save_every, self.advance, self.note)
        with parts.open(file) as (part, waited):
            if waited and (known := self._recall(file)) and file.identified:
                part.clear()
                return self._take(known)
            retries = Retries(self.policy, self.stop, self.note)
            if retries.run(file.url, lambda: self._attempt(file, part, known), lambda: part.size):
                return self._keep(file, part)
        assert known  # noqa: S101 - only what is known can be unchanged
        return self._take(known)

    def _recall(self, file: ListedFile) -> Known | None:
        known = recall(self.store, file)
        if known and not has_digest(known.stored.path, known.stored.record.sha256):
            self.note(f"{known.stored.path} is damaged; it is fetched anew")
            return None
        return known

    def _take(self, known: Known) -> StoredFile:
        self.advance(known.stored.record.size)
        return known.stored

    def _keep(self, file: ListedFile, part: Part) -> StoredFile:
        path = part.hand_over(lambda arrived: keep(self.store, arrived, part.sha256, file.name))
        record = FileRecord(file.name, file.url, part.size, part.sha256, file.timestamp, datetime.now(UTC))
        stored = StoredFile(record, path)
        version = part.version
        remember(self.store, file, Known(stored, version and version.etag, version and version.modified))
        return stored

    def _attempt(self, file: ListedFile, part: Part, known: Known | None) -> bool:
        """Fetch what is missing. False if the file did not change since it was stored. Raises SourceError, Again."""
        if file.identified and part.version and part.size == file.size:
            return True
        with self.web.get(file.url, _conditions(part, known)) as response:
            if response.status_code == 304 and known:
                return False
            self._start(file, part, response)
            self._receive(file, part, response)
        return True

    def _start(self, file: ListedFile, part: Part, response: Response) -> None:
        if response.status_code == 200:
            if part.size:
                self.note(f"{file.url} changed or cannot be continued; it is fetched from its beginning")
            part.begin(version_of(response.headers))
            _check_size(file, part, part.version and part.version.total)
            if file.size is None:
                require_space(self.store, (part.version and part.version.total) or 0)
            return
        fault = f"the server answered {response.status_code} without having been asked for a part"
        if part.version:
            fault = "the server does not have the part of the file that is missing"
            if response.status_code == 206:
                fault = find_fault(response.headers, part.version, part.size)
        if fault:
            part.clear()
            raise Again(fault)

    def _receive(self, file: ListedFile, part: Part, response: Response) -> None:
        total = part.version and part.version.total
        # of a file whose size nobody tells, at most so much that others can still work
        limit = total or file.size or shutil.disk_usage(self.store).free // 2
        pace = Pace(self.policy)
        for chunk in response.iter_raw():
            self.stop.check()
            part.write(chunk)
            if part.size > limit:
                _check_size(file, part, part.size)
                part.clear()
                raise SourceError(f"{file.url} does not end: {megabytes(limit)} came. Check the address in a browser.")
            pace.count(len(chunk))
        if total is None and "Transfer-Encoding" not in response.headers:
            total = file.size  # an answer that just ends may have been cut off
        if total is not None and part.size < total:
            raise Again(f"the connection ended after {part.size} of {total} bytes")
        _check_size(file, part, part.size)


def _check_size(file: ListedFile, part: Part, size: int | None) -> None:
    if None not in {file.size, size} and size != file.size:
        part.clear()
        raise SourceError(
            f"{file.url} has {size} bytes, its listing says {file.size}. "
            "The publisher may be replacing it: load again in some minutes."
        ) from Again("the size differs from the listing")


def _conditions(part: Part, known: Known | None) -> dict[str, str]:
    """The rest of what has begun, if it is of the same version still; otherwise the file, if it changed."""
    if part.size and part.version and part.version.validator:
        return {"Range": f"bytes={part.size}-", "If-Range": part.version.validator}
    if part.size or known is None:
        return {}
    if known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if known.modified else {}
