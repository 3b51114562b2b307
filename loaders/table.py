"""A collection's tables: the live one, its past, and what a load makes beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection, sql

from loaders.errors import LoadError


@dataclass(frozen=True)
class Table:
    """A collection's tables and its attributes, a column's name to the name of its PostgreSQL type.

    `volatile`: the attributes whose change alone is none; the digest leaves them out.
    """

    collection: str
    attributes: dict[str, str]
    volatile: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the live table, for `regclass`."""
        return f"geobasis.{self.collection}"

    @property
    def live(self) -> sql.Identifier:
        """What the server reads."""
        return sql.Identifier("geobasis", self.collection)

    @property
    def history(self) -> sql.Identifier:
        """Former versions."""
        return sql.Identifier("history", self.collection)

    @property
    def staged(self) -> sql.Identifier:
        """Usable rows of the delivery."""
        return sql.Identifier("pg_temp", f"staged_{self.collection}"[:63])

    @property
    def outcome(self) -> sql.Identifier:
        """What becomes of each staged row, and the live rows that the delivery no longer holds."""
        return sql.Identifier("pg_temp", f"outcome_{self.collection}"[:63])

    @property
    def known(self) -> sql.Identifier:
        """The fingerprints of the records that the live rows came from."""
        return sql.Identifier("known", self.collection)

    @property
    def candidates(self) -> sql.Identifier:
        """Places of the live rows whose record the delivery does not hold as it was."""
        return sql.Identifier("pg_temp", f"candidate_{self.collection}"[:63])

    @property
    def columns(self) -> sql.Composed:
        """The attributes, separated by commas: the volatile ones first, then those that the digest is made of."""
        return sql.SQL(", ").join(map(sql.Identifier, (*self.volatile, *self.lasting)))

    @property
    def staged_columns(self) -> sql.Composed:
        """The same, of a table that the query calls `s`."""
        names = (*self.volatile, *self.lasting)
        return sql.SQL(", ").join(sql.SQL("s.{}").format(sql.Identifier(name)) for name in names)

    @property
    def lasting(self) -> tuple[str, ...]:
        """The attributes that make a version of a feature."""
        return tuple(name for name in self.attributes if name not in self.volatile)


def read_table(connection: Connection, collection: str, volatile: Sequence[str] = ()) -> Table:
    """A collection's table as the database has it. Raises LoadError where it does not exist."""
    rows = connection.execute(
        """select a.attname, t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid
           where a.attrelid = to_regclass(format('geobasis.%%I', %s::text)) and a.attnum > 0 and not a.attisdropped
             and a.attname not in ('fid', 'id', 'delivery', 'digest', 'geom') order by a.attnum""",
        [collection],
    ).fetchall()
    if not rows:
        raise LoadError(f"The table geobasis.{collection} does not exist. Run: opennrw db migrate")
    return Table(collection, dict(rows), tuple(name for name, _ in rows if name in volatile))
