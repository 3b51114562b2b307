-- Katasterämter, Gemarkungen und Fluren. The lists have no geometries: `geom` is null where no delivery knows the area.
create table geobasis.katasteramt (
  fid bigint primary key,
  id text not null unique,
  schluessel text not null,
  name text,
  geometrie_aus text,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832)
);
create table geobasis.gemarkung (
  fid bigint primary key,
  id text not null unique,
  schluessel text not null,
  nummer text not null,
  name text,
  amtschl text,
  amt text,
  gmdschl text,
  gemeinde text,
  aktualit date,
  geometrie_aus text,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832)
);
create table geobasis.flur (
  fid bigint primary key,
  id text not null unique,
  schluessel text not null,
  flur text not null,
  gemaschl text not null,
  gemarkung text,
  amtschl text,
  amt text,
  gmdschl text,
  gemeinde text,
  aktualit date,
  geometrie_aus text,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832)
);
call provenance.index_collection('katasteramt', array['schluessel', 'name', 'geometrie_aus']);
call provenance.index_collection('gemarkung', array['schluessel', 'nummer', 'name', 'amtschl', 'amt', 'gmdschl',
  'aktualit', 'geometrie_aus']);
call provenance.index_collection('flur', array['schluessel', 'flur', 'gemaschl', 'gemarkung', 'amtschl', 'amt',
  'gmdschl', 'aktualit', 'geometrie_aus']);
call provenance.index_caseless('katasteramt', array['name']);
call provenance.index_caseless('gemarkung', array['name', 'amt']);
call provenance.index_caseless('flur', array['gemarkung', 'amt']);
create index katasteramt_text on geobasis.katasteramt using gin (geobasis.words(name));
create index gemarkung_text on geobasis.gemarkung using gin (geobasis.words(name, amt));
create index flur_text on geobasis.flur using gin (geobasis.words(gemarkung, amt));
call provenance.keep_history('katasteramt');
call provenance.keep_history('gemarkung');
call provenance.keep_history('flur');
call provenance.trust_publications('katasteramt');
call provenance.trust_publications('gemarkung');
call provenance.trust_publications('flur');
