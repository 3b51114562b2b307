call provenance.trust_publications('land_generalisiert');
call provenance.trust_publications('regierungsbezirk_generalisiert');
call provenance.trust_publications('kreis_generalisiert');
call provenance.trust_publications('gemeinde_generalisiert');
