"""A load as it is asked for, and how urgent jobs are."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from loaders.retries import FetchPolicy

# a job with more comes first
INTERACTIVE, WATCHED, CUTS, JOINS, PYRAMIDS, MAINTENANCE, DOWNLOADS, MAPS = 100, 50, 20, 18, 15, 10, 5, 4
SHORT_PATIENCE = FetchPolicy(tries=3)  # the queue waits, not a process that takes up a place of the worker


@dataclass(frozen=True)
class LoadRequest:
    """A load to enqueue; the fields are those of `opennrw load`. `packages` empty: the whole product in one job."""

    dataset: str
    source: str | None = None
    only: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    dry_run: bool = False
    accept_shrink: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """What differs from the defaults, as the job keeps it; a path as it is seen from everywhere on this machine."""
        given = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if v}
        if self.source and urlsplit(self.source).scheme not in {"http", "https"}:
            given["source"] = str(Path(self.source).absolute())
        return given

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Self:
        """The request that a job keeps as its arguments."""
        lists: dict[str, Any] = {name: tuple(value) for name, value in arguments.items() if isinstance(value, list)}
        return cls(**{**arguments, **lists})

    @property
    def lock(self) -> str:
        """Jobs of one lock run one after the other."""
        return " ".join(["load", self.dataset, *self.packages])
