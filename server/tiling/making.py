"""How a layer is made: which statements, one after the other, until it is small enough. Pure.

`layer_steps` yields statements and is sent their rows, so that a server and a command can make the same tiles.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from server.catalogue import Collection
from server.cql2.limits import SCAN_TIMEOUT
from server.editions import Edition
from server.pyramid.sources import Source
from server.state import State
from server.tiling.grid import Tile, search_box
from server.tiling.matrixsets import Grid
from server.tiling.query import (
    MAX_FEATURES,
    Form,
    Shape,
    count_text,
    thinned_text,
    thinning_parameters,
    tile_parameters,
    tile_text,
)
from server.tiling.restriction import EVERYTHING, Restriction

MAX_BYTES = 500_000
# How much less is asked for than what should just fit: features differ in size
CAUTION = 0.95

# Version of the collection, content, number of features in it, number of those that are not
LayerRow = tuple[int | None, bytes | None, int, int]


@dataclass(frozen=True)
class Wanted:
    """A collection's part of a tile."""

    collection: Collection
    grid: Grid
    tile: Tile
    form: Form = "mvt"
    restriction: Restriction = EVERYTHING

    @property
    def zoom(self) -> int:
        """The tile's level, as WebMercatorQuad counts."""
        return self.grid.by_level[self.tile.matrix].zoom


@dataclass(frozen=True)
class Share:
    """How much of a tile a layer may take."""

    size: int = MAX_BYTES
    features: int = MAX_FEATURES


WHOLE = Share()


@dataclass(frozen=True)
class Statement:
    """SQL with what it binds; see `Database.fetch` for the rest."""

    text: bytes
    parameters: dict[str, Any]
    plan_by_values: bool
    seconds: int | None


Steps = Generator[Statement, Sequence[Any], LayerRow | None]


def layer_steps(
    wanted: Wanted, state: State, source: Source, past: Edition | None = None, share: Share = WHOLE
) -> Steps:
    """Statements for the layer of a collection and those beside it; it returns them as one, None where no feature can
    be in the tile.
    """
    found = yield from _one_layer(wanted, state, source, past, share)
    if found is None or wanted.form != "mvt" or not source.beside:
        return found
    beside: list[LayerRow] = []
    for other in source.beside:
        row = yield from _one_layer(wanted, state, other, None, share)
        beside += [row] if row else []
    rest = Share(share.size - _size(beside), share.features - sum(row[2] for row in beside))
    if rest.size < share.size / 2 or rest.features < share.features / 2:  # areas come before their names
        beside = [(version, b"", 0, drawn + left_out) for version, _, drawn, left_out in beside]
        return _as_one([found, *beside])
    if _size([found]) > rest.size or found[2] > rest.features:
        found = (yield from _one_layer(wanted, state, source, past, rest)) or found
    # of these nothing is left out but lines shorter than a unit, whose areas tell of it
    return _as_one([found, *((version, content, drawn, 0) for version, content, drawn, _ in beside)])


def _size(rows: Sequence[LayerRow]) -> int:
    return sum(len(row[1] or b"") for row in rows)


def _as_one(rows: Sequence[LayerRow]) -> LayerRow:
    """Without a version where they are not of one."""
    versions = {row[0] for row in rows}
    content = b"".join(row[1] or b"" for row in rows)
    version = versions.pop() if len(versions) == 1 else None
    return version, content, sum(row[2] for row in rows), sum(row[3] for row in rows)


def _one_layer(wanted: Wanted, state: State, source: Source, past: Edition | None, share: Share) -> Steps:
    """Statements for a layer."""
    search = search_box(wanted.grid, wanted.tile, state, source.srid, former=past is not None)
    if search is None:
        return None
    shape = _shape(wanted, source, past)
    place = tile_parameters(wanted.grid, wanted.tile, search, source)
    values = {**place, **_values(wanted, past)}
    seconds = SCAN_TIMEOUT if wanted.restriction.condition else None

    def statement(text: bytes, **further: Any) -> Statement:
        return Statement(text, {**values, **further}, not wanted.restriction.plain, seconds)

    version, content, found, drawn = yield statement(tile_text(shape))
    size = len(content or b"")
    if size <= share.size and found <= share.features:
        return version, content, drawn, found - drawn
    inner = thinning_parameters(wanted.grid, wanted.tile, source)
    if found > MAX_FEATURES:
        version, found = yield statement(count_text(shape), **inner)
    most = min(share.features, found, _fitting(drawn, size, share))
    while True:
        version, content, _, drawn = yield statement(thinned_text(shape), **inner, most=most)
        size = len(content or b"")
        if size <= share.size:
            return version, content, drawn, found - drawn
        most = _fitting(most, size, share)


def _shape(wanted: Wanted, source: Source, past: Edition | None) -> Shape:
    restriction = wanted.restriction
    zoom = wanted.zoom
    carried = {"id", "count", "rank", *wanted.collection.tiles.properties_at(zoom)}
    return Shape(
        collection=wanted.collection,
        source=source,
        columns=tuple(name for name in source.columns if name in carried),
        srid=wanted.grid.srid,
        form=wanted.form,
        condition=restriction.condition.sql.as_bytes() if restriction.condition else None,
        since=restriction.since is not None,
        until=restriction.until is not None,
        past=past is not None,
    )


def _values(wanted: Wanted, past: Edition | None) -> dict[str, Any]:
    restriction = wanted.restriction
    found: dict[str, Any] = dict(restriction.condition.parameters) if restriction.condition else {}
    if restriction.since:
        found["since"] = restriction.since
    if restriction.until:
        found["until"] = restriction.until
    if past:
        found |= {"name": wanted.collection.id, "edition": past.delivery, "moment": past.published}
    return found


def _fitting(features: int, size: int, share: Share) -> int:
    """How many features should fit where so many need this size; fewer than those where they do not."""
    return int(CAUTION * features * share.size / size) if size > share.size else features


def fair_shares(needs: Sequence[int], total: int) -> list[int]:
    """How much each may have: all that it needs where that is no more than the others have to leave over, and what
    is left in equal parts where not.
    """
    shares = list(needs)
    left = total
    for place, number in enumerate(sorted(range(len(needs)), key=lambda n: needs[n])):
        shares[number] = min(needs[number], left // (len(needs) - place))
        left -= shares[number]
    return shares
