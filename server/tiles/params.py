"""Query string -> which features of which collections a tile shows."""

from collections.abc import Mapping

from server.catalogue import Collection
from server.conditions import PARAMETERS, parse_conditions
from server.errors import InvalidParameter
from server.tiling.restriction import EVERYTHING, Restriction
from server.times import parse_as_of, parse_datetime

RESTRICTING = (*PARAMETERS, "datetime", "asOf")
CHOOSING = ("collections", *RESTRICTING)


def parse_restriction(collection: Collection, parameters: Mapping[str, str]) -> Restriction:
    """The restriction of a request, as items have it. Raises InvalidParameter.

    In a tile of several collections a filter must be one for each of them: to leave one out, or to show it whole,
    would be a guess.
    """
    if not any(name in parameters for name in RESTRICTING):
        return EVERYTHING
    since, until = parse_datetime(parameters.get("datetime"))
    dated = collection.datetime is not None
    return Restriction(
        condition=parse_conditions(collection, parameters),
        since=since if dated else None,
        until=until if dated else None,
        as_of=parse_as_of(parameters.get("asOf")),
    )


def parse_collections(known: Mapping[str, Collection], text: str | None) -> tuple[Collection, ...]:
    """The collections of a tile in the order of the catalogue (/req/collections-selection). Raises InvalidParameter.

    Without the parameter all but those that double another.
    """
    if text is None:
        return tuple(c for c in known.values() if not c.tiles.separate)
    names = text.split(",")
    for name in names:
        if name not in known:
            rule = f"there is no collection '{name[:60]}'"
            raise InvalidParameter("collections", text, rule, f"Use some of: {','.join(known)}")
    return tuple(c for c in known.values() if c.id in names)
