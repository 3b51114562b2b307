"""A delivery that is not known yet, from its files to what is live: unpack, stage, compare, check, publish."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from psycopg import Connection, sql

from loaders.checks import check_collection, find_refusals, require_balance
from loaders.context import Context
from loaders.delivery import unpack_delivery
from loaders.diff import Comparison, read_rejects, usable_rows
from loaders.errors import DeliveryRefused, InvalidDelivery
from loaders.fingerprint import Known
from loaders.known import OutOfDateError, read_known, remember
from loaders.locks import publishing
from loaders.manifest import Manifest
from loaders.options import LoadOptions
from loaders.packages import Scope, check_packages, to_scope
from loaders.priority import lower_backend_priority, lower_own_priority
from loaders.publish import Publication, build_ahead, make_live
from loaders.record import record_delivery, take_number
from loaders.report import Check, Counts, Report
from loaders.shared import store_claims
from loaders.staging import Staging
from loaders.store import StoredFile
from loaders.table import Table


@dataclass(frozen=True)
class Load:
    """What is loaded by which connection; `digest` names the content of the delivery."""

    manifest: Manifest
    options: LoadOptions
    report: Report
    connection: Connection
    digest: str

    def run(self, stored: list[StoredFile], tables: dict[str, Table]) -> None:
        """Bring the stored files into the tables. Raises DeliveryRefused, LoadError."""
        if self.options.yielding and any(_is_live(self.connection, table) for table in tables.values()):
            lower_own_priority()
            lower_backend_priority(self.connection)
        try:
            try:
                self._load(stored, tables, self._read_known(tables))
            except OutOfDateError:
                self._start_anew()
                self._load(stored, tables, {})
        except InvalidDelivery as error:
            self._refuse_for(error)

    def refuse_unread(self, error: InvalidDelivery) -> NoReturn:
        """Record what cannot be loaded, whatever is in it. Raises DeliveryRefused."""
        Staging(self.connection, {}, self.options.progress)  # no row was read, none is rejected
        self._refuse_for(error)

    def _read_known(self, tables: dict[str, Table]) -> dict[str, Known]:
        """What can be recognised of the delivery: records of whole products."""
        if self.manifest.packages:
            return {}
        with self.report.timed("stage"):
            found = {name: read_known(self.connection, table) for name, table in tables.items()}
        return {name: known for name, known in found.items() if known}

    def _load(self, stored: list[StoredFile], tables: dict[str, Table], known: dict[str, Known]) -> None:
        staging = Staging(self.connection, tables, self.options.progress, known)
        self._stage(stored, staging)
        with publishing(self.connection, tuple(tables), self.options.progress):
            self._bring_in(staging)

    def _start_anew(self) -> None:
        """Forget what was staged and found."""
        self.report.checks.clear()
        self.report.collections.clear()
        self.connection.execute("discard temp")

    def _bring_in(self, staging: Staging) -> None:
        """Compare what is staged with what is live, and publish it if the checks allow."""
        first = self._compare(staging)
        refusals = find_refusals(self.report.checks, self.options.source is None, self.options.accept_shrink)
        if refusals:
            self._refuse(refusals)
        elif self.options.dry_run:
            self.report.status = "dry-run"
        else:
            self._publish(staging, first)

    def _publish(self, staging: Staging, first: frozenset[str]) -> None:
        """Make the staged rows of all tables live at once."""
        tables = list(staging.tables.values())
        changed = [table for table in tables if self.report.collections[table.collection].changed]
        known = {} if self.manifest.packages else {name: staging.known.get(name) for name in staging.tables}
        status = "published" if changed else "unchanged"
        self.options.progress.step("publish", None)
        publication = Publication(self.report, {}, first=first, known=known)
        with self.report.timed("publish"):
            self.report.delivery = take_number(self.connection)
            ahead = replace(publication, values={"delivery": self.report.delivery})
            built = build_ahead(self.connection, self.manifest, changed, ahead, self.options.progress)
        with self.report.timed("publish"), self.connection.transaction():
            delivery, now = record_delivery(self.connection, self.manifest.loader, self.report, self.digest, status)
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
                wanted, live = tuple(staging.tables), (staging.read_areas, staging.find_shapes)
                context = Context(self.manifest, unpacked.files, wanted, staging, unpacked.origins, *live)
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

    def _refuse_for(self, error: InvalidDelivery) -> NoReturn:
        self.report.checks.append(Check(error.collection, error.rule, False, str(error)))
        self._refuse([str(error)])

    def _refuse(self, reasons: list[str]) -> NoReturn:
        self.report.status = "refused"
        self.report.rejects, self.report.first_rejects = read_rejects(self.connection)
        text = "\n".join(reasons)
        if not self.options.dry_run:
            with self.connection.transaction():
                self.report.delivery, _ = record_delivery(
                    self.connection, self.manifest.loader, self.report, self.digest, "refused", text
                )
        raise DeliveryRefused(
            f"The delivery of {self.manifest.dataset} was refused; nothing was changed.\n{text}", self.report
        )


def _is_live(connection: Connection, table: Table) -> bool:
    return connection.execute(sql.SQL("select from {} limit 1").format(table.live)).rowcount > 0


def _loader(layout: str) -> Callable[[Context], None]:
    return importlib.import_module(f"loaders.{layout}.load").load
