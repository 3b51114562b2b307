"""What lies in the store, who uses it, what of it can go, and whether it is what its name says."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from os import stat_result
from pathlib import Path
from typing import Any

from psycopg import Connection

from loaders.progress import BYTES, Progress
from loaders.store import alone, forget_missing, has_digest, in_use

STALE = 7 * 24 * 3600  # seconds after which nobody is expected to go on with a download
SHA256 = re.compile(r"[0-9a-f]{64}")

USES = """
select f.sha256, f.name, d.id, d.dataset, f.fetched
from provenance.file f join provenance.delivery d on d.id = f.delivery order by d.id
"""
# A delivery is superseded by newer ones that brought all that it brought: its packages, its collections. One that was
# rolled back supersedes nothing.
NEEDED = """
with brought as (
  select d.id, d.dataset, d.packages,
    d.status = 'published' and d.rollback_of is null
      and not exists (select from provenance.delivery r where r.rollback_of = d.id) as counts,
    array(select l.collection from provenance.load l where l.delivery = d.id) as collections
  from provenance.delivery d
)
select distinct f.sha256, f.name from brought d join provenance.file f on f.delivery = d.id
where d.id in (select delivery from provenance.collection) or %(keep)s > (
  select count(*) from brought n
  where n.counts and n.dataset = d.dataset and n.id > d.id
    and (n.packages is null or n.packages @> d.packages) and n.collections @> d.collections
)
"""


@dataclass(frozen=True)
class Entry:
    """A file in the store. `deliveries`: numbers of those that were made of it; empty if it was not loaded."""

    name: str
    dataset: str | None
    size: int
    sha256: str
    fetched: datetime
    deliveries: tuple[int, ...]
    path: Path


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be: files, remains of interrupted work, and the bytes that both took."""

    files: list[Entry]
    remains: list[Path]
    freed: int


@dataclass(frozen=True)
class Verified:
    """`damaged`: content differs from its name; `missing`: (delivery, dataset, name) that the provenance names."""

    files: int
    damaged: list[Path]
    missing: list[tuple[int, str, str]]


def read_entries(store: Path, connection: Connection[Any]) -> list[Entry]:
    """The whole files of the store, by dataset and name."""
    uses: dict[tuple[str, str], list[tuple[int, str, datetime]]] = {}
    for sha256, name, delivery, dataset, fetched in connection.execute(USES):
        uses.setdefault((sha256, name), []).append((delivery, dataset, fetched))
    entries = []
    for path, status in _files(store):
        sha256 = path.parent.name
        used = uses.get((sha256, path.name), [])
        fetched = used[-1][2] if used else datetime.fromtimestamp(status.st_mtime, UTC)
        numbers = tuple(delivery for delivery, _, _ in used)
        dataset = used[-1][1] if used else None
        entries.append(Entry(path.name, dataset, status.st_size, sha256, fetched, numbers, path))
    return sorted(entries, key=lambda entry: (entry.dataset or "~", entry.name, entry.fetched))


def _files(store: Path) -> Iterator[tuple[Path, stat_result]]:
    for path in store.glob("sha256/*/*/*"):
        if SHA256.fullmatch(path.parent.name):
            try:
                yield path, path.stat()
            except FileNotFoundError:  # replaced at this moment
                continue


def prune(store: Path, connection: Connection[Any], keep: int, dry_run: bool) -> Pruned:
    """Remove what no delivery needs that fewer than `keep` newer ones supersede. Raises LoadError while a load runs."""
    with alone(store):
        needed = set(connection.execute(NEEDED, {"keep": keep}).fetchall())
        files = [entry for entry in read_entries(store, connection) if (entry.sha256, entry.name) not in needed]
        remains = sorted(_remains(store))
        freed = _size_of(entry.path for entry in files) + _size_of(chain.from_iterable(map(_below, remains)))
        if not dry_run:
            for entry in files:
                _remove_file(entry.path)
            for path in remains:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            forget_missing(store)
    return Pruned(files, remains, freed)


def _remains(store: Path) -> Iterator[Path]:
    """What interrupted loads left. Nobody uses the store now, so only downloads may still be gone on with."""
    yield from store.glob("load-*")
    for path in (store / "incoming").glob("*"):
        resumable = path.suffix == ".part" or (path.suffix == ".json" and path.with_suffix(".part").exists())
        if not resumable or time.time() - path.stat().st_mtime > STALE:
            yield path


def _below(path: Path) -> list[Path]:
    return [found for found in path.rglob("*") if found.is_file() and not found.is_symlink()] or [path]


def _size_of(paths: Iterable[Path]) -> int:
    """Bytes that are free once these names are gone: a file with other names stays."""
    names, stats = Counter[tuple[int, int]](), {}
    for path in paths:
        status = path.lstat()
        identity = (status.st_dev, status.st_ino)
        names[identity] += 1
        stats[identity] = status
    return sum(stats[i].st_size for i, count in names.items() if count == stats[i].st_nlink)


def _remove_file(path: Path) -> None:
    path.unlink()
    for folder in (path.parent, path.parent.parent):
        if any(folder.iterdir()):
            break
        folder.rmdir()


def verify(store: Path, connection: Connection[Any], progress: Progress) -> Verified:
    """Read every file of the store and compare its SHA-256 with its name; meanwhile nothing is removed."""
    with in_use(store):
        entries = read_entries(store, connection)
        progress.step("verify", sum(entry.size for entry in entries), BYTES)
        damaged = []
        for entry in entries:
            if not has_digest(entry.path, entry.sha256):
                damaged.append(entry.path)
            progress.advance(entry.size)
        progress.done()
        there = {(entry.sha256, entry.name) for entry in entries}
        missing = [
            (delivery, dataset, name)
            for sha256, name, delivery, dataset, _ in connection.execute(USES)
            if (sha256, name) not in there
        ]
    return Verified(len(entries), damaged, missing)
