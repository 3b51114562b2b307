"""create_app: the web application of one worker process. The only place besides the command that wires."""

import asyncio
import contextlib
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type

from server import problems
from server.catalogue import Collection, read_collections, read_service
from server.common import embed
from server.common import routes as common
from server.coordinates import places_query
from server.database import Database, reader_conninfo
from server.declared import Declared
from server.downloads import routes as downloads
from server.errors import ConfigurationError, ServiceError
from server.exchange import Context
from server.exports.place import make_place
from server.features import routes as features
from server.formats.table import COMPRESSED
from server.jobs import routes as admin
from server.negotiation import GEOJSON, MAPLIBRE, MVT, PROBLEM, QML, SCHEMA_JSON
from server.observe import ROUTE, Observe, accepts_coding, configure_logging, get_metrics, make_metrics
from server.palettes import check_colours, read_palettes
from server.provenance import routes as provenance
from server.schema_check import check_schema
from server.search import routes as search
from server.settings import Settings
from server.state import Registry
from server.static import Static
from server.styles import routes as styles
from server.styles.fonts import GLYPHS
from server.tilecache import TileCache
from server.tiles import routes as tiles
from server.tiling.matrixsets import read_grids
from server.ui.pages import Pages

Endpoint = Callable[[Request], Awaitable[Response]]

COLLECTION = "/collections/{collectionId}"
TILESET = f"{COLLECTION}/tiles/{{tileMatrixSetId}}"
ALL_TILES = "/tiles/{tileMatrixSetId}"
XYZ = "{tileMatrix}/{tileCol}/{tileRow}.mvt"
TILE = "{tileMatrix}/{tileRow}/{tileCol}"

OPTIONS_HEADERS = {
    "Allow": problems.ALLOWED_METHODS,
    "Access-Control-Allow-Methods": f"{problems.ALLOWED_METHODS}, POST",
    "Access-Control-Allow-Headers": "Accept, Accept-Language, Content-Type, "
    "If-Match, If-Modified-Since, If-None-Match, If-Range, Range, X-Request-ID",
    "Access-Control-Max-Age": "86400",
}

# Paths in the order in which they are tried: what is asked for most comes first
ROUTES: dict[str, Endpoint] = {
    f"{COLLECTION}/items": features.get_items,
    f"{COLLECTION}/items/{{featureId:path}}/versions": features.get_versions,
    f"{COLLECTION}/items/{{featureId:path}}": features.get_item,
    f"{TILESET}/{XYZ}": tiles.get_tile,
    f"{TILESET}/{TILE}": tiles.get_tile,
    f"{ALL_TILES}/{XYZ}": tiles.get_tile,
    f"{ALL_TILES}/{TILE}": tiles.get_tile,
    COLLECTION: common.get_collection,
    "/": common.get_landing_page,
    "/api": common.get_api,
    "/api.html": common.get_api_reference,
    "/conformance": common.get_conformance,
    "/functions": common.get_functions,
    "/search": search.get_search,
    "/collections": common.get_collections,
    f"{COLLECTION}/queryables": common.get_queryables,
    f"{COLLECTION}/sortables": common.get_sortables,
    f"{COLLECTION}/schema": common.get_schema,
    f"{COLLECTION}/provenance": provenance.get_provenance,
    f"{COLLECTION}/downloads": downloads.get_downloads,
    f"{COLLECTION}/downloads/{{fileName}}": downloads.get_file,
    f"{COLLECTION}/download": downloads.get_download,
    f"{COLLECTION}/download/{{key}}": downloads.get_status,
    f"{COLLECTION}/download/{{key}}/{{fileName}}": downloads.get_result,
    "/downloads/{fileName}": downloads.get_map_file,
    f"{COLLECTION}/tiles": tiles.get_tilesets,
    TILESET: tiles.get_tileset,
    f"{TILESET}/tilejson": tiles.get_tilejson,
    "/tiles": tiles.get_tilesets,
    ALL_TILES: tiles.get_tileset,
    f"{ALL_TILES}/tilejson": tiles.get_tilejson,
    "/tileMatrixSets": tiles.get_matrix_sets,
    "/tileMatrixSets/{tileMatrixSetId}": tiles.get_matrix_set,
    "/styles": styles.get_styles,
    "/styles/{styleId}": styles.get_style,
    "/styles/{styleId}/metadata": styles.get_metadata,
    "/styles/{styleId}/legend": styles.get_legend,
    f"{COLLECTION}/styles": styles.get_styles,
    f"{COLLECTION}/styles/{{styleId}}": styles.get_style,
    f"{COLLECTION}/styles/{{styleId}}/metadata": styles.get_metadata,
    f"{COLLECTION}/styles/{{styleId}}/legend": styles.get_legend,
    "/fonts/{fontstack}/{range}.pbf": styles.get_glyphs,
    "/map": common.get_map,
    "/embed": embed.get_embed,
    "/embed/map": embed.get_embedded_map,
    "/accessibility": common.get_accessibility,
    "/privacy": common.get_privacy,
    "/healthz": common.get_health,
    "/readyz": common.get_readiness,
    "/metrics": get_metrics,
    "/admin/jobs": admin.get_jobs,
    "/admin/jobs/{jobId}": admin.get_job,
    "/admin/deliveries": admin.get_deliveries,
}


# What takes its parameters from a body, too. OPTIONS does not tell: QGIS would let its users add features
POSTED = {f"{COLLECTION}/items"}

# What maps and paging clients ask for without end
HOT = (f"{COLLECTION}/items", *(f"{tileset}/{tile}" for tileset in (TILESET, ALL_TILES) for tile in (XYZ, TILE)))


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application: what every request gets, around the framework's. Raises ConfigurationError where the
    configuration is wrong.

    The database is asked when the application starts (ASGI lifespan); the command asks it before it opens a port.
    """
    settings = settings or Settings()
    configure_logging(settings.log_level)
    declared = Declared(settings)  # before they are read: what changes meanwhile is read again
    context, collections = make_context(settings)
    metrics = make_metrics()
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        routes=[*(resource(path, endpoint) for path, endpoint in ROUTES.items()), _static(context.pages)],
        lifespan=_lifespan(context, collections, declared),
        exception_handlers={
            HTTPException: problems.answer_http_error,
        },
    )
    app.state.context = context
    app.state.metrics = metrics
    for media_type in (
        GEOJSON,
        SCHEMA_JSON,
        PROBLEM,
        MVT,
        MAPLIBRE,
        QML,
        GLYPHS,
        "application/vnd.oai.openapi+json",
        *COMPRESSED,
    ):
        add_compress_type(media_type)
    shortcut = Shortcut(app, [resource(path, ROUTES[path]) for path in HOT])
    compression = Compression(shortcut, minimum_size=1000, zstd_level=3, brotli_quality=4, gzip_level=5)
    return Observe(compression, metrics, logs=settings.log_level.lower() in {"debug", "info"})


def make_context(settings: Settings) -> tuple[Context, tuple[Collection, ...]]:
    """Read the configuration; nothing is connected yet."""
    if settings.database_url is None:
        raise ConfigurationError("DATABASE_URL is not set. Start the server with `opennrw up` or `opennrw serve`.")
    service = read_service(settings.config_dir)
    collections = read_collections(*settings.collection_folders)
    palettes = read_palettes(settings.config_dir)
    check_colours(palettes.values(), collections)
    pages = Pages(service)
    documents = [grid.document for grid in read_grids(settings.config_dir).values()]
    database = Database(reader_conninfo(settings, settings.database_url), settings.pool_size, settings.pool_timeout)
    fingerprint = hashlib.blake2b(
        repr((version("opennrw-geo"), service, collections, pages.version, documents, palettes)).encode(),
        digest_size=12,
    ).hexdigest()
    place = make_place(settings)
    tiles = TileCache(database, settings.tile_memory << 20, settings.tile_cache << 20, settings.home / "tiles.lock")
    return Context(settings, service, Registry(collections), database, pages, fingerprint, place, tiles), collections


class Compression(CompressMiddleware):
    """ASGI middleware: compresses, but not files: a range is one of their own bytes, and the ETag is theirs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        plain = scope["type"] != "http" or "/download" in scope["path"] or not accepts_coding(scope)
        await (self.app(scope, receive, send) if plain else super().__call__(scope, receive, send))


class Shortcut:
    """ASGI middleware: some routes are answered before the framework's own layers, which cost a tenth of a request."""

    def __init__(self, app: FastAPI, routes: list[Route]) -> None:
        self.app = app
        self.routes = [(route.path_regex, route.methods or set(), route.endpoint) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] == "http":
            for path, methods, endpoint in self.routes:
                found = path.match(scope["path"])
                if found and scope["method"] in methods:
                    scope["app"], scope["path_params"] = self.app, found.groupdict()
                    response = await endpoint(Request(scope, receive, send))
                    await response(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def resource(path: str, endpoint: Endpoint) -> Route:
    """A route that answers OPTIONS with what it allows, turns errors into problem documents, and tells the metrics
    its template.
    """

    template = path.replace(":path", "")

    async def answer(request: Request) -> Response:
        request.scope[ROUTE] = template
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=OPTIONS_HEADERS)
        try:
            return await endpoint(request)
        except ServiceError as error:
            return await problems.answer_service_error(request, error)
        except Exception as error:
            return await problems.answer_unexpected(request, error)

    return Route(path, answer, methods=["GET", "HEAD", "OPTIONS", *(["POST"] if path in POSTED else [])])


def _static(pages: Pages) -> Mount:
    for suffix in (".mjs", ".js"):
        mimetypes.add_type("text/javascript", suffix)
    return Mount("/static", Static(directory=Path(pages.static_dir)))


def _lifespan(
    context: Context, collections: tuple[Collection, ...], declared: Declared
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await context.database.open()
        await check_schema(context.database, collections)
        await context.registry.refresh(context.database)
        context.operations.take({srid: (x, y) for srid, x, y in await context.database.fetch(places_query())})
        context.tiles.open()
        look = partial(declared.look, context.registry, context.database)
        watcher = asyncio.create_task(context.registry.watch(context.database, look))
        try:
            yield
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            await context.tiles.close()
            await context.database.close()

    return lifespan
