"""Landing page, conformance, API definition, collections, schemas, and the pages that are only HTML."""

from datetime import datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.areas import read_areas
from server.catalogue import Collection
from server.common.core_xml import collection_xml, collections_xml, conformance_xml, landing_page_xml
from server.common.documents import (
    collection_document,
    collections_document,
    conformance_document,
    functions_document,
    landing_page,
)
from server.common.examples import read_examples
from server.common.openapi import api_definition
from server.common.schemas import collection_schema, feature_schema, queryables_schema, sortables_schema, strict_schema
from server.enclosures import entries, offers_stamp
from server.exchange import (
    Exchange,
    Validators,
    open_exchange,
    respond,
    respond_document,
    respond_unchanged,
    to_page_state,
    validators,
)
from server.formats.gml import SCHEMA_KEYS
from server.formats.gml_schema import xml_schema
from server.negotiation import HTML, JSON, OPENAPI, SCHEMA_JSON, XML

CORE_FORMATS = {"json": JSON, "html": HTML, "xml": XML}
API_FORMATS = {"json": OPENAPI, "html": HTML}
SCHEMA_FORMATS = {"json": SCHEMA_JSON, "html": HTML}


async def get_landing_page(request: Request) -> Response:
    """/"""
    exchange = open_exchange(request, CORE_FORMATS)
    return respond_document(exchange, lambda: landing_page(exchange), "landing.html", to_xml=landing_page_xml)


async def get_conformance(request: Request) -> Response:
    """/conformance"""
    exchange = open_exchange(request, CORE_FORMATS)
    return respond_document(exchange, conformance_document, "conformance.html", to_xml=conformance_xml)


async def get_functions(request: Request) -> Response:
    """/functions"""
    exchange = open_exchange(request, {"json": JSON})
    return respond_document(exchange, lambda: functions_document(exchange))


async def get_api(request: Request) -> Response:
    """/api"""
    exchange = open_exchange(request, API_FORMATS)
    return respond_document(exchange, lambda: api_definition(exchange), "api.html")


async def get_api_reference(request: Request) -> Response:
    """/api.html, the link that people follow: always the HTML reference."""
    exchange = open_exchange(request, {"html": HTML})
    return respond_document(exchange, lambda: api_definition(exchange), "api.html")


async def get_collections(request: Request) -> Response:
    """/collections"""
    exchange = open_exchange(request, CORE_FORMATS)
    return respond_document(
        exchange,
        lambda: collections_document(exchange),
        "collections.html",
        marks=_marks(exchange),
        to_xml=collections_xml,
    )


async def get_collection(request: Request) -> Response:
    """/collections/{collectionId}"""
    exchange = open_exchange(request, CORE_FORMATS)
    collection = exchange.collection()
    state = exchange.state(collection)
    return respond_document(
        exchange,
        lambda: collection_document(exchange, collection, state),
        "collection.html",
        marks=_marks(exchange, state.published),
        to_xml=collection_xml,
        collection=collection,
        state=to_page_state(state),
        files=entries(exchange, collection),
        areas=await read_areas(exchange),
        examples=await _examples(exchange, collection),
    )


def _marks(exchange: Exchange, modified: datetime | None = None) -> Validators:
    """Of what changes with the data and with the files for download."""
    return validators(exchange, (exchange.context.registry.version, offers_stamp(exchange)), modified)


async def get_queryables(request: Request) -> Response:
    """/collections/{collectionId}/queryables"""
    exchange = open_exchange(request, SCHEMA_FORMATS)
    collection = exchange.collection()
    uri = _schema_uri(exchange, "queryables")
    return respond_document(
        exchange,
        lambda: queryables_schema(collection, exchange.lang, uri),
        "queryables.html",
        collection=collection,
        examples=await _examples(exchange, collection),
    )


async def _examples(exchange: Exchange, collection: Collection) -> dict[str, Any] | None:
    return await read_examples(exchange, collection) if exchange.format == "html" else None


async def get_sortables(request: Request) -> Response:
    """/collections/{collectionId}/sortables"""
    exchange = open_exchange(request, SCHEMA_FORMATS)
    collection = exchange.collection()
    uri = _schema_uri(exchange, "sortables")
    return respond_document(
        exchange, lambda: sortables_schema(collection, exchange.lang, uri), "queryables.html", collection=collection
    )


async def get_schema(request: Request) -> Response:
    """/collections/{collectionId}/schema; of GeoJSON f=feature is the one that GDAL reads, f=geojson the exact one; of
    GML f=xsd is that of level 0, f=xsdsf2 that of level 2.
    """
    further = {"feature": SCHEMA_JSON, "geojson": SCHEMA_JSON, **dict.fromkeys(SCHEMA_KEYS, XML)}
    exchange = open_exchange(request, {**SCHEMA_FORMATS, **further})
    collection = exchange.collection()
    if exchange.format in SCHEMA_KEYS:
        return _xml_schema(exchange, collection)
    build = {"feature": feature_schema, "geojson": strict_schema}.get(exchange.format)
    uri = _schema_uri(exchange, f"schema?f={exchange.format}" if build else "schema")
    build = build or collection_schema
    return respond_document(
        exchange, lambda: build(collection, exchange.lang, uri), "queryables.html", collection=collection
    )


def _xml_schema(exchange: Exchange, collection: Collection) -> Response:
    marks = validators(exchange, exchange.context.registry.version, None)
    if marks.unchanged(exchange.request):
        return respond_unchanged(marks)
    return respond(exchange, xml_schema(collection, exchange.lang, SCHEMA_KEYS[exchange.format]), XML, marks)


def _schema_uri(exchange: Exchange, name: str) -> str:
    return f"{exchange.base}/collections/{exchange.collection().id}/{name}"


async def get_map(request: Request) -> Response:
    """/map"""
    return _page(request, "map.html")


async def get_accessibility(request: Request) -> Response:
    """/accessibility"""
    return _page(request, "accessibility.html")


async def get_privacy(request: Request) -> Response:
    """/privacy"""
    return _page(request, "privacy.html")


def _page(request: Request, template: str) -> Response:
    return respond_document(open_exchange(request, {"html": HTML}), dict, template)


async def get_health(_request: Request) -> Response:
    """/healthz: the process answers."""
    return _status(200, {"status": "ok"})


async def get_readiness(request: Request) -> Response:
    """/readyz: the database answers, too, and the server knows what is live."""
    standing = await request.app.state.context.database.standing()
    document: dict[str, Any] = {"status": "ready", "database": "standby" if standing.standby else "primary"}
    if standing.standby:
        document["replay_lag_seconds"] = standing.lag
    return _status(200, document)


def _status(status: int, document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), status, {"Content-Type": "application/json", "Cache-Control": "no-store"})
