call provenance.trust_publications('land');
call provenance.trust_publications('regierungsbezirk');
call provenance.trust_publications('kreis');
call provenance.trust_publications('gemeinde');
