"""Raw files by content: <store>/sha256/<first 2>/<sha256>/<name>. A file appears there whole or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loaders.errors import SourceError
from loaders.listing import ListedFile
from loaders.report import FileRecord


@dataclass(frozen=True)
class StoredFile:
    """A file of a delivery: what is known of it, and where its content is kept."""

    record: FileRecord
    path: Path


def keep(store: Path, file: ListedFile, chunks: Iterable[bytes]) -> StoredFile:
    """Keep a file's content under its SHA-256. Raises SourceError where its size is not the listed one."""
    incoming = store / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor, name = tempfile.mkstemp(suffix=".part", dir=incoming)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        size = part.stat().st_size
        if file.size is not None and size != file.size:
            raise SourceError(
                f"{file.url} has {size} bytes, its listing says {file.size}. "
                "The publisher may be replacing it: load again in some minutes."
            )
        path = store / "sha256" / digest.hexdigest()[:2] / digest.hexdigest() / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    record = FileRecord(file.name, file.url, size, digest.hexdigest(), file.timestamp, datetime.now(UTC))
    return StoredFile(record, path)
