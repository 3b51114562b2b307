"""What provenance.collection says of a table's content: how many features, where, how large, how current.

Servers take from it where there is nothing to look for. After a change it follows from what went and came, unless
something went that reached as far as anything did: then every feature is looked at.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql

from loaders.table import Table

Measures = dict[str, Any]
# how far features reach to the west, south (both negative), east and north, and the halves of the largest sides, in m;
# None where there are none, or sides of points
Reach = Sequence[float | None]

REACH = sql.SQL("""
  -ST_XMin(ST_Extent(geom)), -ST_YMin(ST_Extent(geom)), ST_XMax(ST_Extent(geom)), ST_YMax(ST_Extent(geom)),
  nullif(max(ST_XMax(geom) - ST_XMin(geom)) / 2, 0), nullif(max(ST_YMax(geom) - ST_YMin(geom)) / 2, 0)""")
# a statement of its own, because several processes read for a select, never for an insert
WHOLE = "select {reach} from {target}"
GOING = "select {reach} from {live} l join {outcome} o on o.live_fid = l.fid"
COMING = "select {reach} from {staged} s join {outcome} o using (row)"
FORMER = """
select -bbox[1], -bbox[2], bbox[3], bbox[4], nullif(half_width, 0), nullif(half_height, 0)
from provenance.collection where collection = {collection} and bbox is not null
"""
COUNT = "select count(*), min({date}), max({date}) from {target}"


def measure(connection: Connection, target: sql.Identifier, date: str | None, reach: Reach | None = None) -> Measures:
    """Of a table; `date`: the column that says how current a row is; `reach`, where it is known already."""
    if reach is None:
        reach = _ask(connection, sql.SQL(WHOLE).format(reach=REACH, target=target))
    query = sql.SQL(COUNT).format(target=target, date=sql.Identifier(date) if date else sql.SQL("null::date"))
    features, first, last = _ask(connection, query)
    west, south, east, north, half_width, half_height = reach
    bbox = None if west is None or south is None else [-west, -south, east, north]
    return {
        "features": features,
        "bbox": bbox if features else None,
        "half_width": half_width or 0.0,
        "half_height": half_height or 0.0,
        "first_date": first,
        "last_date": last,
    }


def foresee(connection: Connection, table: Table) -> Reach | None:
    """The reach of the live rows once the table's outcome is in effect; None where that takes a look at all."""
    names = {"live": table.live, "staged": table.staged, "outcome": table.outcome, "reach": REACH}
    former = connection.execute(sql.SQL(FORMER).format(collection=sql.Literal(table.collection))).fetchone()
    if former is None:
        return None
    going, coming = (_ask(connection, sql.SQL(text).format(**names)) for text in (GOING, COMING))
    return amend(former, going, coming)


def amend(former: Reach, going: Reach, coming: Reach) -> Reach | None:
    """What `former` becomes when some go and others come; None where those that stay have to be asked."""
    reach: list[float | None] = []
    for was, gone, new in zip(former, going, coming, strict=True):
        if new is not None and (was is None or new >= was):
            reach.append(new)
        elif was is None or gone is None or gone < was:
            reach.append(was)
        else:
            return None
    return reach


def _ask(connection: Connection, query: sql.Composed) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row  # noqa: S101 - an aggregate gives a row
    return row
