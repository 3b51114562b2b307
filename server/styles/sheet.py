"""MapLibre style JSON (version 8) of collections in the colours of a style. Pure.

Written so that QGIS reads it, too: filters in the old syntax, no sprites, no `to-boolean`, the font that QGIS brings.
Blocks, which it passes over, are layers of their own above the flat ones.
"""

from collections.abc import Sequence
from typing import Any

from server.catalogue import Collection
from server.looks import BLOCKS_FROM, HIGHEST, TOKEN, Label, Look, Symbol
from server.palettes import Palette

REGULAR, BOLD = "Open Sans Regular", "Open Sans Bold"
# What stands in the drawing order of collections before a layer of theirs: symbols come last, whatever their order
Ordered = tuple[int, dict[str, Any]]


def layers_of(collections: Sequence[Collection], palette: Palette, hidden: set[str]) -> list[dict[str, Any]]:
    """Layers in drawing order: what is filled, drawn, stands, is written. hidden: ids of collections not shown at
    first.
    """
    drawn: list[Ordered] = []
    standing: list[Ordered] = []
    written: list[Ordered] = []
    for collection in collections:
        look = collection.look
        others = left_to(collection, collections)
        for number, symbol in enumerate(look.symbols):
            order = look.order if symbol.order is None else symbol.order
            parts = _symbol_layers(collection, symbol, number, palette)
            drawn += [(order, _once(collection, part, others)) for part in parts]
            standing += [(order, part) for part in _block_layers(collection, symbol, number, palette)]
        for number, label in enumerate(look.labels):
            written += [(look.order, layer) for layer in _label_layers(collection, label, number, palette)]
    ground = {"id": "background", "type": "background", "paint": {"background-color": palette.colour("background")}}
    ordered = [layer for kind in (drawn, standing, written) for _, layer in sorted(kind, key=_order)]
    for layer in ordered:
        if layer["source"] in hidden:
            layer["layout"]["visibility"] = "none"
    return [ground, *ordered]


def left_to(collection: Collection, collections: Sequence[Collection]) -> dict[str, str]:
    """Ranks of borders that other collections of the same data draw: the collection's id by rank."""
    if collection.tiles.borders is None:
        return {}
    own = max(collection.tiles.borders.ranks.values())
    drawing = [c for c in collections if c.tiles.borders and c.dataset == collection.dataset]
    lowest = {max(b.ranks.items(), key=lambda rank: rank[1]): c.id for c in drawing if (b := c.tiles.borders)}
    return {rank: id_ for (rank, length), id_ in lowest.items() if length < own}


def _once(collection: Collection, layer: dict[str, Any], others: dict[str, str]) -> dict[str, Any]:
    """Lines of areas that have borders are drawn of these, but for what others draw: dashes may not lie over each
    other. A line without a rank is drawn in any case.
    """
    if layer["type"] != "line" or collection.tiles.borders is None:
        return layer
    drawn = {**layer, "source-layer": f"{collection.id}.borders"}
    if others:
        drawn |= {"filter": ["!in", "rank", *others], "metadata": {"opennrw:left-to": others}}
    return drawn


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


def _block_layers(collection: Collection, symbol: Symbol, number: int, palette: Palette) -> list[dict[str, Any]]:
    """What a symbol fills, as high as the feature is."""
    look = collection.look
    if look.height is None or symbol.fill is None or symbol.to <= BLOCKS_FROM:
        return []
    paint = {
        "fill-extrusion-color": palette.colour(symbol.fill),
        "fill-extrusion-height": ["get", look.height],
        "fill-extrusion-opacity": 0.92,
    }
    layer = _layer(collection, symbol, f"block{number}", "fill-extrusion", paint)
    measured = ["has", look.height]
    condition = filter_of(look, symbol)
    levels = {"minzoom": max(layer["minzoom"], BLOCKS_FROM)}
    return [{**layer, **levels, "filter": ["all", condition, measured] if condition else measured}]


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


def _label_layers(collection: Collection, label: Label, number: int, palette: Palette) -> list[dict[str, Any]]:
    found = []
    for suffix, text, condition in _texts(label):
        layer = _label_layer(collection, label, f"label{number}{suffix}", palette)
        layer["layout"]["text-field"] = text
        found.append({**layer, "filter": condition} if condition else layer)
    return found


def _label_layer(collection: Collection, label: Label, name: str, palette: Palette) -> dict[str, Any]:
    paint = {
        "text-color": palette.colour(label.colour),
        "text-halo-color": palette.colour("halo"),
        "text-halo-width": 1.2,
    }
    layer = _layer(collection, label, name, "symbol", paint)
    if "Polygon" in collection.geometry:
        layer["metadata"] = {"opennrw:label": True}
    if collection.tiles.names:
        layer["source-layer"] = f"{collection.id}.names"
    in_pieces = "Polygon" in collection.geometry and not collection.tiles.names
    layer["layout"] = {
        "text-font": [BOLD if label.bold else REGULAR],
        "text-size": scaled(label.size),
        "text-max-width": 8,
        # tiles cut areas to pieces and each gets the name: those near each other give way
        "text-padding": 30 if in_pieces and label.from_ < 14 else 2,
        **({"text-transform": "uppercase", "text-letter-spacing": 0.1} if label.upper else {}),
        **({"symbol-placement": "line"} if "LineString" in collection.geometry else {}),
    }
    return layer


def _texts(label: Label) -> list[tuple[str, str, list[Any] | None]]:
    """Suffix of the layer's id, text with properties as tokens in braces, filter: QGIS knows no other way to leave a
    part out. A part of properties alone needs none: a missing one is nothing.
    """
    whole = "".join(text for text, _ in label.parts)
    needed = [n for text, optional in label.parts if optional and TOKEN.sub("", text) for n in TOKEN.findall(text)]
    if not needed:
        return [("", whole, None)]
    short = "".join(text for text, optional in label.parts if not optional)
    there = [["has", name] for name in needed]
    return [("", whole, ["all", *there]), ("short", short, ["none", ["all", *there]])]


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
