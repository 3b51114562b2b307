"""How PostgreSQL sends a batch of rows that becomes Arrow: one or two values per attribute, whatever the rows are.

The rows' binary forms are joined, and beside them stands what tells nulls and lengths: `arrow` takes such values as
they are, but for the order of bytes. Pure.
"""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from server.catalogue import PropertyType
from server.formats.outline import Column, Outline

# PostgreSQL counts days and microseconds from 2000 on
DAYS = 10_957
MICROSECONDS = DAYS * 86_400_000_000


@dataclass(frozen=True)
class Fixed:
    """How values of one length are sent, and what instead of a null; numpy's name of their form, and what to add."""

    sent: LiteralString
    instead: LiteralString
    form: str
    shift: int = 0


FIXED: dict[PropertyType, Fixed] = {
    "integer": Fixed("int8send({}::bigint)", "0", ">i8"),
    "number": Fixed("float8send({}::double precision)", "0", ">f8"),
    "boolean": Fixed("boolsend({})", "false", "?"),
    "date": Fixed("date_send({})", "'2000-01-01'", ">i4", DAYS),
    "datetime": Fixed("timestamptz_send({})", "'2000-01-01Z'", ">i8", MICROSECONDS),
}


def is_list(column: Column) -> bool:
    """Whether its values are arrays."""
    return column.type.endswith("[]")


def to_columns(outline: Outline, *, lists: bool) -> sql.Composable:
    """SQL of a batch over table alias t: the number of its rows, the geometries, the attributes.

    lists: whether arrays stay lists; they are texts of JSON otherwise.
    """
    parts: list[sql.Composable] = [sql.SQL("count(*)")]
    if outline.kind:
        parts.append(sql.SQL("array_agg(ST_AsBinary({}))").format(outline.shape))
    parts += [value for column in outline.columns for value in to_values(column, lists=lists)]
    return sql.SQL(", ").join(parts)


def to_values(column: Column, *, lists: bool) -> list[sql.Composable]:
    """SQL of an attribute's values."""
    name = sql.SQL("t.{}").format(sql.Identifier(column.name))
    if fixed := FIXED.get(column.type):
        value = sql.SQL("coalesce({}, {})").format(name, sql.SQL(fixed.instead)) if column.nullable else name
        values = sql.SQL("string_agg({}, '')").format(sql.SQL(fixed.sent).format(value))
        there = sql.SQL("string_agg(boolsend({} is not null), '')").format(name)
        return [values, there] if column.nullable else [values]
    if lists and is_list(column):
        return [sql.SQL("json_agg({})::text").format(name)]
    text = sql.SQL("{}::text" if column.type == "string" else "to_json({})::text").format(name)
    lengths = sql.SQL("string_agg(int4send(coalesce(octet_length({}), -1)), '')").format(text)
    return [sql.SQL("string_agg({}, '')").format(text), lengths]
