"""One transaction from the former state to the new one: history, features, counts, extent, provenance, notification."""

from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from loaders.manifest import Manifest
from loaders.record import record_delivery
from loaders.report import Report
from loaders.staging import Table

CHANNEL = "opennrw_publication"
PUBLISHING = sql.SQL("%(delivery)s::bigint")

# a version is live since its delivery, or since the last rollback that brought it back
FORMER = """
insert into {history} select l.*, coalesce(r.since, d.finished), %(now)s, %(delivery)s
from {outcome} o join {live} l on l.fid = o.live_fid join provenance.delivery d on d.id = l.delivery
left join (
  select v.id, v.delivery, max(b.finished) as since
  from provenance.restored v join provenance.delivery b on b.id = v.rollback
  where v.collection = {collection} group by v.id, v.delivery
) r on r.id = l.id and r.delivery = l.delivery
where o.outcome in ('updated', 'deleted')
"""
DELETE = "delete from {live} l using {outcome} o where o.outcome = 'deleted' and l.fid = o.live_fid"
UPDATE = """
update {live} l set (fid, {columns}, delivery, digest, geom) =
  row(o.fid, {staged_columns}, {made_by}, o.digest, s.geom)
from {outcome} o join {staged} s using (row) where o.outcome = 'updated' and l.fid = o.live_fid
"""
INSERT = """
insert into {live} (fid, id, {columns}, delivery, digest, geom)
select o.fid, s.id, {staged_columns}, {made_by}, o.digest, s.geom
from {outcome} o join {staged} s using (row) where o.outcome = 'inserted' order by o.fid
"""
STATE = """
insert into provenance.collection as c
  (collection, dataset, version, delivery, published, features, bbox, half_width, half_height, first_date, last_date)
select %(collection)s, %(dataset)s, 1, %(delivery)s, %(now)s, count(*),
  case when count(*) > 0 then
    array[ST_XMin(ST_Extent(geom)), ST_YMin(ST_Extent(geom)), ST_XMax(ST_Extent(geom)), ST_YMax(ST_Extent(geom))] end,
  coalesce(max(ST_XMax(geom) - ST_XMin(geom)) / 2, 0), coalesce(max(ST_YMax(geom) - ST_YMin(geom)) / 2, 0),
  min({date}), max({date})
from {live}
on conflict (collection) do update set
  version = c.version + 1, delivery = excluded.delivery, published = excluded.published, features = excluded.features,
  bbox = excluded.bbox, half_width = excluded.half_width, half_height = excluded.half_height,
  first_date = excluded.first_date, last_date = excluded.last_date
returning version
"""


def publish(connection: Connection, manifest: Manifest, tables: list[Table], report: Report, digest: str) -> None:
    """Make the staged rows of all tables live at once; then set `report.status` and `report.delivery`."""
    changed = [table for table in tables if report.collections[table.collection].changed]
    with connection.transaction():
        status = "published" if changed else "unchanged"
        delivery, now = record_delivery(connection, manifest.loader, report, digest, status)
        make_live(connection, manifest, changed, {"delivery": delivery, "now": now})
    report.status, report.delivery = status, delivery


def make_live(
    connection: Connection,
    manifest: Manifest,
    tables: list[Table],
    values: dict[str, Any],
    made_by: sql.Composable = PUBLISHING,
) -> None:
    """Bring the outcome of each table into effect, inside the caller's transaction, and tell the servers.

    `values`: the `delivery` that publishes and `now`, its time. `made_by`: the delivery that an inserted or updated
    row comes from, where it is not the one that publishes; it may use the outcome as `o`.
    """
    for table in tables:
        _replace(connection, table, values, made_by)
        version = _update_state(connection, table, manifest, values)
        event = Jsonb({"collection": table.collection, "version": version})
        connection.execute("select pg_notify(%s, %s::jsonb::text)", [CHANNEL, event])


def _replace(connection: Connection, table: Table, values: dict[str, Any], made_by: sql.Composable) -> None:
    staged = sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(name)) for name in table.attributes)
    for statement in (FORMER, DELETE, UPDATE, INSERT):
        query = sql.SQL(statement).format(
            live=table.live,
            history=table.history,
            staged=table.staged,
            outcome=table.outcome,
            collection=sql.Literal(table.collection),
            columns=table.columns,
            staged_columns=staged,
            made_by=made_by,
        )
        connection.execute(query, values)
    connection.execute(sql.SQL("analyze {}").format(table.live))


def _update_state(connection: Connection, table: Table, manifest: Manifest, values: dict[str, Any]) -> int:
    date = manifest.collections[table.collection].date
    query = sql.SQL(STATE).format(live=table.live, date=sql.Identifier(date) if date else sql.SQL("null::date"))
    values = {"collection": table.collection, "dataset": manifest.dataset, **values}
    row = connection.execute(query, values).fetchone()
    assert row  # noqa: S101 - insert … returning gives a row
    return row[0]
