-- Ids are compared by code points, like those of the features, so that the key can be looked up by them.
alter table provenance.restored alter column id type text collate "C";
