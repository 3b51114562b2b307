"""A table built anew beside the live one, then put into its place.

Indexes made after the rows cost a fraction of indexes that every row passes through, and the rows lie in the order of
their key. Readers go on reading the former table; the swap locks them out for milliseconds, at the very end of the
transaction. What the transaction does not reach leaves nothing.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from loaders.errors import LoadError
from loaders.priority import is_lowered
from loaders.session import connect_beside
from loaders.table import Table

MOST_BUILDERS = 4
SWAP_ATTEMPTS = 600
PAUSE = 0.25
PATIENCE = "100ms"

# what refers to the live table, or hangs on it in a way that a new one would not have
HINDRANCES = """
with t as (select format('geobasis.%%I', %(collection)s::text)::regclass::oid as oid)
select pg_describe_object(d.classid, d.objid, d.objsubid) from pg_depend d, t
where d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.deptype = 'n'
  and not (d.classid = 'pg_constraint'::regclass
    and exists (select from pg_constraint c where c.oid = d.objid and c.conrelid = t.oid and c.contype <> 'f'))
union all select 'trigger ' || tgname from pg_trigger, t where tgrelid = t.oid and not tgisinternal
union all select 'foreign key ' || conname from pg_constraint, t where conrelid = t.oid and contype = 'f'
union all select 'policy ' || polname from pg_policy, t where polrelid = t.oid
union all select 'publication' from pg_publication_rel, t where prrelid = t.oid
union all select 'parent' from pg_inherits, t where inhrelid = t.oid
union all select 'statistics ' || stxname from pg_statistic_ext, t where stxrelid = t.oid
union all select 'privilege on ' || attname from pg_attribute, t where attrelid = t.oid and attacl is not null
"""
# of the indexes that one session makes at a time: the longest first
INDEXES = """
select c.conname, pg_get_constraintdef(c.oid),
  replace(pg_get_indexdef(i.oid), format(' ON geobasis.%%I ', t.relname), format(' ON rebuild.%%I ', t.relname))
from pg_class t join pg_index x on x.indrelid = t.oid join pg_class i on i.oid = x.indexrelid
left join pg_constraint c on c.conindid = i.oid and c.conrelid = t.oid
where t.oid = format('geobasis.%%I', %(collection)s::text)::regclass
order by i.relam = (select oid from pg_am where amname = 'gin') desc, x.indexprs is null, i.relname
"""
PRIVILEGES = """
select a.privilege_type, case when a.grantee = 0 then null else a.grantee::regrole::text end, a.is_grantable
from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
where c.oid = format('geobasis.%%I', %(collection)s::text)::regclass and a.grantee <> c.relowner
"""
TRAITS = """
select relowner::regrole::text, array_to_string(reloptions, ', '), obj_description(oid, 'pg_class')
from pg_class where oid = format('geobasis.%%I', %(collection)s::text)::regclass
"""


def new_table(table: Table) -> sql.Identifier:
    """The table that is being built."""
    return sql.Identifier("rebuild", table.collection)


def find_hindrances(connection: Connection, table: Table) -> list[str]:
    """What forbids to put another table into the live one's place; empty where nothing does."""
    return [row[0] for row in connection.execute(HINDRANCES, {"collection": table.collection})]


def create(connection: Connection, table: Table) -> None:
    """An empty table like the live one, without its indexes. From now on others may only read the live one.

    What a load left that was killed goes.
    """
    names = {"new": new_table(table), "live": table.live}
    connection.execute(sql.SQL("lock table {live} in exclusive mode").format(**names))
    connection.execute(sql.SQL("drop table if exists {new}").format(**names))
    connection.execute(
        sql.SQL("create table {new} (like {live} including all excluding indexes excluding statistics)").format(**names)
    )
    row = connection.execute(TRAITS, {"collection": table.collection}).fetchone()
    assert row  # noqa: S101 - the live table is there
    owner, options, comment = row
    connection.execute(sql.SQL("comment on table {new} is {text}").format(text=sql.Literal(comment), **names))
    if options:
        connection.execute(sql.SQL("alter table {new} set ({options})").format(options=sql.SQL(options), **names))
    for privilege, grantee, grantable in connection.execute(PRIVILEGES, {"collection": table.collection}).fetchall():
        connection.execute(
            sql.SQL("grant {} on {new} to {}{}").format(
                sql.SQL(privilege),
                sql.SQL(grantee or "public"),
                sql.SQL(" with grant option" if grantable else ""),
                **names,
            )
        )
    connection.execute(sql.SQL("alter table {new} owner to {owner}").format(owner=sql.SQL(owner), **names))


def index(connection: Connection, table: Table) -> None:
    """The indexes and keys of the live table, under their names, and statistics for the planner."""
    for constraint, definition, made in _find_indexes(connection, table):
        names = {
            "new": new_table(table),
            "name": sql.Identifier(constraint or ""),
            "definition": sql.SQL(definition or ""),
        }
        added = sql.SQL("alter table {new} add constraint {name} {definition}").format(**names)
        connection.execute(added if constraint else sql.SQL(made))
    connection.execute(sql.SQL("analyze {}").format(new_table(table)))


@contextmanager
def indexing(connection: Connection, table: Table) -> Iterator[None]:
    """The indexes of the live table by several sessions at once while the block runs, for a table that all of them see;
    `add_keys` comes later. Then statistics for the planner.
    """
    todo: SimpleQueue[str] = SimpleQueue()
    for _, _, made in _find_indexes(connection, table):
        todo.put(made)
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(connect_beside(connection, "load index"))) for _ in range(_builders())]
        pool = stack.enter_context(ThreadPoolExecutor(len(sessions), "index"))
        work = [pool.submit(_make_indexes, session, todo) for session in sessions]
        try:
            yield
            for each in as_completed(work):
                each.result()
        except BaseException:
            with suppress(Empty):
                while True:
                    todo.get_nowait()
            for session in sessions:
                session.cancel()
            raise
    connection.execute(sql.SQL("analyze {}").format(new_table(table)))


def _builders() -> int:
    return 1 if is_lowered() else min(max(os.cpu_count() or 1, 2), MOST_BUILDERS)


def _make_indexes(session: Connection, todo: "SimpleQueue[str]") -> None:
    session.execute("set max_parallel_maintenance_workers = 0")  # the other sessions have the other processors
    with suppress(Empty):
        while True:
            session.execute(todo.get_nowait().encode())


def add_keys(connection: Connection, table: Table) -> None:
    """The live table's keys, of the indexes of their names. Raises LoadError where it holds rows meanwhile."""
    names = {"new": new_table(table), "live": table.live}
    connection.execute(sql.SQL("lock table {live} in exclusive mode").format(**names))
    if connection.execute(sql.SQL("select from {live} limit 1").format(**names)).rowcount:
        raise LoadError(
            f"{table.name} was filled by somebody else while it was loaded for the first time. Nothing was changed. "
            "Load again."
        )
    for constraint, definition, _ in _find_indexes(connection, table):
        if constraint:
            kind = sql.SQL(definition.partition(" (")[0])
            added = sql.SQL("alter table {new} add constraint {name} {kind} using index {name}")
            connection.execute(added.format(name=sql.Identifier(constraint), kind=kind, **names))


def _find_indexes(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    """Of each index the name and definition of its constraint, and the statement that makes it."""
    return connection.execute(INDEXES, {"collection": table.collection}).fetchall()


def swap(connection: Connection, tables: list[Table]) -> None:
    """Put the new tables into the place of the live ones: the last thing in a transaction. Raises LoadError.

    Whoever reads is waited for in short turns, so that nobody else waits longer than one turn.
    """
    _lock(connection, [table.live for table in tables])
    for table in tables:
        connection.execute(sql.SQL("drop table {}").format(table.live))
        connection.execute(sql.SQL("alter table {} set schema geobasis").format(new_table(table)))


def _lock(connection: Connection, tables: list[sql.Identifier]) -> None:
    """All at once: whoever got one and waited for another would keep the readers of the first waiting."""
    for _ in range(SWAP_ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(PATIENCE)))
                for table in tables:
                    connection.execute(sql.SQL("lock table {} in access exclusive mode").format(table))
                connection.execute("set local lock_timeout = 0")
            return
        except LockNotAvailable:
            time.sleep(PAUSE)
    names = ", ".join(table.as_string(connection).replace('"', "") for table in tables)
    raise LoadError(
        f"{names} was being read whenever the new table was to take its place, {SWAP_ATTEMPTS} times in a row. "
        "What was live is live still. See pg_stat_activity for who reads it (a backup?), wait for the end of it and "
        "load again."
    )
