alter table provenance.load add column handed_over bigint not null default 0;
comment on column provenance.load.handed_over is
  'features that left their package and belong to another one now, which holds them still; beside the account';
