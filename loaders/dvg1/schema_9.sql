-- The words of a name for the parameter q.
do $$
declare
  collection text;
begin
  foreach collection in array array['land', 'regierungsbezirk', 'kreis', 'gemeinde'] loop
    execute format('create index %2$I on geobasis.%1$I using gin (geobasis.words(gn))', collection, collection || '_text');
    call provenance.index_history(collection);
  end loop;
end $$;

-- What is live already becomes searchable: the usual job after a publication makes its names.
update provenance.collection set version = version where dataset = 'dvg1';
