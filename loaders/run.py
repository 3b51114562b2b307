"""One load from start to end: fetch, unpack, stage, compare, check, publish."""

import importlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import Connection

from loaders.checks import check_counts, find_refusals, require_balance
from loaders.context import Context
from loaders.delivery import digest_delivery, unpack_delivery
from loaders.diff import compare, read_rejects
from loaders.errors import DeliveryRefused, InvalidDelivery
from loaders.fetch import fetch
from loaders.manifest import Manifest, read_manifest
from loaders.priority import lower_backend_priority, lower_own_priority
from loaders.progress import Progress, Quiet
from loaders.publish import publish
from loaders.record import is_known, record_delivery
from loaders.report import Check, Report
from loaders.retries import DEFAULT_POLICY, FetchPolicy
from loaders.session import connect, explained, wait_for_turn
from loaders.staging import Staging, read_table
from loaders.store import StoredFile, in_use


@dataclass(frozen=True)
class LoadOptions:
    """What to load and how. `source` None: the publisher's URL; `store`: folder where the raw files are kept.

    `yielding`: leave the processor to readers, for the rest of this process's life.
    """

    database_url: str
    store: Path
    source: str | None = None
    only: tuple[str, ...] = ()
    dry_run: bool = False
    accept_shrink: bool = False
    yielding: bool = False
    progress: Progress = field(default_factory=Quiet)
    policy: FetchPolicy = DEFAULT_POLICY


def load_dataset(dataset: str, options: LoadOptions) -> Report:
    """Load a delivery of a dataset. Raises DeliveryRefused with the report, or another LoadError."""
    manifest = read_manifest(dataset)
    wanted = manifest.select(options.only)
    report = Report(dataset, options.source or manifest.url, datetime.now(UTC))
    try:
        with explained("load", options.store), in_use(options.store):
            if options.yielding:
                lower_own_priority()
            with report.timed("fetch"):
                stored = fetch(report.source, manifest, options.store, options.progress, options.policy)
            report.files = [file.record for file in stored]
            with closing(connect(options.database_url, f"load {dataset}")) as connection:
                if options.yielding:
                    lower_backend_priority(connection)
                _Load(manifest, wanted, options, report, connection).run(stored)
    finally:
        options.progress.done()
    return report


@dataclass(frozen=True)
class _Load:
    manifest: Manifest
    wanted: tuple[str, ...]
    options: LoadOptions
    report: Report
    connection: Connection

    def run(self, stored: list[StoredFile]) -> None:
        """Bring the stored files in, unless the same ones came in before."""
        digest = digest_delivery(self.manifest, stored)
        wait_for_turn(self.connection, self.report, self.options.progress)
        tables = {name: read_table(self.connection, name) for name in self.wanted}
        if not self.options.dry_run and is_known(self.connection, self.wanted, digest):
            self.report.status = "unchanged"
            return
        staging = Staging(self.connection, tables, self.options.progress)
        try:
            self._stage(stored, staging)
            self._compare(staging)
        except InvalidDelivery as error:
            self.report.checks.append(Check(error.collection, error.rule, False, str(error)))
            self._refuse([str(error)], digest)
        refusals = find_refusals(self.report.checks, self.options.source is None, self.options.accept_shrink)
        if refusals:
            self._refuse(refusals, digest)
        elif self.options.dry_run:
            self.report.status = "dry-run"
        else:
            self.options.progress.step("publish", None)
            with self.report.timed("publish"):
                publish(self.connection, self.manifest, list(tables.values()), self.report, digest)

    def _stage(self, stored: list[StoredFile], staging: Staging) -> None:
        with TemporaryDirectory(prefix="load-", dir=self.options.store) as folder:
            self.options.progress.step("unpack", None)
            with self.report.timed("unpack"):
                unpacked = unpack_delivery(self.manifest, stored, Path(folder))
            self.report.checks.append(unpacked.check(self.manifest))
            self.options.progress.step("stage", None)
            with self.report.timed("stage"):
                _loader(self.manifest.dataset)(Context(self.manifest, unpacked.files, self.wanted, staging))

    def _compare(self, staging: Staging) -> None:
        self.options.progress.step("compare", None)
        with self.report.timed("compare"):
            for name, table in staging.tables.items():
                counts = compare(self.connection, table, staging)
                require_balance(name, counts)
                self.report.collections[name] = counts
                self.report.checks += check_counts(self.connection, table, self.manifest.collections[name], counts)
        self.report.rejects, self.report.first_rejects = read_rejects(self.connection)

    def _refuse(self, reasons: list[str], digest: str) -> None:
        self.report.status = "refused"
        self.report.rejects, self.report.first_rejects = read_rejects(self.connection)
        text = "\n".join(reasons)
        if not self.options.dry_run:
            with self.connection.transaction():
                self.report.delivery, _ = record_delivery(
                    self.connection, self.manifest.loader, self.report, digest, "refused", text
                )
        raise DeliveryRefused(
            f"The delivery of {self.manifest.dataset} was refused; nothing was changed.\n{text}", self.report
        )


def _loader(dataset: str) -> Callable[[Context], None]:
    return importlib.import_module(f"loaders.{dataset}.load").load
