"""The styles: list, metadata (OGC API Styles, draft 20-009), stylesheets in MapLibre style JSON.

As in the draft they are sub-resources of a base resource: of the service, which all collections belong to, or of one
collection.
"""

from dataclasses import dataclass
from typing import Any

from server.catalogue import Collection
from server.exchange import Exchange
from server.links import OGC_REL, Link, link
from server.negotiation import HTML, JSON, MAPLIBRE, PNG, QML
from server.palettes import Palette
from server.styles.sheet import layers_of

GRID = "WebMercatorQuad"
SPECIFICATION = "https://maplibre.org/maplibre-style-spec/"
GEOMETRY = {"Point": "points", "LineString": "lines", "Polygon": "polygons"}


@dataclass(frozen=True)
class Style:
    """A style of collections: of one (`own`), of those that the request chose, or of all."""

    exchange: Exchange
    palette: Palette
    collections: tuple[Collection, ...]
    own: Collection | None
    chosen: bool

    @property
    def at(self) -> tuple[str, ...]:
        """Segments of its path."""
        return (*base_path(self.own), "styles", self.palette.id)

    @property
    def title(self) -> str:
        """In the language of the request."""
        title = self.palette.title.in_(self.exchange.lang)
        return f"{self.own.title.in_(self.exchange.lang)}: {title}" if self.own else title

    @property
    def hidden(self) -> set[str]:
        """Ids of collections that are not shown at first."""
        if self.own or self.chosen:
            return set()
        return {c.id for c in self.collections if c.tiles.separate or c.look.hidden}

    @property
    def query(self) -> dict[str, str]:
        """What the request chose: it goes into addresses of its other forms."""
        return {name: value for name, value in self.exchange.parameters.items() if name == "collections"}


def base_path(own: Collection | None) -> tuple[str, ...]:
    """Segments of the base resource's path."""
    return ("collections", own.id) if own else ()


def styles_document(exchange: Exchange, styles: list[Style], own: Collection | None) -> dict[str, Any]:
    """…/styles (/req/core/styles-success)"""
    at = (*base_path(own), "styles")
    return {
        "default": styles[0].palette.id,
        "styles": [{"id": style.palette.id, "title": style.title, "links": style_links(style)} for style in styles],
        "links": [
            link("self", exchange.href(*at, f="json"), JSON, "JSON"),
            link("alternate", exchange.href(*at, f="html"), HTML, "HTML"),
        ],
    }


def metadata_document(style: Style) -> dict[str, Any]:
    """…/styles/{styleId}/metadata (/req/core/style-md-success)"""
    exchange, palette = style.exchange, style.palette
    service = exchange.context.service
    contact = service.provider.email or service.provider.url or service.provider.name
    return {
        "id": palette.id,
        "title": style.title,
        "description": palette.description.in_(exchange.lang),
        "keywords": list((style.own or service).keywords.in_(exchange.lang)),
        "pointOfContact": contact,
        "scope": "style",
        "stylesheets": [_described(found) for found in sheets(style)],
        "layers": [_layer(exchange, collection) for collection in style.collections],
        "links": [
            *exchange.links_self(),
            *(found for found in style_links(style) if found["rel"] != "describedby"),
        ],
    }


def sheets(style: Style) -> list[Link]:
    """The stylesheets; QGIS has one for each collection, as it has for a layer."""
    found = [("mapbox", MAPLIBRE, "MapLibre Style")]
    if style.own:
        found.append(("qml", QML, "QGIS (QML)"))
    return [
        link("stylesheet", style.exchange.href(*style.at, **{**style.query, "f": key}), media_type, title)
        for key, media_type, title in found
    ]


def style_links(style: Style) -> list[Link]:
    """Stylesheets, metadata, legend."""
    exchange = style.exchange
    legend = "Legende" if exchange.lang == "de" else "Legend"
    return [
        *sheets(style),
        link("describedby", exchange.href(*style.at, "metadata", f="json"), JSON, "Metadata"),
        link(f"{OGC_REL}legend", exchange.href(*style.at, "legend", **{**style.query, "f": "png"}), PNG, legend),
        link(f"{OGC_REL}legend", exchange.href(*style.at, "legend", **{**style.query, "f": "html"}), HTML, legend),
    ]


def stylesheet_document(style: Style) -> dict[str, Any]:
    """…/styles/{styleId}: MapLibre style JSON. A source for each collection, because a hidden one is then not asked
    for, and because tiles of one are kept ready; a collection that doubles another is hidden at first.
    """
    exchange = style.exchange
    boxes = [box for c in style.collections if (box := exchange.state(c).bbox_crs84)]
    view = {}
    if boxes:
        west, south, east, north = zip(*boxes, strict=True)
        view["center"] = [(min(west) + max(east)) / 2, (min(south) + max(north)) / 2]
        view["zoom"] = 7 if max(east) - min(west) > 1 else 11
    return {
        "version": 8,
        "name": style.title,
        "metadata": {"description": style.palette.description.in_(exchange.lang)},
        **view,
        "light": {"intensity": 0.25},  # of blocks: walls a little darker than roofs
        "glyphs": f"{exchange.base}/fonts/{{fontstack}}/{{range}}.pbf",
        "sources": {c.id: _source(exchange, c) for c in style.collections},
        "layers": layers_of(style.collections, style.palette, style.hidden),
    }


def _source(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    state = exchange.state(collection)
    box = state.bbox_crs84
    # of what lasts from day to day all days would lie over each other
    newest = f"?datetime={state.last_date}" if collection.datetime_end and state.last_date else ""
    return {
        "type": "vector",
        "tiles": [f"{exchange.base}/collections/{collection.id}/tiles/{GRID}/{{z}}/{{x}}/{{y}}.mvt{newest}"],
        "minzoom": collection.tiles.minzoom,
        "maxzoom": collection.tiles.maxzoom,
        **({"bounds": list(box)} if box else {}),
        "promoteId": {collection.id: "id"},
        "attribution": exchange.context.service.attribution_of((collection,), exchange.lang),
    }


def _described(found: Link) -> dict[str, Any]:
    native = found["type"] == MAPLIBRE
    version = {"version": "8", "specification": SPECIFICATION} if native else {"version": "3.22"}
    return {"title": found["title"], **version, "native": True, "link": found}


def _layer(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    look = collection.look
    used = {look.by, *(name for label in look.labels for name in label.properties)}
    schema = {p.name: {"type": "string", "title": p.title.in_(exchange.lang)} for p in collection.properties}
    return {
        "id": collection.id,
        "description": collection.title.in_(exchange.lang),
        "dataType": "vector",
        "geometryType": GEOMETRY[collection.geometry.removeprefix("Multi")],
        "propertiesSchema": {name: value for name, value in schema.items() if name in used},
        "sampleData": link("collection", exchange.href("collections", collection.id), JSON),
    }
