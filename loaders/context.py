"""What a loader may touch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from loaders.batch import Batch, Mask
from loaders.fingerprint import Prints
from loaders.manifest import Manifest
from loaders.report import Reject


class Staging(Protocol):
    """Where rows go before they are compared with what is live."""

    def write(self, collection: str, batch: Batch, rejects: Sequence[Reject]) -> None:
        """Take the next rows of a collection."""
        ...

    def count(self, collection: str, rows: int) -> None:
        """Take note of rows that the source holds, counted apart from reading them."""
        ...

    def leave_out(self, collection: str, rows: int, reason: str) -> None:
        """Take note of rows that the source holds and that are no part of the collection."""
        ...

    def salt(self, manifest: Manifest, collection: str, *circumstances: object) -> bytes:
        """What goes in front of a record before its fingerprint is taken."""
        ...

    def knows(self, collection: str) -> bool:
        """Whether any record can be recognised."""
        ...

    def recognise(self, collection: str, prints: Prints) -> Mask:
        """Which of the next records are those that live rows came from: they are not to be written."""
        ...


@dataclass(frozen=True)
class Context:
    """A delivery's unpacked files by name, the collections asked for, and where their rows go.

    `origins`: the delivered file, such as an archive, that each of the files was in, by its name.
    """

    manifest: Manifest
    files: dict[str, Path]
    wanted: tuple[str, ...]
    staging: Staging
    origins: Mapping[str, str] = field(default_factory=dict)
