-- Schulen: one row per school.
create table geobasis.schulen (
  fid bigint primary key,
  id text not null unique,
  name text not null,
  kurzname text,
  schulnummer text not null,
  schulform text,
  adresse text,
  postleitzahl text,
  ort text,
  schueler integer,
  rufnummer text,
  email text,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
call provenance.index_collection('schulen', array['name', 'schulnummer', 'schulform', 'postleitzahl', 'ort',
  'schueler']);
call provenance.index_caseless('schulen', array['name', 'ort']);
create index schulen_text on geobasis.schulen using gin (geobasis.words(name, ort, adresse));
call provenance.keep_history('schulen');
call provenance.trust_publications('schulen');
