-- Digitale Verwaltungsgrenzen 2: the areas of DVG1 generalised. Older editions tell vertices and length before and after.
do $$
declare
  collection text;
begin
  foreach collection in array
    array['land_generalisiert', 'regierungsbezirk_generalisiert', 'kreis_generalisiert', 'gemeinde_generalisiert']
  loop
    execute format($table$
      create table geobasis.%1$I (
        fid bigint primary key,
        id text not null unique,
        art text not null,
        gn text not null,
        kn text not null,
        stand date,
        koord_ori integer,
        koord_gen integer,
        laenge_ori double precision,
        laenge_gen double precision,
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
