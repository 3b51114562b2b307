"""/embed: the snippets for other people's pages; /embed/map: the map that they frame, the only page that may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from server.catalogue import Collection
from server.errors import InvalidParameter
from server.exchange import Exchange, open_exchange, render, respond, respond_unchanged, validators
from server.negotiation import HTML
from server.observe import policy

PARAMETERS = ("collections", "style", "bbox")
STYLES = ("light", "dark", "grey")
AREA = "Give west,south,east,north in degrees, such as 6.9,51.4,7.1,51.5"


@dataclass(frozen=True)
class Shown:
    """What an embedded map shows; style None: as the visitor's system has it, bbox None: all data."""

    collections: tuple[str, ...]
    style: str | None
    bbox: tuple[float, float, float, float] | None

    @property
    def query(self) -> str:
        """As the address of the map has it."""
        pairs = {
            "collections": ",".join(self.collections),
            "style": self.style,
            "bbox": ",".join(f"{side:.5f}".rstrip("0").rstrip(".") for side in self.bbox) if self.bbox else None,
        }
        return urlencode({name: value for name, value in pairs.items() if value}, safe=",")


def parse_shown(known: Mapping[str, Collection], at_first: tuple[str, ...], given: Mapping[str, str]) -> Shown:
    """The map that a request asks for; without collections those shown at first. Raises InvalidParameter."""
    given = {name: text for name, text in given.items() if text}  # a form sends empty fields, too
    names = tuple(given["collections"].split(",")) if "collections" in given else at_first
    for name in names:
        if name not in known:
            rule = f"there is no collection '{name[:60]}'"
            raise InvalidParameter("collections", given["collections"], rule, f"Use some of: {','.join(known)}")
    style = given.get("style")
    if style not in {None, *STYLES}:
        rule = "there is no such style of the map"
        raise InvalidParameter("style", str(style), rule, f"Use one of: {', '.join(STYLES)}; or none, as the system is")
    return Shown(tuple(c for c in known if c in names), style, _parse_area(given.get("bbox")))


def _parse_area(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidParameter("bbox", text, "it is not four decimal numbers", AREA) from error
    if not (-180 <= west < east <= 180 and -85 <= south < north <= 85):  # no comparison holds for NaN
        raise InvalidParameter("bbox", text, "its sides are not in order or out of range", AREA)
    return west, south, east, north


async def get_embed(request: Request) -> Response:
    """/embed"""
    return _page(request, "embed.html", policy(frame="'self'"))


async def get_embedded_map(request: Request) -> Response:
    """/embed/map; which pages may frame it is set by the operator, but our own always may."""
    ancestors = request.app.state.context.settings.frame_ancestors
    return _page(request, "embedded.html", policy(ancestors=ancestors if ancestors == "*" else f"'self' {ancestors}"))


def _page(request: Request, template: str, headers: dict[str, str]) -> Response:
    exchange = open_exchange(request, {"html": HTML}, PARAMETERS)
    shown = parse_shown(exchange.context.registry.collections, _at_first(exchange), exchange.parameters)
    marks = validators(exchange, (exchange.context.registry.version, *headers.values()), None)
    if marks.unchanged(request):
        return respond_unchanged(marks, headers)
    return respond(exchange, render(exchange, template, document={}, framed=shown), HTML, marks, headers)


def _at_first(exchange: Exchange) -> tuple[str, ...]:
    """What the map of all collections shows at first, as far as it is loaded."""
    registry = exchange.context.registry
    shown = exchange.context.pages.shown_at_first(registry.collections.values())
    return tuple(c.id for c in shown if registry.states[c.id].version)
