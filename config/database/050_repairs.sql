alter table provenance.reject add column rule text not null default 'value';
comment on column provenance.reject.rule is 'name of the rule that the row breaks; provenance.checked counts the rows by it';

create table provenance.repair (
  id bigint generated always as identity primary key,
  delivery bigint not null references provenance.delivery on delete cascade,
  collection text not null,
  feature text not null,
  file text not null,
  line bigint not null,
  reason text not null,
  original bytea not null
);
comment on table provenance.repair is 'Geometries of a delivery that were made valid, as the publisher delivered them';
comment on column provenance.repair.feature is 'id of the feature in the collection';
comment on column provenance.repair.line is 'record number of a Shape file, from 1';
comment on column provenance.repair.original is 'WKB in the delivery''s own CRS and ring order, before anything was done to it';
create index repair_feature on provenance.repair (collection, feature);
create index repair_delivery on provenance.repair (delivery);
