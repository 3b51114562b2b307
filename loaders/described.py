"""Products that YAML alone describes, such as tables of the statistical offices."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from loaders.errors import LoadError
from loaders.home import own_folder
from loaders.manifest import Manifest, datasets
from loaders.store import write_text
from loaders.tables import TableShape

COLLECTIONS = "collections"


class Described(Manifest):
    """A manifest that YAML was made into. `reader`: the folder of loaders/ whose `load` reads it. `tables` are made
    when it is loaded, and `documents`, the YAML of the collections by their ids, are written once it is live.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    reader: str
    tables: tuple[TableShape, ...]
    documents: dict[str, str]

    @property
    def layout(self) -> str:
        """The folder of loaders/ whose `load` reads the delivery."""
        return self.reader


def read_described(dataset: str) -> Described:
    """A product by its name. Raises LoadError where nothing describes it, ManifestError with file and line."""
    from loaders.files.description import find_file  # noqa: PLC0415 - they make what is defined here
    from loaders.statistics.description import find_statistic  # noqa: PLC0415

    if found := find_statistic(dataset):
        return found.to_manifest()
    if found := find_file(dataset):
        return found
    raise LoadError(f"There is no dataset '{dataset[:60]}'. Known datasets: {', '.join((*datasets(), *described()))}.")


def described() -> tuple[str, ...]:
    """Names of the products that YAML describes."""
    from loaders.files.description import files  # noqa: PLC0415 - as above
    from loaders.statistics.description import statistics  # noqa: PLC0415

    return tuple(sorted({*statistics(), *files()}))


def write_documents(documents: dict[str, str]) -> list[Path]:
    """Let the server know the collections; what is there as it should be is left alone. Gives the files written."""
    folder = own_folder(COLLECTIONS)
    written = []
    for name, text in documents.items():
        path = folder / f"{name}.yaml"
        if not path.is_file() or path.read_text("utf-8") != text:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
            written.append(path)
    return written


class _Dumper(yaml.SafeDumper):
    """Writes as people do: texts and keywords of both languages in a line."""


def _represent(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    flow = bool(value) and all(not isinstance(v, dict) for v in value.values()) and set(value) <= {"de", "en"}
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=flow)


_Dumper.add_representer(dict, _represent)


def to_yaml(document: dict[str, Any], *comments: str) -> str:
    """A document as a person would write it, after lines of comment."""
    text = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120, default_flow_style=False)
    return "".join(f"# {line}\n" for line in comments) + text


class Strict(BaseModel):
    """A part of a description: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
