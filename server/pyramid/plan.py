"""What a pyramid consists of: levels, distances, columns, names. Pure."""

import hashlib
from dataclasses import dataclass

from psycopg import sql

from server.catalogue import Collection, Text

SRID = 3857
# Half of the edge of the square that Web Mercator maps the world to, metres
EDGE = 20037508.342789244
# Another number where the same collection and features would give other tables or tiles
REVISION = 1

# Tables of what areas have besides themselves: those of names and of lines are called as those of the areas with this
NAMES, BORDERS = "_names", "_borders"

# In pixels, of which a tile has 256 along each edge; shown on a screen one is mostly drawn as two
CLUSTER = 16
BLOCK = 8
# Gaps of buildings up to twice this distance are closed
CLOSING = 0.5
LEAST_AREA = 0.5
# Areas of triangles that simplification takes away are at most the square of this
COVERAGE_DETAIL = 0.25
BLOCK_DETAIL = 0.5

NOTES = {
    "coverage": Text(
        de="Umrisse auf die Auflösung der Kacheln vereinfacht, Nachbarn gemeinsam",
        en="Outlines simplified to the resolution of the tiles, neighbours together",
    ),
    "clusters": Text(
        de="Nahe Punkte sind zu einem zusammengefasst; count ist ihre Anzahl",
        en="Points near each other are one; count is their number",
    ),
    "blocks": Text(
        de="Nahe Flächen sind zusammengewachsen, count ist ihre Anzahl; zu kleine fehlen",
        en="Areas near each other have grown together, count is their number; those too small are left out",
    ),
}


@dataclass(frozen=True)
class Level:
    """A table of what is shown at a level of WebMercatorQuad; `pixel`: metres of EPSG:3857."""

    collection: Collection
    zoom: int
    relation: str

    @property
    def pixel(self) -> float:
        return pixel(self.zoom)

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier("tiles", self.relation)


def pixel(zoom: int) -> float:
    """Edge of a pixel at a level, metres of EPSG:3857; on the ground in the state they are 0.61 to 0.64 of that."""
    return 2 * EDGE / 256 / 2**zoom


def zooms(collection: Collection) -> tuple[int, ...]:
    """The levels that have tables of their own, the most detailed first: each is made of the one before it."""
    tiles = collection.tiles
    return tuple(range(tiles.pyramid.below - 1, tiles.minzoom - 1, -1)) if tiles.pyramid else ()


def columns(collection: Collection, zoom: int | None) -> tuple[str, ...]:
    """Columns of a level's table besides fid and geom; `zoom` None: of the base."""
    counts = zoom is not None and collection.tiles.pyramid is not None and collection.tiles.pyramid.counts
    return ("id", *collection.tiles.properties, *(("count",) if counts else ()))


def geometry_type(collection: Collection, zoom: int | None) -> str:
    """Type of a level's geometries as PostGIS names it."""
    pyramid = collection.tiles.pyramid
    if zoom is None or pyramid is None or pyramid.method == "clusters":
        return collection.geometry
    return "MultiPolygon"


def declare(collection: Collection) -> str:
    """Digest of all that the tables, and tiles made of them, depend on besides the features."""
    tiles = collection.tiles.model_dump()
    tiles = {key: value for key, value in tiles.items() if value or key not in {"names", "borders"}}
    said = (REVISION, collection.geometry, collection.srid, tiles, collection.tiles.first)
    return hashlib.blake2b(repr(said).encode(), digest_size=12).hexdigest()


def relation(collection: Collection, zoom: int | None, number: int) -> str:
    """Name of a table; the number, which is its own, tells it from a former one."""
    return f"{collection.id[:40]}_{'base' if zoom is None else f'z{zoom:02}'}_{number}"
