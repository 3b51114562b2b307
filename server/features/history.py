"""Features as they were: by `asOf`, or because a delivery came between two pages.

An edition is what a collection held after a delivery. Its features are live still, or stand in schema history with
the time they were live. Pure: nothing here runs a query.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg import sql

from server.catalogue import Collection
from server.errors import Gone, InvalidParameter
from server.state import State

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
EXAMPLE = "Give a date-time with zone that has passed, for example 2026-07-01T00:00:00Z"
CLOCKS = timedelta(minutes=1)  # by so much a client's clock may be fast

# The edition of an instant, or the one that a cursor names; and whether there are former versions at all
EDITION = b"""
select d.id, d.finished, to_regclass(format('history.%%I', %(name)s::text)) is not null
from provenance.collection c
left join lateral (
  select id, finished from provenance.delivery
  where dataset = c.dataset and status = 'published' and finished <= %(instant)s
    and (%(delivery)s::bigint is null or (id = %(delivery)s::bigint and finished = %(instant)s))
  order by finished desc, id desc limit 1
) d on true
where c.collection = %(name)s"""

KEPT = b"select to_regclass(format('history.%%I', %(name)s::text)) is not null"


@dataclass(frozen=True)
class Edition:
    """A collection as the delivery `delivery` left it, which went live at `published`."""

    delivery: int
    published: datetime


NOTHING_YET = Edition(0, datetime(1, 1, 1, tzinfo=UTC))


def parse_as_of(text: str | None) -> datetime | None:
    """The instant. Raises InvalidParameter."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC) if INSTANT.fullmatch(text) else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        raise InvalidParameter("asOf", text, "it is no date-time with zone of RFC 3339", EXAMPLE)
    if instant > datetime.now(UTC) + CLOCKS:
        raise InvalidParameter("asOf", text, "it lies in the future", EXAMPLE)
    return instant


def edition_of(state: State) -> Edition:
    """What is live."""
    return Edition(state.delivery or 0, state.published)


def gone(collection: Collection) -> Gone:
    """The error of a cursor whose edition is not kept."""
    return Gone(
        f"The data of '{collection.id}' were replaced since the page that this cursor comes from, and their former "
        "state is not kept: the next page could repeat or leave out features. Begin anew without cursor.",
        parameter="cursor",
        remedy="begin anew without cursor",
    )


@dataclass(frozen=True)
class Source:
    """A table that features are read from, and the conditions by which its rows belong to what is asked for."""

    table: sql.Composable
    conditions: tuple[sql.Composable, ...] = ()


def sources(collection: Collection, past: bool) -> tuple[Source, ...]:
    """Where features are: the live ones; of an edition of the past also former versions.

    The conditions of the past need the parameters `edition` (its delivery), `moment` (when it went live) and `name`.
    A live version is of a delivery up to the edition, unless a later rollback brought it back; `offset 0` keeps
    PostgreSQL from turning that look-up into a join that loses the order.
    """
    live = sql.Identifier("geobasis", collection.id)
    if not past:
        return (Source(live),)
    restored = sql.SQL(
        "not exists (select from provenance.restored r where r.collection = %(name)s "
        "and r.id = {live}.id and r.delivery = {live}.delivery and r.rollback > %(edition)s offset 0)"
    ).format(live=live)
    return (
        Source(live, (sql.SQL("delivery <= %(edition)s"), restored)),
        Source(
            sql.Identifier("history", collection.id),
            (sql.SQL("valid_from <= %(moment)s"), sql.SQL("valid_to > %(moment)s")),
        ),
    )


def columns_of(collection: Collection) -> Sequence[str]:
    """Columns of a feature."""
    return ("fid", "id", *(p.name for p in collection.properties), "delivery", "geom")
