"""The header Range (RFC 9110, 14.2): which parts of a file a client wants. Pure."""

import re
from collections.abc import Sequence

from server.errors import RangeNotSatisfiable

MOST = 64  # parts of one answer
SPECIFIER = re.compile(r"[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII)

Range = tuple[int, int]
"""First and last byte, both included."""


def parse_ranges(header: str | None, size: int) -> list[Range] | None:
    """The parts of a file of so many bytes; None where all of it is to be sent, as for what is no range of bytes.

    Parts that overlap or touch are one. Raises RangeNotSatisfiable where none lies in the file, or there are too many.
    """
    unit, equals, text = (header or "").partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    found: list[Range] = []
    for part in text[:10_000].split(","):
        if not part.strip():
            continue
        match = SPECIFIER.fullmatch(part)
        if match is None or match.group(0).strip() == "-":
            return None
        if (wanted := _range(match[1], match[2], size)) is None:
            return None
        if wanted[0] <= wanted[1]:
            found.append(wanted)
    if not found:
        raise RangeNotSatisfiable(
            f"No range of '{(header or '')[:200]}' lies in the file, which has {size} bytes. Ask for bytes from 0 to "
            f"{size - 1}, or leave the header out.",
            size,
        )
    joined = _join(found)
    if len(joined) > MOST:
        text = f"The header Range asks for {len(joined)} parts; {MOST} are sent in one answer. Ask for fewer."
        raise RangeNotSatisfiable(text, size)
    return joined


def _range(first: str, last: str, size: int) -> Range | None:
    """The bytes of one specifier, first behind last where they are not there; None where it is malformed."""
    if not first:
        return max(size - int(last), 0), size - 1 if int(last) else -1
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), size - 1) if last else size - 1


def _join(ranges: Sequence[Range]) -> list[Range]:
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
