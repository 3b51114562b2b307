"""What all parts of the YAML files have in common."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from loaders import strict_yaml
from loaders.errors import ManifestError
from server.errors import ConfigurationError

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


Model = TypeVar("Model", bound=Strict)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read one YAML file into a model. Raises ConfigurationError that names file and line."""
    try:
        return strict_yaml.read_yaml(path, model)
    except ManifestError as error:
        raise ConfigurationError(str(error)) from error
