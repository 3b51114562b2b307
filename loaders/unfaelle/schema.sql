-- Unfallatlas: one row per accident with persons injured in North Rhine-Westphalia. Its day is not published.
create table geobasis.unfaelle (
  fid bigint primary key,
  id text not null unique,
  ukategorie text not null,
  kategorie text,
  ujahr text not null,
  umonat integer not null,
  monat_von date not null,
  monat_bis date not null,
  uwochentag text,
  ustunde integer,
  uart text,
  art text,
  utyp1 text,
  typ text,
  ulichtverh text,
  licht text,
  strzustand text,
  zustand text,
  istrad boolean,
  istpkw boolean,
  istfuss boolean,
  istkrad boolean,
  istgkfz boolean,
  istsonstige boolean,
  ags text not null,
  uidentstlae text,
  plst text,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
call provenance.index_collection('unfaelle', array['ukategorie', 'ujahr', 'umonat', 'monat_von', 'monat_bis',
  'uwochentag', 'ustunde', 'uart', 'utyp1', 'ulichtverh', 'strzustand', 'istrad', 'istpkw', 'istfuss', 'istkrad',
  'istgkfz', 'istsonstige', 'ags', 'uidentstlae']);
call provenance.keep_history('unfaelle');
call provenance.trust_publications('unfaelle');
