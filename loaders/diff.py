"""What becomes of every staged row, by key and digest, compared with what is live."""

from typing import LiteralString

from psycopg import Connection, Cursor, sql

from loaders.fingerprint import Known
from loaders.grid import SEQUENCE_BITS
from loaders.known import OutOfDateError, store_candidates
from loaders.packages import Scope
from loaders.report import REJECTS_SHOWN, Counts, Reject
from loaders.shared import SharedObjects
from loaders.staging import Staging
from loaders.table import Table

FOREIGN = """
insert into staged_reject (collection, file, line, reason, raw, rule, feature)
select {collection}, (%(files)s::text[])[s.file + 1], s.line,
  format('%%s is ''%%s'', this delivery holds the packages %%s only; the row belongs to another package',
         %(column)s::text, {column}, %(packages)s::text),
  left(s.id || ' ' || concat_ws('; ', {columns}), 500), 'package', s.id
from {staged} s where not coalesce({within}, false)
"""
DELETE_FOREIGN = "delete from {staged} s where not coalesce({within}, false)"

REPEATED = "create temp table repeated as select id from {staged} group by id having count(*) > 1"
SURPLUS = """
create temp table surplus as
select row, first_row, digest <> first_digest and {conflicting} as differs from (
  select row, digest, first_value(row) over same_id as first_row, first_value(digest) over same_id as first_digest,
    file, first_value(file) over same_id as first_file
  from {staged} join repeated using (id) window same_id as (partition by id order by {newest}, row)
) ranked where row <> first_row
"""
# Of rows that share an id and differ, the first is kept: there is no telling which of them is right
CONFLICTS = """
insert into staged_reject (collection, file, line, reason, raw, rule, feature)
select {collection}, (%(files)s::text[])[s.file + 1], s.line,
  format('the id %%s stands already in %%s, line %%s, with other content; the first is kept',
         s.id, (%(files)s::text[])[f.file + 1], f.line),
  left(s.id || ' ' || concat_ws('; ', {columns}), 500), 'unique', s.id
from surplus u join {staged} s on s.row = u.row join {staged} f on f.row = u.first_row
where u.differs
"""
DELETE_SURPLUS = "delete from {staged} s using surplus u where u.row = s.row"

NO_OUTCOME = """
create temp table {outcome} (row bigint, id text, digest bytea, outcome text, live_fid bigint, fid bigint)
"""
# materialized: what is planned by the number of changes must not be planned by the number of rows
OUTCOME = """
insert into {outcome}
with changed as materialized (
  select s.row, s.cell, s.id, s.digest, l.fid as live_fid,
    case when l.fid is null then 'inserted' else 'updated' end as outcome
  from {staged} s left join {live} l on l.id = s.id where l.digest is distinct from s.digest
), placed as (
  select *, outcome = 'inserted' or live_fid >> {bits} <> cell as needs_fid from changed
)
select row, id, digest, outcome, live_fid,
  case
    when needs_fid then (cell << {bits}) + row_number() over (partition by cell, needs_fid order by id) + (
      select coalesce(max(l.fid) - (cell << {bits}), 0) from {live} l
      where l.fid >= cell << {bits} and l.fid < (cell + 1) << {bits})
    else live_fid
  end as fid
from placed
"""
# A row that was rejected is no sign that its feature is gone
GONE = """
insert into {outcome} (id, outcome, live_fid)
select s.id, 'deleted', s.fid from {live} s
where {within} and {among} and not exists (select from {staged} n where n.id = s.id)
  and not exists (select from staged_reject r where r.collection = {collection} and r.feature = s.id)
"""
KEPT = """
select count(distinct s.id) from staged_reject r join {live} s on s.id = r.feature
where r.collection = {collection} and {within} and {among} and not exists (select from {staged} n where n.id = s.id)
"""
REJECTED = "select count(*), count(feature) from staged_reject where collection = {collection}"
STAGED = "select count(*), count(*) filter (where repaired) from {staged}"


AMONG = "s.fid in (select c.fid from {candidates} c)"
USABLE = "(select {columns} from {staged} union all select {columns} from {live} s where not {among})"
# rows with the id of one that was recognised, and so not staged
MET_TWICE = """
select count(*) from {staged} n join {live} s on s.id = n.id where not {among}
"""


class Comparison:
    """The staged rows of a collection beside its live ones. Afterwards `staged` holds each id once.

    What was recognised is live as it is and not staged; the others are compared with the rest of the live rows alone.
    """

    def __init__(self, connection: Connection, table: Table, staging: Staging, scope: Scope) -> None:
        self._connection = connection
        self._staging = staging
        self._scope = scope
        self._table = table
        self._known: Known | None = staging.known.get(table.collection)
        date = scope.dates.get(table.collection)
        self._shared = SharedObjects(connection, table, scope, date) if date else None
        self._among = sql.SQL(AMONG).format(candidates=table.candidates) if self._known else sql.SQL("true")

    def run(self) -> tuple[Counts, bool]:
        """Fill the table's outcome; gives the counts, and whether nothing was live, so that all staged rows are new and
        the outcome stays empty. Raises OutOfDateError where a row must be held against one that was not staged.
        """
        if self._known:
            store_candidates(self._connection, self._table, self._known)
            self._execute("analyze {staged} (id)")
            if self._row(MET_TWICE)[0]:
                raise OutOfDateError
        counts = Counts(read=self._staging.counted[self._table.collection])
        if self._scope:
            self._refuse_foreign()
        recognised, repeated = (self._known.rows, self._known.repeated) if self._known else (0, 0)
        counts.duplicate = repeated + self._drop_repeated()
        counts.duplicate += self._shared.leave_older() if self._shared else 0
        self._execute("analyze {staged} (row, id, cell, digest)")
        self._execute(NO_OUTCOME)
        counts.rejected, known = self._row(REJECTED)
        staged, counts.repaired = self._row(STAGED)
        if not self._row("select count(*) from (select from {live} limit 1) one")[0]:
            counts.inserted = staged
            return counts, True
        counts.handed_over = self._shared.hand_over() if self._shared else 0
        self._execute(OUTCOME)
        self._execute(GONE)
        self._execute("analyze {outcome}")
        found = dict(self._execute("select outcome, count(*) from {outcome} group by outcome").fetchall())
        counts.inserted, counts.updated, counts.deleted = (
            found.get(name, 0) for name in ("inserted", "updated", "deleted")
        )
        counts.updated -= counts.handed_over
        counts.unchanged = recognised + staged - counts.inserted - counts.updated
        counts.kept = self._row(KEPT)[0] if known else 0
        return counts, False

    def _refuse_foreign(self) -> None:
        self._execute(FOREIGN)
        self._execute(DELETE_FOREIGN)

    def _drop_repeated(self) -> int:
        """Leave of rows with one id the first; those that are no mere duplicates of it become rejects."""
        duplicates = 0
        if self._execute(REPEATED).rowcount:
            if self._shared:
                self._shared.note_repeated()
            self._execute(SURPLUS)
            self._execute(CONFLICTS)
            duplicates = self._row("select count(*) from surplus where not differs")[0]
            self._execute(DELETE_SURPLUS)
            self._execute("drop table surplus")
        self._execute("drop table repeated")
        return duplicates

    def _execute(self, text: LiteralString) -> Cursor:
        date = self._scope.dates.get(self._table.collection)
        query = sql.SQL(text).format(
            outcome=self._table.outcome,
            staged=self._table.staged,
            live=self._table.live,
            bits=sql.Literal(SEQUENCE_BITS),
            collection=sql.Literal(self._table.collection),
            columns=self._table.staged_columns,
            column=self._scope.column,
            within=self._scope.within,
            among=self._among,
            newest=sql.SQL("{} desc nulls last").format(sql.Identifier(date)) if date else sql.SQL("null"),
            # what differs between two packages is no conflict: the newest counts
            conflicting=sql.SQL("file = first_file" if date else "true"),
        )
        values = {"files": self._staging.files, **self._scope.values}
        return self._connection.execute(query, values)

    def _row(self, text: LiteralString) -> tuple[int, ...]:
        return self._execute(text).fetchone() or (0,)


def usable_rows(table: Table, recognised: bool) -> sql.Composable:
    """The rows that are live once the delivery is, to select attributes from: the staged and the recognised ones."""
    if not recognised:
        return table.staged
    among = sql.SQL(AMONG).format(candidates=table.candidates)
    names = {"columns": table.columns, "staged": table.staged, "live": table.live, "among": among}
    return sql.SQL(USABLE).format(**names)


def read_rejects(connection: Connection) -> tuple[int, list[Reject]]:
    """How many rows were rejected so far, and the first of them."""
    first = connection.execute(
        "select file, line, reason, raw, rule, feature from staged_reject order by collection, file, line limit %s",
        [REJECTS_SHOWN],
    )
    row = connection.execute("select count(*) from staged_reject").fetchone()
    return row[0] if row else 0, [Reject(*row) for row in first]
