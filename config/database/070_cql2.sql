-- What filters in CQL2 compare texts with. ICU's case mappings do not depend on the database's own locale.

create function geobasis.casei(value text) returns text
language sql immutable strict parallel safe
return replace(lower(upper(lower(value collate "und-x-icu") collate "und-x-icu") collate "und-x-icu"), 'ς', 'σ');
comment on function geobasis.casei is
  'Full case folding: by upper case, so that ß and ẞ are ss; both small sigmas are one';

create function geobasis.accenti(value text) returns text
language plpgsql immutable strict parallel safe as $$
begin
  if octet_length(value) = char_length(value) then -- ASCII
    return value;
  end if;
  return translate(regexp_replace(normalize(value, nfd), '[\u0300-\u036f]', '', 'g'), 'øØłŁđĐħĦŧŦı', 'oOlLdDhHtTi');
end $$;
comment on function geobasis.accenti is 'Text without diacritics: decomposed, its marks and strokes taken out';

create function geobasis.caseless(value text) returns text
language plpgsql immutable strict parallel safe as $$
begin
  return geobasis.accenti(geobasis.casei(value));
end $$;
comment on function geobasis.caseless is
  'Without case and accents: what is equal or a prefix for casei or accenti is so for this one, so one index serves them';

create function geobasis.power_or_null(base numeric, exponent numeric) returns numeric
language plpgsql immutable strict parallel safe as $$
begin
  if abs(exponent) <= 64 and exponent = trunc(exponent) then
    return power(base, exponent);
  end if;
  return power(base::double precision, exponent::double precision)::numeric;
exception when numeric_value_out_of_range or invalid_argument_for_power_function or division_by_zero then
  return null;
end $$;
comment on function geobasis.power_or_null is 'base ^ exponent, exact for small whole exponents; null where there is no result';

-- Texts are compared by code points, as CQL2 does: then one index serves =, <, > and LIKE 'prefix%'.
create procedure provenance.compare_by_code_points(collection text) language plpgsql as $$
declare
  found record;
begin
  for found in
    select format('alter table %s %s', a.attrelid::regclass,
      string_agg(format('alter column %I type %s collate "C"', a.attname, format_type(a.atttypid, a.atttypmod)), ', ')) as change
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    where c.relname = collection and c.relnamespace in ('geobasis'::regnamespace, 'history'::regnamespace)
      and a.attnum > 0 and not a.attisdropped and a.attcollation not in (0, '"C"'::regcollation)
    group by a.attrelid
  loop
    execute found.change;
  end loop;
end $$;
