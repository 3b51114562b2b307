-- Basis-DLM: one table per theme and kind of geometry, a row per object. Columns are the AAA model's abbreviations.
create table geobasis.dlm_gewaesser (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  brg double precision,
  flr text,
  gwk text,
  hyd text,
  idn text,
  ntz text,
  sfk text,
  skz text,
  tid text,
  wdm text,
  hws double precision,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('dlm_gewaesser', array['objid', 'objart', 'objektart', 'nam', 'bez', 'gwk', 'hyd',
  'wdm', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_gewaesser', array['nam']);
create index dlm_gewaesser_text on geobasis.dlm_gewaesser using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_gewaesser');
call provenance.trust_publications('dlm_gewaesser');
create table geobasis.dlm_gewaesser_linie (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  aga text,
  brg double precision,
  flr text,
  gwk text,
  hyd text,
  idn text,
  ntz text,
  sfk text,
  tid text,
  wdm text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiLineString, 25832) not null
);
call provenance.index_collection('dlm_gewaesser_linie', array['objid', 'objart', 'objektart', 'nam', 'bez', 'gwk',
  'hyd', 'wdm', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_gewaesser_linie', array['nam']);
create index dlm_gewaesser_linie_text on geobasis.dlm_gewaesser_linie using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_gewaesser_linie');
call provenance.trust_publications('dlm_gewaesser_linie');
create table geobasis.dlm_siedlung (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  agt text,
  bwf text,
  gfk text,
  hho double precision,
  kon text,
  ofm text,
  pro text,
  rgs text,
  spo text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('dlm_siedlung', array['objid', 'objart', 'objektart', 'nam', 'bez', 'bwf', 'gfk',
  'rgs', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_siedlung', array['nam']);
create index dlm_siedlung_text on geobasis.dlm_siedlung using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_siedlung');
call provenance.trust_publications('dlm_siedlung');
create table geobasis.dlm_siedlung_linie (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  bwf text,
  hho double precision,
  kon text,
  ofm text,
  pro text,
  spo text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiLineString, 25832) not null
);
call provenance.index_collection('dlm_siedlung_linie', array['objid', 'objart', 'objektart', 'nam', 'bez', 'bwf',
  'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_siedlung_linie', array['nam']);
create index dlm_siedlung_linie_text on geobasis.dlm_siedlung_linie using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_siedlung_linie');
call provenance.trust_publications('dlm_siedlung_linie');
create table geobasis.dlm_siedlung_punkt (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  bwf text,
  gfk text,
  hho double precision,
  kon text,
  pro text,
  rgs text,
  spo text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
call provenance.index_collection('dlm_siedlung_punkt', array['objid', 'objart', 'objektart', 'nam', 'bez', 'bwf',
  'gfk', 'rgs', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_siedlung_punkt', array['nam']);
create index dlm_siedlung_punkt_text on geobasis.dlm_siedlung_punkt using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_siedlung_punkt');
call provenance.trust_publications('dlm_siedlung_punkt');
create table geobasis.dlm_verkehr (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  adf text,
  agz text,
  bdi text,
  bdu text,
  bef text,
  bfk text,
  bfs text,
  bkt text,
  brf double precision,
  bro double precision,
  brv double precision,
  bvb text,
  bwf text,
  elk text,
  fsz integer,
  ftr text,
  gls text,
  hho double precision,
  ibd text,
  mkg text,
  nrb text,
  ntz text,
  ofm text,
  spw text,
  sts text,
  wdm text,
  widmung text,
  funktion text,
  elektrifizierung text,
  spurweite text,
  gleise text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiLineString, 25832) not null
);
call provenance.index_collection('dlm_verkehr', array['objid', 'objart', 'objektart', 'nam', 'bez', 'bkt', 'bwf',
  'elk', 'gls', 'nrb', 'spw', 'wdm', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_verkehr', array['nam']);
create index dlm_verkehr_text on geobasis.dlm_verkehr using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_verkehr');
call provenance.trust_publications('dlm_verkehr');
create table geobasis.dlm_verkehr_flaeche (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  bfk text,
  bkt text,
  bro double precision,
  bwf text,
  hho double precision,
  ntz text,
  ofm text,
  wdm text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('dlm_verkehr_flaeche', array['objid', 'objart', 'objektart', 'nam', 'bez', 'bkt',
  'bwf', 'wdm', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_verkehr_flaeche', array['nam']);
create index dlm_verkehr_flaeche_text on geobasis.dlm_verkehr_flaeche using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_verkehr_flaeche');
call provenance.trust_publications('dlm_verkehr_flaeche');
create table geobasis.dlm_verkehr_punkt (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  bfk text,
  bkt text,
  bro double precision,
  bwf text,
  hho double precision,
  ntz text,
  ofm text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
call provenance.index_collection('dlm_verkehr_punkt', array['objid', 'objart', 'objektart', 'nam', 'bez', 'bkt',
  'bwf', 'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_verkehr_punkt', array['nam']);
create index dlm_verkehr_punkt_text on geobasis.dlm_verkehr_punkt using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_verkehr_punkt');
call provenance.trust_publications('dlm_verkehr_punkt');
create table geobasis.dlm_vegetation (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  bws text,
  ofm text,
  veg text,
  vegetation text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('dlm_vegetation', array['objid', 'objart', 'objektart', 'nam', 'bez', 'veg', 'fkt',
  'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_vegetation', array['nam']);
create index dlm_vegetation_text on geobasis.dlm_vegetation using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_vegetation');
call provenance.trust_publications('dlm_vegetation');
create table geobasis.dlm_gebiet (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  adf text,
  adm text,
  bez_gem text,
  bez_krs text,
  bez_lan text,
  bez_nat text,
  bez_rbz text,
  bez_vwg text,
  ltp text,
  nrs text,
  rgs text,
  sch text,
  sgn text,
  zon text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('dlm_gebiet', array['objid', 'objart', 'objektart', 'nam', 'bez', 'rgs', 'sch',
  'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_gebiet', array['nam']);
create index dlm_gebiet_text on geobasis.dlm_gebiet using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_gebiet');
call provenance.trust_publications('dlm_gebiet');
create table geobasis.dlm_gebiet_linie (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  agz text,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiLineString, 25832) not null
);
call provenance.index_collection('dlm_gebiet_linie', array['objid', 'objart', 'objektart', 'nam', 'bez', 'fkt',
  'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_gebiet_linie', array['nam']);
create index dlm_gebiet_linie_text on geobasis.dlm_gebiet_linie using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_gebiet_linie');
call provenance.trust_publications('dlm_gebiet_linie');
create table geobasis.dlm_relief (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  hhl double precision,
  hho double precision,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('dlm_relief', array['objid', 'objart', 'objektart', 'nam', 'bez', 'fkt', 'art',
  'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_relief', array['nam']);
create index dlm_relief_text on geobasis.dlm_relief using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_relief');
call provenance.trust_publications('dlm_relief');
create table geobasis.dlm_relief_linie (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  hhl double precision,
  hho double precision,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiLineString, 25832) not null
);
call provenance.index_collection('dlm_relief_linie', array['objid', 'objart', 'objektart', 'nam', 'bez', 'fkt',
  'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_relief_linie', array['nam']);
create index dlm_relief_linie_text on geobasis.dlm_relief_linie using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_relief_linie');
call provenance.trust_publications('dlm_relief_linie');
create table geobasis.dlm_relief_punkt (
  fid bigint primary key,
  id text not null unique,
  objid text not null,
  objart text not null,
  objart_txt text,
  objektart text,
  nam text,
  znm text,
  bez text,
  ang text,
  hho double precision,
  hoehe double precision,
  fkt text,
  art text,
  zus text,
  objart_z text,
  objid_z text,
  hdu_x text,
  land text,
  modellart text,
  beginn date,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
call provenance.index_collection('dlm_relief_punkt', array['objid', 'objart', 'objektart', 'nam', 'bez', 'hoehe',
  'fkt', 'art', 'zus', 'objid_z', 'land', 'beginn']);
call provenance.index_caseless('dlm_relief_punkt', array['nam']);
create index dlm_relief_punkt_text on geobasis.dlm_relief_punkt using gin (geobasis.words(nam, bez));
call provenance.keep_history('dlm_relief_punkt');
call provenance.trust_publications('dlm_relief_punkt');
