"""QGIS' layer style (QML) of a collection: rules with scales for its symbols and labels. Pure.

As QGIS 3.22 and newer read it: lengths in pixels, which are those of the map. Where a width changes with the level,
the one of the largest scale holds.
"""

from xml.etree import ElementTree as ET

from server.catalogue import Collection
from server.looks import HIGHEST, TOKEN, Label, Look, Symbol, Value
from server.palettes import Palette
from server.tiling.matrixsets import SCALE

HEAD = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
KINDS = {"Point": "marker", "LineString": "line", "Polygon": "fill"}


def layer_style(collection: Collection, palette: Palette, lang: str) -> bytes:
    """The document."""
    look = collection.look
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Labeling")
    root.set("labelsEnabled", str(int(bool(look.labels))))
    renderer = ET.SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="0", forceraster="0")
    rules = ET.SubElement(renderer, "rules", key="symbols")
    symbols = ET.SubElement(renderer, "symbols")
    for number, symbol in enumerate(look.symbols):
        label = (symbol.title or collection.title).in_(lang)
        rule = ET.SubElement(
            rules, "rule", {"key": f"symbol-{number}", "symbol": str(number), "label": label, **scales(symbol)}
        )
        if condition := condition_of(look, symbol):
            rule.set("filter", condition)
        symbols.append(_symbol(collection, symbol, number, palette))
    if look.labels:
        labeling = ET.SubElement(root, "labeling", type="rule-based")
        rules = ET.SubElement(labeling, "rules", key="labels")
        for number, label in enumerate(look.labels):
            rule = ET.SubElement(rules, "rule", {"key": f"label-{number}", **scales(label)})
            rule.append(_label(collection, label, palette))
    ET.indent(root)
    return HEAD + ET.tostring(root, encoding="utf-8")


def scales(part: Symbol | Label) -> dict[str, str]:
    """Between which denominators of scale something is shown."""
    found = {}
    if part.to < HIGHEST:
        found["scalemindenom"] = str(round(SCALE / 2**part.to))
    if part.from_:
        found["scalemaxdenom"] = str(round(SCALE / 2**part.from_))
    return found


def condition_of(look: Look, symbol: Symbol) -> str | None:
    """QGIS' expression of which features a symbol is for; None: all."""
    if look.by is None or not symbol.chosen:
        return None
    if symbol.others:
        taken = [_meets(look.by, other) for other in look.symbols if other.chosen and not other.others]
        return f"NOT coalesce({' OR '.join(f'({found})' for found in taken)}, false)"
    return _meets(look.by, symbol)


def _meets(by: str, symbol: Symbol) -> str:
    if symbol.between:
        low, high = map(_literal, symbol.between)
        return f'"{by}" >= {low} AND "{by}" < {high}'
    return f'"{by}" IN ({", ".join(map(_literal, symbol.values))})'


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _symbol(collection: Collection, symbol: Symbol, number: int, palette: Palette) -> ET.Element:
    kind = KINDS[collection.geometry.removeprefix("Multi")]
    found = ET.Element("symbol", type=kind, name=str(number), alpha="1", clip_to_extent="1", force_rhr="0")
    if kind == "marker":
        _layer(found, "SimpleMarker", _marker(symbol, palette))
    elif symbol.fill:
        _layer(found, "SimpleFill", _fill(symbol, palette))
    else:
        _layer(found, "SimpleLine", _line(symbol, palette))
    return found


def _layer(symbol: ET.Element, name: str, options: dict[str, str]) -> None:
    layer = ET.SubElement(symbol, "layer", {"class": name}, enabled="1", locked="0")
    layer.set("pass", "0")
    _map(layer, options)


def _map(above: ET.Element, options: dict[str, str]) -> None:
    found = ET.SubElement(above, "Option", type="Map")
    for key, value in options.items():
        ET.SubElement(found, "Option", name=key, type="QString", value=value)


def _fill(symbol: Symbol, palette: Palette) -> dict[str, str]:
    edge = {"outline_style": "no"}
    if symbol.line:
        edge = {
            "outline_style": "solid",
            "outline_color": _colour(palette, symbol.line),
            "outline_width": _number(_largest(symbol.width)),
            "outline_width_unit": "Pixel",
        }
    return {"color": _colour(palette, symbol.fill or "", symbol.opacity), "style": "solid", **edge}


def _line(symbol: Symbol, palette: Palette) -> dict[str, str]:
    width = _largest(symbol.width)
    dashes = {}
    if symbol.dash:
        lengths = ";".join(_number(step * width) for step in symbol.dash)
        dashes = {"use_custom_dash": "1", "customdash": lengths, "customdash_unit": "Pixel"}
    return {
        "line_color": _colour(palette, symbol.line or ""),
        "line_width": _number(width),
        "line_width_unit": "Pixel",
        "line_style": "solid",
        "joinstyle": "round",
        "capstyle": "flat",
        **dashes,
    }


def _marker(symbol: Symbol, palette: Palette) -> dict[str, str]:
    return {
        "name": "circle",
        "color": _colour(palette, symbol.circle or ""),
        "size": _number(2 * _largest(symbol.radius)),
        "size_unit": "Pixel",
        "outline_color": _colour(palette, "halo"),
        "outline_width": "0.5",
        "outline_width_unit": "Pixel",
        "outline_style": "solid",
    }


def _label(collection: Collection, label: Label, palette: Palette) -> ET.Element:
    settings = ET.Element("settings", calloutType="simple")
    style = ET.SubElement(
        settings,
        "text-style",
        fieldName=expression_of(label),
        isExpression="1",
        fontFamily="Open Sans",
        namedStyle="Bold" if label.bold else "Regular",
        fontWeight="75" if label.bold else "50",
        fontSize=_number(_largest(label.size)),
        fontSizeUnit="Pixel",
        textColor=_colour(palette, label.colour),
        capitalization="1" if label.upper else "0",
    )
    ET.SubElement(
        style,
        "text-buffer",
        bufferDraw="1",
        bufferSize="1.2",
        bufferSizeUnits="Pixel",
        bufferColor=_colour(palette, "halo"),
    )
    # around a point, along a line, within an area
    place = {"marker": "1", "line": "2", "fill": "1"}[KINDS[collection.geometry.removeprefix("Multi")]]
    ET.SubElement(settings, "placement", placement=place, centroidInside="1", centroidWhole="0", quadOffset="4")
    ET.SubElement(settings, "rendering", obstacle="0", drawLabels="1")
    return settings


def expression_of(label: Label) -> str:
    """A label's text in QGIS' language; a null makes what stands in brackets null, which concat leaves out."""
    pieces = []
    for text, optional in label.parts:
        split = TOKEN.split(text)
        found = [f'"{piece}"' if number % 2 else _literal(piece) for number, piece in enumerate(split) if piece]
        pieces += [" || ".join(found)] if optional else found
    return f"concat({', '.join(pieces)})"


def _largest(stops: dict[int, float]) -> float:
    return stops[max(stops)]


def _number(value: float) -> str:
    return f"{value:g}"


def _colour(palette: Palette, name: str, opacity: float = 1) -> str:
    bands = bytes.fromhex(palette.colour(name)[1:])
    return ",".join(map(str, (*bands, round(255 * opacity))))
