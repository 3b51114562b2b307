"""`sortby` (Features Part 8): the keys, their order in SQL, and what follows a row in it.

A null counts as greater than every value: last ascending, first descending. Rows that are alike in all keys stand in
the order of `fid`, in the direction of the first key, so that one scan of the index (property, fid) gives a page.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from server.catalogue import Collection
from server.errors import InvalidParameter

MAX_KEYS = 4
# a plus sign that was not percent-encoded arrives as a blank
KEY = re.compile(r"([+ -]?)([a-zA-Z][a-zA-Z0-9_]*)", re.ASCII)


@dataclass(frozen=True)
class SortKey:
    """A property to sort by."""

    name: str
    descending: bool = False


def parse_sortby(collection: Collection, text: str | None) -> tuple[SortKey, ...]:
    """Keys in their order. Raises InvalidParameter."""
    if text is None:
        return ()
    remedy = f"Give up to {MAX_KEYS} of {', '.join(collection.sortables)}, each with + or - before it, as +a,-b"
    parts = text.split(",", MAX_KEYS)
    if len(parts) > MAX_KEYS:
        raise InvalidParameter("sortby", text, f"it has more than {MAX_KEYS} keys", remedy)
    keys = []
    for part in parts:
        found = KEY.fullmatch(part)
        if not found or found[2] not in collection.sortables:
            raise InvalidParameter("sortby", text, f"the features cannot be sorted by '{part[:60]}'", remedy)
        keys.append(SortKey(found[2], found[1] == "-"))
    if len({key.name for key in keys}) < len(keys):
        raise InvalidParameter("sortby", text, "it names a property twice", remedy)
    return tuple(keys)


def order_by(keys: Sequence[SortKey], backward: bool) -> sql.Composable:
    """SQL of the reading order, without `order by`."""
    parts = [
        sql.SQL("{} desc nulls first" if key.descending ^ backward else "{} asc nulls last").format(
            sql.Identifier(key.name)
        )
        for key in keys
    ]
    falling = backward ^ (bool(keys) and keys[0].descending)
    return sql.SQL(", ").join([*parts, sql.SQL("fid desc" if falling else "fid asc")])


def continuations(keys: Sequence[SortKey], nulls: Sequence[bool], backward: bool) -> list[sql.Composable]:
    """Conditions whose rows, read one after the other, are those from the cursor on, its own place included.

    Each is a range of one index: a comparison of whole rows would not hold nulls and mixed directions.
    nulls: which of the cursor's values are null; the others are the parameters s_0, s_1 …, `at` is its fid.
    """
    falling = keys[0].descending ^ backward
    found = [_all([*_alike(keys, nulls), sql.SQL("fid <= %(at)s" if falling else "fid >= %(at)s")])]
    for number in reversed(range(len(keys))):
        before = _alike(keys[:number], nulls)
        for condition in _behind(keys[number], number, nulls[number], backward):
            found.append(_all([*before, condition]))
    return found


def _alike(keys: Sequence[SortKey], nulls: Sequence[bool]) -> list[sql.Composable]:
    return [
        sql.SQL("{} is null").format(sql.Identifier(key.name))
        if nulls[number]
        else sql.SQL("{} = {}").format(sql.Identifier(key.name), sql.Placeholder(f"s_{number}"))
        for number, key in enumerate(keys)
    ]


def _behind(key: SortKey, number: int, is_null: bool, backward: bool) -> list[sql.Composable]:
    """Values behind the cursor's one, in reading order: ascending the greater ones, then null."""
    name, value = sql.Identifier(key.name), sql.Placeholder(f"s_{number}")
    if key.descending ^ backward:
        return [sql.SQL("{} is not null").format(name) if is_null else sql.SQL("{} < {}").format(name, value)]
    return [] if is_null else [sql.SQL("{} > {}").format(name, value), sql.SQL("{} is null").format(name)]


def _all(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(" and ").join(conditions)
