"""The parameter area: a municipality, a district, a region or the state by its official key (AGS), and the SQL that
tells which features belong to it.

Where a collection says which of its properties holds the key (`Collection.area`), features belong by the beginning of
theirs: each to one municipality, as the publisher says. Elsewhere those belong whose geometry and the area's
intersect, a common border included: nothing is lost, and a feature on a border belongs to both sides. No geometry is
ever cut.
"""

import re
from dataclasses import dataclass

from psycopg import sql

from server.catalogue import Collection
from server.errors import InvalidParameter

# Digits of the key, and the collection of the areas whose key has so many; there it is filled with zeros to eight
LEVELS = {2: "land", 3: "regierungsbezirk", 5: "kreis", 8: "gemeinde"}
DIGITS = re.compile(r"\d{1,8}", re.ASCII)
REMEDY = (
    "Give an official key: 8 digits for a municipality, 5 for a district, 3 for a region, such as 05113000 or 05113"
)

NAME = sql.SQL("select gn from {} where kn = {} order by fid limit 1")


@dataclass(frozen=True)
class Area:
    """An area by the digits of its key."""

    key: str

    @property
    def level(self) -> str:
        """The collection that holds the area."""
        return LEVELS[len(self.key)]

    @property
    def unit(self) -> str:
        """The key as that collection has it."""
        return self.key.ljust(8, "0")

    @property
    def name_query(self) -> sql.Composable:
        """SQL of the area's name; no row where there is no such area."""
        return NAME.format(sql.Identifier("geobasis", self.level), sql.Literal(self.unit))


def parse_area(text: str | None) -> Area | None:
    """The area of a request, None where it names none. Raises InvalidParameter; whether it exists is not known here."""
    if text is None:
        return None
    if not DIGITS.fullmatch(text) or len(text) not in LEVELS:
        raise InvalidParameter("area", text, "it is no key of an area", REMEDY)
    return Area(text)


def no_area(area: Area) -> InvalidParameter:
    """The error of a key that no area has."""
    rule = f"the collection '{area.level}' has no area with the key {area.unit}"
    return InvalidParameter("area", area.key, rule, f"{REMEDY}; see /collections/{area.level}/items")


def belongs(collection: Collection, area: Area) -> sql.Composable:
    """SQL: whether a row of the collection's table belongs to the area; the columns stand without the table's name."""
    if collection.area:
        column, low = sql.Identifier(collection.area), area.key
        if len(low) == 8:
            return sql.SQL("{} = {}").format(column, sql.Literal(low))
        high = low[:-1] + chr(ord(low[-1]) + 1)  # the first text behind all that begin so; ':' follows '9'
        return sql.SQL("({0} >= {1} and {0} < {2})").format(column, sql.Literal(low), sql.Literal(high))
    shape = sql.SQL("(select geom from {} where kn = {} order by fid limit 1)").format(
        sql.Identifier("geobasis", area.level), sql.Literal(area.unit)
    )
    if collection.srid != 25832:
        shape = sql.SQL("ST_Transform({}, {})").format(shape, sql.Literal(collection.srid))
    return sql.SQL("ST_Intersects(geom, {})").format(shape)


def explain(collection: Collection, area: Area, name: str) -> str:
    """How features were chosen, for the metadata of a file."""
    if collection.area:
        return f"Only {area.level} {name} ({area.key}): features whose {collection.area} begins with {area.key}."
    return (
        f"Only {area.level} {name} ({area.key}): whole features whose geometry intersects the area's, border included."
    )
