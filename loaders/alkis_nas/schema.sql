-- ALKIS as NAS: parcels and buildings with what the simplified schema leaves out. `paket`: the district of the delivery.
create table geobasis.ax_flurstueck (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  flstkennz text not null,
  gemaschl text not null,
  flurnr integer,
  zaehler integer not null,
  nenner integer,
  folge text,
  gmdschl text,
  flaeche double precision,
  abweichenderrechtszustand boolean,
  rechtsbehelfsverfahren boolean,
  zeitpunktderentstehung text,
  istgebucht text,
  weistauf text[],
  zeigtauf text[],
  anlass text,
  beginnt date,
  paket text not null,
  delivery bigint not null,
  digest bytea not null,
  geom geometry(MultiPolygon, 25832) not null
);
create table geobasis.ax_gebaeude (
  fid bigint primary key,
  id text not null unique,
  oi text not null,
  gebaeudefunktion text,
  funktion text,
  weiterefunktionen text[],
  name text,
  oberirdischegeschosse integer,
  unterirdischegeschosse integer,
  hochhaus boolean,
  objekthoehe double precision,
  bauweise text,
  dachform text,
  zustand text,
  lagezurerdoberflaeche text,
  baujahr integer,
  gebaeudekennzeichen text,
  zeigtauf text[],
  anlass text,
  beginnt date,
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
      ('ax_flurstueck', array['oi', 'flstkennz', 'gmdschl', 'zaehler', 'flaeche', 'istgebucht', 'beginnt', 'paket']),
      ('ax_gebaeude', array['oi', 'gebaeudefunktion', 'name', 'dachform', 'bauweise', 'zustand', 'baujahr', 'beginnt',
        'paket'])
  loop
    call provenance.compare_by_code_points(collection);
    execute format('create index %2$I on geobasis.%1$I using gist (geom)', collection, collection || '_geom');
    foreach name in array columns loop
      execute format('create index %3$I on geobasis.%1$I (%2$I, fid)', collection, name, collection || '_' || name);
    end loop;
  end loop;
end $$;
create index ax_flurstueck_nummer on geobasis.ax_flurstueck (gemaschl, flurnr, zaehler, nenner);

call provenance.keep_history('ax_flurstueck');
call provenance.trust_publications('ax_flurstueck');
call provenance.keep_history('ax_gebaeude');
call provenance.trust_publications('ax_gebaeude');
