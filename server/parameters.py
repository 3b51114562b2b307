"""The query string, read strictly: each parameter once, none that the resource does not have."""

from collections.abc import Collection as Names
from urllib.parse import unquote_to_bytes

from server.errors import InvalidParameter, UnknownParameter, UriTooLong

MAX_QUERY = 32_768
MAX_PARAMETERS = 200


def parse_query(query: bytes, allowed: Names[str], longest: int = MAX_QUERY) -> dict[str, str]:
    """Parameters of a raw query string, percent-decoded.

    Raises UnknownParameter, InvalidParameter (given twice, not UTF-8, NUL), UriTooLong.
    """
    if len(query) > longest:
        raise UriTooLong(
            f"The query string has {len(query)} bytes; this service reads {longest}. Shorten it.", limit=longest
        )
    parameters: dict[str, str] = {}
    for part in query.split(b"&", MAX_PARAMETERS):
        if not part:
            continue
        raw_name, _, raw_value = part.partition(b"=")
        name = _decoded(raw_name, "name")
        if name not in allowed:
            raise UnknownParameter(name, sorted(allowed))
        value = _decoded(raw_value, name)
        if name in parameters:
            raise InvalidParameter(name, value, "it is given more than once", "Give it once")
        parameters[name] = value
    return parameters


def _decoded(raw: bytes, parameter: str) -> str:
    try:
        plain = b"%" not in raw and b"+" not in raw
        value = raw.decode() if plain else unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        shown = raw[:100].decode("ascii", "replace")
        raise InvalidParameter(parameter, shown, "it is not UTF-8", "Percent-encode its UTF-8 bytes") from None
    if "\0" in value:
        raise InvalidParameter(parameter, value, "it holds a NUL character", "Leave it out")
    return value
