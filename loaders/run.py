"""One load from start to end: fetch, unpack, stage, compare, check, publish."""

import importlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from psycopg import Connection, sql

from loaders.checks import check_collection, find_refusals, require_balance
from loaders.context import Context
from loaders.delivery import digest_delivery, unpack_delivery
from loaders.described import Described, write_documents
from loaders.diff import Comparison, read_rejects, usable_rows
from loaders.errors import DeliveryRefused, InvalidDelivery, LoadError
from loaders.fetch import fetch
from loaders.fingerprint import Known
from loaders.known import OutOfDateError, read_known, remember
from loaders.locks import publishing
from loaders.manifest import Manifest, read_manifest
from loaders.packages import Scope, check_packages, find_packages, to_scope
from loaders.priority import lower_backend_priority, lower_own_priority
from loaders.progress import Progress, Quiet
from loaders.publish import Publication, build_ahead, make_live, tell
from loaders.record import is_known, record_delivery, take_number
from loaders.report import Check, Counts, Report
from loaders.retries import DEFAULT_POLICY, FetchPolicy
from loaders.session import connect, explained, wait_for_turn
from loaders.shared import store_claims
from loaders.staging import Staging, Table, read_table
from loaders.store import StoredFile, in_use
from loaders.tables import described


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


def load_dataset(dataset: str, options: LoadOptions) -> Report:
    """Load a delivery of a dataset. Raises DeliveryRefused with the report, or another LoadError."""
    return load_manifest(read_manifest(dataset), options)


def load_manifest(manifest: Manifest, options: LoadOptions) -> Report:
    """Load a delivery, and where YAML describes it, let servers know of the collections. Raises as `load_dataset`."""
    if not isinstance(manifest, Described):
        return load_delivery(manifest, options)
    if options.source is None and manifest.reader == "files":
        raise LoadError(f"{manifest.dataset} was made of a file: give one with --from.")
    report = load_delivery(manifest, options)
    if report.status in {"published", "unchanged"} and write_documents(manifest.documents):
        with closing(connect(options.database_url, f"load {manifest.dataset}")) as connection:
            for name in manifest.collections:
                tell(connection, name, 0)
    return report


def load_delivery(manifest: Manifest, options: LoadOptions) -> Report:
    """Load a delivery as a manifest describes it. Raises as `load_dataset` does."""
    wanted = manifest.select(options.only)
    report = Report(manifest.dataset, options.source or manifest.url, datetime.now(UTC))
    try:
        with explained("load", options.store), in_use(options.store):
            with report.timed("fetch"):
                stored = list(options.stored) or fetch(
                    report.source, manifest, options.store, options.progress, options.policy, options.packages
                )
            report.files = [file.record for file in stored]
            with closing(connect(options.database_url, f"load {manifest.dataset}")) as connection:
                tables = manifest.tables if isinstance(manifest, Described) else ()
                with described(connection, tables, keep=not options.dry_run):
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
        try:
            packages = find_packages({file.record.name: file.path for file in stored}, self.manifest)
        except InvalidDelivery as error:
            Staging(self.connection, {}, self.options.progress)  # no row was read, none is rejected
            self._refuse_for(error, digest)
        self.report.packages = list(packages) or None
        wait_for_turn(self.connection, self.report, self.options.progress)
        sources = self.manifest.collections
        tables = {name: read_table(self.connection, name, sources[name].volatile) for name in self.wanted}
        # what YAML describes may have changed, and the areas that it is joined to
        anew = self.options.dry_run or isinstance(self.manifest, Described)
        if not anew and is_known(self.connection, self.wanted, digest, packages):
            self.report.status = "unchanged"
            return
        if self.options.yielding and any(_is_live(self.connection, table) for table in tables.values()):
            lower_own_priority()
            lower_backend_priority(self.connection)
        try:
            try:
                self._load(stored, tables, digest, self._read_known(tables))
            except OutOfDateError:
                self._start_anew(tables)
                self._load(stored, tables, digest, {})
        except InvalidDelivery as error:
            self._refuse_for(error, digest)

    def _read_known(self, tables: dict[str, Table]) -> dict[str, Known]:
        """What can be recognised of the delivery: records of whole products."""
        if self.manifest.packages:
            return {}
        with self.report.timed("stage"):
            found = {name: read_known(self.connection, table) for name, table in tables.items()}
        return {name: known for name, known in found.items() if known}

    def _load(self, stored: list[StoredFile], tables: dict[str, Table], digest: str, known: dict[str, Known]) -> None:
        staging = Staging(self.connection, tables, self.options.progress, known)
        self._stage(stored, staging)
        with publishing(self.connection, self.wanted, self.options.progress):
            self._bring_in(staging, digest)

    def _start_anew(self, tables: dict[str, Table]) -> None:
        """Forget what was staged and found."""
        self.report.checks.clear()
        self.report.collections.clear()
        self.connection.execute("discard temp")

    def _bring_in(self, staging: Staging, digest: str) -> None:
        """Compare what is staged with what is live, and publish it if the checks allow."""
        first = self._compare(staging)
        refusals = find_refusals(self.report.checks, self.options.source is None, self.options.accept_shrink)
        if refusals:
            self._refuse(refusals, digest)
        elif self.options.dry_run:
            self.report.status = "dry-run"
        else:
            self._publish(staging, first, digest)

    def _publish(self, staging: Staging, first: frozenset[str], digest: str) -> None:
        """Make the staged rows of all tables live at once."""
        tables = list(staging.tables.values())
        changed = [table for table in tables if self.report.collections[table.collection].changed]
        known = {} if self.manifest.packages else {name: staging.known.get(name) for name in self.wanted}
        status = "published" if changed else "unchanged"
        self.options.progress.step("publish", None)
        publication = Publication(self.report, {}, first=first, known=known)
        with self.report.timed("publish"):
            self.report.delivery = take_number(self.connection)
            ahead = replace(publication, values={"delivery": self.report.delivery})
            built = build_ahead(self.connection, self.manifest, changed, ahead, self.options.progress)
        with self.report.timed("publish"), self.connection.transaction():
            delivery, now = record_delivery(self.connection, self.manifest.loader, self.report, digest, status)
            for table in tables:
                if table not in changed and table.collection in known:
                    remember(self.connection, table, table.live, known[table.collection])
            publication = replace(publication, values={"delivery": delivery, "now": now}, built=built)
            store_claims(self.connection, tables, to_scope(self.manifest, tuple(self.report.packages or ())))
            make_live(self.connection, self.manifest, changed, publication, self.options.progress)
        self.report.status = status

    def _stage(self, stored: list[StoredFile], staging: Staging) -> None:
        with TemporaryDirectory(prefix="load-", dir=self.options.store) as folder:
            self.options.progress.step("unpack", None)
            with self.report.timed("unpack"):
                unpacked = unpack_delivery(self.manifest, stored, Path(folder))
            self.report.checks.append(unpacked.check(self.manifest))
            self.options.progress.step("stage", None)
            with self.report.timed("stage"), staging.receiving():
                context = Context(
                    self.manifest, unpacked.files, self.wanted, staging, unpacked.origins, staging.read_areas
                )
                _loader(self.manifest.layout)(context)
            self.report.checks += context.checks

    def _compare(self, staging: Staging) -> frozenset[str]:
        """Count and check; the collections of which nothing is live yet."""
        self.options.progress.step("compare", None)
        scope = to_scope(self.manifest, tuple(self.report.packages or ()))
        first = set()
        with self.report.timed("compare"):
            for name, table in staging.tables.items():
                counts, empty = Comparison(self.connection, table, staging, scope).run()
                require_balance(name, counts)
                self.report.collections[name] = counts
                self.report.checks += [
                    Check(name, "left_out", True, f"{rows} rows are not loaded: {reason}")
                    for (collection, reason), rows in staging.left_out.items()
                    if collection == name
                ]
                self.report.checks += self._check(staging, table, counts, scope)
                first |= {name} if empty else set()
        self.report.recognised = sum(known.rows + known.repeated for known in staging.known.values())
        self.report.rejects, self.report.first_rejects = read_rejects(self.connection)
        return frozenset(first)

    def _check(self, staging: Staging, table: Table, counts: Counts, scope: Scope) -> list[Check]:
        source = self.manifest.collections[table.collection]
        checks = check_collection(
            self.connection, table, source, counts, usable_rows(table, table.collection in staging.known)
        )
        if not scope:
            return checks
        # the rules on numbers are about the whole state, or about each package
        of_whole = {"min", "shrink"}
        return [c for c in checks if c.rule not in of_whole] + check_packages(self.connection, table, scope)

    def _refuse_for(self, error: InvalidDelivery, digest: str) -> NoReturn:
        self.report.checks.append(Check(error.collection, error.rule, False, str(error)))
        self._refuse([str(error)], digest)

    def _refuse(self, reasons: list[str], digest: str) -> NoReturn:
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


def _is_live(connection: Connection, table: Table) -> bool:
    return connection.execute(sql.SQL("select from {} limit 1").format(table.live)).rowcount > 0


def _loader(layout: str) -> Callable[[Context], None]:
    return importlib.import_module(f"loaders.{layout}.load").load
