call provenance.trust_publications('hausumring');
