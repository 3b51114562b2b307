-- Texts are mended, too, where they were cut within a character.
alter table provenance.repair add column rule text not null default 'geometry';
comment on column provenance.repair.rule is 'name of the rule that the row would have broken';
comment on table provenance.repair is 'What was mended in rows of a delivery, with what the publisher delivered';
comment on column provenance.repair.original is
  'WKB in the delivery''s own CRS and ring order, or the bytes of a text, before anything was done to it';
