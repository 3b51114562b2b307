"""Which table the tiles of a level are read from. Pure."""

from dataclasses import dataclass, replace
from functools import lru_cache

from psycopg import sql

from server.catalogue import Collection, Text
from server.pyramid.plan import BORDERS, NAMES, NOTES, SRID, columns, declare
from server.state import Pyramid, State

LIVE = "(select version from provenance.collection where collection = {})"
# null where the tables have changed since
MADE = """(select p.version from provenance.collection p join tiles.collection t using (collection)
where p.collection = {} and t.made = {})"""


@dataclass(frozen=True)
class Source:
    """A table (its schema and name) with the columns fid, geom and `columns`, and the CRS of geom.

    version: SQL of the collection's version as `State` has it, null where the table is not what the state said. note:
    what readers should know of it. feature_id: the column with the number of the feature; None where a row may stand
    for several. layer: of the tile, where it is not called as the collection. shape: SQL of what is shown of geom.
    beside: what else of the collection is in tiles.
    """

    table: tuple[str, str]
    srid: int
    columns: tuple[str, ...]
    version: bytes
    note: Text | None = None
    feature_id: str | None = "fid"
    layer: str = ""
    shape: str = "geom"
    beside: tuple["Source", ...] = ()


def usable(collection: Collection, state: State) -> Pyramid | None:
    """The pyramid, where there is one and it is what the collection's YAML says."""
    pyramid = state.pyramid
    return pyramid if pyramid and pyramid.declared == _declared(collection) else None


def source_of(collection: Collection, state: State, srid: int, zoom: int) -> Source:
    """The table for tiles in a CRS whose scale is that of a level of WebMercatorQuad.

    All tiles of a level are made of one version: of the pyramid's as long as there is one, else of what is live.
    """
    pyramid = usable(collection, state)
    if pyramid is None:
        return replace(live_source(collection), beside=_beside_live(collection))
    name = pyramid.levels.get(zoom)
    if name is None and srid == collection.srid and pyramid.version == state.version:
        # as it is in the CRS that is asked for
        return replace(live_source(collection), beside=_beside(collection, pyramid, pyramid.base))
    declared = collection.tiles.pyramid
    several = name is not None and declared is not None and declared.counts
    return Source(
        table=("tiles", name or pyramid.base),
        srid=SRID,
        columns=columns(collection, zoom if name else None),
        version=_version_made(collection, pyramid.made),
        note=NOTES[declared.method] if name and declared else None,
        feature_id=None if several else "fid",
        beside=_beside(collection, pyramid, name or pyramid.base),
    )


def live_source(collection: Collection) -> Source:
    """The features as they were delivered."""
    columns_ = columns(collection, None)
    return Source(("geobasis", collection.id), collection.srid, columns_, _version_live(collection))


def _beside(collection: Collection, pyramid: Pyramid, relation: str) -> tuple[Source, ...]:
    version = _version_made(collection, pyramid.made)
    found = []
    if collection.tiles.borders:
        table = ("tiles", f"{relation}{BORDERS}")
        found.append(Source(table, SRID, ("rank",), version, layer=f"{collection.id}.borders"))
    if collection.tiles.names:
        table = ("tiles", f"{pyramid.base}{NAMES}")
        found.append(Source(table, SRID, columns(collection, None), version, layer=f"{collection.id}.names"))
    return tuple(found)


def _beside_live(collection: Collection) -> tuple[Source, ...]:
    """Until the tables are there: a point within each area, and the outline of each."""
    live = live_source(collection)
    found = []
    if collection.tiles.borders:
        found.append(replace(live, columns=(), layer=f"{collection.id}.borders", shape="ST_Boundary(geom)"))
    if collection.tiles.names:
        found.append(replace(live, layer=f"{collection.id}.names", shape="ST_PointOnSurface(geom)"))
    return tuple(found)


@lru_cache(maxsize=512)
def _version_live(collection: Collection) -> bytes:
    return sql.SQL(LIVE).format(sql.Literal(collection.id)).as_bytes()


@lru_cache(maxsize=512)
def _version_made(collection: Collection, made: int) -> bytes:
    return sql.SQL(MADE).format(sql.Literal(collection.id), sql.Literal(made)).as_bytes()


@lru_cache(maxsize=512)
def _declared(collection: Collection) -> str:
    return declare(collection)
