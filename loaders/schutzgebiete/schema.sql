-- Schutzgebiete: one row per area as the publisher numbers them. `paket`: the archive that holds its kind.
create table geobasis.schutzgebiet (
  fid bigint primary key,
  id text not null unique,
  kennung text not null,
  gebietsname text,
  paket text not null,
  art text not null,
  schutz_agg text,
  inkraft text,
  offflaech double precision,
  schutzziel text,
  lrt_agg text,
  gefahrbeschr_kurz text,
  betreuer_agg text,
  fl_anz double precision,
  hyperlink text,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('schutzgebiet', array['kennung', 'gebietsname', 'paket', 'art', 'schutz_agg',
  'inkraft', 'offflaech']);
call provenance.index_caseless('schutzgebiet', array['gebietsname']);
create index schutzgebiet_text on geobasis.schutzgebiet using gin (geobasis.words(gebietsname, art));
call provenance.keep_history('schutzgebiet');
call provenance.trust_publications('schutzgebiet');
