-- Former versions are read like live features, so they have the same indexes; and the live ones are told by delivery.
create procedure provenance.index_history(collection text) language plpgsql as $$
declare
  definition text;
begin
  for definition in
    select replace(
      regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX \S+ ON ', 'create index on '),
      format(' on geobasis.%I ', collection), format(' on history.%I ', collection))
    from pg_index i
    where i.indrelid = format('geobasis.%I', collection)::regclass and i.indisvalid
      -- by id and by delivery: the former versions of a feature, and those of a time, have indexes of their own
      and pg_get_indexdef(i.indexrelid) !~ '\((id|delivery)\)$'
      -- what history has already
      and not exists (
        select from pg_index h where h.indrelid = format('history.%I', collection)::regclass
          and split_part(pg_get_indexdef(h.indexrelid), ' USING ', 2)
            = split_part(pg_get_indexdef(i.indexrelid), ' USING ', 2))
  loop
    execute definition;
  end loop;
end $$;
comment on procedure provenance.index_history is 'Gives the former versions of a collection the indexes of its live features that they lack';

create or replace procedure provenance.keep_history(collection text) language plpgsql as $$
begin
  execute format(
    'create table history.%1$I (like geobasis.%1$I including comments,
       valid_from timestamptz not null, valid_to timestamptz not null, ended_by bigint not null references provenance.delivery)',
    collection);
  execute format('create index on history.%1$I (id, valid_from)', collection);
  execute format('create index on history.%1$I (valid_to)', collection);
  execute format('create index if not exists %2$I on geobasis.%1$I (delivery)', collection, collection || '_delivery');
  call provenance.index_history(collection);
end $$;

do $$
declare
  collection text;
begin
  for collection in
    select c.relname from pg_class c join pg_class l on l.relname = c.relname and l.relkind = 'r'
    where c.relnamespace = 'history'::regnamespace and l.relnamespace = 'geobasis'::regnamespace and c.relkind = 'r'
  loop
    execute format('create index if not exists %2$I on geobasis.%1$I (delivery)', collection, collection || '_delivery');
    call provenance.index_history(collection);
  end loop;
end $$;
