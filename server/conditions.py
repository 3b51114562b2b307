"""The parameters that select features by a condition: the filter, and the words of q."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from server.catalogue import Collection
from server.cql2.filter import PARAMETERS as FILTER_PARAMETERS
from server.cql2.filter import Condition, parse_filter
from server.errors import InvalidParameter
from server.parcels import parcel_condition, parse_parcel

PARAMETERS = (*FILTER_PARAMETERS, "q")
MAX_CHARACTERS = 200
MAX_WORDS = 10


class Rendered(sql.Composable):
    """SQL that was composed before: texts are kept by it."""

    def as_bytes(self, context: Any = None) -> bytes:
        """Itself."""
        return self._obj


def parse_conditions(collection: Collection, parameters: Mapping[str, str]) -> Condition | None:
    """What features must meet, None where anything will do. Raises InvalidParameter."""
    given = parse_filter(collection, parameters)
    wanted = parse_q(collection, parameters.get("q"))
    if given is None or wanted is None:
        return given or wanted
    return Condition(
        sql.SQL("({}) and {}").format(given.sql, wanted.sql),
        given.parameters | wanted.parameters,
        repr((given.identity, wanted.identity)),
        indexed=True,
        fenced=True,
    )


def parse_q(collection: Collection, text: str | None) -> Condition | None:
    """Features with all words of one of the terms between commas, the last word of each as a beginning (draft of
    Features Part 9, /req/text-search/q-response). Raises InvalidParameter.

    Parcels are found by their numbers as well. The database takes the words apart; nothing in them is an operator.
    """
    if text is None:
        return None
    if not collection.text:
        rule = f"the collection '{collection.id}' has no texts to search"
        raise InvalidParameter("q", text, rule, "Leave the parameter out")
    check_words(text)
    condition = sql.SQL("{} @@ geobasis.word_query(%(c_q)s)").format(words_expression(collection))
    parameters: dict[str, Any] = {"c_q": text}
    parcel = parse_parcel(text) if collection.parcel else None
    if collection.parcel and parcel:
        numbered, given = parcel_condition(collection.parcel, parcel)
        if parcel.certain:
            return Condition(numbered, given, repr(("q", text)), indexed=True)
        condition, parameters = sql.SQL("({} or {})").format(numbered, condition), parameters | given
    return Condition(condition, parameters, repr(("q", text)), indexed=True, fenced=True)


def check_words(text: str) -> None:
    """Raises InvalidParameter where a text to search for is none, or too long."""
    if not any(character.isalnum() for character in text):
        raise InvalidParameter("q", text, "it has no letter and no digit", "Give a word, such as q=Haupt")
    if len(text) > MAX_CHARACTERS or len(text.split()) > MAX_WORDS:
        rule = f"it is longer than {MAX_CHARACTERS} characters or {MAX_WORDS} words"
        raise InvalidParameter("q", text, rule, "Give fewer words")


def words_expression(collection: Collection) -> sql.Composable:
    """The words of a feature, as the index of them has them."""
    return sql.SQL("geobasis.words({})").format(sql.SQL(", ").join(map(sql.Identifier, collection.text)))
