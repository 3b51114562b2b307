-- Texts by code points.
call provenance.compare_by_code_points('hausumring');
