"""Which area a key of the statistics stands for. A key is looked up, never guessed: by itself among the areas that are
live, by the list of keys that changed, by itself among former areas.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from loaders.context import Area
from loaders.statistics.description import DIGITS, Level

IN_STATE = re.compile(r"05([0-9]|[0-9]{3}|[0-9]{6})?")


@dataclass(frozen=True)
class Change:
    """A key that is no more: `now` is the key of the same area since then, none where no area of today is the same."""

    now: str | None
    reason: str


@cache
def read_changes() -> dict[str, Change]:
    """The list of keys that changed."""
    text = (resources.files("loaders.statistics") / "changes.yaml").read_text("utf-8")
    listed: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return {key: Change(entry.get("now"), entry["reason"]) for key, entry in listed.items()}


def to_ags(key: str) -> str:
    """A key of 2, 3, 5 or 8 digits with the zeros that the boundaries have behind it."""
    return key.ljust(8, "0")


class Areas:
    """The areas of one level. `known`: the areas by their keys."""

    def __init__(self, level: Level, areas: list[Area]) -> None:
        self._digits = DIGITS[level]
        self.known: dict[str, Area] = {}
        for area in areas:  # the live one first, then the latest
            self.known.setdefault(area.key, area)
        self.live = {area.key for area in areas if area.live}
        self._changes = {key: change for key, change in read_changes().items() if len(key) == self._digits}

    def holds(self, key: str) -> bool:
        """Whether a row of the statistics belongs to this level. A city that is a district of its own has five digits
        also among the municipalities.
        """
        if self._digits == DIGITS["gemeinde"] and len(key) == DIGITS["kreis"]:
            return to_ags(key) in self.known or to_ags(key) in self._changes
        return len(key) == self._digits

    def is_former(self, key: str) -> bool:
        """Whether it is no key of today."""
        return to_ags(key) not in self.live

    def find(self, key: str) -> Area | None:
        """The area of a key; None where there is none."""
        if (found := self.known.get(to_ags(key))) or (change := self._change(key)) is None:
            return found
        return self.known.get(to_ags(change.now)) if change.now else None

    def explain(self, key: str) -> str:
        """Why a key has no area."""
        change = self._change(key)
        why = change.reason if change else "the boundaries do not hold it, nor did they before"
        return f"the key {key} has no area: {why}"

    def _change(self, key: str) -> Change | None:
        return self._changes.get(to_ags(key) if self._digits == DIGITS["gemeinde"] else key)
