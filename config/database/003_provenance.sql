create table provenance.delivery (
  id bigint generated always as identity primary key,
  dataset text not null,
  digest text not null,
  source text not null,
  loader text not null,
  status text not null check (status in ('published', 'unchanged', 'refused')),
  started timestamptz not null,
  finished timestamptz not null default clock_timestamp(),
  refusal text check ((status = 'refused') = (refusal is not null))
);
comment on column provenance.delivery.digest is 'SHA-256 (hex) over the loader''s version and, sorted by name, name and SHA-256 of every file';
comment on column provenance.delivery.source is 'URL or path that the files were taken from';
comment on column provenance.delivery.finished is 'for a published delivery: when its features went live';
create index delivery_dataset on provenance.delivery (dataset, id desc);

create table provenance.file (
  delivery bigint not null references provenance.delivery on delete cascade,
  name text not null,
  url text not null,
  size bigint not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  listed text,
  fetched timestamptz not null,
  primary key (delivery, name)
);
comment on column provenance.file.listed is 'the timestamp of the publisher''s listing, as printed there (it names no zone)';

create table provenance.load (
  delivery bigint not null references provenance.delivery on delete cascade,
  collection text not null,
  read bigint not null,
  inserted bigint not null,
  updated bigint not null,
  unchanged bigint not null,
  rejected bigint not null,
  duplicate bigint not null,
  deleted bigint not null,
  repaired bigint not null,
  primary key (delivery, collection),
  constraint every_row_accounted_for check (read = inserted + updated + unchanged + rejected + duplicate)
);

create table provenance.checked (
  delivery bigint not null references provenance.delivery on delete cascade,
  collection text not null,
  rule text not null,
  passed boolean not null,
  detail text not null,
  primary key (delivery, collection, rule)
);

create table provenance.reject (
  id bigint generated always as identity primary key,
  delivery bigint not null references provenance.delivery on delete cascade,
  collection text not null,
  file text not null,
  line bigint not null,
  reason text not null,
  raw text not null
);
comment on column provenance.reject.line is 'line of a text file or record number of a Shape file, from 1';
create index reject_delivery on provenance.reject (delivery, collection);

create table provenance.collection (
  collection text primary key,
  dataset text not null,
  version bigint not null,
  delivery bigint not null references provenance.delivery,
  published timestamptz not null,
  features bigint not null,
  bbox double precision[] check (cardinality(bbox) = 4),
  half_width double precision not null,
  half_height double precision not null,
  first_date date,
  last_date date
);
comment on table provenance.collection is 'State of each collection; written in the transaction that publishes';
comment on column provenance.collection.version is 'rises by one with every delivery that changed a feature';
comment on column provenance.collection.bbox is 'minimum E, minimum N, maximum E, maximum N in EPSG:25832; null while empty';
comment on column provenance.collection.half_width is 'largest half extent of a feature, m: by so much a search box grows before it is covered by key ranges';

-- Gives a table of schema geobasis its twin in schema history.
create procedure provenance.keep_history(collection text) language plpgsql as $$
begin
  execute format(
    'create table history.%1$I (like geobasis.%1$I including comments,
       valid_from timestamptz not null, valid_to timestamptz not null, ended_by bigint not null references provenance.delivery)',
    collection);
  execute format('create index on history.%1$I (id, valid_from)', collection);
  execute format('create index on history.%1$I (valid_to)', collection);
end $$;
