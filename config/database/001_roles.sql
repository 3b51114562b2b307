-- Three roles: the owner migrates and loads, the reader serves, the editor writes to editable collections only.
-- Roles belong to the whole cluster, so another database of the same cluster may have made them already.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['opennrw_reader', 'opennrw_editor'] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I login', role_name);
    end if;
    -- the owner may act as either of them: a server given only the owner's URL drops to the reader by SET ROLE
    execute format('grant %I to current_user', role_name);
  end loop;
end $$;

-- A request may be slow, never endless; the reader cannot write even where a grant went wrong.
-- Parallel workers cost 15-20 ms to start, which PostGIS' function costs make the planner do for 100 rows.
alter role opennrw_reader set default_transaction_read_only = on;
alter role opennrw_reader set statement_timeout = '30s';
alter role opennrw_reader set lock_timeout = '5s';
alter role opennrw_reader set idle_in_transaction_session_timeout = '60s';
alter role opennrw_reader set jit = off;
alter role opennrw_reader set max_parallel_workers_per_gather = 0;
