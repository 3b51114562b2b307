"""What a load is told."""

from dataclasses import dataclass, field
from pathlib import Path

from loaders.progress import Progress, Quiet
from loaders.retries import DEFAULT_POLICY, FetchPolicy
from loaders.store import StoredFile


@dataclass(frozen=True)
class LoadOptions:
    """What to load and how. `source` None: the publisher's URL; `store`: folder where the raw files are kept.

    `packages`: keys of those to load, where the product comes in packages; none: all that the source holds.
    `stored`: files that were fetched before, to be read again. `yielding`: leave the processor to readers, where there
    is anything to read yet, for the rest of this process's life; a first load takes all that it can get.
    """

    database_url: str
    store: Path
    source: str | None = None
    only: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    dry_run: bool = False
    accept_shrink: bool = False
    yielding: bool = False
    progress: Progress = field(default_factory=Quiet)
    policy: FetchPolicy = DEFAULT_POLICY
    stored: tuple[StoredFile, ...] = ()
