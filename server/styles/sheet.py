"""MapLibre style JSON (version 8) of collections in the colours of a style. Pure.

Written so that QGIS reads it, too: filters in the old syntax, no sprites, no `to-boolean`, the font that QGIS brings.
"""

from collections.abc import Sequence
from typing import Any

from server.catalogue import Collection
from server.looks import HIGHEST, TOKEN, Label, Look, Symbol
from server.palettes import Palette

REGULAR, BOLD = "Open Sans Regular", "Open Sans Bold"
# What stands in the drawing order of collections before a layer of theirs: symbols come last, whatever their order
Ordered = tuple[int, dict[str, Any]]


def layers_of(collections: Sequence[Collection], palette: Palette, hidden: set[str]) -> list[dict[str, Any]]:
    """Layers in drawing order: what is filled, drawn, written. hidden: ids of collections not shown at first."""
    drawn: list[Ordered] = []
    written: list[Ordered] = []
    for collection in collections:
        look = collection.look
        for number, symbol in enumerate(look.symbols):
            order = look.order if symbol.order is None else symbol.order
            drawn += [(order, part) for part in _symbol_layers(collection, symbol, number, palette)]
        for number, label in enumerate(look.labels):
            written.append((look.order, _label_layer(collection, label, number, palette)))
    ground = {"id": "background", "type": "background", "paint": {"background-color": palette.colour("background")}}
    ordered = [layer for _, layer in sorted([*drawn], key=_order)] + [layer for _, layer in sorted(written, key=_order)]
    for layer in ordered:
        if layer["source"] in hidden:
            layer["layout"]["visibility"] = "none"
    return [ground, *ordered]


def _order(entry: Ordered) -> int:
    return entry[0]


def _symbol_layers(collection: Collection, symbol: Symbol, number: int, palette: Palette) -> list[dict[str, Any]]:
    found = []
    if symbol.fill:
        paint: dict[str, Any] = {"fill-color": palette.colour(symbol.fill), "fill-opacity": symbol.opacity}
        found.append(_layer(collection, symbol, f"fill{number}", "fill", paint))
    if symbol.line:
        paint = {"line-color": palette.colour(symbol.line), "line-width": scaled(symbol.width)}
        if symbol.dash:
            paint["line-dasharray"] = list(symbol.dash)
        found.append({**_layer(collection, symbol, f"line{number}", "line", paint), "layout": {"line-join": "round"}})
    if symbol.circle:
        paint = {
            "circle-color": palette.colour(symbol.circle),
            "circle-radius": scaled(symbol.radius),
            "circle-stroke-color": palette.colour("halo"),
            "circle-stroke-width": 0.5,
        }
        found.append(_layer(collection, symbol, f"circle{number}", "circle", paint))
    condition = filter_of(collection.look, symbol)
    return [{**layer, "filter": condition} for layer in found] if condition else found


def _layer(collection: Collection, part: Symbol | Label, name: str, kind: str, paint: dict[str, Any]) -> dict[str, Any]:
    levels: dict[str, int] = {"minzoom": max(part.from_, collection.tiles.minzoom)}
    if part.to < HIGHEST:
        levels["maxzoom"] = part.to
    return {
        "id": f"{collection.id}:{name}",
        "type": kind,
        "source": collection.id,
        "source-layer": collection.id,
        **levels,
        "layout": {},
        "paint": paint,
    }


def _label_layer(collection: Collection, label: Label, number: int, palette: Palette) -> dict[str, Any]:
    paint = {
        "text-color": palette.colour(label.colour),
        "text-halo-color": palette.colour("halo"),
        "text-halo-width": 1.2,
    }
    layer = _layer(collection, label, f"label{number}", "symbol", paint)
    if "Polygon" in collection.geometry:
        layer["metadata"] = {"opennrw:label": True}
    layer["layout"] = {
        "text-field": _text(label),
        "text-font": [BOLD if label.bold else REGULAR],
        "text-size": scaled(label.size),
        "text-max-width": 8,
        "text-padding": 2,
        **({"text-transform": "uppercase", "text-letter-spacing": 0.1} if label.upper else {}),
        **({"symbol-placement": "line"} if "LineString" in collection.geometry else {}),
    }
    return layer


def _text(label: Label) -> Any:
    """Properties as tokens in braces where that will do, because all clients know it."""
    if not any(optional for _, optional in label.parts):
        return label.text
    pieces: list[Any] = ["concat"]
    for text, optional in label.parts:
        piece = _pieces(text)
        if optional:
            needed = [["has", name] for name in TOKEN.findall(text)]
            condition = needed[0] if len(needed) == 1 else ["all", *needed]
            pieces.append(["case", condition, piece[0] if len(piece) == 1 else ["concat", *piece], ""])
        else:
            pieces += piece
    return pieces


def _pieces(text: str) -> list[Any]:
    split = TOKEN.split(text)
    return [["get", piece] if number % 2 else piece for number, piece in enumerate(split) if piece]


def filter_of(look: Look, symbol: Symbol) -> list[Any] | None:
    """Which features a symbol is for; None: all."""
    by = look.by
    if by is None or not symbol.chosen:
        return None
    if symbol.others:
        taken = [_meets(by, other) for other in look.symbols if other.chosen and not other.others]
        return ["any", ["!has", by], ["none", *taken]]
    return _meets(by, symbol)


def _meets(by: str, symbol: Symbol) -> list[Any]:
    if symbol.between:
        return ["all", [">=", by, symbol.between[0]], ["<", by, symbol.between[1]]]
    return ["in", by, *symbol.values]


def scaled(stops: dict[int, float]) -> Any:
    """A number, or what goes evenly between levels."""
    if len(stops) == 1:
        return next(iter(stops.values()))
    return ["interpolate", ["linear"], ["zoom"], *(x for stop in sorted(stops.items()) for x in stop)]
