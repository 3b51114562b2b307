"""Metadata of tilesets (Tiles Part 1, TMS 2.0), of one collection and of several; TileJSON 3.0; tile matrix sets."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from server.catalogue import Collection, Property
from server.crs import CRS84, Box
from server.enclosures import map_enclosures
from server.exchange import Exchange
from server.links import OGC_REL, Link, link
from server.negotiation import GEOJSON, HTML, JSON, MVT
from server.pyramid.plan import NOTES
from server.tiles.params import CHOOSING, RESTRICTING
from server.tiling.grid import Limits, is_offered, last_level, limits
from server.tiling.layers import RANK, Beside, layers_beside
from server.tiling.making import MAX_BYTES
from server.tiling.matrixsets import MERCATOR, Grid, Matrix
from server.tiling.query import MAX_FEATURES

DIMENSION = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}
LEFT_OUT = "OpenNRW-Left-Out"
LIMITED = {
    "de": (
        f"Eine Kachel hat höchstens {MAX_BYTES} Byte und {MAX_FEATURES} Objekte. Was darüber wäre, fehlt in ihr: "
        "Zuerst bleibt, was auch eine Nachbarkachel zeigt, dann das Größte; Punkte werden gleichmäßig ausgedünnt. "
        "Auch was kleiner als eine Einheit der Kachel ist, fehlt. Der Kopf "
        f"{LEFT_OUT} der Kachel nennt die Anzahl je Datensatz."
    ),
    "en": (
        f"A tile has {MAX_BYTES} bytes and {MAX_FEATURES} features at most. What would be more is not in it: what a "
        "neighbouring tile shows, too, stays first, then what is largest; points are thinned evenly. What is smaller "
        f"than a unit of the tile is not in it either. The tile's header {LEFT_OUT} tells the number by collection."
    ),
}


@dataclass(frozen=True)
class Tileset:
    """The tiles of a grid: of one collection (`own`), or of several, which may have been chosen by the request."""

    exchange: Exchange
    grid: Grid
    collections: tuple[Collection, ...]
    own: Collection | None

    @property
    def at(self) -> tuple[str, ...]:
        """Segments of its path."""
        return (*(("collections", self.own.id) if self.own else ()), "tiles", self.grid.id)

    @property
    def has_archive(self) -> bool:
        """Whether it is the one that is offered as a file, too."""
        return self.own is None and not self.query and self.grid.id == MERCATOR

    @property
    def title(self) -> str:
        """Of the collection or of the service."""
        return (self.own or self.exchange.context.service).title.in_(self.exchange.lang)

    @property
    def description(self) -> str:
        """Likewise."""
        return (self.own or self.exchange.context.service).description.in_(self.exchange.lang)

    @property
    def query(self) -> dict[str, str]:
        """What the request chose: it goes into every address."""
        return {name: value for name, value in self.exchange.parameters.items() if name in CHOOSING}

    def template(self, place: str, **further: str) -> str:
        """URL template of the tiles; its braces stay bare, as clients look for them."""
        pairs = "&".join(f"{name}={quote(value, safe=',:/')}" for name, value in {**self.query, **further}.items())
        return f"{self.exchange.base}/{'/'.join(self.at)}/{place}" + (f"?{pairs}" if pairs else "")

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """The levels at which it has tiles."""
        return tuple(m for m in self.grid.matrices if any(self.has(c, m) for c in self.collections))

    def has(self, collection: Collection, matrix: Matrix) -> bool:
        """Whether tiles of a level have one of its collections in them."""
        return is_offered(collection.tiles, matrix, last_level(self.collections))

    def beside(self, collection: Collection) -> tuple[Beside, ...]:
        """Layers that its tiles have besides a collection's features."""
        return () if self.query.keys() & RESTRICTING else layers_beside(collection)

    def limits(self, matrix: Matrix) -> Limits | None:
        """Rows and columns of a level; None where it has none yet."""
        states = self.exchange.context.registry.states
        offered = [c for c in self.collections if self.has(c, matrix)]
        return joined(limits(states[c.id], self.grid, matrix) for c in offered)

    @cached_property
    def box(self) -> Box | None:
        """West, south, east, north in degrees."""
        states = self.exchange.context.registry.states
        boxes = [box for c in self.collections if (box := states[c.id].bbox_crs84)]
        if not boxes:
            return None
        west, south, east, north = zip(*boxes, strict=True)
        return Box(min(west), min(south), max(east), max(north))


def joined(parts: Iterable[Limits | None]) -> Limits | None:
    """Limits that hold all others."""
    found: Limits | None = None
    for part in parts:
        found = found.around(part) if found and part else found or part
    return found


def tilesets_document(exchange: Exchange, tilesets: list[Tileset]) -> dict[str, Any]:
    """/tiles, /collections/{collectionId}/tiles"""
    whole = [] if "collectionId" in exchange.request.path_params else map_enclosures(exchange)
    return {
        "links": [*exchange.links_self(), *whole],
        "tilesets": [{**_summary(tileset), "tileMatrixSetLimits": _limits(tileset)} for tileset in tilesets],
    }


def tileset_document(tileset: Tileset) -> dict[str, Any]:
    """/tiles/{tileMatrixSetId}, /collections/{collectionId}/tiles/{tileMatrixSetId}"""
    exchange = tileset.exchange
    summary = _summary(tileset)
    box = tileset.box
    inline = {} if tileset.grid.uri else {"tileMatrixSet": tileset.grid.document}
    whole = map_enclosures(exchange) if tileset.has_archive else []
    return {
        **summary,
        "description": tileset.description,
        "attribution": exchange.context.service.attribution_of(tileset.collections, exchange.lang),
        "license": exchange.context.service.licence_of(tileset.collections),
        "mediaTypes": [MVT, GEOJSON],
        "tileMatrixSetLimits": _limits(tileset),
        **({"boundingBox": _bounding_box(box)} if box else {}),
        "layers": [layer for collection in tileset.collections for layer in _layers(tileset, collection)],
        "tileLimits": {
            "maxBytes": MAX_BYTES,
            "maxFeatures": MAX_FEATURES,
            "leftOutHeader": LEFT_OUT,
            "description": LIMITED[exchange.lang],
        },
        **inline,
        "links": [*exchange.links_self(), *summary["links"][1:], *whole],
    }


def tilejson_document(tileset: Tileset) -> dict[str, Any]:
    """…/tilejson: TileJSON 3.0, whose levels are those of the grid. It knows no grid but WebMercatorQuad: others are
    told by `crs` and `tileMatrixSet`.
    """
    exchange, lang = tileset.exchange, tileset.exchange.lang
    levels = [matrix.level for matrix in tileset.matrices]
    position = {}
    if box := tileset.box:
        centre = [(box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2, levels[0]]
        position = {"bounds": list(box), "center": centre}
    versions = [exchange.context.registry.states[c.id].version for c in tileset.collections]
    return {
        "tilejson": "3.0.0",
        "name": tileset.title,
        "description": tileset.description,
        "attribution": exchange.context.service.attribution_of(tileset.collections, lang),
        "version": f"{sum(versions)}.0.0",
        "scheme": "xyz",
        "tiles": [tileset.template("{z}/{x}/{y}.mvt")],
        "minzoom": levels[0],
        "maxzoom": levels[-1],
        **position,
        "crs": tileset.grid.crs,
        "tileMatrixSet": exchange.href("tileMatrixSets", tileset.grid.id),
        "vector_layers": [layer for c in tileset.collections for layer in _vector_layers(tileset, c)],
    }


def matrix_sets_document(exchange: Exchange, grids: Iterable[Grid]) -> dict[str, Any]:
    """/tileMatrixSets"""
    return {
        "tileMatrixSets": [
            {
                "id": grid.id,
                "title": grid.document.get("title", grid.id),
                "uri": _uri(exchange, grid),
                "crs": grid.crs,
                "links": [
                    link("self", exchange.href("tileMatrixSets", grid.id, f="json"), JSON, grid.id),
                    link("alternate", exchange.href("tileMatrixSets", grid.id, f="html"), HTML, grid.id),
                ],
            }
            for grid in grids
        ],
        "links": exchange.links_self(),
    }


def _summary(tileset: Tileset) -> dict[str, Any]:
    exchange, grid = tileset.exchange, tileset.grid
    return {
        "title": tileset.title,
        "dataType": "vector",
        "crs": grid.crs,
        "tileMatrixSetId": grid.id,
        "tileMatrixSetURI": _uri(exchange, grid),
        "links": [*_links(tileset), *(_geodata(exchange, c) for c in tileset.collections)],
    }


def _links(tileset: Tileset) -> list[Link]:
    exchange, grid, query = tileset.exchange, tileset.grid, tileset.query
    place = "{tileMatrix}/{tileRow}/{tileCol}"
    return [
        link("self", exchange.href(*tileset.at, **{**query, "f": "json"}), JSON, tileset.title),
        link(f"{OGC_REL}tiling-scheme", exchange.href("tileMatrixSets", grid.id), JSON, grid.id),
        {**link("item", tileset.template(place, f="mvt"), MVT, tileset.title), "templated": True},
        {**link("item", tileset.template(place, f="json"), GEOJSON, tileset.title), "templated": True},
        link("describedby", exchange.href(*tileset.at, "tilejson", **query), JSON, "TileJSON"),
        link(f"{OGC_REL}styles", exchange.href(*tileset.at[:-2], "styles"), JSON, "Styles"),
    ]


def _geodata(exchange: Exchange, collection: Collection) -> Link:
    title = collection.title.in_(exchange.lang)
    return link(f"{OGC_REL}geodata", exchange.href("collections", collection.id), JSON, title)


def _uri(exchange: Exchange, grid: Grid) -> str:
    """The standard's name of a grid; one of our own is named by its address."""
    return grid.uri or f"{exchange.base}/tileMatrixSets/{grid.id}"


def _limits(tileset: Tileset) -> list[dict[str, Any]]:
    found = [(matrix, tileset.limits(matrix)) for matrix in tileset.matrices]
    return [
        {
            "tileMatrix": str(matrix.level),
            "minTileRow": x.min_row,
            "maxTileRow": x.max_row,
            "minTileCol": x.min_col,
            "maxTileCol": x.max_col,
        }
        for matrix, x in found
        if x
    ]


def _bounding_box(box: Box) -> dict[str, Any]:
    return {"lowerLeft": [box.xmin, box.ymin], "upperRight": [box.xmax, box.ymax], "crs": CRS84.uri}


def _levels(tileset: Tileset, collection: Collection) -> list[int]:
    return [matrix.level for matrix in tileset.grid.matrices if tileset.has(collection, matrix)]


def _layers(tileset: Tileset, collection: Collection) -> list[dict[str, Any]]:
    own = _layer(tileset, collection)
    lang, members = tileset.exchange.lang, own["propertiesSchema"]["properties"]
    rank = {"type": "string", "title": RANK.in_(lang)}
    return [own] + [
        {
            **own,
            "id": beside.id,
            "title": beside.title.in_(lang),
            "description": beside.note.in_(lang),
            "geometryDimension": beside.dimension,
            "propertiesSchema": {
                "type": "object",
                "properties": {"rank": {**rank, "enum": list(beside.ranks)}}
                if beside.ranks
                else {name: members[name] for name in ("id", *beside.properties)},
            },
        }
        for beside in tileset.beside(collection)
    ]


def _layer(tileset: Tileset, collection: Collection) -> dict[str, Any]:
    exchange = tileset.exchange
    by_name = {p.name: p for p in collection.properties}
    members = {name: _field(by_name[name], tileset, collection) for name in collection.tiles.properties}
    levels = _levels(tileset, collection)
    note = _generalised(tileset, collection)
    return {
        "id": collection.id,
        "title": collection.title.in_(exchange.lang),
        **({"description": note} if note else {}),
        "dataType": "vector",
        "geometryDimension": DIMENSION[collection.geometry],
        **({"minTileMatrix": str(levels[0]), "maxTileMatrix": str(levels[-1])} if levels else {}),
        "propertiesSchema": {
            "type": "object",
            "properties": {"id": {"type": "string", "title": "Id"}, **members, **_count(collection, exchange)},
        },
        "links": [_geodata(exchange, collection)],
    }


def _vector_layers(tileset: Tileset, collection: Collection) -> list[dict[str, Any]]:
    own, lang = _vector_layer(tileset, collection), tileset.exchange.lang
    return [own] + [
        {
            **own,
            "id": beside.id,
            "description": beside.title.in_(lang),
            "fields": {"rank": RANK.in_(lang)}
            if beside.ranks
            else {name: own["fields"][name] for name in ("id", *beside.properties)},
        }
        for beside in tileset.beside(collection)
    ]


def _vector_layer(tileset: Tileset, collection: Collection) -> dict[str, Any]:
    lang = tileset.exchange.lang
    by_name = {p.name: p for p in collection.properties}
    levels = _levels(tileset, collection)
    return {
        "id": collection.id,
        "description": collection.title.in_(lang),
        **({"minzoom": levels[0], "maxzoom": levels[-1]} if levels else {}),
        "fields": {
            "id": "Id",
            **{name: by_name[name].title.in_(lang) for name in collection.tiles.properties},
            **{name: schema["title"] for name, schema in _count(collection, tileset.exchange).items()},
        },
    }


def _generalised(tileset: Tileset, collection: Collection) -> str | None:
    """What the levels show that have no features but what was made of them."""
    pyramid, lang = collection.tiles.pyramid, tileset.exchange.lang
    levels = [m.level for m in tileset.matrices if pyramid and collection.tiles.minzoom <= m.zoom < pyramid.below]
    if not pyramid or not levels:
        return None
    words = {"de": f"Bis tileMatrix {levels[-1]}", "en": f"Up to tileMatrix {levels[-1]}"}
    return f"{words[lang]}: {NOTES[pyramid.method].in_(lang)}"


def _count(collection: Collection, exchange: Exchange) -> dict[str, dict[str, str]]:
    """The attribute that generalised levels have besides those of the features."""
    words = {"de": "Anzahl der Objekte", "en": "Number of features"}
    pyramid = collection.tiles.pyramid
    return {"count": {"type": "integer", "title": words[exchange.lang]}} if pyramid and pyramid.counts else {}


def _field(prop: Property, tileset: Tileset, collection: Collection) -> dict[str, Any]:
    """Schema of an attribute; where only tiles from a level on have it, its description says so."""
    lang = tileset.exchange.lang
    date = {"format": "date"} if prop.type == "date" else {}
    kind = "array" if prop.type.endswith("[]") else "string" if prop.type in {"date", "datetime"} else prop.type
    first = collection.tiles.first.get(prop.name, 0)
    late = first > collection.tiles.minzoom
    level = next((str(m.level) for m in tileset.grid.matrices if m.zoom >= first), None) if late else None
    words = {"de": f"Ab tileMatrix {level}", "en": f"From tileMatrix {level} on"}
    described = {"description": words[lang]} if level else {}
    return {"type": kind, **date, "title": prop.title.in_(lang), **described}
