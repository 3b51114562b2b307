"""The formats of features, one module each, in the order of preference: the only list of them."""

from collections.abc import Mapping
from functools import lru_cache

from server.catalogue import Collection
from server.errors import InvalidParameter
from server.formats.binary import FLATGEOBUF, GEOPACKAGE, GEOPARQUET, SHAPE
from server.formats.cityjson import CITYJSON, CITYJSONSEQ
from server.formats.csv_text import CSV
from server.formats.geojson import GEOJSON_FORMAT, SEQUENCE_FORMAT
from server.formats.gml import GML_SF0, GML_SF2
from server.formats.jsonfg import JSONFG, JSONFG_PLUS
from server.formats.layer import Format

FORMATS: tuple[Format, ...] = (
    GEOJSON_FORMAT,
    JSONFG,
    JSONFG_PLUS,
    GML_SF0,
    GML_SF2,
    FLATGEOBUF,
    GEOPARQUET,
    GEOPACKAGE,
    CSV,
    SEQUENCE_FORMAT,
    SHAPE,
    CITYJSON,
    CITYJSONSEQ,
)
BY_KEY = {found.key: found for found in FORMATS}

# Media types that are worth compressing on their way; those of the binary formats are not, or are so already
COMPRESSED = (
    "application/fg+json",
    "application/gml+xml",
    "application/geo+json-seq",
    "text/csv",
    *(found.media_type for found in FORMATS if found.solids),
)

# Media types by the parameter f
OF_ITEMS = {found.key: found.media_type for found in FORMATS if found.items}
OF_ITEM = {found.key: found.media_type for found in FORMATS if found.items and found.single}


@lru_cache(maxsize=256)
def formats_of(collection: Collection) -> tuple[Format, ...]:
    """The formats of a collection."""
    return tuple(found for found in FORMATS if collection.lod or not found.solids)


@lru_cache(maxsize=256)
def media_types_of(collection: Collection, *, single: bool = False) -> Mapping[str, str]:
    """Media types of a collection's items, or of a single item, by the parameter f."""
    found = OF_ITEM if single else OF_ITEMS
    return {one.key: one.media_type for one in formats_of(collection) if one.key in found}


def find_format(key: str, profile: str | None) -> Format:
    """The format of a value of f, or its variant of that profile: a name or the URI that ends in it.

    Raises InvalidParameter.
    """
    found = BY_KEY[key]
    if profile is None:
        return found
    variants = [other for other in (found, *map(BY_KEY.__getitem__, found.variants)) if other.profile]
    for other in variants:
        if profile in {name_of(other), other.profile}:
            return other
    names = ", ".join(map(name_of, variants))
    remedy = f"Use one of: {names}" if names else "Leave the parameter out"
    raise InvalidParameter("profile", profile, f"the format {key} has no such profile", remedy)


def name_of(found: Format) -> str:
    """Name of a format's profile, a value of the parameter profile."""
    return (found.profile or "").rsplit("/", 1)[-1]
