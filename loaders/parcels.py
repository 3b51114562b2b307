"""What the cadastre writes into one text: the mark of a parcel (Flurstückskennzeichen), and its uses with their areas.

The mark has 20 places: Land 2, Gemarkung 4, Flur 3, Zähler 5, Nenner 4, Folge 2; what is not needed is `_`.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.values import to_mask

LENGTH = 20
MARK = r"^05[0-9]{4}([0-9]{3}|_{3})[0-9]{5}([0-9]{4}|_{4})([0-9]{2}|_{2})$"
EXAMPLE = "05314403900040______"
PARTS = {"flurnr": (6, 9), "zaehler": (9, 14), "nenner": (14, 18)}
MAX_AREA = 1e9  # m²: a thousand square kilometres


def parse_marks(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """Marks with all their places; rejected where they are none."""
    marks = pc.utf8_rpad(pc.replace_substring_regex(column, r"[ _]+$", ""), LENGTH, "_")
    bad = ~to_mask(pc.match_substring_regex(marks, MARK))
    sieve.refuse(bad, lambda i: f"{name} is '{column[i]}'; it must be a mark such as {EXAMPLE}", "key")
    return pc.if_else(pa.array(~bad), marks, None)


def split_marks(marks: pa.Array) -> dict[str, pa.Array]:
    """The parts of marks: `gemaschl` with the Land in front, `flurnr`, `zaehler` and `nenner` as numbers, `folge`."""
    texts = {name: pc.utf8_slice_codeunits(marks, *places) for name, places in PARTS.items()}
    numbers = {name: _to_null(text).cast(pa.int32()) for name, text in texts.items()}
    # a Nenner of zeros is none
    numbers["nenner"] = pc.if_else(pc.equal(numbers["nenner"], pa.scalar(0, pa.int32())), None, numbers["nenner"])
    return {
        "gemaschl": pc.utf8_slice_codeunits(marks, 0, 6),
        **numbers,
        "folge": _to_null(pc.utf8_slice_codeunits(marks, 18, LENGTH)),
    }


def _to_null(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.match_substring(texts, "_"), None, texts)


def split_uses(column: pa.Array, cut_at: int, sieve: Sieve) -> tuple[pa.Array, pa.Array]:
    """Names and areas (m², null where there is none) of the uses in texts like `Wohnbaufläche;380|Straßenverkehr;20`.

    Of a text that fills the publisher's field the last use may be cut: it is left out of both, and that is noted.
    """
    names: list[list[str] | None] = []
    areas: list[list[float | None] | None] = []
    for index, text in enumerate(column.to_pylist()):
        uses = _parse_uses(text) if text else None
        if text and uses and _is_full(text, cut_at):
            reason = f"tntxt is cut: '{uses.pop()[0]}', the last of its uses, is left out of nutzungen"
            sieve.note_repair(index, reason, text.encode(), "value")
        names.append([name for name, _ in uses] if uses is not None else None)
        areas.append([area for _, area in uses] if uses is not None else None)
    return pa.array(names, pa.list_(pa.string())), pa.array(areas, pa.list_(pa.float64()))


def _is_full(text: str, cut_at: int) -> bool:
    """By bytes or by characters; a character of several bytes may not have had room."""
    return len(text) == cut_at or cut_at - 3 <= len(text.encode()) <= cut_at


def _parse_uses(text: str) -> list[tuple[str, float | None]]:
    uses: list[tuple[str, float | None]] = []
    for part in text.replace("|", ";").split(";"):
        area = _parse_area(part)
        if area is not None and uses and uses[-1][1] is None:
            uses[-1] = uses[-1][0], area
        elif part.strip():
            uses.append((part.strip(), None))
    return uses


def _parse_area(text: str) -> float | None:
    try:
        area = float(text.replace(",", "."))
    except ValueError:
        return None
    return area if np.isfinite(area) and 0 <= area < MAX_AREA else None
