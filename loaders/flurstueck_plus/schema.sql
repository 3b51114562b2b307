-- Parcels with what other products know of their place. Made of those, see join.py; a column is null where its source
-- is not loaded, and an array empty where the source has nothing there.
create table geobasis.flurstueck_plus (
  fid bigint primary key,
  id text not null unique,
  flstkennz text not null,
  gemarkung text,
  gemaschl text not null,
  flurnr integer,
  zaehler integer not null,
  nenner integer,
  folge text,
  gemeinde text,
  gmdschl text not null,
  kreis text,
  lagebeztxt text,
  flaeche double precision,
  nutzungen text[],
  nutzflaechen double precision[],
  anzahl_adressen integer,
  adresse_text text,
  adressen text[],
  adress_ids text[],
  anzahl_gebaeude integer,
  ueberbaute_flaeche_m2 double precision,
  groesste_hoehe_m double precision,
  gebaeude text[],
  gebaeude_funktionen text[],
  gebaeude_flaechen double precision[],
  gebaeude_hoehen double precision[],
  gebaeude_lod text[],
  bodenrichtwert_jahr text,
  bodenrichtwert_eur_m2 double precision,
  bodenrichtwerte double precision[],
  bodenrichtwert_nutzungen text[],
  bodenrichtwert_anteile double precision[],
  bodenrichtwert_zonen text[],
  oi text not null,
  aktualit date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
call provenance.index_collection('flurstueck_plus', array['flstkennz', 'gmdschl', 'gemeinde', 'gemarkung', 'zaehler',
  'flaeche', 'anzahl_adressen', 'anzahl_gebaeude', 'ueberbaute_flaeche_m2', 'groesste_hoehe_m', 'bodenrichtwert_jahr',
  'bodenrichtwert_eur_m2', 'oi', 'aktualit', 'paket']);
call provenance.index_caseless('flurstueck_plus', array['gemarkung']);
create index flurstueck_plus_nummer on geobasis.flurstueck_plus (gemaschl, flurnr, zaehler, nenner);
create index flurstueck_plus_nummer_name on geobasis.flurstueck_plus
  ((geobasis.folded(gemarkung) collate "C"), flurnr, zaehler, nenner);
create index flurstueck_plus_nutzungen on geobasis.flurstueck_plus using gin (nutzungen);
create index flurstueck_plus_adressen on geobasis.flurstueck_plus using gin (adressen);
create index flurstueck_plus_gebaeude on geobasis.flurstueck_plus using gin (gebaeude);
create index flurstueck_plus_bodenrichtwert_nutzungen on geobasis.flurstueck_plus using gin (bodenrichtwert_nutzungen);
create index flurstueck_plus_text on geobasis.flurstueck_plus
  using gin (geobasis.words(adresse_text, lagebeztxt, gemarkung));
call provenance.keep_history('flurstueck_plus');
call provenance.trust_publications('flurstueck_plus');

insert into provenance.joined values
  ('flurstueck_plus', 'flurstueck', true), ('flurstueck_plus', 'adresse', false),
  ('flurstueck_plus', 'gebaeude_bauwerk', false), ('flurstueck_plus', 'gebaeude_3d', false),
  ('flurstueck_plus', 'gebaeude_3d_lod1', false), ('flurstueck_plus', 'bodenrichtwert', false);

-- Where parcels are live already, they are joined now.
do $$
declare
  usual text := current_setting('search_path');
begin
  if exists (select from provenance.collection where collection = 'flurstueck') then
    perform set_config('search_path', 'jobs, public', true);
    perform procrastinate_defer_jobs_v1(array[
      row('maintenance', 'join', 18, 'join flurstueck_plus', null, '{"collection": "flurstueck_plus"}'::jsonb, null)
        ::procrastinate_job_to_defer_v1]);
    perform set_config('search_path', usual, true);
  end if;
end $$;
