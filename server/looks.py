"""How collections look on maps: `style` in a collection's YAML. Its colours are names of those in config/styles/*.yaml,
so that one look serves all styles. Lengths are pixels of a screen, levels those of WebMercatorQuad.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from server.strict import Strict, Text

HIGHEST = 24
# The first level at which areas stand as blocks: below it they are a few pixels high
BLOCKS_FROM = 15
TOKEN = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
# Text, or a part in brackets that stands only where its properties have values
PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")

Colour = Annotated[str, Field(pattern=r"^(#[0-9a-f]{6}|[a-z][a-z0-9_-]*)$")]
Level = Annotated[int, Field(ge=0, le=HIGHEST)]
Value = str | int | float | bool


def _as_stops(given: Any) -> Any:
    """One number is alike at all levels."""
    return {0: float(given)} if isinstance(given, int | float) else given


# Numbers by level, between which the map goes evenly
Scaled = Annotated[dict[int, float | int], BeforeValidator(_as_stops), Field(min_length=1)]


class Symbol(Strict):
    """What is drawn of features, and at which levels: an area's fill, a line or an area's edge, a point's circle.

    values, between, others: for which values of the property `by`; between: from the first on, below the second;
    others: those that no other symbol is for. One without them is for all. title: what the legend calls it, where it
    is not the collection's. order: in the drawing of all collections, instead of the collection's.
    """

    title: Text | None = None
    values: tuple[Value, ...] = Field(default=(), strict=False)
    between: tuple[Value, Value] | None = Field(default=None, strict=False)
    others: bool = False
    fill: Colour | None = None
    opacity: float = Field(default=1, ge=0, le=1)
    line: Colour | None = None
    width: Scaled = Field(default={0: 1.0})
    dash: tuple[float, ...] = Field(default=(), strict=False)
    circle: Colour | None = None
    radius: Scaled = Field(default={0: 3.0})
    from_: Level = Field(default=0, alias="from")
    to: Level = HIGHEST
    order: int | None = None

    @model_validator(mode="after")
    def _draws_something(self) -> Self:
        if not (self.fill or self.line or self.circle):
            raise ValueError("a symbol needs a colour: fill, line or circle")
        if self.from_ >= self.to:
            raise ValueError(f"from {self.from_} is not below to {self.to}")
        return self

    @property
    def chosen(self) -> bool:
        """Whether it is for some values only."""
        return bool(self.values or self.between or self.others)


class Label(Strict):
    """A name on the map: `text` holds properties in braces; what stands in brackets is there only where all properties
    in it have a value: `{zaehler}[/{nenner}]`.
    """

    text: str
    from_: Level = Field(default=0, alias="from")
    to: Level = HIGHEST
    size: Scaled = Field(default={0: 11.0})
    bold: bool = False
    upper: bool = False
    colour: Colour = "text"

    @cached_property
    def parts(self) -> tuple[tuple[str, bool], ...]:
        """Pieces of the text, and whether each stands only where it has a value."""
        return tuple((optional or plain, bool(optional)) for optional, plain in PART.findall(self.text))

    @cached_property
    def properties(self) -> tuple[str, ...]:
        """All that it names."""
        return tuple(TOKEN.findall(self.text))

    @model_validator(mode="after")
    def _names_properties(self) -> Self:
        if not self.properties or "".join(f"[{t}]" if o else t for t, o in self.parts) != self.text:
            raise ValueError(f"text '{self.text}' names no property in braces, or its brackets do not match")
        if self.from_ >= self.to:
            raise ValueError(f"from {self.from_} is not below to {self.to}")
        return self


class Look(Strict):
    """A collection's symbols and labels. order: what has a higher one is drawn over the others. hidden: maps of
    all collections do not show it at first, as those that double another. by: the property whose values choose among
    the symbols. height: the property with the height in metres that what is filled has as a block, on maps that can
    show blocks; others show it flat.
    """

    order: int = 50
    hidden: bool = False
    by: str | None = None
    height: str | None = None
    symbols: tuple[Symbol, ...] = Field(strict=False, min_length=1)
    labels: tuple[Label, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _by_is_needed(self) -> Self:
        if any(symbol.chosen for symbol in self.symbols) and self.by is None:
            raise ValueError("symbols with values, between or others need by: the property whose values are meant")
        if self.height and not any(symbol.fill for symbol in self.symbols):
            raise ValueError(f"height names '{self.height}', but no symbol has a fill, which a block's colour is")
        return self

    @property
    def colours(self) -> Iterator[str]:
        """All that it names."""
        for symbol in self.symbols:
            yield from (c for c in (symbol.fill, symbol.line, symbol.circle) if c)
        yield from (label.colour for label in self.labels)

    def check(self, geometry: str, lowest: int, first: dict[str, int]) -> None:
        """Raise ValueError where it does not fit the geometry or the attributes of tiles. lowest: the first level of
        the tiles; first: of each attribute.
        """
        kind = geometry.removeprefix("Multi")
        for symbol in self.symbols:
            if (symbol.fill and kind != "Polygon") or (symbol.line and kind == "Point"):
                raise ValueError(f"style: a {geometry} has no {'fill' if symbol.fill else 'line'}")
            if symbol.circle and kind != "Point":
                raise ValueError(f"style: a {geometry} has no circle")
        used = [(name, label.from_) for label in self.labels for name in label.properties]
        used += [(self.height, BLOCKS_FROM)] if self.height else []
        used += [(self.by, symbol.from_) for symbol in self.symbols if self.by and symbol.chosen]
        for name, level in used:
            if name not in first:
                raise ValueError(f"style names '{name}', which is not among tiles.properties")
            if max(level, lowest) < first[name]:
                raise ValueError(f"style uses '{name}' from level {level} on, but tiles have it from {first[name]} on")


def default_look(geometry: str, label: str | None = None, level: int = 14) -> Look:
    """The look of a collection that says none: its `label` from a level on, if tiles have it."""
    kind = geometry.removeprefix("Multi")
    symbol: dict[str, Any] = {
        "Point": {"circle": "accent", "radius": {10: 2, 16: 4}},
        "LineString": {"line": "accent", "width": {10: 1, 16: 2}},
        "Polygon": {"fill": "accent", "opacity": 0.15, "order": 30},
    }[kind]
    symbols = [symbol, {"line": "accent", "width": {10: 0.6, 16: 1.2}}] if kind == "Polygon" else [symbol]
    labels = [{"text": f"{{{label}}}", "from": level}] if label else []
    return Look.model_validate({"symbols": symbols, "labels": labels, "order": 55})
