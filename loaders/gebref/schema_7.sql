-- Texts by code points; one index for each property whose YAML says `caseless`: it serves casei(), accenti() and ILIKE.
call provenance.compare_by_code_points('adresse');
create index adresse_str_caseless on geobasis.adresse ((geobasis.caseless(str) collate "C"), fid);
create index adresse_ott_caseless on geobasis.adresse ((geobasis.caseless(ott) collate "C"), fid);
create index adresse_gmd_caseless on geobasis.adresse ((geobasis.caseless(gmd) collate "C"), fid);
