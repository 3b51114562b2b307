"""Styles of the service and of each collection, their legends, and the glyphs that they are written with."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import Collection
from server.errors import InvalidParameter, NotFound, shorten
from server.exchange import (
    JSON_HTML,
    Exchange,
    Validators,
    open_exchange,
    respond,
    respond_document,
    respond_unchanged,
    validators,
)
from server.negotiation import HTML, MAPLIBRE, PNG, QML
from server.palettes import read_palettes
from server.styles.documents import Style, metadata_document, styles_document, stylesheet_document
from server.styles.fonts import GLYPHS, glyphs
from server.styles.legend import Part, legend_of
from server.styles.picture import draw_legend
from server.styles.qml import layer_style

SHEETS = {"mapbox": MAPLIBRE, "html": HTML}
SHEETS_OF_ONE = {"mapbox": MAPLIBRE, "qml": QML, "html": HTML}
LEGENDS = {"html": HTML, "png": PNG}
GLYPHS_CACHE = "public, max-age=604800"


async def get_styles(request: Request) -> Response:
    """…/styles"""
    exchange = open_exchange(request)
    own, collections = _own(exchange), _collections(exchange)
    palettes = read_palettes(exchange.context.settings.config_dir).values()
    styles = [Style(exchange, palette, collections, own, False) for palette in palettes]
    return respond_document(
        exchange, lambda: styles_document(exchange, styles, own), "styles.html", collection=own, styles=styles
    )


async def get_style(request: Request) -> Response:
    """…/styles/{styleId}"""
    style = _open(request, SHEETS_OF_ONE if "collectionId" in request.path_params else SHEETS)
    exchange = style.exchange
    if exchange.format == "html":
        return _page(style)
    if exchange.format == "qml" and style.own:
        content = layer_style(style.own, style.palette, exchange.lang)
        return _respond(exchange, content, QML)
    return respond_document(exchange, lambda: stylesheet_document(style))


async def get_metadata(request: Request) -> Response:
    """…/styles/{styleId}/metadata"""
    style = _open(request, JSON_HTML)
    if style.exchange.format == "html":
        return _page(style)
    return respond_document(style.exchange, lambda: metadata_document(style))


async def get_legend(request: Request) -> Response:
    """…/styles/{styleId}/legend"""
    style = _open(request, LEGENDS)
    exchange = style.exchange
    if exchange.format == "png":
        marks = validators(exchange, exchange.context.registry.version, None)
        if marks.unchanged(exchange.request):
            return respond_unchanged(marks)
        return respond(exchange, _drawn(style, marks), PNG, marks)
    return respond_document(
        exchange,
        lambda: metadata_document(style),
        "legend.html",
        collection=style.own,
        style=style,
        legend=_legend(style),
    )


async def get_glyphs(request: Request) -> Response:
    """/fonts/{fontstack}/{range}.pbf"""
    path = request.path_params
    open_exchange(request, {"pbf": GLYPHS}, check_host=False)
    content = glyphs(path["fontstack"], path["range"])
    marks = Validators(f'W/"{_digest(content)}"', None)
    headers = {"Cache-Control": GLYPHS_CACHE, "Vary": "Accept", **marks.headers}
    if marks.unchanged(request):
        return Response(status_code=304, headers=headers)
    return Response(content, headers={"Content-Type": GLYPHS, **headers})


@lru_cache(maxsize=64)
def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def _drawn(style: Style, marks: Validators) -> bytes:
    """A legend's picture, drawn once for each state of the data."""
    kept = style.exchange.context.kept
    if (content := kept.get(marks.etag)) is None:
        content = draw_legend(_legend(style), style.palette)
        kept.put(marks.etag, content)
    return content


def _legend(style: Style) -> list[Part]:
    """Of what the map shows at first."""
    shown = [c for c in style.collections if c.id not in style.hidden]
    return legend_of(shown, style.palette, style.exchange.lang)


def _respond(exchange: Exchange, content: bytes, media_type: str) -> Response:
    marks = validators(exchange, exchange.context.registry.version, None)
    if marks.unchanged(exchange.request):
        return respond_unchanged(marks)
    return respond(exchange, content, media_type, marks)


def _page(style: Style) -> Response:
    return respond_document(
        style.exchange,
        lambda: metadata_document(style),
        "style.html",
        collection=style.own,
        style=style,
        legend=_legend(style),
    )


def _open(request: Request, formats: Mapping[str, str]) -> Style:
    allowed = () if "collectionId" in request.path_params else ("collections",)
    exchange = open_exchange(request, formats, allowed)
    palettes = read_palettes(exchange.context.settings.config_dir)
    name = request.path_params["styleId"]
    if name not in palettes:
        raise NotFound(f"There is no style '{shorten(name)}'. Styles: {', '.join(palettes)}.", remedy="see /styles")
    chosen = "collections" in exchange.parameters
    return Style(exchange, palettes[name], _collections(exchange), _own(exchange), chosen)


def _own(exchange: Exchange) -> Collection | None:
    return exchange.collection() if "collectionId" in exchange.request.path_params else None


def _collections(exchange: Exchange) -> tuple[Collection, ...]:
    """What a style shows: the collection of the path, those that the request names, or all that hold something yet."""
    if own := _own(exchange):
        return (own,)
    registry = exchange.context.registry
    text = exchange.parameters.get("collections")
    if text is None:
        return tuple(c for c in registry.collections.values() if registry.states[c.id].bbox)
    names = text.split(",")
    for name in names:
        if name not in registry.collections:
            rule = f"there is no collection '{name[:60]}'"
            raise InvalidParameter("collections", text, rule, f"Use some of: {','.join(registry.collections)}")
    return tuple(c for c in registry.collections.values() if c.id in names)
