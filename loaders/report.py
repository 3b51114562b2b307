"""What a load did: every row accounted for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

Status = Literal["published", "unchanged", "refused", "dry-run"]
REJECTS_SHOWN = 20


@dataclass
class Counts:
    """Rows of one collection; `deleted`, `repaired` and `kept` stand beside the account, they are no part of `read`.

    `kept`: live features that stay as they are because their row was rejected; `handed_over`: those that left their
    package and belong to another one now, which holds them still.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicate: int = 0
    deleted: int = 0
    repaired: int = 0
    kept: int = 0
    handed_over: int = 0

    @property
    def usable(self) -> int:
        """Rows that are live once the delivery is."""
        return self.inserted + self.updated + self.unchanged

    @property
    def balanced(self) -> bool:
        """Whether every row that was read is accounted for exactly once."""
        return self.read == self.usable + self.rejected + self.duplicate

    @property
    def changed(self) -> bool:
        """Whether the collection differs from what was live before."""
        return bool(self.inserted or self.updated or self.deleted or self.handed_over)


@dataclass(frozen=True)
class Check:
    """A rule that was applied to a collection, or to the whole delivery where `collection` is empty."""

    collection: str
    rule: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Reject:
    """A row that was not loaded. `line`: line of a text file or record number of a Shape file, from 1.

    `rule`: what it breaks, one of checks.ROW_RULES; `feature`: its id, where that could be read.
    """

    file: str
    line: int
    reason: str
    raw: str
    rule: str = "value"
    feature: str | None = None


@dataclass(frozen=True)
class Repair:
    """A row of which something was mended. `original`: as delivered, the WKB of a geometry or the bytes of a text.

    `rule`: what it would have broken, one of checks.ROW_RULES.
    """

    file: str
    line: int
    feature: str
    reason: str
    original: bytes
    rule: str = "geometry"


@dataclass(frozen=True)
class FileRecord:
    """A file of a delivery as it was fetched. `listed`: the listing's timestamp as printed there."""

    name: str
    url: str
    size: int
    sha256: str
    listed: str | None
    fetched: datetime


@dataclass
class Report:
    """Account of one load; `to_dict` is what `--json` prints.

    `recognised`: rows that were known by their bytes to be live, and not read any further.
    """

    dataset: str
    source: str
    started: datetime
    status: Status = "published"
    delivery: int | None = None
    rollback_of: int | None = None
    packages: list[str] | None = None
    files: list[FileRecord] = field(default_factory=list)
    collections: dict[str, Counts] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    recognised: int = 0
    rejects: int = 0
    first_rejects: list[Reject] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time that the block takes to a step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(self.seconds.get(step, 0.0) + time.perf_counter() - start, 3)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        document = asdict(self)
        document["started"] = self.started.isoformat()
        for file in document["files"]:
            file["fetched"] = file["fetched"].isoformat()
        return document
