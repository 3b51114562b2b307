"""The API definition: OpenAPI 3.0, complete, small, without a reference to anywhere else."""

from typing import Any

from server.catalogue import Collection, Language, Property
from server.common.components import components, solid_formats
from server.common.schemas import json_type
from server.exchange import Exchange
from server.negotiation import GEOJSON, HTML, JSON, MAPLIBRE, MVT, OPENAPI, PNG, QML, SCHEMA_JSON, XML
from server.palettes import read_palettes
from server.tiling.matrixsets import grids_by_name

VERSION = "1.0.0"
FILTER = ("filter", "filter-lang", "filter-crs")
NAMED = ("properties", "exclude-properties", "sortby")
SHARED = ("asOf", "skipGeometry", "zoom-level", "profile")
# Besides JSON, of the documents that Features Part 1 has XML of, too
CORE = {HTML: "html", XML: "html"}
TILE = ("tileMatrixSetId", "tileMatrix", "tileRow", "tileCol")
TAGS = {
    "service": {"de": "Dienst", "en": "Service"},
    "data": {"de": "Daten", "en": "Data"},
    "tiles": {"de": "Kacheln", "en": "Tiles"},
    "styles": {"de": "Kartenstile", "en": "Map styles"},
    "provenance": {"de": "Herkunft", "en": "Provenance"},
}


def api_definition(exchange: Exchange) -> dict[str, Any]:
    """/api. The paths of items are written out per collection, because QGIS and GDAL look there for the filters."""
    service, lang = exchange.context.service, exchange.lang
    contact = {"name": service.provider.name, "url": service.provider.url, "email": service.provider.email}
    registry = exchange.context.registry
    collections = registry.loaded or list(registry.collections.values())
    return {
        "openapi": "3.0.3",
        "info": {
            "title": service.title.in_(lang),
            "description": service.description.in_(lang),
            "version": VERSION,
            "contact": {key: value for key, value in contact.items() if value},
            "license": {"name": service.licence.title, "url": service.licence.url},
        },
        "servers": [{"url": exchange.base}],
        "tags": [{"name": name, "description": texts[lang]} for name, texts in TAGS.items()],
        "paths": {
            **_service_paths(),
            **{path: operation for c in collections for path, operation in _data_paths(c, lang).items()},
            **_collection_paths(),
        },
        "components": components(
            lang,
            [c.id for c in collections],
            list(grids_by_name(exchange.context.settings.config_dir)),
            list(read_palettes(exchange.context.settings.config_dir)),
            [p for c in collections for p in (*_named(c), *(solid_formats() if c.lod else ()))],
        ),
    }


def operation(
    operation_id: str, tag: str, summary: str, content: dict[str, str], parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A GET operation; `content` maps media types to names of component schemas."""
    ok = {
        "description": summary,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("ETag", "Last-Modified")},
        "content": {media: {"schema": ref("schemas", name)} for media, name in content.items()},
    }
    errors = {
        "304": "NotModified",
        "400": "InvalidParameter",
        "404": "NotFound",
        "406": "NotAcceptable",
        "503": "Unavailable",
    }
    kind = "coreFormat" if XML in content else "f" if HTML in content else "jsonFormat"
    return {
        "get": {
            "operationId": operation_id,
            "tags": [tag],
            "summary": summary,
            "parameters": [ref("parameters", kind), ref("parameters", "lang"), *(parameters or [])],
            "responses": {"200": ok, **{code: ref("responses", name) for code, name in errors.items()}},
        }
    }


def ref(kind: str, name: str) -> dict[str, str]:
    """Reference to a shared component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def _service_paths() -> dict[str, Any]:
    return {
        "/": operation("getLandingPage", "service", "Landing page", {JSON: "landingPage", **CORE}),
        "/functions": operation("getFunctions", "service", "Functions of filters", {JSON: "object"}),
        "/conformance": operation(
            "getConformanceDeclaration", "service", "Conformance classes", {JSON: "confClasses", **CORE}
        ),
        "/api": operation("getApi", "service", "API definition", {OPENAPI: "object", HTML: "html"}),
        "/search": _search(),
        "/collections": operation("getCollections", "data", "Collections", {JSON: "collections", **CORE}),
        "/tileMatrixSets": operation(
            "getTileMatrixSetsList", "tiles", "Tile matrix sets", {JSON: "object", HTML: "html"}
        ),
        "/tileMatrixSets/{tileMatrixSetId}": operation(
            "getTileMatrixSet",
            "tiles",
            "Tile matrix set",
            {JSON: "object", HTML: "html"},
            [ref("parameters", "tileMatrixSetId")],
        ),
        "/downloads/{fileName}": _file("getMapFile", [ref("parameters", "fileName")]),
        **_tile_paths("", "dataset", ["collections"]),
        **_style_paths("", "dataset", ["collections"]),
        "/fonts/{fontstack}/{range}.pbf": _glyphs(),
    }


def _search() -> dict[str, Any]:
    formats = {GEOJSON: "searchResults", HTML: "html"}
    found = operation("search", "data", "Addresses, streets, parcels and places", formats)
    names = ("searchText", "lon", "lat", "searchKind", "searchCollections", "searchBbox", "searchLimit", "crs")
    found["get"]["parameters"] += [ref("parameters", name) for name in names]
    del found["get"]["responses"]["304"]
    found["get"]["responses"]["200"]["headers"] = {"Content-Crs": ref("headers", "Content-Crs")}
    return found


def _data_paths(collection: Collection, lang: Language) -> dict[str, Any]:
    items = f"/collections/{collection.id}/items"
    item = f"{items}/{{featureId}}"
    return {
        items: _items(collection, lang),
        item: _item(collection, lang),
    }


def _collection_paths() -> dict[str, Any]:
    """What is alike for all collections."""
    at = "/collections/{collectionId}"
    table: dict[str, tuple[str, str, str, dict[str, str]]] = {
        at: ("getCollection", "data", "Collection", {JSON: "collection", **CORE}),
        f"{at}/queryables": ("getQueryables", "data", "Queryables", {SCHEMA_JSON: "object", HTML: "html"}),
        f"{at}/sortables": ("getSortables", "data", "Sortables", {SCHEMA_JSON: "object", HTML: "html"}),
        f"{at}/schema": ("getSchema", "data", "Schema", {SCHEMA_JSON: "object", HTML: "html", XML: "html"}),
        f"{at}/provenance": ("getProvenance", "provenance", "Provenance", {JSON: "object", HTML: "html"}),
    }
    collection_id = [ref("parameters", "collectionId")]
    paths = {path: operation(*described, collection_id) for path, described in table.items()}
    paths[f"{at}/schema"]["get"]["parameters"][0] = ref("parameters", "schemaFormat")
    paths[f"{at}/items/{{featureId}}/versions"] = _versions()
    paths |= _file_paths(at, collection_id)
    return {**paths, **_tile_paths(at, "collection", []), **_style_paths(at, "collection", [])}


def _file_paths(at: str, collection_id: list[dict[str, Any]]) -> dict[str, Any]:
    """Files of whole collections, and of parts of them."""
    pages = {JSON: "object", HTML: "html"}
    cut = [*collection_id, ref("parameters", "cutKey")]
    asked = [ref("parameters", name) for name in ("area", "fileCrs", *FILTER)]
    later = {"description": "The file is being made: see the status at Location", **_content({JSON: "object"})}
    found = operation("getDownload", "data", "A part of a collection as a file", {}, [*collection_id, *asked])
    found["get"]["parameters"][0] = ref("parameters", "fileFormat")
    return {
        f"{at}/downloads": operation("getDownloads", "data", "Files of the collection", pages, collection_id),
        f"{at}/downloads/{{fileName}}": _file("getFile", [*collection_id, ref("parameters", "fileName")]),
        f"{at}/download": {
            "get": {
                **found["get"],
                "responses": {
                    **_file("", [])["get"]["responses"],
                    "202": later,
                    "303": {"description": "To the file of the whole collection, or in a browser to the status"},
                    **{code: ref("responses", "Unavailable") for code in ("503", "507")},
                },
            }
        },
        f"{at}/download/{{key}}": operation("getDownloadStatus", "data", "How far a part is", pages, cut),
        f"{at}/download/{{key}}/{{fileName}}": _file("getDownloadFile", [*cut, ref("parameters", "fileName")]),
    }


def _file(operation_id: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """A file, whole or in parts (RFC 9110, 14)."""
    found = operation(operation_id, "data", "A file", {}, [*parameters, ref("parameters", "Range")])
    answers = found["get"]["responses"]
    answers["200"] |= _content({"*/*": "binary"})
    answers["206"] = {"description": "Parts of the file", **_content({"*/*": "binary"})}
    for code in ("410", "412", "416", "422"):
        answers[code] = ref("responses", "InvalidParameter")
    found["get"]["parameters"] = found["get"]["parameters"][1:]
    return found


def _content(content: dict[str, str]) -> dict[str, Any]:
    return {"content": {media: {"schema": ref("schemas", name)} for media, name in content.items()}}


def _items(collection: Collection, lang: Language) -> dict[str, Any]:
    names = ("limit", "bbox", "bbox-crs", "crs", "datetime", *FILTER, "cursor", "resultType", *SHARED)
    names = (*names, "q") if collection.text else names
    shared = [ref("parameters", name) for name in (*names, *(f"{collection.id}.{name}" for name in NAMED))]
    filters = [_filter(prop, lang) for prop in collection.parameters]
    found = operation(
        f"{collection.id}.getFeatures",
        "data",
        collection.title.in_(lang),
        {GEOJSON: "featureCollectionGeoJSON", HTML: "html"},
        [*shared, *filters],
    )
    found["get"]["parameters"][0] = ref("parameters", "solidsFormat" if collection.lod else "itemsFormat")
    answers = {"200": "Features", "303": "WithoutBlanks", "410": "Gone"}
    found["get"]["responses"] |= {status: ref("responses", name) for status, name in answers.items()}
    return {**found, "post": _posted(collection, found["get"], shared)}


def _posted(collection: Collection, by_get: dict[str, Any], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """The same by POST, for filters that are too long for an address; the queryables are parameters here, too."""
    content = {
        "application/json": {"schema": {"type": "object", "description": "A filter in CQL2 JSON"}},
        "application/x-www-form-urlencoded": {
            "schema": {"type": "object", "description": "Parameters that are not in the address"}
        },
    }
    responses = {status: answer for status, answer in by_get["responses"].items() if status != "304"}
    return {
        **by_get,
        "operationId": f"{collection.id}.postFeatures",
        "parameters": [by_get["parameters"][0], ref("parameters", "lang"), *parameters],
        "requestBody": {"required": True, "content": content},
        "responses": {
            **responses,
            "413": ref("responses", "InvalidParameter"),
            "415": ref("responses", "InvalidParameter"),
        },
    }


def _item(collection: Collection, lang: Language) -> dict[str, Any]:
    found = operation(
        f"{collection.id}.getFeature",
        "data",
        collection.title.in_(lang),
        {GEOJSON: "featureGeoJSON", HTML: "html"},
        [
            ref("parameters", name)
            for name in ("featureId", "crs", *SHARED, *(f"{collection.id}.{n}" for n in NAMED[:2]))
        ],
    )
    found["get"]["parameters"][0] = ref("parameters", "solidFormat" if collection.lod else "itemFormat")
    found["get"]["responses"]["200"] = ref("responses", "Feature")
    return found


def _versions() -> dict[str, Any]:
    found = operation(
        "getVersions",
        "provenance",
        "All versions of a feature",
        {GEOJSON: "versions", HTML: "html"},
        [ref("parameters", name) for name in ("collectionId", "featureId", "crs")],
    )
    found["get"]["responses"]["200"]["headers"] |= {name: ref("headers", name) for name in ("Content-Crs", "Link")}
    return found


def _list(name: str, description: str, items: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "array", "minItems": 1, "items": {"type": "string", **items}},
        "style": "form",
        "explode": False,
    }


def _named(collection: Collection) -> list[tuple[str, dict[str, Any]]]:
    """Parameters with names of a collection's properties (Features Part 6, /req/properties/parameter: the enum holds
    the returnables; Part 8, /req/sorting/sortby-definition), as components.
    """
    returnables = {"enum": [*(p.name for p in collection.properties), "delivery", "geom"]}
    sortables = {"pattern": f"^[+-]?({'|'.join(collection.sortables)})$"}
    order = "Properties to sort by, descending with - before it; see sortables. A null is greater than any value."
    described = (
        ("Only these properties; the geometry stays, see skipGeometry", returnables),
        ("All properties but these; not together with properties", returnables),
        (order, sortables),
    )
    return [(f"{collection.id}.{name}", _list(name, *rest)) for name, rest in zip(NAMED, described, strict=True)]


def _tile_paths(above: str, scope: str, choosing: list[str]) -> dict[str, Any]:
    """Of one collection or of several; the names of the operations are the standard's (/req/oas30/operation-id)."""
    given = ["collectionId"] if above else []
    restricting = [*choosing, *FILTER, "q", "datetime", "asOf"]
    tileset = f"{above}/tiles/{{tileMatrixSetId}}"
    page = {JSON: "object", HTML: "html"}

    def described(name: str, summary: str, content: dict[str, str], *place: str) -> dict[str, Any]:
        parameters = [ref("parameters", name) for name in (*given, *place, *restricting)]
        return operation(f"{scope}.vector.{name}", "tiles", summary, content, parameters)

    tile = described("getTile", "Tile", {MVT: "binary", GEOJSON: "featureCollectionGeoJSON"}, *TILE)
    tile["get"]["parameters"][:2] = [ref("parameters", "tileFormat"), ref("parameters", "lang")]
    tile["get"]["responses"]["200"]["headers"]["OpenNRW-Left-Out"] = ref("headers", "OpenNRW-Left-Out")
    tile["get"]["responses"]["204"] = {"description": "The tile holds no feature"}
    xyz = {**tile["get"], "operationId": f"{scope}.vector.getTile.xyz", "summary": "Tile, as XYZ clients ask for it"}
    xyz["parameters"] = [ref("parameters", "mvtFormat"), *tile["get"]["parameters"][1:]]
    return {
        f"{above}/tiles": described("getTileSetsList", "Tilesets", page),
        tileset: described("getTileSet", "Tileset", page, TILE[0]),
        f"{tileset}/tilejson": described("getTileJson", "TileJSON", {JSON: "object"}, TILE[0]),
        f"{tileset}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}": tile,
        f"{tileset}/{{tileMatrix}}/{{tileCol}}/{{tileRow}}.mvt": {"get": xyz},
    }


def _style_paths(above: str, scope: str, choosing: list[str]) -> dict[str, Any]:
    """Of one collection, which QGIS has layer styles for, too, or of several."""
    given = ["collectionId"] if above else []
    one = f"{above}/styles/{{styleId}}"

    def described(name: str, summary: str, content: dict[str, str], kind: str, *place: str) -> dict[str, Any]:
        found = operation(f"{scope}.{name}", "styles", summary, content, [ref("parameters", x) for x in place])
        found["get"]["parameters"][0] = ref("parameters", kind)
        return found

    sheet = {MAPLIBRE: "object", **({QML: "html"} if above else {}), HTML: "html"}
    page, place = {JSON: "object", HTML: "html"}, (*given, "styleId", *choosing)
    return {
        f"{above}/styles": described("getStyles", "Styles", page, "f", *given),
        one: described("getStyle", "Stylesheet", sheet, "layerSheetFormat" if above else "sheetFormat", *place),
        f"{one}/metadata": described("getStyleMetadata", "Style metadata", page, "f", *place),
        f"{one}/legend": described("getLegend", "Legend", {HTML: "html", PNG: "binary"}, "legendFormat", *place),
    }


def _glyphs() -> dict[str, Any]:
    """What MapLibre writes with."""
    named = [ref("parameters", name) for name in ("fontstack", "glyphRange")]
    found = operation("getGlyphs", "styles", "Glyphs of a font", {"application/x-protobuf": "binary"}, named)
    found["get"]["parameters"] = [ref("parameters", "lang"), *named]
    return found


def _filter(prop: Property, lang: Language) -> dict[str, Any]:
    """A queryable as a parameter: the form in which QGIS and GDAL push `property = value` down."""
    schema = json_type(prop.type)
    return {
        "name": prop.name,
        "in": "query",
        "description": prop.title.in_(lang),
        "schema": schema,
        "style": "form",
        "explode": False,
    }
