create extension if not exists postgis;

create schema geobasis;
comment on schema geobasis is 'One table per collection: the features that are live now, in EPSG:25832';
create schema history;
comment on schema history is 'Former versions of the features, with the time they were live';
create schema provenance;
comment on schema provenance is 'Where the features come from: deliveries, files, checks, rejected rows';

grant usage on schema geobasis, history, provenance to opennrw_reader, opennrw_editor;
alter default privileges in schema geobasis grant select on tables to opennrw_reader, opennrw_editor;
alter default privileges in schema history grant select on tables to opennrw_reader, opennrw_editor;
alter default privileges in schema provenance grant select on tables to opennrw_reader, opennrw_editor;
revoke create on schema public from public;
