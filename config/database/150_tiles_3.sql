-- Large tiles go, too, where they are next: else more than the bound could stay.
create or replace function tiles.prune(most bigint) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  kept bigint;
  removed bigint := 0;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('opennrw tiles prune', 0)) then
    return 0;
  end if;
  select coalesce(sum(octet_length(content) + 250), 0) into kept from tiles.cache;
  if kept > most then
    -- what costs least to make anew goes first: large scales, and of these the oldest
    with doomed as (
      select c.collection, c.grid, c.level, c.row, c.col, octet_length(c.content) + 250 as size,
        sum(octet_length(c.content) + 250) over (
          order by c.zoom < 12, c.made, c.collection, c.grid, c.level, c.row, c.col) as freed
      from tiles.cache c
    ), gone as (
      delete from tiles.cache c using doomed d
      where (c.collection, c.grid, c.level, c.row, c.col) = (d.collection, d.grid, d.level, d.row, d.col)
        and d.freed - d.size < kept - most * 0.9
      returning 1
    )
    select count(*) into removed from gone;
  end if;
  return removed;
end $$;
