-- The words of an address for the parameter q; and the house numbers of a street of a municipality.
create index adresse_text on geobasis.adresse using gin (geobasis.words(str, hnr, adz, ott, gmd));
create index adresse_street on geobasis.adresse (ags, str);
call provenance.index_history('adresse');

-- What is live already becomes searchable: the usual job after a publication makes its names.
update provenance.collection set version = version where dataset = 'gebref';
