"""What becomes of every staged row, by key and digest, compared with what is live."""

from psycopg import Connection, sql

from loaders.report import REJECTS_SHOWN, Counts, Reject
from loaders.spatial_key import SEQUENCE_BITS
from loaders.staging import Staging, Table

# JSON tells null from empty and never runs two values together, so that different attributes have different digests
DIGEST = "sha256(convert_to(json_build_array({columns})::text, 'UTF8') || ST_AsBinary(geom, 'NDR'))"

# materialized: otherwise the digest is computed anew wherever it is used
OUTCOME = """
create table {outcome} as
with digested as materialized (
  select row, cell, id, {digest} as digest from {staged}
), ranked as (
  select *, first_value(row) over same_id as first_row, first_value(digest) over same_id as first_digest
  from digested window same_id as (partition by id order by row)
), compared as (
  select r.row, r.first_row, r.cell, r.id, r.digest, l.fid as live_fid,
    case
      when r.row > r.first_row and r.digest = r.first_digest then 'duplicate'
      when r.row > r.first_row then 'rejected'
      when l.id is null then 'inserted'
      when l.digest = r.digest then 'unchanged'
      else 'updated'
    end as outcome
  from ranked r left join {live} l on l.id = r.id
), placed as (
  select *, outcome = 'inserted' or (outcome = 'updated' and live_fid >> {bits} <> cell) as needs_fid from compared
)
select row, first_row, id, digest, outcome, live_fid,
  case
    when needs_fid then (cell << {bits}) + row_number() over (partition by cell, needs_fid order by id) + (
      select coalesce(max(l.fid) - (cell << {bits}), 0) from {live} l
      where l.fid >= cell << {bits} and l.fid < (cell + 1) << {bits})
    else live_fid
  end as fid
from placed
"""

GONE = """
insert into {outcome} (id, outcome, live_fid)
select id, 'deleted', fid from {live} l where not exists (select from {staged} s where s.id = l.id)
"""

# Of rows that share an id and differ, the first is kept: there is no telling which of them is right
CONFLICTS = """
insert into staged_reject (collection, file, line, reason, raw)
select {collection}, (%(files)s::text[])[s.file + 1], s.line,
  format('the id %%s stands already in %%s, line %%s, with other content; the first is kept',
         s.id, (%(files)s::text[])[f.file + 1], f.line),
  left(s.id || ' ' || concat_ws('; ', {columns}), 500)
from {outcome} o join {staged} s on s.row = o.row join {staged} f on f.row = o.first_row
where o.outcome = 'rejected'
"""

REJECTED = "select count(*) from staged_reject where collection = {}"
REPAIRED = """
select count(*) from {staged} join {outcome} using (row)
where repaired and outcome in ('inserted', 'updated', 'unchanged')
"""


def compare(connection: Connection, table: Table, staging: Staging) -> Counts:
    """Fill the table's outcome and count it."""
    columns = sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(name)) for name in table.attributes)
    names = {
        "outcome": table.outcome,
        "staged": table.staged,
        "live": table.live,
        "bits": sql.Literal(SEQUENCE_BITS),
        "digest": sql.SQL(DIGEST).format(columns=table.columns),
    }
    connection.execute(sql.SQL("analyze {}").format(table.staged))
    connection.execute(sql.SQL(OUTCOME).format(**names))
    connection.execute(sql.SQL(GONE).format(**names))
    connection.execute(sql.SQL("analyze {}").format(table.outcome))
    connection.execute(
        sql.SQL(CONFLICTS).format(collection=sql.Literal(table.collection), columns=columns, **names),
        {"files": staging.files},
    )
    return _count(connection, table, staging)


def _count(connection: Connection, table: Table, staging: Staging) -> Counts:
    outcomes = connection.execute(sql.SQL("select outcome, count(*) from {} group by outcome").format(table.outcome))
    found: dict[str, int] = dict(outcomes.fetchall())
    found["read"] = staging.counted[table.collection]
    found["rejected"] = _number(connection, sql.SQL(REJECTED).format(sql.Literal(table.collection)))
    found["repaired"] = _number(connection, sql.SQL(REPAIRED).format(staged=table.staged, outcome=table.outcome))
    return Counts(**found)


def _number(connection: Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return row[0] if row else 0


def read_rejects(connection: Connection) -> tuple[int, list[Reject]]:
    """How many rows were rejected so far, and the first of them."""
    first = connection.execute(
        "select file, line, reason, raw from staged_reject order by collection, file, line limit %s", [REJECTS_SHOWN]
    )
    return _number(connection, sql.SQL("select count(*) from staged_reject").format()), [Reject(*row) for row in first]
