"""Glyphs of the fonts that the styles use, as signed distance fields: a file for each 256 characters that have any."""

import re
from functools import lru_cache
from pathlib import Path

from server.errors import NotFound, shorten

GLYPHS = "application/x-protobuf"
FOLDER = Path(__file__).parent / "fonts"
RANGE = re.compile(r"(0|[1-9]\d{1,4})-(\d{3,5})", re.ASCII)


def glyphs(fontstack: str, characters: str) -> bytes:
    """The first font of a list with commas that is there; without a glyph where it has none in that range. Raises
    NotFound.
    """
    fonts = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    font = next((name for name in map(str.strip, fontstack.split(",")) if name in fonts), None)
    if font is None:
        known = ", ".join(sorted(fonts))
        raise NotFound(f"There is no font '{shorten(fontstack)}'. Available: {known}.")
    found = RANGE.fullmatch(characters)
    start = int(found[1]) if found else -1
    if found is None or start % 256 or start > 0xFF00 or int(found[2]) != start + 255:
        raise NotFound(
            f"There is no range '{shorten(characters)}': ranges are 0-255, 256-511 and so on, to 65280-65535."
        )
    return _read(font, characters)


@lru_cache(maxsize=64)
def _read(font: str, characters: str) -> bytes:
    path = FOLDER / font / f"{characters}.pbf"
    return path.read_bytes() if path.exists() else _empty(font, characters)


def _empty(font: str, characters: str) -> bytes:
    """A font stack with name and range alone."""
    stack = b"".join(bytes((tag << 3 | 2, len(text))) + text.encode() for tag, text in ((1, font), (2, characters)))
    return bytes((1 << 3 | 2, len(stack))) + stack
