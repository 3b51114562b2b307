alter table search.collection add column delivery bigint;
comment on column search.collection.delivery is
  'the last delivery that the entries take account of; null where they are to be made anew as a whole';
