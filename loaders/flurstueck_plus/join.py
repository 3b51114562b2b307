"""Brings the parcels' collection to what its sources are: those parcels are joined anew that a change touches.

What comes of it is published as a delivery of its own, which names the deliveries that it was made of.
"""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from psycopg import Connection, sql

from loaders.checks import require_balance
from loaders.diff import Comparison
from loaders.flurstueck_plus.content import stage
from loaders.flurstueck_plus.touched import COLLECTION, PARCELS, Sources, find_touched, read_sources
from loaders.locks import publishing
from loaders.packages import Scope
from loaders.priority import lower_backend_priority, lower_own_priority
from loaders.progress import Progress, Quiet
from loaders.publish import Publication, build_ahead, make_live
from loaders.record import record_delivery, take_number
from loaders.report import Check, Report
from loaders.session import connect, explained, wait_for_turn
from loaders.staging import Staging
from loaders.table import Table, read_table

# the number is another one as soon as the same sources make other rows: all parcels are then joined anew
LOADER = f"{COLLECTION} 1"
MADE_OF = "insert into provenance.made_of (delivery, source, version, made_of) values (%s, %s, %s, %s)"


@dataclass(frozen=True)
class Joined:
    """What a publication must know of the product."""

    dataset: str = COLLECTION

    def date_of(self, collection: str) -> str | None:
        """The column that says how current a row is."""
        del collection
        return "aktualit"


@dataclass(frozen=True)
class Touched(Scope):
    """The parcels in the temporary table `touched`."""

    @property
    def within(self) -> sql.Composable:
        """Whether the row is one of them."""
        return sql.SQL("s.id in (select t.id from pg_temp.touched t)")


def join(database_url: str, progress: Progress | None = None, *, yielding: bool = False) -> Report | None:
    """Join what changed since it was joined last; None where nothing did. Safe to be run again. Raises LoadError.

    `yielding`: leave the processor to readers, for the rest of this process's life.
    """
    shown, report = progress or Quiet(), Report(COLLECTION, "", datetime.now(UTC))
    try:
        with explained("join"), closing(connect(database_url, f"join {COLLECTION}")) as connection:
            if yielding:
                lower_own_priority()
                lower_backend_priority(connection)
            wait_for_turn(connection, report, shown)
            done = _Join(connection, report, shown).run()
    finally:
        shown.done()
    return report if done else None


@dataclass(frozen=True)
class _Join:
    connection: Connection
    report: Report
    progress: Progress

    def run(self) -> bool:
        """Whether there was anything to do."""
        table = read_table(self.connection, COLLECTION)
        with publishing(self.connection, [COLLECTION], self.progress):
            sources = read_sources(self.connection)
            # nobody publishes a source while it is read: all that is joined is of the states that are told
            with publishing(self.connection, list(sources.now), self.progress):
                sources = read_sources(self.connection)
                whole = sources.whole(LOADER)
                if not sources.now[PARCELS] or not (whole or sources.changed):
                    return False
                staging = self._stage(table, sources, whole=whole)
            self._publish(table, staging, sources, Scope() if whole else Touched())
        return True

    def _stage(self, table: Table, sources: Sources, *, whole: bool) -> Staging:
        staging = Staging(self.connection, {COLLECTION: table}, self.progress)
        self.progress.step("join", None)
        with self.report.timed("stage"):
            if not whole:
                find_touched(self.connection, sources)
            staging.count(COLLECTION, stage(self.connection, table, sources, whole=whole))
        return staging

    def _publish(self, table: Table, staging: Staging, sources: Sources, scope: Scope) -> None:
        with self.report.timed("compare"):
            counts, empty = Comparison(self.connection, table, staging, scope).run()
        require_balance(COLLECTION, counts)
        self.report.collections[COLLECTION] = counts
        self.report.status = "published" if counts.changed else "unchanged"
        self.report.source = ", ".join(f"{n} {s.delivery or '–'}" for n, s in sources.now.items())
        self.report.checks += [Check(COLLECTION, "sources", True, _describe(sources))]
        changed = [table] if counts.changed else []
        first = frozenset({COLLECTION} if empty else ())
        self.progress.step("publish", None)
        with self.report.timed("publish"):
            self.report.delivery = take_number(self.connection)
            publication = Publication(self.report, {"delivery": self.report.delivery}, first=first)
            built = build_ahead(self.connection, Joined(), changed, publication, self.progress)
        with self.report.timed("publish"), self.connection.transaction():
            digest = _digest(sources)
            delivery, now = record_delivery(self.connection, LOADER, self.report, digest, self.report.status)
            states = [(delivery, name, state.version, state.delivery) for name, state in sources.now.items()]
            self.connection.cursor().executemany(MADE_OF, states)
            publication = replace(publication, values={"delivery": delivery, "now": now}, built=built)
            make_live(self.connection, Joined(), changed, publication, self.progress)


def _digest(sources: Sources) -> str:
    """SHA-256 (hex) over the loader's version and, sorted by name, name, version and digest of every source."""
    states = sorted((name, state.version, state.digest) for name, state in sources.now.items())
    return sha256("\n".join([LOADER, *(f"{n}\0{v}\0{d}" for n, v, d in states)]).encode()).hexdigest()


def _describe(sources: Sources) -> str:
    missing = [name for name, state in sources.now.items() if not state]
    told = "; ".join(f"{name}: delivery {state.delivery}" for name, state in sources.now.items() if state)
    return told + (f"; not loaded: {', '.join(missing)}" if missing else "")
