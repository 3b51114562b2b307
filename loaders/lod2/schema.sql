-- 3D buildings, LoD2. `geom`: what they cover on the ground; `solids`: a PolyhedralSurface Z for the building or each
-- of its parts, heights in DHHN2016 (EPSG:7837); `model`: JSON of what the solids' surfaces are, with all attributes and
-- addresses; `kachel`: the tile of the delivery.
create table geobasis.gebaeude_3d (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  gebaeudefunktion text,
  funktion text,
  dachform text,
  dach text,
  dachformen text[],
  name text,
  hoehe double precision,
  bodenhoehe double precision not null,
  dachhoehe double precision not null,
  geschosse integer,
  adressen text[],
  gmdschl text,
  teilezahl integer not null,
  teile text[] not null,
  teilhoehen double precision[],
  grundrissaktualitaet date,
  datenquelledachhoehe text,
  datenquellelage text,
  datenquellebodenhoehe text,
  erstellt date,
  kachel text not null,
  model text not null,
  solids geometry(GeometryCollectionZ, 25832) not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);

call provenance.compare_by_code_points('gebaeude_3d');
create index gebaeude_3d_geom on geobasis.gebaeude_3d using gist (geom);
create index gebaeude_3d_dachformen on geobasis.gebaeude_3d using gin (dachformen);
do $$
declare
  name text;
begin
  foreach name in array array[
    'oi', 'gebaeudefunktion', 'dachform', 'name', 'hoehe', 'geschosse',
    'teilezahl', 'gmdschl', 'grundrissaktualitaet', 'erstellt', 'kachel'
  ]
  loop
    execute format('create index %2$I on geobasis.gebaeude_3d (%1$I, fid)', name, 'gebaeude_3d_' || name);
  end loop;
end $$;

call provenance.keep_history('gebaeude_3d');
call provenance.trust_publications('gebaeude_3d');
