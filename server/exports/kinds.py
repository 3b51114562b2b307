"""The formats of which files are made, and the CRS that their coordinates have if none is asked for."""

from dataclasses import dataclass

from server.catalogue import Collection
from server.crs import CRS84, ETRS89_UTM32, WITH_HEIGHTS, Crs
from server.errors import InvalidParameter
from server.formats.binary import FLATGEOBUF, GEOPACKAGE, GEOPARQUET, SHAPE
from server.formats.cityjson import CITYJSONSEQ
from server.formats.csv_text import CSV
from server.formats.geojson import SEQUENCE_FORMAT
from server.formats.layer import Format

# In the order in which they are offered and made; the Shape file comes last, because some collections do not fit in
KINDS: dict[str, Format] = {
    kind.key: kind for kind in (GEOPACKAGE, FLATGEOBUF, GEOPARQUET, SEQUENCE_FORMAT, CSV, CITYJSONSEQ, SHAPE)
}


@dataclass(frozen=True)
class Archive:
    """Another kind of file that is offered; it is not made of rows."""

    key: str
    media_type: str
    extension: str
    title: str


TILES = Archive("pmtiles", "application/vnd.pmtiles", "pmtiles", "PMTiles")
# What a collection may offer; tiles only once they are made
OFFERED: dict[str, Format | Archive] = {**KINDS, TILES.key: TILES}
MEDIA_TYPES = {key: kind.media_type for key, kind in KINDS.items()}


def kinds_of(collection: Collection) -> tuple[str, ...]:
    """Keys of the formats of a collection's files."""
    return tuple(key for key, kind in KINDS.items() if collection.lod or not kind.solids)


def find_kind(collection: Collection, key: str) -> Format:
    """The format of that key. Raises InvalidParameter."""
    known = kinds_of(collection)
    if key in known:
        return KINDS[key]
    raise InvalidParameter(
        "f", key, f"it is no format of files of '{collection.id}'", f"Use one of: {', '.join(known)}"
    )


def usual_crs(kind: Format) -> Crs:
    """As delivered; GeoJSON knows longitude and latitude only (RFC 7946, 4). Files but those of solids have areas."""
    if kind.solids:
        return WITH_HEIGHTS
    return CRS84 if kind.key == "geojsonl" else ETRS89_UTM32
