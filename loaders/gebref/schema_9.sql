-- The words of an address for the parameter q; and the house numbers of a street of a municipality.
create index adresse_text on geobasis.adresse using gin (geobasis.words(str, hnr, adz, ott, gmd));
create index adresse_street on geobasis.adresse (ags, str);
call provenance.index_history('adresse');
