"""The shared components of the API definition."""

from collections.abc import Mapping
from typing import Any

from server.catalogue import LANGUAGES, Language
from server.cql2.filter import LANGUAGES as LANGUAGES_OF_FILTERS
from server.crs import CRS84, OFFERED, WITH_HEIGHTS
from server.exports.kinds import KINDS
from server.formats.gml import SCHEMA_KEYS
from server.formats.table import FORMATS, OF_ITEM, OF_ITEMS, name_of
from server.limits import DEFAULT_LIMIT, MAX_LIMIT
from server.negotiation import GEOJSON, HTML

STRING = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 0}


def components(
    lang: Language, collections: list[str], grids: list[str], styles: list[str], named: list[tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    """Parameters, headers, responses and schemas; `collections` and `grids` are the ids that exist, `named` further
    parameters.
    """
    parameters = {
        **_parameters(lang),
        "collectionId": _path("Id of the collection", {"type": "string", "enum": collections}),
        "tileMatrixSetId": _path("Id of the tile matrix set", {"type": "string", "enum": grids}),
        "styleId": _path("Id of the style", {"type": "string", "enum": styles}),
        "collections": _query(
            "Only these collections; without it all but those that double another",
            {"type": "array", "items": {"type": "string", "enum": collections}},
        ),
    }
    return {
        "parameters": {name: {"name": name, **value} for name, value in parameters.items()}
        | _formats()
        | _search_parameters()
        | _file_parameters()
        | dict(named),
        "headers": _headers(),
        "responses": _responses(),
        "schemas": _schemas(),
    }


def _query(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "in": "query",
        "description": description,
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


def _path(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "path", "description": description, "required": True, "schema": schema}


def _parameters(lang: Language) -> dict[str, Any]:
    crs = {"type": "string", "format": "uri", "enum": [c.uri for c in OFFERED], "default": CRS84.uri}
    heights = {**crs, "enum": [*crs["enum"], WITH_HEIGHTS.uri]}
    box = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    return {
        "lang": _query(
            "Language; wins over Accept-Language", {"type": "string", "enum": list(LANGUAGES), "default": lang}
        ),
        "limit": _query(
            f"Number of features on a page. More than {MAX_LIMIT} is {MAX_LIMIT}; the link `next` goes on.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        ),
        "bbox": _query("Only features that intersect this box, in the axis order of bbox-crs", box),
        "bbox-crs": _query("CRS of bbox", heights),
        "crs": _query("CRS of the answer; the one with heights only of collections with solids", heights),
        "datetime": _query(
            "Only features whose date lies in this instant or interval (RFC 3339): "
            "`2026-07-01`, `2026-07-01T00:00:00Z`, `2026-01-01/..`, `../2026-12-31`",
            STRING,
        ),
        "resultType": _query(
            "`hits`: only the number of features, counted exactly",
            {"type": "string", "enum": ["results", "hits"], "default": "results"},
        ),
        "asOf": _query(
            "The data as they were at this instant (RFC 3339, with zone): `2026-07-01T00:00:00Z`",
            {"type": "string", "format": "date-time"},
        ),
        "skipGeometry": _query("`true`: features without geometry", {"type": "boolean", "default": False}),
        "zoom-level": _query(
            "Geometries simplified for a map at this level of WebMercatorQuad, by half a pixel",
            {"type": "number", "minimum": 0},
        ),
        "filter": _query(
            "Only features that meet this condition, in CQL2; names are those of the queryables, functions those of "
            "`/functions`: `gmd = 'Essen' AND CASEI(str) LIKE CASEI('haupt%')`",
            STRING,
        ),
        "q": _query(
            "Only features with these words; of terms between commas one will do, of words between blanks all are "
            "needed, in any order, and the last may be a beginning: `haupt`, `Hauptstr Essen`, `Köln,Koeln`",
            {"type": "array", "items": STRING},
        ),
        "filter-lang": _query(
            "Language of the filter; `cql-text` is CQL2 Text as GDAL writes it",
            {"type": "string", "enum": list(LANGUAGES_OF_FILTERS), "default": LANGUAGES_OF_FILTERS[0]},
        ),
        "filter-crs": _query("CRS of the filter's geometries", crs),
        "profile": _query(
            "Variant of the format: of `json` rfc7946, jsonfg and jsonfg-plus, of `gml` gml-sf0 and gml-sf2",
            {"type": "string", "enum": sorted({name_of(found) for found in FORMATS if found.profile})},
        ),
        "cursor": _query("Place of a page, taken from the links `next` and `prev`", STRING),
        "featureId": _path("Id of the feature", STRING),
        "tileMatrix": _path("Level of the tile matrix set", {"type": "integer", "minimum": 0, "maximum": 24}),
        "tileRow": _path("Row from the top", NUMBER),
        "tileCol": _path("Column from the left", NUMBER),
    }


def _search_parameters() -> dict[str, Any]:
    """Those of /search, of which some have a namesake elsewhere."""
    degrees = {"type": "number", "minimum": -180, "maximum": 180}
    box = {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}}
    kinds = {"type": "array", "items": {"type": "string", "enum": ["address", "street", "parcel", "place"]}}
    limit = {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}
    texts: dict[str, tuple[str, str, dict[str, Any]]] = {
        "searchText": ("q", "Address, street, parcel or place, as people type it: `Hauptstr. 5 Essen`", STRING),
        "lon": ("lon", "What is near this point instead of q: longitude in degrees; lat belongs to it", degrees),
        "lat": ("lat", "Latitude in degrees", {**degrees, "minimum": -90, "maximum": 90}),
        "searchKind": ("kind", "Only answers of these kinds", kinds),
        "searchCollections": ("collections", "Only answers from these collections", {"type": "array", "items": STRING}),
        "searchBbox": ("bbox", "What lies in this box comes first: west,south,east,north in degrees", box),
        "searchLimit": ("limit", "Number of answers", limit),
    }
    return {key: {"name": name, **_query(text, schema)} for key, (name, text, schema) in texts.items()}


def _file_parameters() -> dict[str, Any]:
    """Those of downloads."""
    key = {"type": "string", "pattern": r"^(\d{2}|\d{3}|\d{5}|\d{8})$"}
    crs = {"type": "string", "format": "uri", "enum": [c.uri for c in OFFERED]}
    area = "Only what belongs to this municipality (8 digits), district (5), region (3): its official key, `05113000`"
    query: dict[str, tuple[str, str, dict[str, Any]]] = {
        "area": ("area", area, key),
        "fileCrs": ("crs", "CRS of the file; without it as delivered, of GeoJSON longitude and latitude", crs),
        "fileFormat": (
            "f",
            "Format of the file",
            {"type": "string", "enum": list(KINDS), "default": next(iter(KINDS))},
        ),
    }
    paths = {
        "fontstack": (
            "fontstack",
            "Font, or several with commas between, of which the first that is there is taken: `Open Sans Regular`",
            STRING,
        ),
        "glyphRange": ("range", "Characters: `0-255`, `256-511`, …", {"type": "string", "pattern": "^[0-9]+-[0-9]+$"}),
        "fileName": ("fileName", "Name of the file, taken from a link `enclosure`, or `SHA256SUMS`", STRING),
        "cutKey": ("key", "Names the part that was asked for", {"type": "string", "pattern": "^[0-9a-f]{32}$"}),
    }
    ranges = {"name": "Range", "in": "header", "description": "Parts of the file: `bytes=0-499`", "schema": STRING}
    return (
        {key: {"name": name, **_query(text, schema)} for key, (name, text, schema) in query.items()}
        | {key: {"name": name, **_path(text, schema)} for key, (name, text, schema) in paths.items()}
        | {"Range": ranges}
    )


def _formats() -> dict[str, Any]:
    """The parameter f as the kinds of resources have it."""
    plain = [found.key for found in FORMATS if found.items and not found.solids]
    kinds = {
        "f": ["json", "html"],
        "coreFormat": ["json", "html", "xml"],
        "itemsFormat": ["html", *plain],
        "itemFormat": ["html", *(key for key in plain if key in OF_ITEM)],
        "jsonFormat": ["json"],
        "schemaFormat": ["json", "html", "feature", "geojson", *SCHEMA_KEYS],
        "tileFormat": ["mvt", "json"],
        "mvtFormat": ["mvt"],
        "sheetFormat": ["mapbox", "html"],
        "layerSheetFormat": ["mapbox", "qml", "html"],
        "legendFormat": ["html", "png"],
    }
    return {kind: _format(names) for kind, names in kinds.items()}


def solid_formats() -> list[tuple[str, dict[str, Any]]]:
    """The parameter f of features with solids and of one of them."""
    return [("solidsFormat", _format(["html", *OF_ITEMS])), ("solidFormat", _format(["html", *OF_ITEM]))]


def _format(names: list[str]) -> dict[str, Any]:
    return {"name": "f", **_query("Format; wins over the Accept header", {"type": "string", "enum": names})}


def _headers() -> dict[str, Any]:
    texts = {
        "Content-Crs": "CRS of the coordinates, as `<URI>`",
        "ETag": "Validator of this representation",
        "Last-Modified": "When the data last changed",
        "Link": "Links of the page, among them `next` and `prev`",
        "OpenNRW-Coordinates": "Whether the coordinates are `official`, as they were delivered, or `transformed`, by "
        "which `operation` of PROJ and with which `accuracy` in metres",
        "OpenNRW-Left-Out": "Number of features that a tile does not show, by collection: `hausumring=1200`",
        "Memento-Datetime": "Of a former state, since when it was live",
    }
    counts = {
        "OGC-NumberMatched": "Number of features that match, where it is exact",
        "OGC-NumberReturned": "Number of features in this answer",
    }
    return {name: {"description": text, "schema": STRING} for name, text in texts.items()} | {
        name: {"description": text, "schema": NUMBER} for name, text in counts.items()
    }


def _responses() -> dict[str, Any]:
    texts = {
        "InvalidParameter": "A parameter is unknown or its value not valid",
        "NotFound": "There is no such resource",
        "Gone": "The state of the data that a cursor belongs to is not kept: begin anew",
        "NotAcceptable": "No representation fits the Accept header",
        "Unavailable": "The database does not answer in time; see Retry-After",
    }
    problem = {
        "application/problem+json": {"schema": _schema("problem")},
        "text/html": {"schema": _schema("html")},
    }
    found = {name: {"description": text, "content": problem} for name, text in texts.items()}
    return {
        **found,
        "Features": _features("featureCollectionGeoJSON", OF_ITEMS, "OGC-NumberMatched", "OGC-NumberReturned"),
        "Feature": _features("featureGeoJSON", OF_ITEM),
        "NotModified": {"description": "The client's copy is still good"},
        "WithoutBlanks": {"description": "To the same page without empty parameters, which a form sends, too"},
    }


def _features(schema: str, formats: Mapping[str, str], *counts: str) -> dict[str, Any]:
    headers = ("ETag", "Last-Modified", "Content-Crs", "OpenNRW-Coordinates", "Link", "Memento-Datetime", *counts)
    others = {media_type: {"schema": _schema(_kind(media_type))} for media_type in formats.values()}
    return {
        "description": "Features",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": others | {GEOJSON: {"schema": _schema(schema)}, HTML: {"schema": _schema("html")}},
    }


def _kind(media_type: str) -> str:
    """Name of a schema that says nothing but what the bytes are."""
    if media_type.endswith("+json"):
        return "object"
    return "html" if any(name in media_type for name in ("text/", "xml", "json-seq")) else "binary"


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    found = {"type": "object", "properties": properties}
    return {**found, "required": required} if required else found


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    return {
        "html": STRING,
        "binary": {"type": "string", "format": "binary"},
        "object": {"type": "object"},
        "link": _object(["href", "rel"], href=STRING, rel=STRING, type=STRING, title=STRING),
        "confClasses": _object(["conformsTo"], conformsTo=_array(STRING)),
        **_collection_schemas(_array(_schema("link"))),
        **_feature_schemas(_array(_schema("link"))),
        "problem": _object(
            ["type", "title", "status"],
            status={"type": "integer"},
            **dict.fromkeys(("type", "title", "detail", "instance", "parameter", "value", "rule", "remedy"), STRING),
        ),
    }


def _collection_schemas(links: dict[str, Any]) -> dict[str, Any]:
    boxes = _object([], bbox=_array(_array({"type": "number"})), crs=STRING)
    return {
        "landingPage": _object(["links"], title=STRING, description=STRING, attribution=STRING, links=links),
        "collections": _object(["links", "collections"], links=links, collections=_array(_schema("collection"))),
        "collection": _object(
            ["id", "links"],
            **dict.fromkeys(("id", "title", "description", "attribution", "license", "itemType", "storageCrs"), STRING),
            keywords=_array(STRING),
            crs=_array(STRING),
            itemCount=NUMBER,
            extent=_object([], spatial=boxes, temporal={"type": "object"}),
            links=links,
        ),
    }


def _feature_schemas(links: dict[str, Any]) -> dict[str, Any]:
    return {
        "featureCollectionGeoJSON": _object(
            ["type", "features"],
            type={"type": "string", "enum": ["FeatureCollection"]},
            features=_array(_schema("featureGeoJSON")),
            links=links,
            timeStamp={"type": "string", "format": "date-time"},
            numberMatched=NUMBER,
            numberReturned=NUMBER,
        ),
        "featureGeoJSON": _object(
            ["type", "geometry", "properties"],
            type={"type": "string", "enum": ["Feature"]},
            id=STRING,
            geometry=_schema("geometryGeoJSON"),
            properties={"type": "object", "nullable": True},
            links=links,
        ),
        "geometryGeoJSON": {
            **_object(["type"], type=STRING, coordinates={"type": "array", "items": {}}),
            "nullable": True,
        },
        "searchResults": _object(
            ["type", "features"],
            type={"type": "string", "enum": ["FeatureCollection"]},
            features=_array(_schema("featureGeoJSON")),
            links=links,
            numberReturned=NUMBER,
        ),
        "versions": _object(
            ["type", "features"],
            type={"type": "string", "enum": ["FeatureCollection"]},
            features=_array(_schema("version")),
            links=links,
            numberMatched=NUMBER,
            numberReturned=NUMBER,
        ),
        "version": {
            "allOf": [
                _schema("featureGeoJSON"),
                _object(
                    ["validFrom", "validTo", "delivery", "restoredBy", "endedBy"],
                    validFrom={"type": "string", "format": "date-time"},
                    validTo={"type": "string", "format": "date-time", "nullable": True},
                    delivery={"type": "object"},
                    restoredBy={"type": "object", "nullable": True},
                    endedBy={"type": "object", "nullable": True},
                ),
            ]
        },
    }
