"""Which records of a delivery are the same, byte for byte, as those that live features came from.

Schema known has the fingerprint of the record behind every live feature, or null where the record must be read again
(its geometry was repaired, or its newest row rejected). It belongs to one version of the collection: any publication
that does not keep it, such as a rollback, puts it out of use, and the next load reads everything.
"""

from typing import Any, LiteralString

import numpy as np
import pyarrow as pa
from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from loaders.binary_copy import HEADER, TRAILER, encode_fields, encode_rows
from loaders.fingerprint import SIZE, Known
from loaders.table import Table

PAGES = 1024
CANDIDATES = 1 << 17
VALID = """
select k.version, c.features, pg_relation_size(to_regclass(format('known.%%I', c.collection)))
    / current_setting('block_size')::int
from provenance.known k join provenance.collection c using (collection, version)
where c.collection = %s and to_regclass(format('known.%%I', c.collection)) is not null
"""
# in parts of the table, as one value each: a row for each record would take ten times as long to receive
READ = """
select string_agg(int8send(fid) || coalesce(uuid_send(fingerprint), %(nothing)s), ''::bytea)
from {known} where ctid >= %(first)s::tid and ctid < %(last)s::tid
"""
ENTRY = np.dtype([("fid", ">i8"), ("print", "<u8", (2,))])
VERSION = "select version from provenance.collection where collection = %s"
# the record that gave a feature its row, unless that was mended on the way
REMEMBER_ALL = """
insert into {known} select l.fid, case when not s.repaired then s.fingerprint end
from {target} l left join {staged} s on s.id = l.id
"""
FORGET = "delete from {known} k using {candidates} c where c.fid = k.fid"
REMEMBER = """
insert into {known} select l.fid, case when not s.repaired then s.fingerprint end
from {staged} s join {target} l on l.id = s.id
union all
select l.fid, null from {candidates} c join {target} l on l.fid = c.fid
where not exists (select from {staged} s where s.id = l.id)
"""
FORGOTTEN = "delete from provenance.known where collection = %s"
KEPT = """
insert into provenance.known (collection, version) select collection, version from provenance.collection
where collection = %s on conflict (collection) do update set version = excluded.version
"""


class OutOfDateError(Exception):
    """What is known does not hold for this delivery: it has to be read as a whole."""


def read_known(connection: Connection, table: Table) -> Known | None:
    """What is known of the live features; None where that is not kept or out of date."""
    row = connection.execute(VALID, [table.collection]).fetchone()
    if row is None:
        return None
    version, features, pages = row
    live = connection.execute(sql.SQL("select count(*) from {}").format(table.live)).fetchone()
    if live != (features,):
        return None
    fids, prints, end = np.empty(features, np.int64), np.empty((features, 2), np.uint64), 0
    for first in range(0, pages, PAGES):
        entries = np.frombuffer(_read_pages(connection, table, first), ENTRY)
        start, end = end, end + len(entries)
        if end > features:
            return None
        fids[start:end], prints[start:end] = entries["fid"], entries["print"]
    return Known(version, fids, prints) if end == features else None


def _read_pages(connection: Connection, table: Table, first: int) -> bytes:
    values = {"nothing": bytes(SIZE), "first": f"({first},0)", "last": f"({first + PAGES},0)"}
    row = connection.cursor(binary=True).execute(sql.SQL(READ).format(known=table.known), values).fetchone()
    return row[0] or b"" if row else b""


def store_candidates(connection: Connection, table: Table, known: Known) -> None:
    """For the comparison. Raises OutOfDateError where something was published since `known` was read."""
    if connection.execute(VERSION, [table.collection]).fetchone() != (known.version,):
        raise OutOfDateError
    _execute(connection, "create temp table {candidates} (fid bigint)", table)
    fids = known.candidates()
    with connection.cursor() as cursor:
        statement = sql.SQL("copy {} from stdin (format binary)").format(table.candidates)
        with cursor.copy(statement) as copy:
            copy.write(HEADER)
            for first in range(0, len(fids), CANDIDATES):
                copy.write(encode_rows(1, encode_fields([pa.array(fids[first : first + CANDIDATES])], ["int8"])))
            copy.write(TRAILER)
    _execute(connection, "analyze {candidates}", table)


def remember(connection: Connection, table: Table, target: sql.Identifier, known: Known | None) -> None:
    """Keep the fingerprints of what `target` holds now, in the transaction that publishes.

    Where a reader (a backup) holds the table, nothing is kept rather than waited for.
    """
    if known and known.rows:
        _execute(connection, FORGET, table)
        _execute(connection, REMEMBER, table, target)
    elif not _replace(connection, table, target):
        connection.execute(FORGOTTEN, [table.collection])
        return
    connection.execute(KEPT, [table.collection])


def remember_ahead(connection: Connection, table: Table, target: sql.Identifier) -> bool:
    """The same before that transaction, for a table that it will publish. Where true, `confirm` belongs into it."""
    with connection.transaction():
        connection.execute(FORGOTTEN, [table.collection])
        return _replace(connection, table, target)


def confirm(connection: Connection, table: Table) -> None:
    """What was remembered ahead is in use from now on."""
    connection.execute(KEPT, [table.collection])


def _replace(connection: Connection, table: Table, target: sql.Identifier) -> bool:
    if not _may_be_replaced(connection, table):
        return False
    connection.execute("call provenance.keep_fingerprints(%s)", [table.collection])
    _execute(connection, REMEMBER_ALL, table, target)
    return True


def _may_be_replaced(connection: Connection, table: Table) -> bool:
    row = connection.execute("select to_regclass(format('known.%%I', %s::text))", [table.collection]).fetchone()
    if row is None or row[0] is None:
        return True
    try:
        with connection.transaction():
            _execute(connection, "lock table {known} in access exclusive mode nowait", table)
    except LockNotAvailable:
        return False
    return True


def _execute(connection: Connection, text: LiteralString, table: Table, target: sql.Identifier | None = None) -> None:
    names: dict[str, Any] = {"known": table.known, "candidates": table.candidates, "staged": table.staged}
    connection.execute(sql.SQL(text).format(**names, target=target or table.live))
