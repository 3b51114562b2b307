"""One request and what its answer depends on: parameters, representation, language, validators."""

import hashlib
import re
from collections.abc import Callable, Mapping
from collections.abc import Collection as Names
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import Collection, Language, Service
from server.coordinates import Operations
from server.database import Database
from server.errors import InvalidHost, InvalidParameter, shorten
from server.exports.place import Place
from server.formats.table import BY_KEY
from server.kept import Kept
from server.links import Link, link, to_href, to_pair
from server.negotiation import HTML, JSON, choose_format, choose_language
from server.parameters import parse_query
from server.settings import Settings
from server.state import Registry, State
from server.tilecache import TileCache
from server.ui.pages import Pages

HOST = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,252})?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$")
JSON_HTML = {"json": JSON, "html": HTML}
Document = dict[str, Any]
METADATA_CACHE = "public, max-age=60"
COMMON_PARAMETERS = ("f", "lang")


@dataclass(frozen=True)
class Context:
    """What lives as long as the worker process. `fingerprint` changes with the software and the configuration."""

    settings: Settings
    service: Service
    registry: Registry
    database: Database
    pages: Pages
    fingerprint: str
    place: Place
    tiles: TileCache
    kept: Kept = field(default_factory=Kept)
    operations: Operations = field(default_factory=Operations)


@dataclass(frozen=True)
class Exchange:
    """A request, parsed. `base` is the service's absolute URL without a slash at its end."""

    request: Request
    context: Context
    base: str
    parameters: dict[str, str]
    formats: Mapping[str, str]
    format: str
    lang: Language

    @property
    def path(self) -> str:
        """Path of the request below the base URL."""
        return self.request.scope["path"]

    def href(self, *segments: str, **query: Any) -> str:
        """URL of another resource; keeps `lang` where the request has it."""
        return to_href(self.base, *segments, query={**query, "lang": self.parameters.get("lang")})

    @cached_property
    def _own(self) -> tuple[str, dict[str, str]]:
        """This request's URL without its query, and its parameters ready for a URL: a page has many such links."""
        raw: bytes = self.request.scope["raw_path"]
        # an id may hold slashes, which stand encoded in its segment
        encoded = b"%" in raw
        segments = (raw.decode("latin-1") if encoded else self.path)[1:].split("/") if self.path != "/" else []
        url = to_href(self.base, *(map(unquote, segments) if encoded else segments))
        return url, {name: to_pair(name, value) for name, value in self.parameters.items()}

    def href_self(self, **changes: Any) -> str:
        """URL of this request with some parameters given or changed."""
        url, pairs = self._own
        return url + "?" + "&".join({**pairs, **{k: to_pair(k, v) for k, v in changes.items()}}.values())

    def links_self(self) -> list[Link]:
        """Links to this representation and its alternates."""
        return [
            link(
                "self" if name == self.format else "alternate",
                self.href_self(f=name),
                media_type,
                _title(name, media_type),
            )
            for name, media_type in self.formats.items()
        ]

    def collection(self) -> Collection:
        """The collection that the path names. Raises NotFound."""
        return self.context.registry.collection(self.request.path_params["collectionId"])

    def state(self, collection: Collection) -> State:
        """What is live of a collection."""
        return self.context.registry.states[collection.id]


def _title(name: str, media_type: str) -> str:
    """Of a representation: the format's own, if it is one of features."""
    found = BY_KEY.get(name)
    return found.title if found and found.media_type == media_type else name.upper()


def open_exchange(
    request: Request,
    formats: Mapping[str, str] = JSON_HTML,
    allowed: Names[str] = (),
    *,
    check_host: bool = True,
    posted: Mapping[str, str] | None = None,
) -> Exchange:
    """Parse a request; `posted` are the parameters of its body.

    Raises ClientErrors: unknown or wrong parameters, no fitting representation, a bad Host.
    """
    context: Context = request.app.state.context
    parameters = parse_query(request.scope["query_string"], _with_common(tuple(allowed)))
    headers = _headers(request)
    for name, value in (posted or {}).items():
        if parameters.setdefault(name, value) is not value:
            raise InvalidParameter(name, value, "it is given in the address and in the body", "Give it once")
    return Exchange(
        request=request,
        context=context,
        base=_base_url(headers.get(b"host", b""), context.settings) if check_host else "",
        parameters=parameters,
        formats=formats,
        format=choose_format(formats, parameters.get("f"), _to_text(headers.get(b"accept"))),
        lang=choose_language(parameters.get("lang"), _to_text(headers.get(b"accept-language"))),
    )


@lru_cache(maxsize=256)
def _with_common(allowed: tuple[str, ...]) -> frozenset[str]:
    return frozenset((*allowed, *COMMON_PARAMETERS))


def _headers(request: Request) -> dict[bytes, bytes]:
    """The request's headers; those given several times are one list (RFC 9110, 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in request.scope["headers"]:
        found[name] = b"%b, %b" % (found[name], value) if name in found else value
    return found


def _to_text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _base_url(given: bytes, settings: Settings) -> str:
    if settings.base_url:
        return settings.base_url.rstrip("/")
    host = given.decode("latin-1")  # several are an error, too (RFC 9112, 3.2)
    if not HOST.match(host):
        raise InvalidHost(f"The Host header '{shorten(host)}' is no host name with an optional port. Correct it.")
    return f"http://{host}"


@lru_cache(maxsize=256)
def to_http_date(moment: datetime) -> str:
    """As headers carry it (RFC 9110, 5.6.7)."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


@dataclass(frozen=True)
class Validators:
    """ETag and time of the last change of a representation."""

    etag: str
    modified: datetime | None

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that carry them."""
        headers = {"ETag": self.etag}
        if self.modified:
            headers["Last-Modified"] = to_http_date(self.modified)
        return headers

    def unchanged(self, request: Request) -> bool:
        """Whether the client's copy is still good (RFC 9110, 13.2.2: If-None-Match wins)."""
        headers = _headers(request)
        if (tags := _to_text(headers.get(b"if-none-match"))) is not None:
            known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
            return "*" in known or self.etag.removeprefix("W/") in known
        since = _to_text(headers.get(b"if-modified-since"))
        if since is None or self.modified is None:
            return False
        try:
            moment = parsedate_to_datetime(since)
        except ValueError:
            return False
        return moment.tzinfo is not None and self.modified.replace(microsecond=0) <= moment


def validators(exchange: Exchange, version: object, modified: datetime | None) -> Validators:
    """Validators of a representation: they differ by version, software, URL, format and language.

    Weak, because `timeStamp` and the content coding vary between equal answers.
    """
    parts = (
        exchange.context.fingerprint,
        exchange.context.registry.declared,
        str(version),
        exchange.base,
        exchange.path,
        repr(sorted(exchange.parameters.items())),
        exchange.format,
        exchange.lang,
    )
    digest = hashlib.blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
    return Validators(f'W/"{digest}"', modified)


def respond(
    exchange: Exchange,
    content: bytes,
    media_type: str,
    marks: Validators | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer with what every representation carries."""
    text = media_type.startswith("text/")
    return Response(
        content,
        headers={
            "Content-Type": f"{media_type}; charset=utf-8" if text else media_type,
            "Content-Language": exchange.lang,
            "Cache-Control": METADATA_CACHE,
            "Vary": "Accept, Accept-Language",
            **(marks.headers if marks else {}),
            **(headers or {}),
        },
    )


def respond_unchanged(marks: Validators, headers: Mapping[str, str] | None = None) -> Response:
    """304."""
    basic = {"Cache-Control": METADATA_CACHE, "Vary": "Accept, Accept-Language"}
    return Response(status_code=304, headers={**basic, **marks.headers, **(headers or {})})


def respond_document(
    exchange: Exchange,
    build: Callable[[], Document],
    template: str | None = None,
    *,
    marks: Validators | None = None,
    to_xml: Callable[[Document], bytes] | None = None,
    **page: Any,
) -> Response:
    """A metadata document as JSON or, by its template, as HTML, or, by `to_xml`, as XML.

    Made once for each state of the data: the ETag names all that its content depends on.
    """
    marks = marks or validators(exchange, exchange.context.registry.version, None)
    if marks.unchanged(exchange.request):
        return respond_unchanged(marks)
    kept = exchange.context.kept
    content = kept.get(marks.etag)
    if content is None:
        if template and exchange.format == "html":
            content = render(exchange, template, document=build(), **page)
        elif to_xml and exchange.format == "xml":
            content = to_xml(build())
        else:
            content = orjson.dumps(build())
        kept.put(marks.etag, content)
    return respond(exchange, content, exchange.formats[exchange.format], marks)


def render(exchange: Exchange, template: str, **page: Any) -> bytes:
    """An HTML page with what every template gets."""
    registry = exchange.context.registry
    return exchange.context.pages.render(
        template,
        exchange.lang,
        base=exchange.base,
        path=exchange.path,
        query={k: v for k, v in exchange.parameters.items() if k not in COMMON_PARAMETERS},
        lang_given="lang" in exchange.parameters,
        collections=list(registry.collections.values()),
        states={name: to_page_state(state) for name, state in registry.states.items() if state.version},
        **page,
    )


def to_page_state(state: State) -> dict[str, Any]:
    """A state as the templates have it: features, published, bbox in CRS84, dates, delivery."""
    box = state.bbox_crs84
    return {
        "features": state.features,
        "published": state.published if state.version else None,
        "bbox": list(box) if box else None,
        "dates": [state.first_date, state.last_date] if state.first_date else None,
        "delivery": state.delivery,
    }
