"""SQL of a single feature: now, as it was, and all its versions. Pure."""

from functools import lru_cache

from psycopg import sql

from server.catalogue import Collection
from server.crs import Crs
from server.editions import columns_of, sources
from server.formats.geojson import feature_expression
from server.formats.layer import EVERYTHING, Layer, Selection
from server.formats.table import BY_KEY

ONE = sql.SQL(
    """
select c.version, f.* from (select {columns} from {rows} t where t.id = %(id)s) f
left join provenance.collection c on c.collection = %(name)s"""
)


@lru_cache(maxsize=512)
def item_text(
    collection: Collection, crs: Crs, selection: Selection = EVERYTHING, past: bool = False, key: str = "json"
) -> bytes:
    """SQL text for one feature by its id, live or of an edition of the past: version of the collection, then GeoJSON's
    text, or the columns of another format, which are null where there is no such feature.
    """
    rows: sql.Composable = sql.Identifier("geobasis", collection.id)
    if past:
        columns = sql.SQL(", ").join(map(sql.Identifier, columns_of(collection)))
        parts = [
            sql.SQL("select {} from {} where id = %(id)s and {}").format(
                columns, source.table, sql.SQL(" and ").join(source.conditions)
            )
            for source in sources(collection, past)
        ]
        rows = sql.SQL("({})").format(sql.SQL(" union all ").join(parts))
    if key != "json":
        columns = BY_KEY[key].columns(Layer(collection, crs, selection))
        return ONE.format(columns=columns, rows=rows).as_bytes()
    return (
        sql.SQL(
            """
select c.version, {feature} from {rows} t
left join provenance.collection c on c.collection = %(name)s where t.id = %(id)s"""
        )
        .format(feature=feature_expression(collection, crs, selection), rows=rows)
        .as_bytes()
    )


@lru_cache(maxsize=512)
def place_text(collection: Collection) -> bytes:
    """SQL text for where a feature is: x and y of a point on it, its envelope; metres in EPSG:25832."""
    return (
        sql.SQL(
            """
select ST_X(p), ST_Y(p), array[ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom)]
from (select geom, ST_PointOnSurface(geom) p from {} where id = %(id)s) t"""
        )
        .format(sql.Identifier("geobasis", collection.id))
        .as_bytes()
    )


@lru_cache(maxsize=512)
def versions_text(collection: Collection, crs: Crs, kept: bool) -> bytes:
    """SQL text of all versions of a feature, the newest first: version of the collection, feature as JSON text, from
    when and until when it was live (null = still), JSON texts of the delivery that made it, of the rollback that
    brought it back and of the delivery that ended it.

    A live version is so since its delivery, or since the last rollback that brought it back. kept: whether there are
    former versions.
    """
    columns = sql.SQL(", ").join(sql.Identifier("l", name) for name in columns_of(collection))
    former = sql.SQL(
        "select {}, valid_from, valid_to, ended_by from {} where id = %(id)s union all" if kept else ""
    ).format(sql.SQL(", ").join(map(sql.Identifier, columns_of(collection))), sql.Identifier("history", collection.id))
    return (
        sql.SQL(
            """
select c.version, {feature}, t.valid_from, t.valid_to,
  {made}::text,
  (select {publication}::text from provenance.delivery p where p.dataset = d.dataset and p.finished = t.valid_from
     and p.id <> d.id and p.rollback_of is not null),
  (select {publication}::text from provenance.delivery p where p.id = t.ended_by)
from (
  {former}
  select {columns}, coalesce(
      (select max(b.finished) from provenance.restored r join provenance.delivery b on b.id = r.rollback
       where r.collection = %(name)s and r.id = l.id and r.delivery = l.delivery), d.finished) as valid_from,
    null::timestamptz as valid_to, null::bigint as ended_by
  from {live} l join provenance.delivery d on d.id = l.delivery where l.id = %(id)s
) t
join provenance.delivery d on d.id = t.delivery
left join provenance.collection c on c.collection = %(name)s
order by t.valid_from desc"""
        )
        .format(
            feature=feature_expression(collection, crs),
            made=_publication("d"),
            publication=_publication("p"),
            former=former,
            columns=columns,
            live=sql.Identifier("geobasis", collection.id),
        )
        .as_bytes()
    )


def _publication(alias: str) -> sql.Composable:
    names = {"id": "id", "dataset": "dataset", "published": "finished", "source": "source", "digest": "digest"}
    members = [
        sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(alias, column)) for name, column in names.items()
    ]
    return sql.SQL("json_build_object({})").format(sql.SQL(", ").join(members))
