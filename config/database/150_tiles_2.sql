-- How many features a kept tile shows: several collections share the room of one tile by it.
alter table tiles.cache add column features integer not null default 0;
alter table tiles.cache alter column features drop default;
comment on column tiles.cache.features is 'that are in the tile; left_out: those that had no room in it';

drop function tiles.keep(text, bigint, text[], integer[], integer[], integer[], integer[], text[], bytea[], integer[], bytea[]);

create function tiles.keep(
  collection text, made bigint, grids text[], levels integer[], rows integer[], cols integer[], zooms integer[],
  areas text[], etags bytea[], features integer[], left_out integer[], contents bytea[]
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock_shared(tiles.lock_of($1)) then
    return false; -- they change right now
  end if;
  if not exists (select from tiles.collection c where c.collection = $1 and c.made = $2) then
    return false;
  end if;
  insert into tiles.cache (collection, grid, level, row, col, zoom, area, etag, features, left_out, content)
  select $1, t.grid, t.level, t.row, t.col, t.zoom, ST_SetSRID(t.area::box2d::geometry, 3857), t.etag, t.features,
    t.left_out, t.content
  from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    as t(grid, level, row, col, zoom, area, etag, features, left_out, content)
  on conflict do nothing;
  return true;
end $$;
comment on function tiles.keep is 'Keeps tiles made of the state `made` of a collection''s tables; false where that is no longer the present one';
revoke execute on function tiles.keep from public;
grant execute on function tiles.keep to opennrw_reader;
