-- ALKIS, vereinfachtes Schema: one table per layer. `paket`: the district whose delivery holds the object.
-- The publisher's `oid` is `oi` here: PostgreSQL has a column of that name of its own, and some programs rename theirs.
create table geobasis.flurstueck (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  idflurst text,
  flstkennz text not null,
  landschl text,
  land text,
  regbezschl text,
  regbezirk text,
  kreisschl text,
  kreis text,
  gmdschl text not null,
  gemeinde text,
  gemaschl text not null,
  gemarkung text,
  flurschl text,
  flur text,
  flurnr integer,
  flstnrzae text,
  flstnrnen text,
  zaehler integer not null,
  nenner integer,
  folge text,
  flaeche double precision,
  abwrecht text,
  lagebeztxt text,
  tntxt text,
  nutzungen text[],
  nutzflaechen double precision[],
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create table geobasis.flurstueck_punkt (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  idflurst text,
  flstkennz text not null,
  landschl text,
  land text,
  regbezschl text,
  regbezirk text,
  kreisschl text,
  kreis text,
  gmdschl text not null,
  gemeinde text,
  gemaschl text not null,
  gemarkung text,
  flurschl text,
  flur text,
  flurnr integer,
  flstnrzae text,
  flstnrnen text,
  zaehler integer not null,
  nenner integer,
  folge text,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(Point, 25832) not null
);
create table geobasis.gebaeude_bauwerk (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  gebnutzbez text,
  funktion text,
  gfkzshh text,
  rellage text,
  name text,
  anzahlgs integer,
  gmdschl text,
  lagebeztxt text,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create table geobasis.katasterbezirk (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  art text,
  name text,
  schluessel text not null,
  gemeinde text,
  gmdschl text,
  uebobjekt text,
  ueboname text,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create table geobasis.nutzung (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  objektart text,
  nutzart text,
  bez text,
  name text,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create table geobasis.nutzung_flurstueck (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  flstkennz text not null,
  objektart text,
  nutzart text,
  bez text,
  name text,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create table geobasis.verwaltungseinheit (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  art text,
  name text,
  rs text,
  ags text,
  uebobjekt text,
  ueboname text,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);

do $$
declare
  collection text;
  columns text[];
  name text;
begin
  for collection, columns in
    values
      ('flurstueck', array['oi', 'flstkennz', 'gmdschl', 'gemeinde', 'gemarkung', 'zaehler', 'flaeche']),
      ('flurstueck_punkt', array['oi', 'flstkennz', 'gmdschl', 'gemeinde', 'gemarkung', 'zaehler']),
      ('gebaeude_bauwerk', array['oi', 'gebnutzbez', 'gfkzshh', 'rellage', 'gmdschl', 'name']),
      ('katasterbezirk', array['oi', 'art', 'name', 'schluessel', 'gmdschl', 'uebobjekt']),
      ('nutzung', array['oi', 'objektart', 'nutzart', 'bez']),
      ('nutzung_flurstueck', array['oi', 'flstkennz', 'objektart', 'nutzart', 'bez']),
      ('verwaltungseinheit', array['oi', 'art', 'name', 'rs', 'ags'])
  loop
    call provenance.compare_by_code_points(collection);
    execute format('create index %2$I on geobasis.%1$I using gist (geom)', collection, collection || '_geom');
    foreach name in array columns || array['aktualit', 'paket'] loop
      execute format('create index %3$I on geobasis.%1$I (%2$I, fid)', collection, name, collection || '_' || name);
    end loop;
  end loop;
end $$;

-- A parcel as people name it: by the key or the name of its Gemarkung, its Flur and its number.
create index flurstueck_nummer on geobasis.flurstueck (gemaschl, flurnr, zaehler, nenner);
create index flurstueck_nummer_name on geobasis.flurstueck
  ((geobasis.folded(gemarkung) collate "C"), flurnr, zaehler, nenner);
create index flurstueck_punkt_nummer on geobasis.flurstueck_punkt (gemaschl, flurnr, zaehler, nenner);
create index flurstueck_nutzungen on geobasis.flurstueck using gin (nutzungen);
-- One index for each property whose YAML says `caseless`, and one for the words of each `text`.
create index flurstueck_gemarkung_caseless on geobasis.flurstueck
  ((geobasis.caseless(gemarkung) collate "C"), fid);
create index katasterbezirk_name_caseless on geobasis.katasterbezirk ((geobasis.caseless(name) collate "C"), fid);
create index verwaltungseinheit_name_caseless on geobasis.verwaltungseinheit
  ((geobasis.caseless(name) collate "C"), fid);
create index flurstueck_text on geobasis.flurstueck using gin (geobasis.words(lagebeztxt, gemarkung));
create index gebaeude_bauwerk_text on geobasis.gebaeude_bauwerk using gin (geobasis.words(lagebeztxt, name));
create index katasterbezirk_text on geobasis.katasterbezirk using gin (geobasis.words(name, gemeinde));
create index nutzung_text on geobasis.nutzung using gin (geobasis.words(name, bez));
create index verwaltungseinheit_text on geobasis.verwaltungseinheit using gin (geobasis.words(name));

-- The former versions get the same indexes.
do $$
declare
  collection text;
begin
  foreach collection in array array['flurstueck', 'flurstueck_punkt', 'gebaeude_bauwerk', 'katasterbezirk', 'nutzung',
    'nutzung_flurstueck', 'verwaltungseinheit']
  loop
    call provenance.keep_history(collection);
    call provenance.trust_publications(collection);
  end loop;
end $$;
