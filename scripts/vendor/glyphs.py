"""Makes signed distance fields of a font, as MapLibre reads them: one protocol buffer per 256 characters.

glyphs.py FONT.ttf TARGET, with Pillow and numpy. An outline is 24 px high; a value is 192 on it and 32
less a pixel outwards, as fontnik has it.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 24
FINER = 8  # each pixel is looked at as so many by so many
BORDER = 3  # px around each glyph
RADIUS = 8  # px from the outline to where the value is 0 or 255
CUTOFF = 0.25
LAST = 0xFFFF


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    font = ImageFont.truetype(str(source), SIZE * FINER, layout_engine=ImageFont.Layout.BASIC)
    name = " ".join(font.getname())
    missing = bytes(font.getmask("\uffff"))
    folder = target / name
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, LAST, 256):
        characters = [chr(code) for code in range(start, start + 256) if not 0xD800 <= code < 0xE000]
        glyphs = [made for c in characters if (made := glyph(font, c, missing))]
        if glyphs:
            scope = f"{start}-{start + 255}"
            stack = text(1, name) + text(2, scope) + b"".join(field(3, made) for made in glyphs)
            (folder / f"{scope}.pbf").write_bytes(field(1, stack))


def glyph(font: ImageFont.FreeTypeFont, character: str, missing: bytes) -> bytes | None:
    """A glyph's message; None for what the font does not have."""
    if not (character.isprintable() or character.isspace()) or bytes(font.getmask(character)) == missing:
        return None
    advance = round(font.getlength(character) / FINER)
    left, top, right, bottom = font.getbbox(character, anchor="ls")
    head = number(1, ord(character))
    if right <= left or bottom <= top:
        return head + sizes(0, 0, 0, 0, advance) if advance else None
    west, north = left // FINER, top // FINER
    width, height = -(-right // FINER) - west, -(-bottom // FINER) - north
    picture = Image.new("L", ((width + 2 * BORDER) * FINER, (height + 2 * BORDER) * FINER))
    origin = ((BORDER - west) * FINER, (BORDER - north) * FINER)
    ImageDraw.Draw(picture).text(origin, character, font=font, fill=255, anchor="ls")
    bitmap = distances(np.asarray(picture) > 127)
    ascender = round(font.getmetrics()[0] / FINER)
    return head + field(2, bitmap.tobytes()) + sizes(width, height, west, -north - ascender, advance)


def distances(inside: np.ndarray) -> np.ndarray:
    """Distance of each pixel's middle from the outline, as bytes."""
    outwards, inwards = to_nearest(inside), to_nearest(~inside)
    signed = (np.sqrt(outwards) - np.sqrt(inwards)) / FINER
    middle = FINER // 2
    sampled = (signed[middle::FINER, middle::FINER] + signed[middle - 1 :: FINER, middle - 1 :: FINER]) / 2
    return np.clip(np.round(255 - 255 * (sampled / RADIUS + CUTOFF)), 0, 255).astype(np.uint8)


def to_nearest(marked: np.ndarray) -> np.ndarray:
    """Square of the distance to the nearest marked pixel: by columns, then by rows."""
    far = float(sum(marked.shape)) ** 2
    found = np.where(marked, 0.0, far)
    for axis in (0, 1):
        length = found.shape[axis]
        offsets = np.subtract.outer(np.arange(length), np.arange(length)) ** 2.0
        lines = np.moveaxis(found, axis, 0)
        nearest = np.stack([(lines + row.reshape(-1, *[1] * (lines.ndim - 1))).min(axis=0) for row in offsets])
        found = np.moveaxis(nearest, 0, axis)
    return found


def sizes(width: int, height: int, left: int, top: int, advance: int) -> bytes:
    signed = [number(tag, (value << 1) ^ (value >> 63)) for tag, value in ((5, left), (6, top))]
    return number(3, width) + number(4, height) + b"".join(signed) + number(7, advance)


def number(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value)


def field(tag: int, content: bytes) -> bytes:
    return varint(tag << 3 | 2) + varint(len(content)) + content


def text(tag: int, content: str) -> bytes:
    return field(tag, content.encode())


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


if __name__ == "__main__":
    main()
