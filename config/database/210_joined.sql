-- Collections that are made of others: of which, and of which of their deliveries each publication was made.
create table provenance.joined (
  collection text not null,
  source text not null,
  needed boolean not null,
  primary key (collection, source)
);
comment on table provenance.joined is 'Collections that are made of other collections: made anew where one of these changed';
comment on column provenance.joined.needed is 'without this source nothing can be made';

create table provenance.made_of (
  delivery bigint not null references provenance.delivery on delete cascade,
  source text not null,
  version bigint,
  made_of bigint references provenance.delivery,
  primary key (delivery, source),
  constraint loaded_or_not check ((version is null) = (made_of is null))
);
comment on table provenance.made_of is 'State of each source of a joined collection that a publication of it was made of';
comment on column provenance.made_of.version is 'of provenance.collection, like made_of, its delivery; null: the source was not loaded';

-- As with the work after a publication: enqueued in the transaction that publishes, and one waits at most. It is made
-- before the tiles and files of what it publishes, which its own publication enqueues.
create function jobs.enqueue_join() returns trigger
language plpgsql security definer set search_path = jobs, pg_temp as $$
declare
  joined text;
  subject text;
  arguments jsonb;
begin
  for joined in
    select j.collection from provenance.joined j where j.source = new.collection and not exists (
      select from provenance.joined n where n.collection = j.collection and n.needed
        and not exists (select from provenance.collection c where c.collection = n.source))
    order by 1
  loop
    subject := 'join ' || joined;
    arguments := jsonb_build_object('collection', joined, 'source', new.collection, 'version', new.version);
    update procrastinate_jobs set args = arguments
    where lock = subject and status = 'todo' and task_name = 'join';
    if not found then
      perform procrastinate_defer_jobs_v1(array[
        row('maintenance', 'join', 18, subject, null, arguments, null)::procrastinate_job_to_defer_v1]);
    end if;
  end loop;
  return null;
end $$;

create trigger enqueue_join after insert or update of version on provenance.collection
for each row execute function jobs.enqueue_join();
