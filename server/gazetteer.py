"""The names that /search finds, made from the collections as their YAML declares.

Made after a publication, not in it: a large one swaps its table in at its very end, while readers wait. Until then the
former names are found, never some of each, and house numbers are read from the collection itself.
"""

import hashlib
from collections.abc import Iterable

import psycopg
from psycopg import sql

from server.catalogue import STORAGE_SRID, Collection, Found

LOCK = "select pg_advisory_xact_lock(hashtextextended('opennrw search', 0))"
STALE = """
select p.version from provenance.collection p left join search.collection s using (collection)
where p.collection = %s and (s.version, s.declared) is distinct from (p.version, %s)"""
DONE = """
insert into search.collection (collection, version, declared) values (%s, %s, %s)
on conflict (collection) do update
set version = excluded.version, declared = excluded.declared, refreshed = clock_timestamp()"""
MADE = """
create temporary table made on commit drop as
select collection, kind, key, name, part, place, words, place_words, weight, features, geom, bbox,
  md5(concat_ws('|', kind, key, name, part, place, words, place_words, weight, features, geom, bbox))::uuid as digest
from ({entries}) entries"""
# What stayed as it was stays where it is
REPLACE = """
delete from search.entry e where e.collection = %(collection)s
  and not exists (select from made m where m.digest = e.digest);
insert into search.entry (collection, kind, key, name, part, place, words, place_words, weight, features, geom, bbox,
  digest)
select m.* from made m
where not exists (select from search.entry e where e.collection = m.collection and e.digest = m.digest);
drop table made"""
ENTRIES = """
select {collection} as collection, {kind} as kind, jsonb_build_object({key}) as key, {name} as name,
  {part} as part, {within} as place,
  search.compact(geobasis.folded({name})) as words,
  search.compact(coalesce(geobasis.folded(concat_ws(' ', {within}, {part})), '')) as place_words,
  ({weight} + least(ln(count(*)), 10) / 100)::real as weight, count(*) as features, {point} as geom,
  array[min(ST_XMin(t.geom)), min(ST_YMin(t.geom)), max(ST_XMax(t.geom)), max(ST_YMax(t.geom))] as bbox
from {table} t
where {name} <> ''
group by {groups}"""

# Where a street runs through several parts, none of them tells where it is
PART = "case when count(distinct {part}) = 1 and count({part}) = count(*) then min({part}) end"


def refresh(owner_url: str, collections: Iterable[Collection]) -> list[str]:
    """Make the names of those collections anew that were published since, or are declared otherwise; their ids."""
    done = []
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as connection:
        for collection in collections:
            with connection.transaction():
                if _refresh(connection, collection):
                    done.append(collection.id)
        if done:
            connection.execute("vacuum (analyze) search.entry")
    return done


def _refresh(connection: psycopg.Connection, collection: Collection) -> bool:
    declared = hashlib.sha256(repr(collection.search).encode()).hexdigest()
    connection.execute(LOCK)
    row = connection.execute(STALE, [collection.id, declared]).fetchone()
    if row is None:
        return False
    # parcels are found in the collection itself
    entries = [_entries(collection, found) for found in collection.search if found.kind != "parcel"]
    if entries:
        connection.execute("set local work_mem = '64MB'")
        connection.execute(sql.SQL(MADE).format(entries=sql.SQL(" union all ").join(entries)))
        connection.execute("create index on made (digest)")
        for statement in REPLACE.split(";\n"):
            connection.execute(statement.encode(), {"collection": collection.id})
    else:
        connection.execute("delete from search.entry where collection = %s", [collection.id])
    connection.execute(DONE, [collection.id, row[0], declared])
    return True


def _entries(collection: Collection, found: Found) -> sql.Composed:
    """The names of one kind."""
    key = list(dict.fromkeys((found.name, *found.key)))
    columns = {name: sql.Identifier("t", name) for name in found.properties}
    nothing = sql.SQL("null::text")
    within = columns[found.within] if found.within else nothing
    part = sql.SQL(PART).format(part=columns[found.part]) if found.part else nothing
    pairs = [sql.SQL("{}, {}").format(sql.Literal(name), columns[name]) for name in key]
    grouped = [columns[name] for name in key] + ([within] if found.within and found.within not in key else [])
    return sql.SQL(ENTRIES).format(
        collection=sql.Literal(collection.id),
        kind=sql.Literal(found.kind),
        key=sql.SQL(", ").join(pairs),
        name=columns[found.name],
        part=part,
        within=within,
        weight=sql.Literal(found.weight),
        point=_point(collection),
        table=sql.Identifier("geobasis", collection.id),
        groups=sql.SQL(", ").join(grouped),
    )


def _point(collection: Collection) -> sql.Composed:
    """A point of one of the features, near their middle."""
    geometry = sql.SQL("ST_Collect(t.geom)")
    if collection.srid != STORAGE_SRID:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(STORAGE_SRID))
    if collection.geometry == "Point":
        return sql.SQL("ST_ClosestPoint({0}, ST_Centroid({0}))").format(geometry)
    return sql.SQL("ST_PointOnSurface({})").format(geometry)
