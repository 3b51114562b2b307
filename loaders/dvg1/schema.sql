-- Digitale Verwaltungsgrenzen 1: land, regierungsbezirk, kreis, gemeinde. Key of the publisher: (ART, KN); a table holds one ART.
do $$
declare
  collection text;
begin
  foreach collection in array array['land', 'regierungsbezirk', 'kreis', 'gemeinde'] loop
    execute format($table$
      create table geobasis.%1$I (
        fid bigint primary key,
        id text not null unique,
        art text not null,
        gn text not null,
        kn text not null,
        stand date,
        delivery bigint not null references provenance.delivery,
        digest bytea not null,
        geom geometry(MultiPolygon, 25832) not null
      )$table$, collection);
    execute format('create index %2$I on geobasis.%1$I using gist (geom)', collection, collection || '_geom');
    execute format('create index %2$I on geobasis.%1$I (kn, fid)', collection, collection || '_kn');
    execute format('create index %2$I on geobasis.%1$I (gn, fid)', collection, collection || '_gn');
    execute format('create index %2$I on geobasis.%1$I (stand, fid)', collection, collection || '_stand');
    call provenance.keep_history(collection);
  end loop;
end $$;
