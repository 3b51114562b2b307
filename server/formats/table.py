"""The formats of features, one module each, in the order of preference: the only list of them."""

from server.formats.geojson import GEOJSON_FORMAT, SEQUENCE_FORMAT
from server.formats.layer import Format

FORMATS: tuple[Format, ...] = (
    GEOJSON_FORMAT,
    SEQUENCE_FORMAT,
)
BY_KEY = {found.key: found for found in FORMATS}
