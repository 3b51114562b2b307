-- The words of a name for the parameter q.
do $$
declare
  collection text;
begin
  foreach collection in array
    array['land_generalisiert', 'regierungsbezirk_generalisiert', 'kreis_generalisiert', 'gemeinde_generalisiert']
  loop
    execute format('create index %2$I on geobasis.%1$I using gin (geobasis.words(gn))', collection, collection || '_text');
    call provenance.index_history(collection);
  end loop;
end $$;
