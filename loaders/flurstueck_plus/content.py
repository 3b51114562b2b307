"""What a parcel is joined with, as SQL over sets of parcels: addresses in it, buildings on it, its land values.

Areas are of the plane of EPSG:25832, m². Of buildings and zones that a parcel hardly touches nothing is told: their
borders are drawn along its own, a centimetre here or there.
"""

from typing import Any, LiteralString

from psycopg import Connection, sql

from loaders.errors import LoadError
from loaders.flurstueck_plus.touched import ADDRESSES, BUILDINGS, VALUES, Sources
from loaders.grid import SEQUENCE_BITS
from loaders.table import Table

# m² of it in the parcel, or the larger part of it
LEAST = "x.area >= 1 or x.area >= 0.5 * ST_Area({whole})"
ADDRESS_PARTS = """
create temp table part_address as
select id, array_agg(name order by street, number, suffix, address) as names,
  array_agg(address order by street, number, suffix, address) as ids
from (
  select p.id, a.id as address, coalesce(a.str, '') as street, lpad(coalesce(a.hnr, ''), 8, '0') as number,
    coalesce(a.adz, '') as suffix,
    coalesce(nullif(concat_ws(' ', a.str, nullif(concat(a.hnr, a.adz), '')), ''), a.ott, a.gmd, a.id) as name
  from geobasis.flurstueck p join geobasis.adresse a on ST_Intersects(p.geom, a.geom) where {within}
) found group by id
"""
BUILDING_PARTS = """
create temp table part_building as
select id, array_agg(building order by area desc, building) as ids,
  array_agg(funktion order by area desc, building) as kinds, array_agg(area order by area desc, building) as areas,
  array_agg(height order by area desc, building) as heights, array_agg(lod order by area desc, building) as lods,
  sum(area) as area, max(height) as highest
from (
  select p.id, b.id as building, coalesce(b.funktion, b.gebnutzbez) as funktion,
    round(x.area::numeric, 2)::float8 as area, coalesce(g2.hoehe, g1.hoehe) as height,
    case when g2.hoehe is not null then '2' when g1.hoehe is not null then '1' end as lod
  from geobasis.flurstueck p join geobasis.gebaeude_bauwerk b on ST_Intersects(p.geom, b.geom)
  cross join lateral (select case when ST_CoveredBy(b.geom, p.geom) then ST_Area(b.geom)
    else ST_Area(ST_Intersection(p.geom, b.geom)) end as area offset 0) x
  left join geobasis.gebaeude_3d g2 on g2.id = left(b.oi, 16)
  left join geobasis.gebaeude_3d_lod1 g1 on g1.id = left(b.oi, 16)
  where {within} and ({least})
) found group by id
"""
# a zone may be as large as a municipality: its pieces are compared quickly
ZONE_PIECES = """
create temp table zone_piece as
select z.id, ST_Subdivide(z.geom, 128) as geom from geobasis.bodenrichtwert z where z.jahr = %(year)s and {near}
"""
NEAR = "exists (select from touched t join geobasis.flurstueck p using (id) where p.geom && z.geom)"
# The one value: of building land where there is any, of zones with half of the parcel at least; where these differ,
# there is no telling which is meant
VALUE_PARTS = """
create temp table part_value as
with shares as (
  select p.id, c.id as zone, least(sum(case when ST_CoveredBy(p.geom, c.geom) then ST_Area(p.geom)
    else ST_Area(ST_Intersection(p.geom, c.geom)) end), ST_Area(p.geom)) as area, ST_Area(p.geom) as whole
  from geobasis.flurstueck p join zone_piece c on ST_Intersects(p.geom, c.geom) where {within}
  group by p.fid, c.id
), zones as (
  select x.id, x.zone, z.bodenrichtwert as value, z.nuta as use, round((x.area / x.whole)::numeric, 4)::float8 as share,
    x.area >= 0.5 * x.whole as large, z.entw is not distinct from 'B' as built
  from shares x join geobasis.bodenrichtwert z on z.id = x.zone where x.area >= 1 or x.area >= 0.5 * x.whole
), chosen as (
  select *, large and built = bool_or(built) filter (where large) over (partition by id) as meant from zones
)
select id, array_agg(value order by share desc, zone) as values, array_agg(use order by share desc, zone) as uses,
  array_agg(share order by share desc, zone) as shares, array_agg(zone order by share desc, zone) as zones,
  case when min(value) filter (where meant) = max(value) filter (where meant)
    and not coalesce(bool_or(value is null) filter (where meant), false)
  then min(value) filter (where meant) end as value
from chosen group by id
"""
PARTS: dict[str, LiteralString] = {
    "part_address": ADDRESS_PARTS,
    "part_building": BUILDING_PARTS,
    "zone_piece": ZONE_PIECES,
    "part_value": VALUE_PARTS,
}
INDEXED: dict[str, LiteralString] = {"zone_piece": "gist (geom)"}
STAGE = """
insert into {staged} (row, file, line, repaired, cell, digest, id, {columns}, geom)
select row_number() over () - 1, 0, 0, false, cell, sha256(convert_to(row({columns})::text, 'UTF8') || geom::bytea), id,
  {columns}, geom
from (
  select p.fid >> {bits} as cell, p.id, p.geom, {values}
  from geobasis.flurstueck p left join part_address a using (id) left join part_building b using (id)
  left join part_value v using (id) where {within}
) s
"""
OF_PARCEL = (
    *("flstkennz", "gemarkung", "gemaschl", "flurnr", "zaehler", "nenner", "folge", "gemeinde", "gmdschl", "kreis"),
    *("lagebeztxt", "flaeche", "nutzungen", "nutzflaechen", "oi", "aktualit", "paket"),
)
# what is there, and what is said where nothing is: nothing where the source is not loaded
JOINED: dict[LiteralString, tuple[str, LiteralString, LiteralString]] = {
    "anzahl_adressen": (ADDRESSES, "cardinality(a.ids)", "0"),
    "adresse_text": (ADDRESSES, "array_to_string(a.names, ', ')", "null"),
    "adressen": (ADDRESSES, "a.names", "'{}'::text[]"),
    "adress_ids": (ADDRESSES, "a.ids", "'{}'::text[]"),
    "anzahl_gebaeude": (BUILDINGS, "cardinality(b.ids)", "0"),
    "ueberbaute_flaeche_m2": (BUILDINGS, "round(b.area::numeric, 2)::float8", "0"),
    "groesste_hoehe_m": (BUILDINGS, "b.highest", "null"),
    "gebaeude": (BUILDINGS, "b.ids", "'{}'::text[]"),
    "gebaeude_funktionen": (BUILDINGS, "b.kinds", "'{}'::text[]"),
    "gebaeude_flaechen": (BUILDINGS, "b.areas", "'{}'::float8[]"),
    "gebaeude_hoehen": (BUILDINGS, "b.heights", "'{}'::float8[]"),
    "gebaeude_lod": (BUILDINGS, "b.lods", "'{}'::text[]"),
    "bodenrichtwert_jahr": (VALUES, "%(year)s::text", "null"),
    "bodenrichtwert_eur_m2": (VALUES, "v.value", "null"),
    "bodenrichtwerte": (VALUES, "v.values", "'{}'::float8[]"),
    "bodenrichtwert_nutzungen": (VALUES, "v.uses", "'{}'::text[]"),
    "bodenrichtwert_anteile": (VALUES, "v.shares", "'{}'::float8[]"),
    "bodenrichtwert_zonen": (VALUES, "v.zones", "'{}'::text[]"),
}


def stage(connection: Connection[Any], table: Table, sources: Sources, *, whole: bool) -> int:
    """The rows of all parcels, or of those in `touched`, into the table's staging; how many."""
    if table.attributes.keys() != {*OF_PARCEL, *JOINED}:
        raise LoadError(f"The table {table.name} has other columns than are joined. Run: opennrw db migrate")
    within = sql.SQL("true" if whole else "p.id in (select id from touched)")
    names: dict[str, sql.Composable] = {
        "within": within,
        "near": sql.SQL("true" if whole else NEAR),
        "least": sql.SQL(LEAST).format(whole=sql.SQL("b.geom")),
        "staged": table.staged,
        "columns": table.columns,
        "values": sql.SQL(", ").join(_value(name, sources) for name in table.attributes),
        "bits": sql.Literal(SEQUENCE_BITS),
    }
    given = {"year": sources.year}
    for name, statement in PARTS.items():
        part = sql.Identifier(name)
        connection.execute(sql.SQL(statement).format(**names), given)
        connection.execute(
            sql.SQL("create index on {} using {}").format(part, sql.SQL(INDEXED.get(name, "btree (id)")))
        )
        connection.execute(sql.SQL("analyze {}").format(part))
    return connection.execute(sql.SQL(STAGE).format(**names), given).rowcount


def _value(name: str, sources: Sources) -> sql.Composable:
    """The column of a parcel, or of what it is joined with."""
    if name not in JOINED:
        return sql.SQL("p.{}").format(sql.Identifier(name))
    source, value, nothing = JOINED[name]
    loaded = sql.Literal(bool(sources.now[source]))
    text = sql.SQL("case when {} then coalesce({}, {}) end as {}")
    return text.format(loaded, sql.SQL(value), sql.SQL(nothing), sql.Identifier(name))
