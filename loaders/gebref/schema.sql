-- Gebäudereferenzen: one row per address, qualities A and B on a building or parcel, C not visible on the ground.
create table geobasis.adresse (
  fid bigint primary key,
  id text not null unique,
  nba text,
  oi text not null,
  qua text not null,
  ags text not null,
  landschl text not null,
  land text,
  regbezschl text not null,
  regbez text,
  kreisschl text not null,
  kreis text,
  gmdschl text not null,
  gmd text,
  ottschl text,
  ott text,
  strschl text,
  str text,
  hnr text,
  adz text,
  datum date,
  delivery bigint not null references provenance.delivery,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
create index adresse_geom on geobasis.adresse using gist (geom);
create index adresse_oi on geobasis.adresse (oi, fid);
create index adresse_qua on geobasis.adresse (qua, fid);
create index adresse_ags on geobasis.adresse (ags, fid);
create index adresse_gmd on geobasis.adresse (gmd, fid);
create index adresse_ott on geobasis.adresse (ott, fid);
create index adresse_strschl on geobasis.adresse (strschl, fid);
create index adresse_str on geobasis.adresse (str, fid);
create index adresse_hnr on geobasis.adresse (hnr, fid);
create index adresse_datum on geobasis.adresse (datum, fid);
call provenance.keep_history('adresse');
