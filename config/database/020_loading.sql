-- Packages of a product (such as one per district) are deliveries of their own that share a collection.
alter table provenance.delivery add column packages text[] check (cardinality(packages) > 0);
comment on column provenance.delivery.packages is 'keys of the packages that the files hold; null: the whole product';

alter table provenance.load add column kept bigint not null default 0;
comment on column provenance.load.kept is 'features that stayed as they were because their row was rejected; beside the account, like deleted';
alter table provenance.reject add column feature text;
comment on column provenance.reject.feature is 'id of the feature, where it could be read';

create schema rebuild;
comment on schema rebuild is 'Tables that a publication builds anew before it puts them into the place of the live ones; always empty to others';

-- A publication writes one number of a delivery into all its rows. That it exists was checked for every single row, which
-- took as long as writing the row; instead, the delivery is made in the same transaction and cannot be deleted.
create function provenance.keep_published() returns trigger language plpgsql as $$
begin
  raise exception 'Delivery % was published and stays: features and their history refer to it.', old.id
    using hint = 'Roll it back if its features are to leave: opennrw rollback ' || old.id;
end $$;
create trigger keep_published before delete on provenance.delivery
for each row when (old.status = 'published') execute function provenance.keep_published();

create or replace procedure provenance.keep_history(collection text) language plpgsql as $$
begin
  execute format(
    'create table history.%1$I (like geobasis.%1$I including comments,
       valid_from timestamptz not null, valid_to timestamptz not null, ended_by bigint not null)',
    collection);
  execute format('create index on history.%1$I (id, valid_from)', collection);
  execute format('create index on history.%1$I (valid_to)', collection);
end $$;

-- Takes the check per row away from tables that were made with it.
create procedure provenance.trust_publications(collection text) language plpgsql as $$
declare
  found record;
begin
  for found in
    select c.conrelid::regclass as owner, c.conname from pg_constraint c
    where c.contype = 'f' and c.confrelid = 'provenance.delivery'::regclass
      and c.conrelid in (format('geobasis.%I', collection)::regclass, format('history.%I', collection)::regclass)
  loop
    execute format('alter table %s drop constraint %I', found.owner, found.conname);
  end loop;
end $$;
