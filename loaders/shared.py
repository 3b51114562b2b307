"""Objects that several packages of a product hold, such as those at the borders of districts.

Each is live once, with the content of the newest, and belongs to one package; provenance.shared says which others hold
it. When its own package no longer does, it is handed over to one of those.
"""

from typing import LiteralString

from psycopg import Connection, sql

from loaders.grid import SEQUENCE_BITS
from loaders.packages import Scope
from loaders.table import Table

CLAIMS = "create temp table {claims} (id text, package text)"
# in one delivery
NOTE_REPEATED = """
insert into {claims} select distinct s.id, {package} from {staged} s join repeated using (id)
"""
# against what is live of other packages
NOTE_OTHERS = """
insert into {claims} select s.id, unnest(array[{package}, l.{column}]) from {staged} s join {live} l using (id)
where l.{column} <> {package}
"""
LEAVE_OLDER = """
delete from {staged} s using {live} l
where l.id = s.id and l.{column} <> all(%(packages)s::text[]) and (s.{date} is null or l.{date} >= s.{date})
"""
# the live row with another package, as if it had been delivered
HAND_OVER = """
with leaving as (
  select s.fid as live_fid, s.*, (select min(h.package) from provenance.shared h
    where h.collection = {collection} and h.id = s.id and h.package <> all(%(packages)s::text[])) as heir,
    (select coalesce(max(row), -1) from {staged}) + row_number() over (order by s.fid) as row
  from {live} s
  where {within} and not exists (select from {staged} n where n.id = s.id)
    and not exists (select from staged_reject r where r.collection = {collection} and r.feature = s.id)
), copied as (
  insert into {staged} (row, file, line, repaired, cell, digest, id, {columns}, geom)
  select l.row, 0, 0, false, l.fid >> {bits}, l.digest, l.id, {values}, l.geom from leaving l where heir is not null
)
insert into {outcome} (row, id, digest, outcome, live_fid, fid)
select row, id, digest, 'updated', live_fid, live_fid from leaving where heir is not null
"""
FORGET = "delete from provenance.shared where collection = {collection} and package = any(%(packages)s)"
STORE = """
insert into provenance.shared select {collection}, c.id, c.package from {claims} c on conflict do nothing
"""


class SharedObjects:
    """Those of one collection in one delivery. `date`: the column that says which of two is newer."""

    def __init__(self, connection: Connection, table: Table, scope: Scope, date: str) -> None:
        self._connection = connection
        self._table = table
        self._scope = scope
        self._date = date
        self._execute(CLAIMS)

    def note_repeated(self) -> None:
        """Take note of ids that the delivery has more than once: those in the temporary table `repeated`."""
        self._execute(NOTE_REPEATED)

    def leave_older(self) -> int:
        """Leave out rows that are no newer than the live ones of other packages; how many."""
        self._execute(NOTE_OTHERS)
        return self._execute(LEAVE_OLDER)

    def hand_over(self) -> int:
        """Give live features that left their package to one that holds them still; how many."""
        return self._execute(HAND_OVER)

    def _execute(self, text: LiteralString) -> int:
        return _execute(self._connection, text, self._table, self._scope, self._date)


def store_claims(connection: Connection, tables: list[Table], scope: Scope) -> None:
    """Keep which packages hold which of the features; in the transaction that publishes."""
    for table in tables if scope.dates else ():
        for statement in (FORGET, STORE):
            _execute(connection, statement, table, scope)


def _execute(connection: Connection, text: LiteralString, table: Table, scope: Scope, date: str = "") -> int:
    column = sql.Identifier(str(scope.name))
    names = (*table.volatile, *table.lasting)
    values = [sql.Identifier("l", "heir" if name == scope.name else name) for name in names]
    query = sql.SQL(text).format(
        claims=sql.Identifier("pg_temp", f"shared_{table.collection}"[:63]),
        staged=table.staged,
        live=table.live,
        outcome=table.outcome,
        collection=sql.Literal(table.collection),
        column=column,
        package=scope.column,
        within=scope.within,
        date=sql.Identifier(date) if date else sql.SQL(""),
        columns=table.columns,
        values=sql.SQL(", ").join(values),
        bits=sql.Literal(SEQUENCE_BITS),
    )
    return connection.execute(query, {"packages": list(scope.packages)}).rowcount
