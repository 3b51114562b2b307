"""Cuts: parts of a collection that were asked for, kept for a day.

<folder>/cuts/<key>/ holds the file and `cut.json`; it appears as a whole. The same request finds it there.
"""

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import orjson

from server.exports.shelf import Stored, flush, write_whole

KEPT = timedelta(hours=24)
ENTRY = "cut.json"
MAKING, LEAVING = ".making-", ".leaving-"
STALE = 24 * 3600  # seconds after which what somebody began to make is no longer being made


@dataclass(frozen=True)
class Cut:
    """A finished cut: its file, the collection, and the parameters that were asked for."""

    key: str
    collection: str
    given: dict[str, str]
    stored: Stored

    @property
    def expires(self) -> datetime:
        """When it may be gone."""
        return self.stored.updated + KEPT


class Cuts:
    """The cuts of a machine; together they hold no more than `space` bytes, the oldest leave first."""

    def __init__(self, folder: Path, space: int) -> None:
        self.folder = folder / "cuts"
        self.space = space

    def find(self, key: str) -> Cut | None:
        """A finished cut that has not expired."""
        try:
            document = orjson.loads((self.folder / key / ENTRY).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        cut = Cut(key, document["collection"], document["given"], Stored.of(document["stored"]))
        return cut if datetime.now(UTC) < cut.expires else None

    def open(self, key: str) -> tuple[Cut, BinaryIO] | None:
        """A cut and its file."""
        try:
            return (cut, (self.folder / key / cut.stored.name).open("rb")) if (cut := self.find(key)) else None
        except FileNotFoundError:
            return None

    @contextmanager
    def making(self) -> Iterator[Path]:
        """A folder for a cut that is being made; what is left in it goes. Others' leftovers and old cuts, too."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prune()
        folder = self.folder / f"{MAKING}{uuid.uuid4().hex}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, cut: Cut, part: Path) -> None:
        """Offer a cut whose file lies in the folder of `making`. Where another process was quicker, its cut stays."""
        folder = part.parent
        flush(part)
        part.rename(folder / cut.stored.name)
        write_whole(
            folder / ENTRY, orjson.dumps({"collection": cut.collection, "given": cut.given, "stored": cut.stored})
        )
        target = self.folder / cut.key
        if self.find(cut.key) is None and target.exists():
            self._remove(target)
        try:
            folder.rename(target)
        except OSError:
            if self.find(cut.key) is None:
                raise

    def prune(self) -> None:
        """Remove what has expired or was left unfinished, and the oldest cuts where there is too much."""
        cuts: list[tuple[float, int, Path]] = []
        for path in self.folder.iterdir():
            try:
                made = path.stat().st_mtime
                if path.name.startswith(LEAVING) or (path.name.startswith(MAKING) and made < time.time() - STALE):
                    shutil.rmtree(path, ignore_errors=True)
                elif not path.name.startswith("."):
                    cuts.append((made, sum(file.stat().st_size for file in path.iterdir()), path))
            except FileNotFoundError:  # another process removes it
                continue
        total = 0
        for _, size, path in sorted(cuts, reverse=True):
            total += size
            if total > self.space or self.find(path.name) is None:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        """As a whole, so that nobody finds half of it. Whoever has opened its file keeps that."""
        gone = path.with_name(f"{LEAVING}{uuid.uuid4().hex}")
        try:
            path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)
