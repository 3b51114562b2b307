"""Tables that YAML alone describes: columns, indexes, history and rights as the schema.sql of a product gives them.

Where the YAML has changed, the table is made anew with the rows it held: their columns follow by their names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, LiteralString

import psycopg
from psycopg import Connection, sql
from pydantic import BaseModel, ConfigDict

from loaders.errors import LoadError

GeometryType = Literal["Point", "MultiPoint", "MultiLineString", "MultiPolygon"]
PropertyType = Literal["string", "integer", "number", "date", "datetime", "boolean"]
TYPES: dict[PropertyType, LiteralString] = {
    "string": 'text collate "C"',
    "integer": "bigint",
    "number": "double precision",
    "date": "date",
    "datetime": "timestamptz",
    "boolean": "boolean",
}
CREATE = """
create table {live} (
  fid bigint primary key,
  id text collate "C" not null unique,
  {columns},
  delivery bigint not null,
  digest bytea not null,
  geom geometry({geometry}, {srid}) not null
)
"""
FOUND = """
select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
where a.attrelid = to_regclass(format('geobasis.%%I', %s::text)) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
INDEXED = """
select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = format('geobasis.%%I', %s::text)::regclass
"""
DEFINED = """
select pg_get_indexdef(indexrelid) from pg_index where indrelid = format('geobasis.%%I', %s::text)::regclass
"""
OWN = ("fid", "id", "delivery", "digest", "geom")
OF_HISTORY = ("valid_from", "valid_to", "ended_by")


class TableShape(BaseModel):
    """A table of schema geobasis: its attributes in their order, those with an index, and the type and EPSG code of its
    geometries. `caseless`: texts with an index without case; `text`: those whose words are looked for.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    columns: dict[str, PropertyType]
    indexed: tuple[str, ...]
    geometry: GeometryType
    srid: int = 25832
    caseless: tuple[str, ...] = ()
    text: tuple[str, ...] = ()

    @property
    def live(self) -> sql.Identifier:
        """The table."""
        return sql.Identifier("geobasis", self.name)


@contextmanager
def described(connection: Connection, shapes: tuple[TableShape, ...], *, keep: bool) -> Iterator[None]:
    """The tables as they are described, while the block runs, or with `keep` from then on. Raises LoadError."""
    if keep or not shapes:
        with connection.transaction():
            for shape in shapes:
                ensure(connection, shape)
        yield
        return
    missing = [shape for shape in shapes if not _find_columns(connection, shape)]
    for shape in missing:
        _create(connection, shape)
    try:
        yield
    finally:
        for shape in missing:
            _drop(connection, shape)


def ensure(connection: Connection, shape: TableShape) -> None:
    """Make the table, or make it anew where it is another one; in the caller's transaction."""
    found = _find_columns(connection, shape)
    if not found:
        _create(connection, shape)
    elif found != _expected(connection, shape):
        _make_anew(connection, shape, found)
    else:
        _index(connection, shape)


def _create(connection: Connection, shape: TableShape) -> None:
    columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(TYPES[t])) for name, t in shape.columns.items()]
    names = {"live": shape.live, "columns": sql.SQL(", ").join(columns), "geometry": sql.SQL(shape.geometry)}
    connection.execute(sql.SQL(CREATE).format(**names, srid=sql.Literal(shape.srid)))
    connection.execute(sql.SQL("create index on {} using gist (geom)").format(shape.live))
    _index(connection, shape)
    connection.execute("call provenance.keep_history(%s)", [shape.name])
    connection.execute("call provenance.trust_publications(%s)", [shape.name])


def _index(connection: Connection, shape: TableShape) -> None:
    """The indexes that the table lacks, and those of its history."""
    present = {name for (name,) in connection.execute(INDEXED, [shape.name]).fetchall()}
    for name in shape.indexed:
        if name not in present:
            statement = sql.SQL("create index on {} ({}, fid)").format(shape.live, sql.Identifier(name))
            connection.execute(statement)
    made = _index_expressions(connection, shape)
    exists = connection.execute("select to_regclass(format('history.%%I', %s::text))", [shape.name]).fetchone()
    if exists and exists[0] and (made or not present.issuperset(shape.indexed)):
        connection.execute("call provenance.index_history(%s)", [shape.name])


def _index_expressions(connection: Connection, shape: TableShape) -> bool:
    """The indexes of texts without case, and of words, that the table lacks; whether it lacked any."""
    present = " ".join(text for (text,) in connection.execute(DEFINED, [shape.name]).fetchall()).replace('"', "")
    lacking = [name for name in shape.caseless if f"geobasis.caseless({name})" not in present]
    for name in lacking:
        statement = sql.SQL('create index on {} ((geobasis.caseless({}) collate "C"), fid)')
        connection.execute(statement.format(shape.live, sql.Identifier(name)))
    words = f"geobasis.words(VARIADIC ARRAY[{', '.join(shape.text)}])"
    if not shape.text or words in present:
        return bool(lacking)
    columns = sql.SQL(", ").join(map(sql.Identifier, shape.text))
    connection.execute(sql.SQL("create index on {} using gin (geobasis.words({}))").format(shape.live, columns))
    return True


def _make_anew(connection: Connection, shape: TableShape, found: dict[str, str]) -> None:
    kept = [name for name in found if name in shape.columns or name in OWN]
    tables = {"live": shape.live, "history": sql.Identifier("history", shape.name)}
    former = {name: sql.Identifier("pg_temp", f"former_{name}") for name in tables}
    for name, table in tables.items():
        connection.execute(sql.SQL("create temp table {} as table {}").format(sql.Identifier(f"former_{name}"), table))
    _drop(connection, shape)
    _create(connection, shape)
    try:
        for name, table in tables.items():
            names = [*kept, *(OF_HISTORY if name == "history" else ())]
            values = [_converted(column, shape) for column in names]
            statement = sql.SQL("insert into {} ({}) select {} from {}").format(
                table, sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(values), former[name]
            )
            connection.execute(statement)
    except psycopg.DataError as error:
        raise LoadError(
            f"What {shape.name} holds does not fit its changed description: {error.diag.message_primary}. Nothing was "
            "changed. Take the change of the type back, or describe the file under another name."
        ) from error
    for table in former.values():
        connection.execute(sql.SQL("drop table {}").format(table))


def _converted(column: str, shape: TableShape) -> sql.Composable:
    """A value of another type goes by its text."""
    if column not in shape.columns:
        return sql.Identifier(column)
    kind = sql.SQL(TYPES[shape.columns[column]].partition(" collate")[0])
    return sql.SQL("{}::text::{}").format(sql.Identifier(column), kind)


def _drop(connection: Connection, shape: TableShape) -> None:
    connection.execute(sql.SQL("drop table {}").format(shape.live))
    connection.execute(sql.SQL("drop table {}").format(sql.Identifier("history", shape.name)))


def _find_columns(connection: Connection, shape: TableShape) -> dict[str, str]:
    """The columns that the table has, with their types; none where there is no table."""
    return dict(connection.execute(FOUND, [shape.name]).fetchall())


def _expected(connection: Connection, shape: TableShape) -> dict[str, str]:
    """What `_find_columns` says of a table like that."""
    names = {"datetime": "timestamp with time zone", "string": "text"}
    columns = {name: names.get(kind, TYPES[kind]) for name, kind in shape.columns.items()}
    own = {"fid": "bigint", "id": "text", "delivery": "bigint", "digest": "bytea"}
    return {**own, **columns, "geom": f"geometry({shape.geometry},{shape.srid})"}
