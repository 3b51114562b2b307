"""What all parts of the YAML files have in common."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Language = Literal["de", "en"]
LANGUAGES: tuple[Language, ...] = ("de", "en")


class Strict(BaseModel):
    """A part of a YAML file: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Text(Strict):
    """A text that users read, in each language."""

    de: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def in_(self, lang: str) -> str:
        """The text in a language: 'de' or 'en'."""
        return self.de if lang == "de" else self.en
