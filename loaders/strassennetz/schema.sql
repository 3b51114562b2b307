-- Straßennetz: sections and branches of the classified roads, the nodes that connect them, and their zero points.
create table geobasis.strassenabschnitt (
  fid bigint primary key,
  id text not null unique,
  abs text not null,
  strbez text,
  strkl text,
  klasse text,
  strnr integer,
  strzus text,
  absnr text,
  absast text,
  statanf double precision,
  laenge double precision,
  vwbez text,
  vwbezknz text,
  netzstand date not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiLineString, 25832) not null
);
create table geobasis.netzknoten (
  fid bigint primary key,
  id text not null unique,
  nknr text not null,
  nkname text,
  nkartknz text,
  nkart text,
  nkpktfknz text,
  nkpktf text,
  asartknz text,
  asart text,
  netzstand date not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
create table geobasis.nullpunkt (
  fid bigint primary key,
  id text not null unique,
  nk text not null,
  tkblattnr text,
  nknr text,
  npbuchs text,
  nkname text,
  npartknz text,
  npart text,
  klassif text,
  netzstand date not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
call provenance.index_collection('strassenabschnitt', array['abs', 'strbez', 'strkl', 'strnr', 'absast', 'laenge',
  'netzstand']);
call provenance.index_collection('netzknoten', array['nknr', 'nkname', 'nkartknz', 'nkpktfknz', 'asartknz',
  'netzstand']);
call provenance.index_collection('nullpunkt', array['nk', 'nkname', 'tkblattnr', 'npartknz', 'netzstand']);
call provenance.index_caseless('strassenabschnitt', array['strbez']);
call provenance.index_caseless('netzknoten', array['nkname']);
create index strassenabschnitt_text on geobasis.strassenabschnitt using gin (geobasis.words(strbez));
create index netzknoten_text on geobasis.netzknoten using gin (geobasis.words(nkname));
call provenance.keep_history('strassenabschnitt');
call provenance.keep_history('netzknoten');
call provenance.keep_history('nullpunkt');
call provenance.trust_publications('strassenabschnitt');
call provenance.trust_publications('netzknoten');
call provenance.trust_publications('nullpunkt');
