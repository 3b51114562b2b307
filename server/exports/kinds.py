"""The formats of which files are made, and the CRS that their coordinates have if none is asked for."""

from dataclasses import dataclass

from server.crs import CRS84, ETRS89_UTM32, Crs
from server.errors import InvalidParameter
from server.formats.binary import FLATGEOBUF, GEOPACKAGE, GEOPARQUET, SHAPE
from server.formats.csv_text import CSV
from server.formats.geojson import SEQUENCE_FORMAT
from server.formats.layer import Format

# In the order in which they are offered and made; the Shape file comes last, because some collections do not fit in
KINDS: dict[str, Format] = {
    kind.key: kind for kind in (GEOPACKAGE, FLATGEOBUF, GEOPARQUET, SEQUENCE_FORMAT, CSV, SHAPE)
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


def find_kind(key: str) -> Format:
    """The format of that key. Raises InvalidParameter."""
    if kind := KINDS.get(key):
        return kind
    raise InvalidParameter("f", key, "it is no format of files", f"Use one of: {', '.join(KINDS)}")


def usual_crs(kind: Format) -> Crs:
    """As delivered; GeoJSON knows longitude and latitude only (RFC 7946, 4)."""
    return CRS84 if kind.key == "geojsonl" else ETRS89_UTM32
