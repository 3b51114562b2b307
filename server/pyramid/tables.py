"""Tables of schema tiles: made, filled, compared with what they should hold, dropped."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from server.catalogue import Collection
from server.pyramid.plan import SRID, columns, geometry_type

COLUMNS = """
create table {table} (fid bigint not null, {properties}, geom geometry({type}, {srid}) not null)"""
TYPES = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = format('geobasis.%%I', %s::text)::regclass and attnum > 0 and not attisdropped"""

# What is as it was stays: so a change is known by the rows that leave and those that come
LEAVE = """
with gone as (
  delete from {table} t using {affected} a where a.fid = t.fid
    and not exists (select from {fresh} f where f.fid = t.fid and row(f.*) is not distinct from row(t.*))
  returning t.fid, t.geom)
insert into {changed} select fid, geom from gone"""
COME = """
with come as (
  insert into {table} select f.* from {fresh} f where not exists (select from {table} t where t.fid = f.fid)
  returning fid, geom)
insert into {changed} select fid, geom from come"""
# Tables that a run which did not end left, or that a newer one replaced
LEFT = """
select t.relname from pg_class t join pg_description d on d.objoid = t.oid and d.objsubid = 0
where t.relnamespace = 'tiles'::regnamespace and t.relkind = 'r' and d.description = %(mark)s
  and not exists (select from tiles.collection c
    where regexp_replace(t.relname, '_(names|borders)$', '') = any(c.relations || c.base))"""


def mark(collection: Collection) -> str:
    """The comment by which a collection's tables are known."""
    return f"for tiles of {collection.id}"


def create(connection: Connection[Any], collection: Collection, zoom: int | None, relation: str) -> sql.Identifier:
    """An empty table for a level, or for the base where `zoom` is None; without indexes."""
    return create_like(connection, collection, columns(collection, zoom), relation, geometry_type(collection, zoom))


def create_like(
    connection: Connection[Any], collection: Collection, names: Sequence[str], relation: str, geometry: str
) -> sql.Identifier:
    """An empty table with such columns of a collection's features, and geometries of a type; without indexes."""
    found = connection.execute(TYPES, [collection.id]).fetchall()
    types = {"rank": "text", **dict(found), "count": "bigint"}
    table = sql.Identifier("tiles", relation)
    properties = [
        sql.SQL("{} {}{}").format(sql.Identifier(name), _type(types[name]), _collation(types[name])) for name in names
    ]
    statement = sql.SQL(COLUMNS).format(
        table=table,
        properties=sql.SQL(", ").join(properties),
        type=_type(geometry),
        srid=sql.Literal(SRID),
    )
    with connection.transaction():
        connection.execute(statement)
        connection.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(mark(collection))))
    return table


def _type(name: str) -> sql.SQL:
    return sql.SQL(name)  # pyright: ignore[reportArgumentType] - as the database itself writes it


def _collation(type_: str) -> sql.SQL:
    return sql.SQL(' collate "C"' if type_.startswith(("text", "character")) else "")


def finish(connection: Connection[Any], table: sql.Identifier) -> None:
    """Key, spatial index, statistics: cheaper once the rows are there."""
    connection.execute(sql.SQL("alter table {} add primary key (fid)").format(table))
    connection.execute(sql.SQL("create index on {} using gist (geom)").format(table))
    connection.execute(sql.SQL("vacuum (analyze) {}").format(table))


def amend(connection: Connection[Any], table: sql.Identifier, names: dict[str, sql.Identifier]) -> None:
    """Bring the rows `affected` (fid) of a table to what `fresh` (its columns) holds of them; what left or came goes
    into the new temporary table `changed` (fid, geom).
    """
    connection.execute(
        sql.SQL("create temp table {changed} (fid bigint, geom geometry) on commit drop").format(**names)
    )
    for statement in (LEAVE, COME):
        connection.execute(sql.SQL(statement).format(table=table, **names))


def drop_left(connection: Connection[Any], collection: Collection) -> None:
    """Drop what no tile is read from any more. What somebody still reads stays until the next time."""
    for (name,) in connection.execute(LEFT, {"mark": mark(collection)}).fetchall():
        try:
            with connection.transaction():
                connection.execute("set local lock_timeout = '1s'")
                connection.execute(sql.SQL("drop table {}").format(sql.Identifier("tiles", name)))
        except LockNotAvailable:
            continue
