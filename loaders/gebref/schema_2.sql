call provenance.trust_publications('adresse');
