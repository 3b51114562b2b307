"""Tileset metadata (Tiles Part 1, TMS 2.0) and TileJSON 3.0."""

from typing import Any

from server.catalogue import Collection, Property
from server.crs import Box
from server.exchange import Exchange
from server.links import OGC_REL, link
from server.negotiation import JSON, MVT
from server.state import State
from server.tiles.grid import NAME, SRID, URI, limits

DIMENSION = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}
TILE_CRS = f"http://www.opengis.net/def/crs/EPSG/0/{SRID}"
CRS84_URI = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def tilesets_document(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    """/collections/{collectionId}/tiles"""
    return {"links": exchange.links_self(), "tilesets": [_summary(exchange, collection)]}


def tileset_document(exchange: Exchange, collection: Collection, state: State) -> dict[str, Any]:
    """/collections/{collectionId}/tiles/WebMercatorQuad"""
    summary = _summary(exchange, collection)
    matrices = range(collection.tiles.minzoom, collection.tiles.maxzoom + 1)
    found = [(matrix, limits(state, matrix)) for matrix in matrices]
    box = state.bbox_crs84
    return {
        **summary,
        "description": collection.description.in_(exchange.lang),
        "attribution": exchange.context.service.attribution.in_(exchange.lang),
        "license": exchange.context.service.licence.url,
        "tileMatrixSetLimits": [
            {
                "tileMatrix": str(matrix),
                "minTileRow": x.min_row,
                "maxTileRow": x.max_row,
                "minTileCol": x.min_col,
                "maxTileCol": x.max_col,
            }
            for matrix, x in found
            if x
        ],
        **({"boundingBox": _bounding_box(box)} if box else {}),
        "layers": [_layer(exchange, collection)],
        "links": [*exchange.links_self(), *summary["links"][1:]],
    }


def tilejson_document(exchange: Exchange, collection: Collection, state: State) -> dict[str, Any]:
    """/collections/{collectionId}/tiles/WebMercatorQuad/tilejson"""
    lang, tiles, box = exchange.lang, collection.tiles, state.bbox_crs84
    by_name = {p.name: p for p in collection.properties}
    fields = {name: by_name[name].title.in_(lang) for name in tiles.properties}
    position = {}
    if box:
        centre = [(box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2, tiles.minzoom]
        position = {"bounds": list(box), "center": centre}
    return {
        "tilejson": "3.0.0",
        "name": collection.title.in_(lang),
        "description": collection.description.in_(lang),
        "attribution": exchange.context.service.attribution.in_(lang),
        "version": f"{state.version}.0.0",
        "scheme": "xyz",
        "tiles": [tile_template(exchange, collection, "{z}/{y}/{x}")],
        "minzoom": tiles.minzoom,
        "maxzoom": tiles.maxzoom,
        **position,
        "vector_layers": [
            {
                "id": collection.id,
                "description": collection.title.in_(lang),
                "minzoom": tiles.minzoom,
                "maxzoom": tiles.maxzoom,
                "fields": {"id": "Id", **fields},
            }
        ],
    }


def tile_template(exchange: Exchange, collection: Collection, place: str) -> str:
    """URL template of the tiles; its braces stay bare, as clients look for them."""
    return f"{exchange.base}/collections/{collection.id}/tiles/{NAME}/{place}?f=mvt"


def _summary(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    at = ("collections", collection.id, "tiles", NAME)
    title = collection.title.in_(exchange.lang)
    template = tile_template(exchange, collection, "{tileMatrix}/{tileRow}/{tileCol}")
    return {
        "title": title,
        "dataType": "vector",
        "crs": TILE_CRS,
        "tileMatrixSetId": NAME,
        "tileMatrixSetURI": URI,
        "links": [
            link("self", exchange.href(*at, f="json"), JSON, title),
            link(f"{OGC_REL}tiling-scheme", exchange.href("tileMatrixSets", NAME), JSON, NAME),
            {**link("item", template, MVT, title), "templated": True},
            link("describedby", exchange.href(*at, "tilejson"), JSON, "TileJSON"),
            link(f"{OGC_REL}geodata", exchange.href("collections", collection.id), JSON, title),
        ],
    }


def _bounding_box(box: Box) -> dict[str, Any]:
    return {"lowerLeft": [box.xmin, box.ymin], "upperRight": [box.xmax, box.ymax], "crs": CRS84_URI}


def _layer(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    by_name = {p.name: p for p in collection.properties}
    members = {name: _field(by_name[name], exchange) for name in collection.tiles.properties}
    return {
        "id": collection.id,
        "title": collection.title.in_(exchange.lang),
        "dataType": "vector",
        "geometryDimension": DIMENSION[collection.geometry],
        "minTileMatrix": str(collection.tiles.minzoom),
        "maxTileMatrix": str(collection.tiles.maxzoom),
        "propertiesSchema": {"type": "object", "properties": {"id": {"type": "string", "title": "Id"}, **members}},
    }


def _field(prop: Property, exchange: Exchange) -> dict[str, Any]:
    date = {"format": "date"} if prop.type == "date" else {}
    return {"type": "string" if date else prop.type, **date, "title": prop.title.in_(exchange.lang)}
