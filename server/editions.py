"""Features as they were: by `asOf`, or because a delivery came between two pages.

An edition is what a collection held after a delivery. Its features are live still, or stand in schema history with
the time they were live.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql

from server.catalogue import SOLIDS, Collection
from server.database import Reader
from server.errors import InvalidParameter
from server.state import State

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


def edition_of(state: State) -> Edition:
    """What is live."""
    return Edition(state.delivery or 0, state.published)


async def edition_at(reader: Reader, collection: Collection, state: State, instant: datetime) -> Edition | None:
    """The edition of an instant; None = what is live. Raises InvalidParameter where no former states are kept."""
    if not state.version or instant >= state.published:
        return None
    row = await reader.fetch_one(EDITION, {"name": collection.id, "instant": instant, "delivery": None})
    if row is None or not row[2]:
        rule = f"no former states of '{collection.id}' are kept"
        raise InvalidParameter("asOf", instant.isoformat(), rule, "Leave the parameter out")
    return Edition(row[0], row[1]) if row[0] else NOTHING_YET


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
    solids = SOLIDS if collection.lod else ()
    return ("fid", "id", *(p.name for p in collection.properties), "delivery", "geom", *solids)
