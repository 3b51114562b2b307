-- Texts by code points; one index for each property whose YAML says `caseless`: it serves casei(), accenti() and ILIKE.
call provenance.compare_by_code_points('land');
create index land_gn_caseless on geobasis.land ((geobasis.caseless(gn) collate "C"), fid);
call provenance.compare_by_code_points('regierungsbezirk');
create index regierungsbezirk_gn_caseless on geobasis.regierungsbezirk ((geobasis.caseless(gn) collate "C"), fid);
call provenance.compare_by_code_points('kreis');
create index kreis_gn_caseless on geobasis.kreis ((geobasis.caseless(gn) collate "C"), fid);
call provenance.compare_by_code_points('gemeinde');
create index gemeinde_gn_caseless on geobasis.gemeinde ((geobasis.caseless(gn) collate "C"), fid);
