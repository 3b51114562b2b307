"""Figures as the statistical offices print them: numbers with a decimal comma, and signs in place of them or beside."""

import re
from dataclasses import dataclass
from typing import Literal

from loaders.statistics.description import read_common

SPELLINGS = {"–": "-", "…": "...", "•": "."}
NUMBER = re.compile(r"(?P<open>\()?(?P<number>[+-]?[0-9]{1,18}([,.][0-9]{1,15})?)(?(open)\))\s?(?P<flag>[prse])?")
LARGEST = 2**63


@dataclass(frozen=True)
class Figure:
    """A value, its sign, or both; neither where the cell is blank."""

    value: int | float | None
    sign: str | None


def parse_figure(text: str, kind: Literal["integer", "number"]) -> Figure | None:
    """The figure of a cell; None for what is neither number nor sign. `0`, less than half of the last place, is one."""
    if not text:
        return Figure(None, None)
    sign = SPELLINGS.get(text, text)
    if sign in read_common()["signs"] and not NUMBER.fullmatch(text):
        return Figure(None, sign)
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    value = float(found["number"].replace(",", "."))
    flag = "()" if found["open"] else found["flag"]
    if kind == "number":
        return Figure(value, flag)
    whole = found["number"].partition(",")[0].partition(".")[0]
    if value != int(whole) or abs(int(whole)) >= LARGEST:
        return None
    return Figure(int(whole), flag)
