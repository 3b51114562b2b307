-- Files for download: one job per collection after each publication, and cuts that visitors ask for.

-- As with the work after a publication: enqueued in the transaction that publishes; of each collection one waits at
-- most, and it looks itself what is live when it begins. It shares its lock with that work, which is more urgent, so
-- that a table is never put into order and read for files at once.
create function jobs.enqueue_downloads() returns trigger
language plpgsql security definer set search_path = jobs, pg_temp as $$
declare
  subject text := 'after_publication ' || new.collection;
  arguments jsonb := jsonb_build_object('collection', new.collection, 'version', new.version);
begin
  update procrastinate_jobs set args = arguments
  where lock = subject and status = 'todo' and task_name = 'downloads';
  if not found then
    perform procrastinate_defer_jobs_v1(array[
      row('downloads', 'downloads', 5, subject, null, arguments, null)::procrastinate_job_to_defer_v1]);
  end if;
  return null;
end $$;

create trigger enqueue_downloads after insert or update of version on provenance.collection
for each row execute function jobs.enqueue_downloads();

create table jobs.cut (
  key text primary key check (key ~ '^[0-9a-f]{32}$'),
  collection text not null,
  kind text not null,
  parameters jsonb not null,
  asked timestamptz not null default clock_timestamp(),
  job bigint not null
);
comment on table jobs.cut is 'Parts of collections that visitors asked for and that are made by jobs';
comment on column jobs.cut.key is 'names collection, its version, format and parameters: the same request is one cut';
comment on column jobs.cut.kind is 'name of the file format';
comment on column jobs.cut.job is 'id of jobs.procrastinate_jobs, where it is kept';
create index cut_asked on jobs.cut (asked);

-- The only thing that the reader can write. What the job reads is checked again when it runs, as the reader.
-- Gives the job's number; null where as many wait as may. The same cut is not made to wait twice.
create function jobs.ask_for_cut(wanted text, subject text, format text, given jsonb) returns bigint
language plpgsql security definer set search_path = jobs, pg_temp as $$
declare
  most constant integer := 20;
  found_job bigint;
begin
  if wanted is null or wanted !~ '^[0-9a-f]{32}$' or format is null or format !~ '^[a-z0-9]{1,20}$'
    or jsonb_typeof(given) is distinct from 'object' or octet_length(given::text) > 40000
    or exists (select from jsonb_each(given) g where jsonb_typeof(g.value) <> 'string' or octet_length(g.key) > 60)
    or not exists (select from provenance.collection c where c.collection = subject) then
    raise exception 'This is no cut of a collection.';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('opennrw cuts', 0));
  select c.job into found_job from cut c join procrastinate_jobs j on j.id = c.job
  where c.key = wanted and j.status in ('todo', 'doing');
  if found then
    return found_job;
  end if;
  if (select count(*) from procrastinate_jobs where task_name = 'cut' and status = 'todo') >= most then
    return null;
  end if;
  delete from cut where asked < now() - interval '30 days';
  -- two at a time, so that some worker is left for deliveries
  found_job := (procrastinate_defer_jobs_v1(array[row(
    'downloads', 'cut', 20, 'cut ' || (get_byte(decode(wanted, 'hex'), 0) % 2), null,
    jsonb_build_object('collection', subject, 'key', wanted, 'kind', format, 'parameters', given), null
  )::procrastinate_job_to_defer_v1]))[1];
  insert into cut (key, collection, kind, parameters, job) values (wanted, subject, format, given, found_job)
  on conflict (key) do update set asked = clock_timestamp(), job = excluded.job;
  return found_job;
end $$;
revoke execute on function jobs.ask_for_cut(text, text, text, jsonb) from public;
grant execute on function jobs.ask_for_cut(text, text, text, jsonb) to opennrw_reader;

-- What is live already gets its files.
update provenance.collection set version = version;
