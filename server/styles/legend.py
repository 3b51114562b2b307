"""What a legend shows: for each collection its symbols, with their colours in a style. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.catalogue import Collection
from server.looks import Look, Symbol
from server.palettes import Palette


@dataclass(frozen=True)
class Entry:
    """A symbol: its title and how it is drawn, each colour as #rrggbb. level: the first that shows it."""

    title: str
    level: int
    fill: str | None = None
    opacity: float = 1
    line: str | None = None
    width: float = 1
    dash: tuple[float, ...] = ()
    circle: str | None = None
    radius: float = 3


@dataclass(frozen=True)
class Part:
    """A collection's part of a legend."""

    collection: str
    title: str
    entries: tuple[Entry, ...]


def legend_of(collections: Sequence[Collection], palette: Palette, lang: str) -> list[Part]:
    """What lies above comes first, as on the map."""
    ordered = sorted(collections, key=lambda c: -c.look.order)
    return [Part(c.id, c.title.in_(lang), _entries(c, palette, lang)) for c in ordered]


def _entries(collection: Collection, palette: Palette, lang: str) -> tuple[Entry, ...]:
    look = collection.look
    if _is_one(look):  # an area with its edge is one thing to who reads a legend
        fill, line = look.symbols
        entry = _entry(collection, fill, palette, lang)
        return (
            Entry(**{**vars(entry), "line": palette.colour(line.line or ""), "width": min(_widest(line.width), 3)}),
        )
    return tuple(_entry(collection, symbol, palette, lang) for symbol in look.symbols)


def _is_one(look: Look) -> bool:
    kinds = [(bool(s.fill), bool(s.line), s.title) for s in look.symbols]
    return kinds == [(True, False, None), (False, True, None)]


def _entry(collection: Collection, symbol: Symbol, palette: Palette, lang: str) -> Entry:
    title = symbol.title or collection.title
    return Entry(
        title=title.in_(lang),
        level=max(symbol.from_, collection.tiles.minzoom),
        fill=palette.colour(symbol.fill) if symbol.fill else None,
        opacity=symbol.opacity,
        line=palette.colour(symbol.line) if symbol.line else None,
        width=min(_widest(symbol.width), 3),
        dash=symbol.dash,
        circle=palette.colour(symbol.circle) if symbol.circle else None,
        radius=min(_widest(symbol.radius), 6),
    )


def _widest(stops: dict[int, float]) -> float:
    return max(stops.values())
