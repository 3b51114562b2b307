-- 3D buildings, LoD1: as those of LoD2, but for the roofs.
create table geobasis.gebaeude_3d_lod1 (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  gebaeudefunktion text,
  funktion text,
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
  bezugspunktdach text,
  erstellt date,
  kachel text not null,
  model text not null,
  solids geometry(GeometryCollectionZ, 25832) not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);

call provenance.compare_by_code_points('gebaeude_3d_lod1');
create index gebaeude_3d_lod1_geom on geobasis.gebaeude_3d_lod1 using gist (geom);
do $$
declare
  name text;
begin
  foreach name in array array[
    'oi', 'gebaeudefunktion', 'name', 'hoehe', 'geschosse',
    'teilezahl', 'gmdschl', 'grundrissaktualitaet', 'erstellt', 'kachel'
  ]
  loop
    execute format('create index %2$I on geobasis.gebaeude_3d_lod1 (%1$I, fid)', name, 'gebaeude_3d_lod1_' || name);
  end loop;
end $$;

call provenance.keep_history('gebaeude_3d_lod1');
call provenance.trust_publications('gebaeude_3d_lod1');
