-- Texts by code points; one index for each property whose YAML says `caseless`: it serves casei(), accenti() and ILIKE.
call provenance.compare_by_code_points('land_generalisiert');
create index land_generalisiert_gn_caseless on geobasis.land_generalisiert ((geobasis.caseless(gn) collate "C"), fid);
call provenance.compare_by_code_points('regierungsbezirk_generalisiert');
create index regierungsbezirk_generalisiert_gn_caseless on geobasis.regierungsbezirk_generalisiert ((geobasis.caseless(gn) collate "C"), fid);
call provenance.compare_by_code_points('kreis_generalisiert');
create index kreis_generalisiert_gn_caseless on geobasis.kreis_generalisiert ((geobasis.caseless(gn) collate "C"), fid);
call provenance.compare_by_code_points('gemeinde_generalisiert');
create index gemeinde_generalisiert_gn_caseless on geobasis.gemeinde_generalisiert ((geobasis.caseless(gn) collate "C"), fid);
