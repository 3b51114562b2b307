-- The archive of the whole map is made after the tables that tiles are read from; of those that are there already, now.
do $$
declare
  usual text := current_setting('search_path');
begin
  if exists (select from tiles.collection) then
    perform set_config('search_path', 'jobs, public', true);
    perform procrastinate_defer_jobs_v1(array[
      row('downloads', 'map', 4, 'map', null, '{}'::jsonb, null)::procrastinate_job_to_defer_v1]);
    perform set_config('search_path', usual, true);
  end if;
end $$;
