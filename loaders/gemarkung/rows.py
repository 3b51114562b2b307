"""What a file tells of an Amt, a Gemarkung or a Flur."""

from dataclasses import dataclass, field
from typing import Any

from loaders.context import Shape

KEYS = {"katasteramt": 5, "gemarkung": 6, "flur": 9}  # how many digits they have
OF_GEOPACKAGE = "geopackage"


@dataclass(frozen=True)
class Row:
    """`line`: the number of the entry in its file. `fault`: why it cannot be used. `shape`: its area, where known."""

    file: str
    line: int
    raw: str
    key: str | None
    values: dict[str, Any] = field(default_factory=dict)
    shape: Shape | None = None
    fault: str | None = None


Rows = dict[str, list[Row]]  # by collection


def to_district(key: str, flur: str | None = None) -> str:
    """The key of a Gemarkung of this state, or of a Flur in it."""
    return f"05{key}{flur.zfill(3)}" if flur else f"05{key}"
