-- What the newest delivery's records looked like, so that the next one is read by what is new in it.
create schema known;
comment on schema known is 'Fingerprints of the records that live features came from; lost or out of date, the next load reads everything';

create table provenance.known (collection text primary key, version bigint not null);
comment on table provenance.known is 'Collections whose fingerprints are kept, and the version of provenance.collection that they belong to';

-- Not logged: after a crash it is empty, and a table that does not have a row for each live feature is not used.
create procedure provenance.keep_fingerprints(collection text) language plpgsql as $$
begin
  execute format('drop table if exists known.%I', collection);
  execute format('create unlogged table known.%I (fid bigint not null, fingerprint uuid)', collection);
end $$;
comment on procedure provenance.keep_fingerprints is 'Makes the empty table of a collection''s fingerprints; null: a feature whose record must be read anew';
