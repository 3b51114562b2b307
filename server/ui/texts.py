"""The message catalogue: every word on a page, in German and English."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from server.ui.formatting import format_number

MESSAGES = Path(__file__).parent / "messages"

Message = str | dict[str, str]


class Texts:
    """The texts of one language. A message is a text, or a mapping `one`/`other` chosen by the value `n`."""

    def __init__(self, lang: str, messages: Mapping[str, Message]) -> None:
        self.lang = lang
        self.messages = messages

    def __call__(self, key: str, **values: Any) -> Markup:
        """The message with its {placeholders} filled; values are escaped unless they are Markup, numbers formatted."""
        message = self.messages[key]
        if isinstance(message, dict):
            message = message["one" if values["n"] == 1 else "other"]
        return escape(message).format(**{name: self._shown(value) for name, value in values.items()})

    def __contains__(self, key: str) -> bool:
        return key in self.messages

    def under(self, prefix: str) -> dict[str, Message]:
        """Messages below a prefix, keyed by the rest of their key: what a script on the page needs."""
        return {key.removeprefix(prefix): text for key, text in self.messages.items() if key.startswith(prefix)}

    def _shown(self, value: Any) -> Any:
        return format_number(value, self.lang) if isinstance(value, int | float) else value


def read_texts(lang: str, folder: Path = MESSAGES) -> Texts:
    """Read messages/<lang>.yaml; nested keys are joined by dots."""
    tree = yaml.safe_load((folder / f"{lang}.yaml").read_text(encoding="utf-8"))
    return Texts(lang, dict(_flatten(tree, "")))


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Message]]:
    for name, value in tree.items():
        if isinstance(value, dict) and set(value) != {"one", "other"}:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
