"""Columns of a file as properties: names that a URL, a query and a database can bear; what they were called is their
title.
"""

import re
import unicodedata
from collections.abc import Sequence

from loaders.reserved import RESERVED

VALID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
LONGEST = 60
LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ẞ": "SS", "²": "2", "³": "3"}
)
SIGNS = {"%": " prozent ", "€": " euro ", "&": " und "}
# what PostgreSQL gives every table
SYSTEM = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}


def to_names(originals: Sequence[str]) -> dict[str, str]:
    """A property's name for each column, which no other has in any case of letters. A valid name stays as it is."""
    taken = {name.lower() for name in RESERVED} | SYSTEM
    valid = [name for name in originals if VALID.fullmatch(name)]
    names: dict[str, str] = {}
    for original in (*valid, *(name for name in originals if name not in valid)):
        names[original] = _free(original if original in valid else to_name(original), taken)
        taken.add(names[original].lower())
    return {original: names[original] for original in originals}


def to_name(original: str) -> str:
    """`Straße / Nr.` as `strasse_nr`."""
    text = unicodedata.normalize("NFC", original).translate(LETTERS)
    for sign, word in SIGNS.items():
        text = text.replace(sign, word)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return (name if name[:1].isalpha() else f"spalte_{name}".rstrip("_"))[:LONGEST].rstrip("_")


def _free(name: str, taken: set[str]) -> str:
    if name.lower() not in taken:
        return name
    number = 2
    while (found := f"{name[: LONGEST - 5]}_{number}").lower() in taken:
        number += 1
    return found


def heads(cells: Sequence[str]) -> list[str]:
    """The names of a table's columns, each once: `Spalte 3` where there is none, `Name (2)` for the second `Name`."""
    found: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = " ".join(cell.split()) or f"Spalte {number}"
        times = sum(other == name or other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({times + 1})" if times else name)
    return found


def words(original: str) -> list[str]:
    """The words of a column's name in small letters."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", original.translate(LETTERS)).lower().replace("-", "_").split("_")
