-- What the tables of every product need, said once: schema.sql of a dataset names its columns alone.

create procedure provenance.index_collection(collection text, columns text[]) language plpgsql as $$
declare
  name text;
begin
  call provenance.compare_by_code_points(collection);
  execute format('create index %2$I on geobasis.%1$I using gist (geom)', collection, collection || '_geom');
  foreach name in array columns loop
    execute format('create index %3$I on geobasis.%1$I (%2$I, fid)', collection, name, collection || '_' || name);
  end loop;
end $$;
comment on procedure provenance.index_collection is
  'Texts by code points, an index on the geometries, and one for each of the columns that are filtered by';

create procedure provenance.index_caseless(collection text, columns text[]) language plpgsql as $$
declare
  name text;
begin
  foreach name in array columns loop
    execute format('create index %3$I on geobasis.%1$I ((geobasis.caseless(%2$I) collate "C"), fid)', collection, name,
      collection || '_' || name || '_caseless');
  end loop;
end $$;
comment on procedure provenance.index_caseless is 'One index for each property whose YAML says `caseless`';
