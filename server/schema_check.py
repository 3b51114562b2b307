"""Do the collections' YAML and the database fit together? Asked at start, so that no request finds out."""

from collections import defaultdict

from server.catalogue import STORAGE_SRID, Collection
from server.database import Database
from server.errors import ConfigurationError

COLUMN_TYPES = {
    "string": {"text", "character varying"},
    "integer": {"integer", "bigint", "smallint"},
    "number": {"double precision", "real", "numeric"},
    "date": {"date"},
    "datetime": {"timestamp with time zone"},
    "boolean": {"boolean"},
    "string[]": {"text[]"},
    "integer[]": {"integer[]", "bigint[]"},
    "number[]": {"double precision[]", "numeric[]"},
    "date[]": {"date[]"},
}
SOLID_COLUMNS = {"solids": {f"geometry(GeometryCollectionZ,{STORAGE_SRID})"}, "model": {"text"}}
OWN_COLUMNS = {"fid": "bigint", "id": "text", "delivery": "bigint", "digest": "bytea"}

COLUMNS = b"""
select c.relname::text::bytea, a.attname::text::bytea, format_type(a.atttypid, a.atttypmod)::bytea
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'geobasis'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped"""

INDEXED = b"""
select c.relname::text::bytea, a.attname::text::bytea
from pg_index i join pg_class c on c.oid = i.indrelid
join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
where c.relnamespace = 'geobasis'::regnamespace and i.indisvalid and i.indpred is null"""

FOLDED = b"""
select c.relname::text::bytea, pg_get_indexdef(i.indexrelid, 1, false)::bytea
from pg_index i join pg_class c on c.oid = i.indrelid join pg_collation l on l.oid = i.indcollation[0]
where c.relnamespace = 'geobasis'::regnamespace and i.indisvalid and i.indpred is null and i.indkey[0] = 0
  and l.collname = 'C'"""

WORDS = b"""
select c.relname::text::bytea, pg_get_indexdef(i.indexrelid, 1, false)::bytea
from pg_index i join pg_class c on c.oid = i.indrelid
join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
where c.relnamespace = 'geobasis'::regnamespace and i.indisvalid and i.indpred is null and m.amname = 'gin'"""

Tables = dict[str, dict[str, str]]
Indexed = dict[str, set[str]]


async def check_schema(database: Database, collections: tuple[Collection, ...]) -> None:
    """Compare tables, columns, types, SRIDs and indexes. Raises ConfigurationError that lists every difference."""
    tables: Tables = defaultdict(dict)
    for table, column, type_ in await database.fetch(COLUMNS):
        tables[table.decode()][column.decode()] = type_.decode()
    indexed: Indexed = defaultdict(set)
    for table, column in [row for query in (INDEXED, FOLDED, WORDS) for row in await database.fetch(query)]:
        indexed[table.decode()].add(column.decode().replace('"', ""))
    found = [text for c in collections for text in differences(c, tables.get(c.id), indexed[c.id])]
    if found:
        raise ConfigurationError("The collections and the database do not fit together:\n" + "\n".join(found))


def differences(collection: Collection, columns: dict[str, str] | None, indexed: set[str]) -> list[str]:
    """What is wrong with one collection's table, a sentence each; `columns` maps names to types, None = no table.

    indexed: what indexes begin with, columns and expressions.
    """
    where = f"collections/{collection.id}.yaml"
    table = f"geobasis.{collection.id}"
    if columns is None:
        return [f"{where}: the table {table} does not exist. Run `opennrw db migrate`, or remove the file."]
    expected = {p.name: COLUMN_TYPES[p.type] for p in collection.properties}
    expected |= {name: {type_} for name, type_ in OWN_COLUMNS.items()}
    expected["geom"] = {f"geometry({collection.geometry},{collection.srid})"}
    if collection.lod:
        expected |= SOLID_COLUMNS
    found = [
        f"{where}: '{name}' needs a column {table}.{name} of type {' or '.join(sorted(types))}, "
        f"found {columns.get(name, 'none')}."
        for name, types in expected.items()
        if columns.get(name) not in types
    ]
    found += [
        f"{where}: the column {table}.{name} is not declared as a property."
        for name in columns.keys() - expected.keys()
    ]
    searched = {p.name for p in collection.queryables} | {"fid", "id", "geom"}
    searched |= set(collection.days)
    found += [
        f"{where}: '{name}' can be searched, so {table} needs an index that begins with it: "
        f"create index on {table} ({name}, fid)."
        for name in sorted(searched - indexed)
    ]
    words = f"geobasis.words({', '.join(collection.text)})"
    if collection.text and words.replace("(", "(VARIADIC ARRAY[").replace(")", "])") not in indexed:
        found.append(f"{where}: text needs an index of its words: create index on {table} using gin ({words}).")
    return found + [
        f"{where}: '{name}' is caseless, so {table} needs an index for that: "
        f'create index on {table} ((geobasis.caseless({name}) collate "C"), fid).'
        for name in (p.name for p in collection.properties if p.caseless)
        if f"geobasis.caseless({name})" not in indexed
    ]
