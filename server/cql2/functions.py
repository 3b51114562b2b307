"""The functions that a filter may call, with their types: what /functions lists and what is compiled."""

from dataclasses import dataclass

from psycopg import sql

from server.catalogue import Text
from server.cql2.spatial import metres
from server.cql2.terms import Scope, Term, describe


@dataclass(frozen=True)
class Function:
    """One signature. A template has its arguments as {0}, {1}; {metres} makes PostGIS measure in metres.

    Types are those of terms; `time` stands for date and timestamp.
    """

    name: str
    args: tuple[str, ...]
    returns: str
    template: sql.SQL
    de: str
    en: str

    @property
    def description(self) -> Text:
        """What it gives."""
        return Text(de=self.de, en=self.en)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        *("casei", ("string",), "string", sql.SQL("geobasis.casei({0})")),
        de="Text ohne Unterschied von Groß- und Kleinschreibung, zum Vergleichen; ß ist ss",
        en="Text without a difference of case, for comparisons; ß is ss",
    ),
    Function(
        *("accenti", ("string",), "string", sql.SQL("geobasis.accenti({0})")),
        de="Text ohne Akzente und Umlautpunkte, zum Vergleichen",
        en="Text without accents and diaereses, for comparisons",
    ),
    Function(
        *("upper", ("string",), "string", sql.SQL('(upper({0} collate "und-x-icu") collate "C")')),
        de="Text in Großbuchstaben",
        en="Text in upper case",
    ),
    Function(
        *("lower", ("string",), "string", sql.SQL('(lower({0} collate "und-x-icu") collate "C")')),
        de="Text in Kleinbuchstaben",
        en="Text in lower case",
    ),
    Function(
        *("trim", ("string",), "string", sql.SQL('(btrim({0}) collate "C")')),
        de="Text ohne Leerzeichen am Anfang und Ende",
        en="Text without spaces at its beginning and end",
    ),
    Function(
        *("length", ("string",), "number", sql.SQL("char_length({0})")),
        de="Zahl der Zeichen eines Textes",
        en="Number of characters of a text",
    ),
    Function(
        *("length", ("geometry",), "number", sql.SQL("ST_Length({0}{metres})")),
        de="Länge der Linien einer Geometrie in Metern",
        en="Length of a geometry's lines in metres",
    ),
    Function(
        *("perimeter", ("geometry",), "number", sql.SQL("ST_Perimeter({0}{metres})")),
        de="Umfang der Flächen einer Geometrie in Metern",
        en="Perimeter of a geometry's areas in metres",
    ),
    Function(
        *("area", ("geometry",), "number", sql.SQL("ST_Area({0}{metres})")),
        de="Flächeninhalt einer Geometrie in Quadratmetern",
        en="Area of a geometry in square metres",
    ),
    Function(
        *("distance", ("geometry", "geometry"), "number", sql.SQL("ST_Distance({0}{metres}, {1}{metres})")),
        de="Kürzester Abstand zweier Geometrien in Metern",
        en="Shortest distance of two geometries in metres",
    ),
    Function(
        *("year", ("time",), "number", sql.SQL("extract(year from {0})")),
        de="Jahr eines Datums oder Zeitpunkts (UTC)",
        en="Year of a date or moment (UTC)",
    ),
    Function(
        *("month", ("time",), "number", sql.SQL("extract(month from {0})")),
        de="Monat eines Datums oder Zeitpunkts (UTC), 1 bis 12",
        en="Month of a date or moment (UTC), 1 to 12",
    ),
    Function(
        *("day", ("time",), "number", sql.SQL("extract(day from {0})")),
        de="Tag im Monat eines Datums oder Zeitpunkts (UTC), 1 bis 31",
        en="Day of the month of a date or moment (UTC), 1 to 31",
    ),
    Function(
        *("abs", ("number",), "number", sql.SQL("abs(({0})::numeric)")),
        de="Betrag einer Zahl",
        en="Absolute value of a number",
    ),
    Function(
        *("round", ("number",), "number", sql.SQL("round(({0})::numeric)")),
        de="Nächste ganze Zahl; die Hälfte wird von null weg gerundet",
        en="Nearest whole number; a half is rounded away from zero",
    ),
    Function(
        *("floor", ("number",), "number", sql.SQL("floor(({0})::numeric)")),
        de="Größte ganze Zahl, die nicht darüber liegt",
        en="Largest whole number that is not above",
    ),
    Function(
        *("ceil", ("number",), "number", sql.SQL("ceil(({0})::numeric)")),
        de="Kleinste ganze Zahl, die nicht darunter liegt",
        en="Smallest whole number that is not below",
    ),
)
NAMES = tuple(sorted({function.name for function in FUNCTIONS}))


def call(scope: Scope, name: str, terms: list[Term]) -> tuple[sql.Composable, str]:
    """SQL and type of a function's call. Raises InvalidParameter: no such function, wrong arguments."""
    candidates = [function for function in FUNCTIONS if function.name == name]
    if not candidates:
        raise scope.wrong(f"there is no function '{name[:60]}'", f"Functions are: {', '.join(NAMES)}; see /functions")
    for function in candidates:
        if len(function.args) == len(terms) and all(map(_fits, terms, function.args)):
            pieces = [term.sql for term in terms]
            return function.template.format(*pieces, metres=metres(scope)), function.returns
    wanted = " or ".join(f"{name}({', '.join(function.args)})" for function in candidates)
    given = ", ".join(map(describe, terms)) or "nothing is given"
    raise scope.wrong(f"the arguments of {name} do not fit: {given}", f"Call {wanted}")


def _fits(term: Term, kind: str) -> bool:
    return term.type in ({"date", "timestamp", "null"} if kind == "time" else {kind, "null"})
