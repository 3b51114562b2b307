"""Back to the state before a delivery: what it made leaves, what it ended returns, as one publication of its own.

The former state is in the database: rows that the delivery ended are in history, whole, with their former place and the
delivery that truly made them. A rollback of a rollback works alike: what it brought back leaves, what it ended returns.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from psycopg import Connection, sql

from loaders.errors import LoadError
from loaders.grid import SEQUENCE_BITS
from loaders.ledger import Record, read_records, trace
from loaders.locks import publishing
from loaders.manifest import Manifest, read_manifest
from loaders.priority import lower_backend_priority, lower_own_priority
from loaders.progress import Progress, Quiet
from loaders.publish import Publication, make_live
from loaders.record import record_delivery
from loaders.report import Counts, Report
from loaders.session import connect, explained, wait_for_turn
from loaders.staging import Staging
from loaders.table import Table, read_table

DELIVERY = "select dataset, status, rollback_of, refusal, packages from provenance.delivery where id = %s"
# what was handed over to another package is a row that another one took the place of, like one that was updated
CHANGES = """
select collection, inserted, updated + handed_over, deleted from provenance.load where delivery = %s order by collection
"""
MADE_OF = "select string_agg(source, ', ' order by source) from provenance.joined where collection = %s"
RETURNING = """
create temp table {staged} as
select row_number() over (order by fid) as row, id, {columns}, geom, fid, delivery, digest
from {history} where ended_by = %(undone)s
"""
MADE_BY_DELIVERY = "select id, fid from {live} where delivery = %(undone)s"
MADE_BY_ROLLBACK = """
select l.id, l.fid from {live} l join provenance.restored r on r.id = l.id and r.delivery = l.delivery
where r.rollback = %(undone)s and r.collection = {collection}
"""
OUTCOME = """
create temp table {outcome} as
select b.row, coalesce(b.id, g.id) as id, b.digest, g.fid as live_fid, b.fid, b.delivery,
  case when g.id is null then 'inserted' when b.id is null then 'deleted' else 'updated' end as outcome
from {staged} b full join ({leaving}) g on g.id = b.id
"""
# another package may have been given a place that a former row left
PLACES_TAKEN = """
update {outcome} o set fid = n.fid from (
  select t.row, row_number() over (partition by t.fid >> {bits} order by t.row) + greatest(
    (select max(l.fid) from {live} l where l.fid between first and last),
    (select max(x.fid) from {outcome} x where x.fid between first and last)) as fid
  from {outcome} t, lateral (
    select t.fid >> {bits} << {bits} as first, (t.fid >> {bits} << {bits}) + (1 << {bits}) - 1 as last) cell
  where exists (select from {live} l where l.fid = t.fid
    and not exists (select from {outcome} g where g.live_fid = l.fid))
) n where n.row = o.row
"""
RESTORED = """
insert into provenance.restored (collection, id, delivery, rollback)
select {collection}, id, delivery, %(delivery)s from {outcome} where outcome <> 'deleted' order by id
"""


@dataclass(frozen=True)
class RollbackOptions:
    """`yielding`: leave the processor to readers, for the rest of this process's life."""

    database_url: str
    dry_run: bool = False
    yielding: bool = False
    progress: Progress = field(default_factory=Quiet)


def roll_back(delivery: int, options: RollbackOptions) -> Report:
    """Undo a delivery, or a rollback. Raises LoadError where it is not the newest of every collection it changed."""
    try:
        with explained("rollback"), closing(connect(options.database_url, f"rollback {delivery}")) as connection:
            if options.yielding:
                lower_own_priority()
                lower_backend_priority(connection)
            dataset, former, packages = _require_published(connection, delivery)
            report = Report(dataset, f"rollback of delivery {delivery}", datetime.now(UTC), rollback_of=delivery)
            report.packages = packages
            wait_for_turn(connection, report, options.progress)
            _Rollback(connection, options, report, delivery, former).run(read_manifest(dataset))
    finally:
        options.progress.done()
    return report


def _require_published(connection: Connection, delivery: int) -> tuple[str, bool, list[str] | None]:
    """Dataset of the delivery, if it is a rollback itself, its packages. Raises LoadError if it published nothing."""
    row = connection.execute(DELIVERY, [delivery]).fetchone()
    if row is None:
        raise LoadError(f"There is no delivery {delivery}. See: opennrw deliveries")
    dataset, status, rollback_of, refusal, packages = row
    if (made := connection.execute(MADE_OF, [dataset]).fetchone()) and made[0]:
        raise LoadError(
            f"Delivery {delivery} is of {dataset}, which is made of {made[0]}. Roll back a delivery of one of these: "
            f"{dataset} follows."
        )
    if status != "published":
        why = f"was refused: {refusal}" if status == "refused" else "held nothing new"
        raise LoadError(f"Delivery {delivery} changed nothing, so there is nothing to roll back: it {why}")
    return dataset, rollback_of is not None, packages


@dataclass(frozen=True)
class _Rollback:
    connection: Connection
    options: RollbackOptions
    report: Report
    undone: int
    of_rollback: bool

    def run(self, manifest: Manifest) -> None:
        """Compare and publish."""
        rows = self.connection.execute(CHANGES, [self.undone]).fetchall()
        expected = {name: Counts(inserted=i, updated=u, deleted=d) for name, i, u, d in rows}
        with publishing(self.connection, list(expected), self.options.progress):
            self._bring_back(manifest, expected)

    def _bring_back(self, manifest: Manifest, expected: dict[str, Counts]) -> None:
        self._require_newest(expected)
        tables = [read_table(self.connection, name) for name, counts in expected.items() if counts.changed]
        Staging(self.connection, {}, self.options.progress)  # a rollback has no rejects
        with self._timed("compare"):
            for table in tables:
                self.report.collections[table.collection] = self._compare(table, expected[table.collection])
        self._add_known(expected)
        if self.options.dry_run:
            self.report.status = "dry-run"
            return
        with self._timed("publish"):
            self._publish(manifest, tables)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self.options.progress.step(step, None)
        with self.report.timed(step):
            yield

    def _records(self, collection: str) -> list[Record]:
        """What concerns the same rows: deliveries of other packages do not."""
        return read_records(self.connection, collection, self.report.packages or ())

    def _require_newest(self, expected: dict[str, Counts]) -> None:
        newer: set[int] = set()
        for name, counts in expected.items():
            if not counts.changed:
                continue
            course = trace(record for record in self._records(name) if record.changed)
            later = course.newer_than(self.undone)
            if later is None:
                raise LoadError(
                    f"Delivery {self.undone} is not in effect in {name}: it was rolled back already. "
                    "See: opennrw deliveries"
                )
            newer.update(later)
        if newer:
            order = [*sorted(newer, reverse=True), self.undone]
            raise LoadError(
                f"Delivery {self.undone} is not the newest: {_listed(sorted(newer))} came after it. "
                f"Roll back in this order: {', then '.join(map(str, order))}."
            )

    def _compare(self, table: Table, expected: Counts) -> Counts:
        leaving = sql.SQL(MADE_BY_ROLLBACK if self.of_rollback else MADE_BY_DELIVERY)
        names = {
            "staged": table.staged,
            "outcome": table.outcome,
            "history": table.history,
            "live": table.live,
            "columns": table.columns,
            "collection": sql.Literal(table.collection),
            "bits": sql.Literal(SEQUENCE_BITS),
        }
        self.connection.execute(sql.SQL(RETURNING).format(**names), {"undone": self.undone})
        query = sql.SQL(OUTCOME).format(leaving=leaving.format(**names), **names)
        self.connection.execute(query, {"undone": self.undone})
        self.connection.execute(sql.SQL("analyze {}, {}").format(table.staged, table.outcome))
        self.connection.execute(sql.SQL(PLACES_TAKEN).format(**names))
        found: dict[str, int] = dict(
            self.connection.execute(
                sql.SQL("select outcome, count(*) from {} group by outcome").format(table.outcome)
            ).fetchall()
        )
        counts = Counts(**found)
        counts.read = counts.usable
        if (counts.inserted, counts.updated, counts.deleted) != (expected.deleted, expected.updated, expected.inserted):
            raise LoadError(
                f"The rows of {table.collection} do not add up: delivery {self.undone} inserted {expected.inserted}, "
                f"updated {expected.updated} and deleted {expected.deleted} rows, found are {counts.deleted}, "
                f"{counts.updated} and {counts.inserted}. Nothing was changed. Rows were altered beside the loaders: "
                "restore them from a backup."
            )
        return counts

    def _add_known(self, expected: dict[str, Counts]) -> None:
        """Collections in which the delivery found nothing to change: its files are new again for them, too."""
        for name, counts in expected.items():
            course = trace(self._records(name))
            if not counts.changed and course.now == course.after[self.undone]:
                self.report.collections[name] = Counts()

    def _publish(self, manifest: Manifest, tables: list[Table]) -> None:
        with self.connection.transaction():
            delivery, now = record_delivery(self.connection, manifest.loader, self.report, None, "published")
            values = {"delivery": delivery, "now": now}
            for table in tables:
                names = {"collection": sql.Literal(table.collection), "outcome": table.outcome}
                self.connection.execute(sql.SQL(RESTORED).format(**names), values)
            # servers ask for it with every former edition; without statistics they would read it whole for each feature
            self.connection.execute("analyze provenance.restored")
            publication = Publication(self.report, values, made_by=sql.SQL("o.delivery"))
            make_live(self.connection, manifest, tables, publication, self.options.progress)
        self.report.delivery = delivery


def _listed(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"deliveries {', '.join(first)} and {last}" if first else f"delivery {last}"
