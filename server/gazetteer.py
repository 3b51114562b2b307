"""The names that /search finds, made from the collections as their YAML declares.

Made after a publication, not in it: a large one swaps its table in at its very end, while readers wait. Until then the
former names are found, never some of each, and house numbers are read from the collection itself. Only the names of
features that changed since the last time are made anew.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from server.catalogue import STORAGE_SRID, Collection, Found

LOCK = "select pg_advisory_xact_lock(hashtextextended('opennrw search', 0))"
STALE = """
select p.version, p.delivery, case when s.declared = %(declared)s and s.delivery < p.delivery then s.delivery end
from provenance.collection p left join search.collection s using (collection)
where p.collection = %(collection)s and (s.version, s.declared) is distinct from (p.version, %(declared)s)"""
DONE = """
insert into search.collection (collection, version, declared, delivery)
values (%(collection)s, %(version)s, %(declared)s, %(delivery)s)
on conflict (collection) do update set version = excluded.version, declared = excluded.declared,
  delivery = excluded.delivery, refreshed = clock_timestamp()"""
# what named features that came, and those that went or were changed; a rollback brings back what bears an older number
CHANGED = """
create temporary table changed on commit drop as
select distinct {columns} from (
  select {columns} from {live} where delivery > %(since)s
  union all select {columns} from {history} where ended_by > %(since)s
  union all select {columns} from {live} l where exists (
    select from provenance.restored r
    where r.collection = %(collection)s and r.rollback > %(since)s and (r.id, r.delivery) = (l.id, l.delivery))
) rows"""
MADE = """
create temporary table made on commit drop as
select collection, kind, key, name, part, place, words, place_words, weight, features, geom, bbox,
  md5(concat_ws('|', kind, key, name, part, place, words, place_words, weight, features, geom, bbox))::uuid as digest
from ({entries}) entries"""
# What stayed as it was stays where it is
DELETE = """
delete from search.entry e where e.collection = %(collection)s and {outdated}
  and not exists (select from made m where m.digest = e.digest)"""
INSERT = """
insert into search.entry (collection, kind, key, name, part, place, words, place_words, weight, features, geom, bbox,
  digest)
select m.* from made m
where not exists (select from search.entry e where e.collection = m.collection and e.digest = m.digest)"""
ENTRIES = """
select {collection} as collection, {kind} as kind, jsonb_build_object({key}) as key, {name} as name,
  {part} as part, {within} as place,
  search.compact(geobasis.folded({name})) as words,
  search.compact(coalesce(geobasis.folded(concat_ws(' ', {within}, {part})), '')) as place_words,
  ({weight} + least(ln(count(*)), 10) / 100)::real as weight, count(*) as features, {point} as geom,
  array[min(ST_XMin(t.geom)), min(ST_YMin(t.geom)), max(ST_XMax(t.geom)), max(ST_YMax(t.geom))] as bbox
from {table} t
where {name} <> '' and {among}
group by {groups}"""
# without nulls, which equal nothing
AMONG = "({columns}) in (select {columns} from changed t)"
OUTDATED = "(e.kind, e.key, coalesce(e.place, '')) in ({keys})"
OUTDATED_KEYS = "select {kind}, jsonb_build_object({key}), coalesce({within}::text, '') from changed t"
ALL = sql.SQL("true")
SCHEMAS = {"live": "geobasis", "history": "history"}
# from this share of changes on all are cleared and analysed at once, else whenever PostgreSQL does
VACUUM_SHARE = 0.1
# new entries wait in a list that each search goes through
TIDY = """
select gin_clean_pending_list(i) from unnest('{search.entry_text_alike,search.entry_name_alike}'::regclass[]) i"""

# Where a street runs through several parts, none of them tells where it is
PART = "case when count(distinct {part}) = 1 and count({part}) = count(*) then min({part}) end"


def refresh(owner_url: str, collections: Iterable[Collection]) -> list[str]:
    """Bring the names of those collections up to date that were published since, or are declared otherwise; their
    ids.
    """
    done: dict[str, int] = {}
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as connection:
        for collection in collections:
            with connection.transaction():
                connection.execute(LOCK)
                changes = _refresh(connection, collection)
            if changes is not None:
                done[collection.id] = changes
        if any(done.values()):
            connection.execute(TIDY)
        if done and sum(done.values()) >= VACUUM_SHARE * _count(connection):
            connection.execute("vacuum (analyze) search.entry")
    return list(done)


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from search.entry").fetchone()
    return row[0] if row else 0


def _refresh(connection: psycopg.Connection, collection: Collection) -> int | None:
    """How many entries went and came; None where they were up to date."""
    declared = hashlib.sha256(repr(collection.search).encode()).hexdigest()
    values: dict[str, Any] = {"collection": collection.id, "declared": declared}
    row = connection.execute(STALE, values).fetchone()
    if row is None:
        return None
    values |= zip(("version", "delivery", "since"), row, strict=True)
    # parcels are found in the collection itself
    kinds = [found for found in collection.search if found.kind != "parcel"]
    if kinds:
        connection.execute("set local work_mem = '64MB'")
        changes = _replace(connection, collection, kinds, values)
    else:
        changes = connection.execute("delete from search.entry where collection = %(collection)s", values).rowcount
    connection.execute(DONE, values)
    return changes


def _replace(connection: psycopg.Connection, collection: Collection, kinds: list[Found], values: dict[str, Any]) -> int:
    """Make entries anew, with `since` those alone that changed; how many went and came."""
    partly = values["since"] is not None
    if partly:
        tables = {name: sql.Identifier(schema, collection.id) for name, schema in SCHEMAS.items()}
        columns = dict.fromkeys(name for found in kinds for name in _grouping(found))
        connection.execute(sql.SQL(CHANGED).format(columns=_listed(columns), **tables), values)
    entries = sql.SQL(" union all ").join(_entries(collection, found, partly=partly) for found in kinds)
    connection.execute(sql.SQL(MADE).format(entries=entries))
    connection.execute("create index on made (digest); analyze made")
    keys = sql.SQL(" union all ").join(_keys(found) for found in kinds)
    outdated = sql.SQL(OUTDATED).format(keys=keys) if partly else ALL
    delete, insert = (sql.SQL(text).format(outdated=outdated) for text in (DELETE, INSERT))
    changes = connection.execute(delete, values).rowcount + connection.execute(insert).rowcount
    connection.execute("drop table if exists made, changed")
    return changes


def _grouping(found: Found) -> list[str]:
    """The properties that make one entry of several features."""
    return list(dict.fromkeys((found.name, *found.key, *([found.within] if found.within else []))))


def _listed(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _pairs(found: Found) -> sql.Composed:
    """Names and values of the properties that the features of an entry share."""
    key = dict.fromkeys((found.name, *found.key))
    return sql.SQL(", ").join(sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier("t", name)) for name in key)


def _keys(found: Found) -> sql.Composed:
    """What tells the entries of one kind apart whose features changed."""
    within = sql.Identifier("t", found.within) if found.within else sql.SQL("null")
    return sql.SQL(OUTDATED_KEYS).format(kind=sql.Literal(found.kind), key=_pairs(found), within=within)


def _among(found: Found) -> sql.Composed:
    form = sql.SQL("coalesce({}::text, '')")
    columns = sql.SQL(", ").join(form.format(sql.Identifier("t", name)) for name in _grouping(found))
    return sql.SQL(AMONG).format(columns=columns)


def _entries(collection: Collection, found: Found, *, partly: bool) -> sql.Composed:
    """The names of one kind; `partly`: those alone that changed."""
    columns = {name: sql.Identifier("t", name) for name in found.properties}
    nothing = sql.SQL("null::text")
    within = columns[found.within] if found.within else nothing
    part = sql.SQL(PART).format(part=columns[found.part]) if found.part else nothing
    return sql.SQL(ENTRIES).format(
        collection=sql.Literal(collection.id),
        kind=sql.Literal(found.kind),
        key=_pairs(found),
        name=columns[found.name],
        part=part,
        within=within,
        weight=sql.Literal(found.weight),
        point=_point(collection),
        table=sql.Identifier("geobasis", collection.id),
        among=_among(found) if partly else ALL,
        groups=sql.SQL(", ").join(columns[name] for name in _grouping(found)),
    )


def _point(collection: Collection) -> sql.Composed:
    """A point of one of the features, near their middle."""
    geometry = sql.SQL("ST_Collect(t.geom)")
    if collection.srid != STORAGE_SRID:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(STORAGE_SRID))
    if collection.geometry == "Point":
        return sql.SQL("ST_ClosestPoint({0}, ST_Centroid({0}))").format(geometry)
    return sql.SQL("ST_PointOnSurface({})").format(geometry)
