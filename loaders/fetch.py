"""From a source to raw files in the store: what is there already is not fetched again."""

import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from loaders.errors import SourceError
from loaders.listing import ListedFile
from loaders.manifest import Manifest
from loaders.progress import BYTES, Progress
from loaders.report import FileRecord
from loaders.retries import DEFAULT_POLICY, FetchPolicy
from loaders.sources import allowed_hosts, find_local, is_url, pick_packages
from loaders.store import CHUNK, Known, StoredFile, has_digest, incoming, keep, recall, remember, require_space


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
        from loaders.remote import Remote  # noqa: PLC0415 - the HTTP client is for what comes from the web

        stored = Remote(store, progress, policy, allowed_hosts(source, manifest)).fetch(source, manifest, packages)
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
    from loaders.remote import list_site  # noqa: PLC0415 - the HTTP client is for what comes from the web

    return pick_packages(list_site(source, manifest, policy), manifest, packages)


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
