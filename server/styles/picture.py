"""A legend as a PNG picture."""

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from server.palettes import Palette
from server.styles.fonts import FOLDER
from server.styles.legend import Entry, Part
from server.styles.sheet import BOLD, REGULAR

if TYPE_CHECKING:
    from PIL import Image

SCALE = 2  # pixels for each of a screen, so that it is sharp in print, too
ROW, SWATCH_WIDTH, MARGIN, GAP, TEXT_SIZE = 20, 28, 12, 8, 12
EDGE = "#9a9a9a"  # of a swatch, which may be as light as its ground
FINER = 4  # swatches are drawn so much larger, then made smaller, for smooth edges


def draw_legend(parts: list[Part], palette: Palette) -> bytes:
    """The picture, as wide as its longest line."""
    from PIL import Image, ImageDraw  # noqa: PLC0415

    rows: list[tuple[str, Entry | None]] = []
    for part in parts:
        if [entry.title for entry in part.entries] != [part.title]:
            rows.append((part.title, None))
        rows += [(entry.title, entry) for entry in part.entries]
    indent = MARGIN + SWATCH_WIDTH + GAP
    widths = [
        (indent if entry else MARGIN) + _font(BOLD if entry is None else REGULAR).getlength(text) / SCALE
        for text, entry in rows
    ]
    size = round(max(widths, default=100) + MARGIN), 2 * MARGIN + ROW * max(len(rows), 1)
    ground = palette.colour("halo")
    image = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), ground)
    pen = ImageDraw.Draw(image)
    for number, (text, entry) in enumerate(rows):
        middle = (MARGIN + number * ROW + ROW / 2) * SCALE
        if entry:
            image.paste(_swatch(entry, ground), (MARGIN * SCALE, round(middle - ROW * SCALE / 2)))
        place = ((indent if entry else MARGIN) * SCALE, middle)
        pen.text(place, text, font=_font(REGULAR if entry else BOLD), fill=palette.colour("text"), anchor="lm")
    found = BytesIO()
    image.save(found, "PNG", optimize=True)
    return found.getvalue()


@lru_cache(maxsize=4)
def _font(name: str) -> Any:
    from PIL import ImageFont  # noqa: PLC0415

    path = FOLDER / name / "font.ttf"
    return ImageFont.truetype(str(path), TEXT_SIZE * SCALE, layout_engine=ImageFont.Layout.BASIC)


def _swatch(entry: Entry, ground: str) -> "Image.Image":
    from PIL import Image, ImageDraw  # noqa: PLC0415

    unit = SCALE * FINER
    width, height = SWATCH_WIDTH * unit, ROW * unit
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    box = (2 * unit, 4 * unit, width - 2 * unit, height - 4 * unit)
    if entry.fill:
        pen.rectangle(box, fill=_mixed(entry.fill, ground, entry.opacity), outline=EDGE, width=unit // 2)
    if entry.line and entry.fill:
        pen.rectangle(box, outline=entry.line, width=round(entry.width * unit))
    elif entry.line:
        for start, end in dashes(width, [step * entry.width * unit for step in entry.dash]):
            pen.line((start, height / 2, end, height / 2), fill=entry.line, width=round(entry.width * unit))
    if entry.circle:
        pen.circle((width / 2, height / 2), entry.radius * unit, fill=entry.circle)
    return image.resize((SWATCH_WIDTH * SCALE, ROW * SCALE), Image.Resampling.LANCZOS)


def dashes(length: float, steps: list[float]) -> list[tuple[float, float]]:
    """Where a dashed line is drawn: dash, gap, dash, gap… as long as it is."""
    if not steps:
        return [(0, length)]
    found, place, number = [], 0.0, 0
    while place < length:
        step = steps[number % len(steps)]
        if number % 2 == 0:
            found.append((place, min(place + step, length)))
        place, number = place + step, number + 1
    return found


def _mixed(colour: str, ground: str, opacity: float) -> tuple[int, ...]:
    pairs = zip(_bands(colour), _bands(ground), strict=True)
    return tuple(round(above * opacity + below * (1 - opacity)) for above, below in pairs)


def _bands(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
