"""Which table the tiles of a level are read from. Pure."""

from dataclasses import dataclass
from functools import lru_cache

from psycopg import sql

from server.catalogue import Collection, Text
from server.pyramid.plan import NOTES, SRID, columns, declare
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
    for several.
    """

    table: tuple[str, str]
    srid: int
    columns: tuple[str, ...]
    version: bytes
    note: Text | None = None
    feature_id: str | None = "fid"


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
        return live_source(collection)
    name = pyramid.levels.get(zoom)
    if name is None and srid == collection.srid and pyramid.version == state.version:
        return live_source(collection)  # as it is in the CRS that is asked for
    declared = collection.tiles.pyramid
    several = name is not None and declared is not None and declared.counts
    return Source(
        table=("tiles", name or pyramid.base),
        srid=SRID,
        columns=columns(collection, zoom if name else None),
        version=_version_made(collection, pyramid.made),
        note=NOTES[declared.method] if name and declared else None,
        feature_id=None if several else "fid",
    )


def live_source(collection: Collection) -> Source:
    """The features as they were delivered."""
    columns_ = columns(collection, None)
    return Source(("geobasis", collection.id), collection.srid, columns_, _version_live(collection))


@lru_cache(maxsize=512)
def _version_live(collection: Collection) -> bytes:
    return sql.SQL(LIVE).format(sql.Literal(collection.id)).as_bytes()


@lru_cache(maxsize=512)
def _version_made(collection: Collection, made: int) -> bytes:
    return sql.SQL(MADE).format(sql.Literal(collection.id), sql.Literal(made)).as_bytes()


@lru_cache(maxsize=512)
def _declared(collection: Collection) -> str:
    return declare(collection)
