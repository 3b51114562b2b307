"""The metadata documents: landing page, collections, collection."""

from typing import Any

from server.catalogue import Collection
from server.common.conformance import CONFORMANCE
from server.cql2.functions import FUNCTIONS
from server.crs import CRS84, ETRS89_UTM32, OFFERED, offered
from server.enclosures import enclosures
from server.exchange import Exchange
from server.formats.table import formats_of
from server.links import OGC_REL, Link, link
from server.negotiation import GEOJSON, HTML, JSON, OPENAPI, SCHEMA_JSON, XML
from server.state import State

# The state of North Rhine-Westphalia: the extent of a collection that holds nothing yet (west, south, east, north)
NRW = [5.86, 50.32, 9.47, 52.54]


def landing_page(exchange: Exchange) -> dict[str, Any]:
    """/ (Features Part 1, /req/core/root-success)."""
    service, lang = exchange.context.service, exchange.lang
    german = lang == "de"
    return {
        "title": service.title.in_(lang),
        "description": service.description.in_(lang),
        "attribution": service.attribution.in_(lang),
        "links": [
            *exchange.links_self(),
            link("service-desc", exchange.href("api"), OPENAPI, "OpenAPI 3.0"),
            link("service-doc", exchange.href("api.html"), HTML, "API-Referenz" if german else "API reference"),
            link(f"{OGC_REL}functions", exchange.href("functions"), JSON, "Funktionen" if german else "Functions"),
            link("conformance", exchange.href("conformance"), JSON, "Konformität" if german else "Conformance"),
            link("data", exchange.href("collections"), JSON, "Datensätze" if german else "Collections"),
            link("related", exchange.href("map"), HTML, "Karte" if german else "Map"),
            _search(exchange, "Suche" if german else "Search"),
            link(
                f"{OGC_REL}tilesets-vector", exchange.href("tiles"), JSON, "Vektorkacheln" if german else "Vector tiles"
            ),
            link(f"{OGC_REL}styles", exchange.href("styles"), JSON, "Kartenstile" if german else "Map styles"),
            link(f"{OGC_REL}tiling-schemes", exchange.href("tileMatrixSets"), JSON, "Tile matrix sets"),
            _licence(exchange),
        ],
    }


def _search(exchange: Exchange, title: str) -> dict[str, Any]:
    """A template: without words there is nothing to search for."""
    href = exchange.href("search")
    return {**link("search", href + ("&" if "?" in href else "?") + "q={q}", GEOJSON, title), "templated": True}


def conformance_document() -> dict[str, Any]:
    """/conformance."""
    return {"conformsTo": list(CONFORMANCE)}


def functions_document(exchange: Exchange) -> dict[str, Any]:
    """/functions (CQL2, /req/functions/get-functions-response-json): functions of one name have one entry each."""
    return {
        "functions": [
            {
                "name": function.name,
                "description": function.description.in_(exchange.lang),
                "args": [{"type": _function_types(kind)} for kind in function.args],
                "returns": _function_types(function.returns),
            }
            for function in FUNCTIONS
        ],
        "links": exchange.links_self(),
    }


def _function_types(kind: str) -> list[str]:
    return {"time": ["datetime"], "number": ["number", "integer"]}.get(kind, [kind])


def collections_document(exchange: Exchange) -> dict[str, Any]:
    """/collections; every collection whole, because GDAL reads no other document. Of those that were loaded."""
    registry = exchange.context.registry
    loaded = registry.loaded
    return {
        "links": [*exchange.links_self(), _licence(exchange)],
        "crs": [crs.uri for crs in OFFERED],
        "numberMatched": len(loaded),
        "numberReturned": len(loaded),
        "collections": [
            collection_document(exchange, c, registry.states[c.id], _self_links(exchange, c)) for c in loaded
        ],
    }


def collection_document(
    exchange: Exchange, collection: Collection, state: State, self_links: list[Link] | None = None
) -> dict[str, Any]:
    """/collections/{collectionId}."""
    lang = exchange.lang
    rights = exchange.context.service.rights_of(collection)
    return {
        "id": collection.id,
        "title": collection.title.in_(lang),
        "description": collection.description.in_(lang),
        "keywords": list(collection.keywords.in_(lang)),
        "attribution": rights.attribution.in_(lang),
        "license": rights.licence.url,
        "extent": extent(state),
        "itemType": "feature",
        "itemCount": state.features,
        "crs": [crs.uri for crs in offered(collection)],
        "storageCrs": ETRS89_UTM32.uri,
        "links": [*(self_links or _self_links(exchange, collection)), *_resource_links(exchange, collection)],
    }


def extent(state: State) -> dict[str, Any]:
    """Spatial and temporal extent of what is live."""
    box = state.bbox_crs84
    found: dict[str, Any] = {"spatial": {"bbox": [list(box) if box else NRW], "crs": CRS84.uri}}
    if state.first_date and state.last_date:
        found["temporal"] = {
            "interval": [[f"{state.first_date}T00:00:00Z", f"{state.last_date}T23:59:59Z"]],
            "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
        }
    return found


def _self_links(exchange: Exchange, collection: Collection) -> list[Link]:
    """Links to the collection itself: the same in the list and on its own page."""
    href = exchange.href("collections", collection.id)
    begin, title = f"{href}{'&' if '?' in href else '?'}f=", collection.title.in_(exchange.lang)
    return [
        link("self" if name == exchange.format else "alternate", f"{begin}{name}", media_type, title)
        for name, media_type in exchange.formats.items()
    ]


def _resource_links(exchange: Exchange, collection: Collection) -> list[Link]:
    german = exchange.lang == "de"
    at = ("collections", collection.id)
    items = "Objekte" if german else "Features"
    return [
        *_items_links(exchange, collection, items),
        link(f"{OGC_REL}queryables", exchange.href(*at, "queryables"), SCHEMA_JSON, "Queryables"),
        link(f"{OGC_REL}sortables", exchange.href(*at, "sortables"), SCHEMA_JSON, "Sortables"),
        link(f"{OGC_REL}schema", exchange.href(*at, "schema"), SCHEMA_JSON, "Schema"),
        link("describedby", exchange.href(*at, "schema", f="feature"), SCHEMA_JSON, "GeoJSON-Schema"),
        # not describedby: GDAL would look in GeoJSON for the attributes of GML, of which the id is one
        link(f"{OGC_REL}schema", exchange.href(*at, "schema", f="xsd"), XML, "XML Schema (GML)"),
        link(
            f"{OGC_REL}tilesets-vector",
            exchange.href(*at, "tiles"),
            JSON,
            "Vektorkacheln" if german else "Vector tiles",
        ),
        link(f"{OGC_REL}styles", exchange.href(*at, "styles"), JSON, "Kartenstile" if german else "Map styles"),
        *enclosures(exchange, collection),
        link("related", exchange.href(*at, "downloads"), JSON, "Dateien" if german else "Files"),
        link("provenance", exchange.href(*at, "provenance"), JSON, "Herkunft" if german else "Provenance"),
        link("provenance", exchange.href(*at, "provenance", f="html"), HTML, "Herkunft" if german else "Provenance"),
        _licence(exchange, collection),
    ]


def _items_links(exchange: Exchange, collection: Collection, title: str) -> list[Link]:
    """The items in each format; clients choose by `type`, and JSON-FG also by `profile`."""
    at = ("collections", collection.id, "items")
    links = [link("items", exchange.href(*at), GEOJSON, title)]
    for found in formats_of(collection)[1:]:
        if found.items:
            one = link("items", exchange.href(*at, f=found.key), found.media_type, f"{title} ({found.title})")
            links.append({**one, "profile": [found.profile]} if found.profile else one)
    return [*links, link("items", exchange.href(*at, f="html"), HTML, title)]


def _licence(exchange: Exchange, collection: Collection | None = None) -> Link:
    service = exchange.context.service
    licence = service.rights_of(collection).licence if collection else service.licence
    return link("license", licence.url, HTML, licence.title)
