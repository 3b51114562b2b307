"""One transaction from the former state to the new one: history, features, counts, extent, provenance, notification."""

from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from loaders.manifest import Manifest
from loaders.record import record_delivery
from loaders.report import Report
from loaders.staging import Table

CHANNEL = "opennrw_publication"

FORMER = """
insert into {history} select l.*, d.finished, %(now)s, %(delivery)s
from {outcome} o join {live} l on l.fid = o.live_fid join provenance.delivery d on d.id = l.delivery
where o.outcome in ('updated', 'deleted')
"""
DELETE = "delete from {live} l using {outcome} o where o.outcome = 'deleted' and l.fid = o.live_fid"
UPDATE = """
update {live} l set (fid, {columns}, delivery, digest, geom) =
  row(o.fid, {staged_columns}, %(delivery)s::bigint, o.digest, s.geom)
from {outcome} o join {staged} s using (row) where o.outcome = 'updated' and l.fid = o.live_fid
"""
INSERT = """
insert into {live} (fid, id, {columns}, delivery, digest, geom)
select o.fid, s.id, {staged_columns}, %(delivery)s, o.digest, s.geom
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
        for table in changed:
            _replace(connection, table, {"delivery": delivery, "now": now})
            version = _update_state(connection, table, manifest, {"delivery": delivery, "now": now})
            event = Jsonb({"collection": table.collection, "version": version})
            connection.execute("select pg_notify(%s, %s::jsonb::text)", [CHANNEL, event])
    report.status, report.delivery = status, delivery


def _replace(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    staged = sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(name)) for name in table.attributes)
    for statement in (FORMER, DELETE, UPDATE, INSERT):
        query = sql.SQL(statement).format(
            live=table.live,
            history=table.history,
            staged=table.staged,
            outcome=table.outcome,
            columns=table.columns,
            staged_columns=staged,
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
