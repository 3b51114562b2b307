"""From a source to raw files in the store: what is there already is not fetched again."""

import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue

import httpx

from loaders.download import Downloader, require_space
from loaders.errors import SourceError
from loaders.listing import ListedFile
from loaders.manifest import Manifest
from loaders.partial import part_size
from loaders.progress import BYTES, Progress
from loaders.report import FileRecord
from loaders.retries import DEFAULT_POLICY, FetchPolicy, Retries, Stop
from loaders.sources import Site, allowed_hosts, find_local, is_url, pick_packages
from loaders.store import CHUNK, Known, StoredFile, has_digest, incoming, keep, recall, remember
from loaders.web import Web


def fetch(
    source: str,
    manifest: Manifest,
    store: Path,
    progress: Progress,
    policy: FetchPolicy = DEFAULT_POLICY,
    packages: tuple[str, ...] = (),
) -> list[StoredFile]:
    """Take the delivery's files, or those of some packages, from the source into the store. Raises SourceError.

    They are sorted by name.
    """
    store.mkdir(parents=True, exist_ok=True)
    progress.step("list", None)
    if is_url(source):
        stored = _Fetch(store, progress, policy, allowed_hosts(source, manifest)).run(source, manifest, packages)
    else:
        files = pick_packages(find_local(Path(source), manifest), manifest, packages)
        stored = _copy_all(files, store, progress)
    return sorted(stored, key=lambda file: file.record.name)


def list_source(
    source: str, manifest: Manifest, policy: FetchPolicy = DEFAULT_POLICY, packages: tuple[str, ...] = ()
) -> list[ListedFile]:
    """What `fetch` would take, without taking it: a listing costs little. Raises SourceError."""
    if not is_url(source):
        return pick_packages(find_local(Path(source), manifest), manifest, packages)
    with closing(Web(allowed_hosts(source, manifest), policy, httpx.create_ssl_context())) as web:
        files = Site(web, Retries(policy, Stop(), lambda text: None)).find(source, manifest)
    return pick_packages(files, manifest, packages)


def _copy_all(files: list[ListedFile], store: Path, progress: Progress) -> list[StoredFile]:
    progress.step("fetch", sum(file.size or 0 for file in files), BYTES)
    return [_copy(file, store, progress) for file in files]


def _copy(file: ListedFile, store: Path, progress: Progress) -> StoredFile:
    """A local file's content in the store, copied only if it is not there."""
    source = Path(file.url)
    noted = replace(file, timestamp=str(source.stat().st_mtime_ns))
    known = recall(store, noted)
    if known and all(has_digest(path, known.stored.record.sha256) for path in (known.stored.path, source)):
        progress.advance(known.stored.record.size)
        return known.stored
    require_space(store, file.size or 0)
    draft = incoming(store) / f"{uuid.uuid4().hex}.copy"
    try:
        size, digest = _write(source, draft, progress.advance)
        if size != file.size:
            raise SourceError(
                f"{file.url} had {file.size} bytes and has {size} now: it is being written. Load it once it is whole."
            )
        path = keep(store, draft, digest, file.name)
    finally:
        draft.unlink(missing_ok=True)
    stored = StoredFile(FileRecord(file.name, file.url, size, digest, None, datetime.now(UTC)), path)
    remember(store, noted, Known(stored))
    return stored


def _write(source: Path, target: Path, advance: Callable[[int], None]) -> tuple[int, str]:
    """Copy a file to the disk. Its size and SHA-256, of the very bytes that were written."""
    size, digest = 0, sha256()
    with source.open("rb") as read, target.open("xb") as written:
        while chunk := read.read(CHUNK):
            written.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
        written.flush()
        os.fsync(written.fileno())
    return size, digest.hexdigest()


@dataclass(frozen=True)
class _Fetch:
    """A fetch from the web by several threads."""

    store: Path
    progress: Progress
    policy: FetchPolicy
    hosts: frozenset[str]

    def run(self, source: str, manifest: Manifest, packages: tuple[str, ...]) -> list[StoredFile]:
        context = httpx.create_ssl_context()
        stop, lock = Stop(), threading.Lock()

        def advance(n: int) -> None:
            with lock:
                self.progress.advance(n)

        def note(text: str) -> None:
            with lock:
                self.progress.note(text)

        with closing(Web(self.hosts, self.policy, context)) as web:
            files = Site(web, Retries(self.policy, stop, note)).find(source, manifest)
        files = pick_packages(files, manifest, packages)
        self._prepare(files)
        sizes = [file.size for file in files]
        self.progress.step("fetch", None if None in sizes else sum(size or 0 for size in sizes), BYTES)
        webs = [Web(self.hosts, self.policy, context) for _ in range(min(self.policy.parallel, len(files)))]
        return _obtain_all(files, [Downloader(self.store, web, self.policy, stop, advance, note) for web in webs])

    def _prepare(self, files: list[ListedFile]) -> None:
        missing = [file for file in files if not (file.identified and recall(self.store, file))]
        require_space(self.store, sum(max((f.size or 0) - part_size(self.store, f), 0) for f in missing))
        if len(missing) < len(files):
            self.progress.note(f"{len(files) - len(missing)} of {len(files)} files did not change and are not fetched")


def _obtain_all(files: list[ListedFile], downloaders: list[Downloader]) -> list[StoredFile]:
    """Every file by the next free downloader. The first failure ends them all; what has arrived stays for next time."""
    queue: SimpleQueue[ListedFile] = SimpleQueue()
    for file in files:
        queue.put(file)

    def work(downloader: Downloader) -> list[StoredFile]:
        stored = []
        with closing(downloader.web), suppress(Empty):
            while True:
                stored.append(downloader.obtain(queue.get_nowait()))
        return stored

    with ThreadPoolExecutor(len(downloaders), "fetch") as pool:
        futures = [pool.submit(work, downloader) for downloader in downloaders]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            return [file for future in done for file in future.result()]
        finally:
            for downloader in downloaders:
                downloader.stop.set()
                downloader.web.end()
