"""Which representation and which language: `f=` and `lang=` first, then Accept and Accept-Language (RFC 9110)."""

from collections.abc import Mapping
from functools import lru_cache

from server.catalogue import LANGUAGES, Language
from server.errors import InvalidParameter, NotAcceptable

DEFAULT_LANGUAGE: Language = "de"

MAX_HEADER = 2000  # characters of a header that are read

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA_JSON = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
PROBLEM = "application/problem+json"
HTML = "text/html"
XML = "application/xml"
MVT = "application/vnd.mapbox-vector-tile"
MAPLIBRE = "application/vnd.mapbox.style+json"  # the name that the draft of OGC API Styles has for it
QML = "application/vnd.qgis.qml+xml"
PNG = "image/png"

GML = "application/gml+xml"

# Asking for plain JSON is asking for any of these
JSON_LIKE = frozenset({GEOJSON, SCHEMA_JSON, OPENAPI, PROBLEM, MAPLIBRE})


def choose_format(formats: Mapping[str, str], f: str | None, accept: str | None) -> str:
    """Key of the representation to send; `formats` maps f values to media types, the first is the default.

    Raises InvalidParameter for an unknown f, NotAcceptable where Accept rules all out.
    """
    if f is not None:
        if f in formats:
            return f
        raise InvalidParameter("f", f, "it is no format of this resource", f"Use one of: {', '.join(formats)}")
    if not accept or not accept.strip():
        return next(iter(formats))
    best = _best(tuple(formats.items()), accept[:MAX_HEADER])
    if best is None:
        raise NotAcceptable(
            f"No representation fits 'Accept: {accept[:200]}'. Available: {', '.join(formats.values())}. "
            "Send another Accept header or the parameter f.",
            available=list(formats.values()),
        )
    return best


@lru_cache(maxsize=512)
def _best(formats: tuple[tuple[str, str], ...], accept: str) -> str | None:
    ranges = dict(parse_accept(accept))
    best, highest = None, (0.0, False)
    for key, media_type in formats:
        quality = max(_quality(ranges, name) for name in _names(media_type))
        if quality and (quality, _named(media_type, accept)) > highest:
            best, highest = key, (quality, _named(media_type, accept))
    return best


def choose_language(lang: str | None, accept_language: str | None) -> Language:
    """Language of the texts; German where nothing else is asked for. Raises InvalidParameter for an unknown lang."""
    if lang is not None:
        for language in LANGUAGES:
            if lang == language:
                return language
        raise InvalidParameter("lang", lang, "it is no language of this service", "Use one of: de, en")
    return _best_language(accept_language[:MAX_HEADER]) if accept_language else DEFAULT_LANGUAGE


@lru_cache(maxsize=512)
def _best_language(accept_language: str) -> Language:
    best, best_quality = DEFAULT_LANGUAGE, 0.0
    for name, quality in parse_accept(accept_language):
        for language in LANGUAGES:
            if name.split("-")[0] == language and quality > best_quality:
                best, best_quality = language, quality
    return best


def parse_accept(header: str) -> list[tuple[str, float]]:
    """Names of an Accept or Accept-Language header with their quality, in its order; what is malformed is left out."""
    found = []
    for part in header[:MAX_HEADER].lower().split(","):
        name, *parameters = (p.strip() for p in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _number(value)
        if name:
            found.append((name, quality))
    return found


def _number(value: str) -> float:
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def _names(media_type: str) -> tuple[str, ...]:
    """The media type and, for what is JSON or XML too, application/json or application/xml."""
    name = media_type.partition(";")[0]
    if name == GML:
        return name, XML
    return (name, JSON) if media_type in JSON_LIKE else (name,)


def _named(media_type: str, accept: str) -> bool:
    """Whether a media type stands in the header with all its parameters, as the variants of GML are told apart."""
    return ";" in media_type and _bare(media_type) in _bare(accept)


def _bare(text: str) -> str:
    return text.lower().replace(" ", "").replace('"', "")


def _quality(ranges: dict[str, float], name: str) -> float:
    """Quality of the most specific range that a media type falls into, 0 where none."""
    kind = name.partition("/")[0]
    for candidate in (name, f"{kind}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0
