-- A rollback is a publication of its own that reads no files: it ends what a delivery made and brings back what it ended.
alter table provenance.delivery
  add column rollback_of bigint references provenance.delivery,
  alter column digest drop not null,
  add constraint rollback_undoes_a_former_one check (rollback_of < id and (rollback_of is null or status = 'published')),
  add constraint files_or_rollback check ((digest is null) = (rollback_of is not null));
comment on column provenance.delivery.rollback_of is 'the delivery (or rollback) that this publication undid; null for a delivery';
comment on column provenance.delivery.source is 'URL or path that the files were taken from; of a rollback, what it undid';

create table provenance.restored (
  collection text not null,
  id text not null,
  delivery bigint not null references provenance.delivery,
  rollback bigint not null references provenance.delivery,
  primary key (collection, id, delivery, rollback)
);
comment on table provenance.restored is 'Versions of features (by the delivery that made them) that a rollback brought back: they are live again from its `finished` on';
create index restored_rollback on provenance.restored (rollback);
