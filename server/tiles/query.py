"""A tile -> SQL. Pure."""

from functools import lru_cache

from psycopg import sql

from server.catalogue import Collection
from server.tiles.grid import BUFFER, EXTENT, SRID


@lru_cache(maxsize=512)
def tile_text(collection: Collection) -> bytes:
    """SQL text of a tile with all its features, see `filtered_tile_text`."""
    return filtered_tile_text(collection, sql.SQL("true"))


def filtered_tile_text(collection: Collection, condition: sql.Composable) -> bytes:
    """SQL text of a tile: version of the collection, the layer as MVT.

    ST_AsMVT leaves out rows whose geometry vanished; a condition on it would evaluate ST_AsMVTGeom twice.
    """
    names = ("fid", "id", *collection.tiles.properties)
    columns = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in names)
    return (
        sql.SQL(
            """
select (select version from provenance.collection where collection = {name}),
  ST_AsMVT(q, {name}, {extent}, 'geom', 'fid')
from (
  select {columns},
    ST_AsMVTGeom(ST_Transform(t.geom, {srid}), %(tile)s::box2d, {extent}, {buffer}, true) as geom
  from {table} t where t.geom && %(search)s::geometry and {condition}
) q"""
        )
        .format(
            columns=columns,
            condition=condition,
            table=sql.Identifier("geobasis", collection.id),
            name=sql.Literal(collection.id),
            srid=sql.Literal(SRID),
            extent=sql.Literal(EXTENT),
            buffer=sql.Literal(BUFFER),
        )
        .as_bytes()
    )
