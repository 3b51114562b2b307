-- What tiles are made of: of each collection its features in EPSG:3857 and, for small scales, generalised ones; made by
-- the job `pyramid` after a publication. And the tiles that were made of them.
create schema tiles;
comment on schema tiles is 'Tables that tiles are read from, made after a publication; lost, they are made again. And made tiles';
grant usage on schema tiles to opennrw_reader;
alter default privileges in schema tiles grant select on tables to opennrw_reader;

create sequence tiles.made;
comment on sequence tiles.made is 'Numbers of tables and of their states';

create table tiles.collection (
  collection text primary key,
  version bigint not null,
  delivery bigint not null,
  published timestamptz not null,
  made bigint not null,
  declared text not null,
  base text not null,
  zooms smallint[] not null,
  relations text[] not null check (cardinality(relations) = cardinality(zooms)),
  refreshed timestamptz not null default clock_timestamp()
);
comment on table tiles.collection is 'What the tables of a collection hold; changes in the transaction that changes them';
comment on column tiles.collection.version is 'of provenance.collection, as are delivery and published';
comment on column tiles.collection.made is 'another number whenever anything in the tables is another';
comment on column tiles.collection.declared is 'digest of what the collection''s YAML says about its tiles';
comment on column tiles.collection.base is 'table of schema tiles with all features in EPSG:3857';
comment on column tiles.collection.relations is 'tables of schema tiles with what is shown at each of the levels `zooms`';

create table tiles.cache (
  collection text not null,
  grid text not null,
  level smallint not null,
  row integer not null,
  col integer not null,
  zoom smallint not null,
  area geometry(Polygon, 3857) not null,
  etag bytea not null,
  left_out integer not null,
  content bytea not null,
  made timestamptz not null default clock_timestamp(),
  primary key (collection, grid, level, row, col)
);
comment on table tiles.cache is 'Tiles as they are sent; each is what the present tables of its collection give';
comment on column tiles.cache.zoom is 'level of WebMercatorQuad with the scale of the tile: it tells which table it was made of';
comment on column tiles.cache.area is 'box around the tile and its buffer: a change outside does not touch it';
comment on column tiles.cache.content is 'vector tile, gzip; empty: nothing is there';
-- gzip cannot be compressed again
alter table tiles.cache alter column content set storage external;

-- The server's role writes through these only. A tile is kept where its tables are still the ones it was made of:
-- whoever changes them holds the lock alone, takes out what the change touches, and only then says that they changed.
create function tiles.lock_of(collection text) returns bigint
language sql immutable strict parallel safe return hashtextextended('opennrw tiles ' || collection, 0);

create function tiles.keep(
  collection text, made bigint, grids text[], levels integer[], rows integer[], cols integer[], zooms integer[],
  areas text[], etags bytea[], left_out integer[], contents bytea[]
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock_shared(tiles.lock_of($1)) then
    return false; -- they change right now
  end if;
  if not exists (select from tiles.collection c where c.collection = $1 and c.made = $2) then
    return false;
  end if;
  insert into tiles.cache (collection, grid, level, row, col, zoom, area, etag, left_out, content)
  select $1, t.grid, t.level, t.row, t.col, t.zoom, ST_SetSRID(t.area::box2d::geometry, 3857), t.etag, t.left_out, t.content
  from unnest($3, $4, $5, $6, $7, $8, $9, $10, $11)
    as t(grid, level, row, col, zoom, area, etag, left_out, content)
  on conflict do nothing;
  return true;
end $$;
comment on function tiles.keep is 'Keeps tiles made of the state `made` of a collection''s tables; false where that is no longer the present one';

create function tiles.prune(most bigint) returns bigint
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
      select c.collection, c.grid, c.level, c.row, c.col, sum(octet_length(c.content) + 250) over (
        order by c.zoom < 12, c.made, c.collection, c.grid, c.level, c.row, c.col) as freed from tiles.cache c
    ), gone as (
      delete from tiles.cache c using doomed d
      where (c.collection, c.grid, c.level, c.row, c.col) = (d.collection, d.grid, d.level, d.row, d.col)
        and d.freed <= kept - most * 0.9
      returning 1
    )
    select count(*) into removed from gone;
  end if;
  return removed;
end $$;
comment on function tiles.prune is 'Holds the kept tiles below so many bytes: removes a tenth more than it must; the number removed';

revoke execute on function tiles.keep, tiles.prune from public;
grant execute on function tiles.keep, tiles.prune to opennrw_reader;

-- As after_publication: enqueued in the transaction that publishes, one waiting job of a collection at most.
create function jobs.enqueue_pyramid() returns trigger
language plpgsql security definer set search_path = jobs, pg_temp as $$
declare
  subject text := 'pyramid ' || new.collection;
  arguments jsonb := jsonb_build_object('collection', new.collection);
begin
  if not exists (select from procrastinate_jobs where lock = subject and status = 'todo' and task_name = 'pyramid' for share)
  then
    perform procrastinate_defer_jobs_v1(array[
      row('maintenance', 'pyramid', 15, subject, null, arguments, null)::procrastinate_job_to_defer_v1]);
  end if;
  return null;
end $$;

create trigger enqueue_pyramid after insert or update of version on provenance.collection
for each row execute function jobs.enqueue_pyramid();

create function tiles.cell(shape geometry, size double precision) returns bigint
language sql immutable strict parallel safe
return (floor((20037508.342789244 - (ST_YMin(shape) + ST_YMax(shape)) / 2) / size)::bigint << 32)
  | floor(((ST_XMin(shape) + ST_XMax(shape)) / 2 + 20037508.342789244) / size)::bigint;
comment on function tiles.cell is
  'Number of the cell of EPSG:3857, row << 32 | column from the north-west, that the middle of a geometry''s box lies in';

create function tiles.cell_area(cell bigint, size double precision) returns geometry
language sql immutable strict parallel safe
return ST_Expand(ST_MakeEnvelope(
  (cell & 4294967295) * size - 20037508.342789244, 20037508.342789244 - ((cell >> 32) + 1) * size,
  ((cell & 4294967295) + 1) * size - 20037508.342789244, 20037508.342789244 - (cell >> 32) * size, 3857), 0.001);

create function tiles.parent(cell bigint) returns bigint
language sql immutable strict parallel safe
return ((cell >> 33) << 32) | ((cell & 4294967295) >> 1);
comment on function tiles.parent is 'Number of the cell of twice the size that a cell lies in';

create function tiles.grown_together(shapes geometry, distance double precision, least_area double precision, detail double precision)
returns geometry language sql immutable strict parallel safe as $$
  select ST_Multi(ST_Collect(ST_MakePolygon(ST_ExteriorRing(part), array(
    select ST_ExteriorRing(ring.geom) from ST_DumpRings(part) ring where ring.path[1] > 0 and ST_Area(ring.geom) >= 4 * least_area))))
  from (
    select (ST_Dump(ST_SimplifyPreserveTopology(ST_Buffer(
      ST_Buffer(shapes, distance, 'join=mitre mitre_limit=2'), -distance, 'join=mitre mitre_limit=2'), detail))).geom as part
  ) parts where ST_Area(part) >= least_area
$$;
comment on function tiles.grown_together is
  'Areas without the gaps between them that are narrower than twice the distance; null where no part is as large as `least_area`';
