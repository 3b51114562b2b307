-- The queue. Its tables and functions are the library's (Procrastinate), whose own SQL the migrator applies in this
-- schema; these are ours. Nothing here refers to the library's tables but in bodies that are read when they run.
create schema jobs;
comment on schema jobs is 'The queue: jobs, workers, progress, watched sources';
grant usage on schema jobs to opennrw_reader;
alter default privileges in schema jobs grant select on tables to opennrw_reader;

create table jobs.progress (
  job bigint primary key,
  worker text,
  step text,
  done bigint,
  total bigint,
  rows bigint,
  updated timestamptz not null default clock_timestamp(),
  outcome text,
  message text,
  report jsonb
);
comment on table jobs.progress is 'How far a job is, at most a second old, and what became of it';
comment on column jobs.progress.job is 'id of jobs.procrastinate_jobs; a job that is pruned takes its row with it';
comment on column jobs.progress.worker is 'host and process that ran the job last: host/pid';
comment on column jobs.progress.done is 'of the step, in its own unit (bytes or rows), like total, which is null where unknown';
comment on column jobs.progress.rows is 'rows staged so far';
comment on column jobs.progress.outcome is 'what a job that ended has done, such as published, unchanged, refused';

create table jobs.watch (
  dataset text primary key,
  source text,
  every interval not null check (every >= interval '1 minute'),
  next_poll timestamptz not null default clock_timestamp(),
  last_poll timestamptz,
  result text,
  seen text,
  job bigint
);
comment on table jobs.watch is 'Sources whose listings are polled, and what was last found there';
comment on column jobs.watch.source is 'null: the publisher''s URL of the dataset';
comment on column jobs.watch.seen is 'SHA-256 (hex) of the listing (name, size, timestamp) that was last handed to a load';
comment on column jobs.watch.job is 'the load that it was handed to';

-- Whoever publishes, enqueues: in the same transaction, so that what is rolled back enqueues nothing. Of each
-- collection one job waits at most. The waiting one is locked by the update until this transaction ends, so that no
-- worker starts it on the former state; the collection's row, locked by the publication, keeps a second insert away.
create function jobs.enqueue_after_publication() returns trigger
language plpgsql security definer set search_path = jobs, pg_temp as $$
declare
  subject text := 'after_publication ' || new.collection;
  arguments jsonb := jsonb_build_object('collection', new.collection, 'version', new.version);
begin
  update procrastinate_jobs set args = arguments
  where lock = subject and status = 'todo' and task_name = 'after_publication';
  if not found then
    perform procrastinate_defer_jobs_v1(array[
      row('maintenance', 'after_publication', 10, subject, null, arguments, null)::procrastinate_job_to_defer_v1]);
  end if;
  return null;
end $$;

create trigger enqueue_after_publication after insert or update of version on provenance.collection
for each row execute function jobs.enqueue_after_publication();
