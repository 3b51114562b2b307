-- Hausumringe: outlines of buildings on the ground; gfk is the building's function in the cadastre.
create table geobasis.hausumring (
  fid bigint primary key,
  id text not null unique,
  ags text not null,
  oi text not null,
  gfk text,
  aktualitaet date,
  delivery bigint not null references provenance.delivery,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create index hausumring_geom on geobasis.hausumring using gist (geom);
create index hausumring_ags on geobasis.hausumring (ags, fid);
create index hausumring_oi on geobasis.hausumring (oi, fid);
create index hausumring_gfk on geobasis.hausumring (gfk, fid);
create index hausumring_aktualitaet on geobasis.hausumring (aktualitaet, fid);
call provenance.keep_history('hausumring');
