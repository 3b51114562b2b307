"""One transaction from the former state to the new one: history, features, counts, extent, provenance, notification."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString, Protocol

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from loaders import rebuild
from loaders.fingerprint import Known
from loaders.grid import SEQUENCE_BITS
from loaders.known import confirm, remember, remember_ahead
from loaders.measure import Measures, foresee, measure
from loaders.progress import Progress
from loaders.report import Report
from loaders.table import Table

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
# where nothing was live
INSERT_ALL = """
insert into {target} (fid, id, {columns}, delivery, digest, geom)
select (cell << {bits}) + row_number() over (partition by cell order by id), id, {columns}, %(delivery)s, digest, geom
from {staged} order by cell, id
"""
INSERT_REBUILT = """
insert into {target} (fid, id, {columns}, delivery, digest, geom)
select s.fid, s.id, {staged_columns}, s.delivery, s.digest, s.geom
from {live} s where not exists (select from {outcome} o where o.live_fid = s.fid)
union all
select o.fid, s.id, {staged_columns}, {made_by}, o.digest, s.geom
from {outcome} o join {staged} s using (row) where o.outcome <> 'deleted'
order by 1
"""
STATE = """
insert into provenance.collection as c
  (collection, dataset, version, delivery, published, features, bbox, half_width, half_height, first_date, last_date)
values (%(collection)s, %(dataset)s, 1, %(delivery)s, %(now)s, %(features)s, %(bbox)s::float8[], %(half_width)s,
  %(half_height)s, %(first_date)s, %(last_date)s)
on conflict (collection) do update set
  version = c.version + 1, delivery = excluded.delivery, published = excluded.published, features = excluded.features,
  bbox = excluded.bbox, half_width = excluded.half_width, half_height = excluded.half_height,
  first_date = excluded.first_date, last_date = excluded.last_date
returning version
"""
# A change so large, in rows and as a share of what is live, makes the table anew
REBUILD_FROM = 20_000
REBUILD_SHARE = 0.3
# planner's statistics are renewed with the publication from this share of changed rows on; else maintenance does it
ANALYZE_SHARE = 0.1


class Product(Protocol):
    """What is published: a manifest, or what is made of other collections."""

    @property
    def dataset(self) -> str:
        """Its name."""
        ...

    def date_of(self, collection: str) -> str | None:
        """The column that says how current a row of a collection is."""
        ...


@dataclass(frozen=True)
class Built:
    """A table that only has to be put into its place. `remembered`: its fingerprints are written, too."""

    measures: Measures
    remembered: bool


@dataclass(frozen=True)
class Publication:
    """What publishes: its report, the values of its rows, and where the rows come from, for SQL.

    `values`: the `delivery` that publishes and `now`, its time. `made_by`: the delivery that an inserted or updated row
    comes from, where it is not the one that publishes; it may use the outcome as `o`. `first`: collections of which
    nothing was live: all their staged rows are new, and their outcome is empty; `built`: those of them whose table is
    built already. `known`: what was recognised of the collections whose fingerprints are kept, which is nothing where
    they are kept for the first time.
    """

    report: Report
    values: dict[str, Any]
    made_by: sql.Composable | None = None
    first: frozenset[str] = frozenset()
    built: Mapping[str, Built] = field(default_factory=dict)
    known: Mapping[str, Known | None] = field(default_factory=dict)


def build_ahead(
    connection: Connection,
    product: Product,
    tables: list[Table],
    publication: Publication,
    progress: Progress,
) -> dict[str, Built]:
    """Build tables of which nothing is live yet, before the transaction that publishes them: several sessions see them
    and make their indexes at the same time. Gives what `built` is; `values` needs the `delivery`.

    Nobody reads them, and the next load replaces what a killed one left.
    """
    built: dict[str, Built] = {}
    for table in tables:
        if (
            table.collection in publication.first
            and _is_large(connection, table, publication)
            and not rebuild.find_hindrances(connection, table)
        ):
            with connection.transaction():
                rebuild.create(connection, table)
                _run(connection, INSERT_ALL, table, rebuild.new_table(table), publication)
            progress.step("index", None)
            target = rebuild.new_table(table)
            with publication.report.timed("index"), rebuild.indexing(connection, table):
                measures = measure(connection, target, product.date_of(table.collection))
                remembered = table.collection in publication.known and remember_ahead(connection, table, target)
                built[table.collection] = Built(measures, remembered)
    return built


def make_live(
    connection: Connection,
    product: Product,
    tables: list[Table],
    publication: Publication,
    progress: Progress,
) -> None:
    """Bring the outcome of each table into effect, the last thing in the caller's transaction, and tell the servers."""
    rebuilt = []
    for table in tables:
        target, built, reach = table.live, publication.built.get(table.collection), None
        if built:
            rebuild.add_keys(connection, table)
            rebuilt.append(table)
            target = rebuild.new_table(table)
        elif _is_large(connection, table, publication) and _may_be_rebuilt(connection, table, progress):
            _rebuild(connection, table, publication, progress)
            rebuilt.append(table)
            target = rebuild.new_table(table)
        else:
            reach = None if table.collection in publication.first else foresee(connection, table)
            _amend(connection, table, publication)
        date = product.date_of(table.collection)
        measures = built.measures if built else measure(connection, target, date, reach)
        version = _update_state(connection, table, product, publication.values, measures)
        if built and built.remembered:
            confirm(connection, table)
        elif not built and table.collection in publication.known:
            remember(connection, table, target, publication.known[table.collection])
        tell(connection, table.collection, version)
    rebuild.swap(connection, rebuilt)


def tell(connection: Connection, collection: str, version: int) -> None:
    """Let servers look for what is new of a collection."""
    event = Jsonb({"collection": collection, "version": version})
    connection.execute("select pg_notify(%s, %s::jsonb::text)", [CHANNEL, event])


def _is_large(connection: Connection, table: Table, publication: Publication) -> bool:
    """Whether it is quicker to make the table anew than to change it."""
    changes = _count(connection, table.staged if table.collection in publication.first else table.outcome)
    return changes >= REBUILD_FROM and changes >= REBUILD_SHARE * _count(connection, table.live)


def _may_be_rebuilt(connection: Connection, table: Table, progress: Progress) -> bool:
    hindrances = rebuild.find_hindrances(connection, table)
    if hindrances:
        progress.note(f"{table.name} is changed row by row, which takes longer: {hindrances[0]} depends on it")
    return not hindrances


def _rebuild(connection: Connection, table: Table, publication: Publication, progress: Progress) -> None:
    rebuild.create(connection, table)
    for statement in (INSERT_ALL,) if table.collection in publication.first else (FORMER, INSERT_REBUILT):
        _run(connection, statement, table, rebuild.new_table(table), publication)
    progress.step("index", None)
    with publication.report.timed("index"):
        rebuild.index(connection, table)


def _amend(connection: Connection, table: Table, publication: Publication) -> None:
    first = table.collection in publication.first
    changes = 0
    for statement in (INSERT_ALL,) if first else (FORMER, DELETE, UPDATE, INSERT):
        changes += _run(connection, statement, table, table.live, publication)
    row = connection.execute("select reltuples from pg_class where oid = %s::regclass", [table.name]).fetchone()
    if row and changes >= ANALYZE_SHARE * row[0]:
        connection.execute(sql.SQL("analyze {}").format(table.live))


def _run(
    connection: Connection, statement: LiteralString, table: Table, target: sql.Identifier, publication: Publication
) -> int:
    query = sql.SQL(statement).format(
        live=table.live,
        target=target,
        history=table.history,
        staged=table.staged,
        outcome=table.outcome,
        collection=sql.Literal(table.collection),
        columns=table.columns,
        staged_columns=table.staged_columns,
        made_by=publication.made_by or PUBLISHING,
        bits=sql.Literal(SEQUENCE_BITS),
    )
    return connection.execute(query, publication.values).rowcount


def _update_state(
    connection: Connection, table: Table, product: Product, values: dict[str, Any], measures: Measures
) -> int:
    state = {**measures, "collection": table.collection, "dataset": product.dataset}
    row = connection.execute(STATE, {**state, **values}).fetchone()
    assert row  # noqa: S101 - insert … returning gives a row
    return row[0]


def _count(connection: Connection, table: sql.Identifier) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return row[0] if row else 0
