-- Text search (the parameter q) and the search for addresses, streets and places (/search).
create extension if not exists pg_trgm;

-- Snowball's German stemmer without stop words: "Am Markt" is a street, not a market.
create text search dictionary geobasis.german_words (template = snowball, language = german);
create text search configuration geobasis.opennrw_german (parser = default);
alter text search configuration geobasis.opennrw_german
  add mapping for asciiword, word, numword, hword, asciihword, numhword, hword_part, hword_asciipart, hword_numpart
  with geobasis.german_words;
alter text search configuration geobasis.opennrw_german
  add mapping for int, uint, float, sfloat, version with simple;

-- Each address passes through these two when it is loaded, so what is rarely needed is done only then.
create function geobasis.folded(value text) returns text
language plpgsql immutable strict parallel safe as $$
declare
  folded text := replace(translate(lower(value collate "C"), 'ÄÖÜäöüẞ.,-/()''', 'aouaouß       '), 'ß', 'ss');
begin
  if octet_length(folded) <> char_length(folded) then
    folded := geobasis.caseless(folded);
  end if;
  if folded ~ '[^a-z0-9 ]|  ' then
    folded := regexp_replace(folded, '[^[:alnum:]]+', ' ', 'g');
  end if;
  if folded ~ '[0-9][^0-9 ]' then
    folded := regexp_replace(folded, '([0-9])([[:alpha:]])', '\1 \2', 'g');
  end if;
  -- after another vowel or q an e is no umlaut: Neue, Bauer, Quelle
  if folded ~ '[aou]e' then
    folded := regexp_replace(folded, '(?<![aeq])([aou])e', '\1', 'g');
  end if;
  return btrim(replace(folded || ' ', 'str ', 'strasse '));
end $$;
comment on function geobasis.folded is
  'A text as it is searched: words with single spaces; ä, ae and a are one, ß and ss, Str. and Straße, 12a and 12 a';

create function geobasis.words(variadic parts text[]) returns tsvector
language plpgsql immutable parallel safe cost 1000 as $$
declare
  folded text := geobasis.folded(array_to_string(parts, ' '));
begin
  if strpos(folded, 'strasse') > 1 then -- Haupt Straße finds Hauptstraße, too
    folded := concat_ws(' ', folded, split_part(split_part(folded, 'strasse', 1), ' ', -1), 'strasse');
  end if;
  return to_tsvector('geobasis.opennrw_german', folded);
end $$;
comment on function geobasis.words is
  'Stems of the words in some columns. Its cost is what it takes per row: an index beats looking at each';

create function geobasis.word_query(terms text) returns tsquery
language plpgsql immutable strict parallel safe as $$
declare
  term text;
  words text[];
  stem tsquery;
  part tsquery;
  whole tsquery;
begin
  foreach term in array string_to_array(terms, ',') loop
    words := string_to_array(geobasis.folded(term), ' ');
    part := null;
    for number in 1 .. cardinality(words) loop
      stem := plainto_tsquery('geobasis.opennrw_german', words[number]);
      -- what is still being typed is no stem yet
      if number = cardinality(words) and words[number] ~ '^[[:alpha:]]{2,}$' then
        stem := stem || (words[number] || ':*')::tsquery;
      end if;
      part := coalesce(part && stem, stem);
    end loop;
    whole := coalesce(whole || part, whole, part);
  end loop;
  return whole;
end $$;
comment on function geobasis.word_query is
  'What the parameter q asks for: one of the terms between commas, each with all its words, the last as a beginning';

create schema search;
comment on schema search is 'What /search finds: derived from the collections, made anew after their publications';
grant usage on schema search to opennrw_reader;
alter default privileges in schema search grant select on tables to opennrw_reader;

create function search.compact(folded text) returns text
language sql immutable strict parallel safe
return regexp_replace(folded, ' ?stra(s+e?)?\M', 'ß', 'g');
comment on function search.compact is
  'Folded text with the word that most streets share as one letter, so that it does not make them alike';

create table search.entry (
  id bigint generated always as identity primary key,
  collection text collate "C" not null,
  kind text collate "C" not null,
  key jsonb not null,
  name text not null,
  part text,
  place text,
  words text collate "C" not null,
  place_words text collate "C" not null,
  text text collate "C" not null generated always as (words || ' ' || place_words) stored,
  weight real not null,
  features bigint not null,
  geom geometry(Point, 25832) not null,
  bbox double precision[] not null check (cardinality(bbox) = 4),
  digest uuid not null
);
comment on table search.entry is 'A name of something in a collection: a street, a part of a municipality, a district';
comment on column search.entry.key is 'properties and values of the features that bear the name';
comment on column search.entry.words is 'the name, folded and compact';
comment on column search.entry.weight is '0 to 1: which of two equal names comes first';
comment on column search.entry.geom is 'a point of one of the features, near their middle';
create index entry_collection on search.entry (collection, digest);
create index entry_beginning on search.entry (text);
create index entry_name on search.entry (words);
create index entry_text_alike on search.entry using gin (text gin_trgm_ops);
create index entry_name_alike on search.entry using gin (words gin_trgm_ops);

create table search.collection (
  collection text primary key,
  version bigint not null,
  declared text not null,
  refreshed timestamptz not null default clock_timestamp()
);
comment on table search.collection is 'Of which version of a collection its entries are';
comment on column search.collection.declared is 'digest of what the collection''s YAML says about them';
