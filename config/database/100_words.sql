-- Every row of a load passes through these: what few texts need is done for them alone. The results are as before.

create function geobasis.caseless_beyond_ascii(value text) returns text
language plpgsql immutable strict parallel safe as $$
declare
  folded text := replace(translate(lower(value collate "C"), 'ÄÖÜäöü', 'aouaou'), 'ß', 'ss');
begin
  if octet_length(folded) = char_length(folded) then
    return folded;
  end if;
  return geobasis.accenti(geobasis.casei(value));
end $$;
comment on function geobasis.caseless_beyond_ascii is 'caseless for texts with other letters than those of ASCII';

-- Not strict and one expression, so that PostgreSQL puts it in the place of its call.
create or replace function geobasis.caseless(value text) returns text
language sql immutable parallel safe
return case when octet_length(value) = char_length(value) then lower(value collate "C")
  else geobasis.caseless_beyond_ascii(value) end;

create or replace function geobasis.folded(value text) returns text
language plpgsql immutable strict parallel safe as $$
declare
  folded text := lower(value collate "C");
begin
  if octet_length(folded) <> char_length(folded) then
    folded := replace(replace(replace(replace(folded, 'ß', 'ss'), 'ä', 'a'), 'ö', 'o'), 'ü', 'u');
  end if;
  -- plain words and numbers are done; the rest of the conditions are those of the steps below
  if folded !~ '[^a-z0-9 ]|[aou]e|[0-9][a-z]|  |^ | $|str( |$)' then
    return folded;
  end if;
  folded := replace(translate(folded, 'ÄÖÜẞ.,-/()''', 'aouß       '), 'ß', 'ss');
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

create or replace function geobasis.words(variadic parts text[]) returns tsvector
language plpgsql immutable parallel safe cost 1000 as $$
declare
  folded text := lower(array_to_string(parts, ' ') collate "C");
  street integer;
begin
  if octet_length(folded) <> char_length(folded) then
    folded := replace(replace(replace(replace(folded, 'ß', 'ss'), 'ä', 'a'), 'ö', 'o'), 'ü', 'u');
  end if;
  if folded ~ '[^a-z0-9 ]|[aou]e|[0-9][a-z]|str( |$)' then
    folded := geobasis.folded(folded);
  end if;
  street := strpos(folded, 'strasse');
  if street > 1 and substr(folded || ' ', street - 1, 9) <> ' strasse ' then -- Haupt Straße finds Hauptstraße, too
    folded := concat_ws(' ', folded, split_part(left(folded, street - 1), ' ', -1), 'strasse');
  end if;
  return to_tsvector('geobasis.opennrw_german', folded);
end $$;
