"""loaders/<dataset>/source.yaml as a frozen Manifest, validated strictly."""

import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from loaders.errors import LoadError, ManifestError

IDENTIFIER = r"^[a-z][a-z0-9_]{0,59}$"


def _must_compile(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
    return pattern


class Strict(BaseModel):
    """A part of a manifest: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CollectionSource(Strict):
    """Where a collection's rows come from, and how many there are at least in the whole state."""

    min: int = Field(ge=1)
    layer: str | None = None
    date: str | None = Field(default=None, pattern=IDENTIFIER)


class Manifest(Strict):
    """What the publisher delivers and what of it is loaded.

    `hosts` are those that the host of `url` may redirect to.
    `file` matches the whole name of a delivered file; where it has a group `edition`, only the newest edition counts.
    `reads` are the suffixes of the members that a loader reads; `ignored` names layers that are not loaded, and why.
    """

    dataset: str = Field(pattern=IDENTIFIER)
    version: int = Field(ge=1)
    title: str
    url: str = Field(pattern=r"^https://.+/$")
    hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$")], ...] = Field(default=(), strict=False)
    file: Annotated[str, AfterValidator(_must_compile)]
    reads: tuple[Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")], ...] = Field(strict=False)
    collections: dict[str, CollectionSource] = Field(min_length=1)
    ignored: dict[str, str] = Field(default_factory=dict)

    @property
    def loader(self) -> str:
        """Name and version of the loader, as provenance records it. A new version makes known files new."""
        return f"{self.dataset} {self.version}"

    def select(self, only: tuple[str, ...]) -> tuple[str, ...]:
        """The collections to load: all, or those asked for. Raises LoadError for an unknown one."""
        if unknown := [name for name in only if name not in self.collections]:
            raise LoadError(
                f"The dataset {self.dataset} has no collection '{unknown[0]}'. It has: {', '.join(self.collections)}."
            )
        return tuple(name for name in self.collections if not only or name in only)

    def reads_file(self, name: str) -> bool:
        """Whether a file bears one of the suffixes that the loader reads."""
        return name.lower().endswith(self.reads)


def datasets() -> tuple[str, ...]:
    """Names of the datasets that have a loader."""
    return tuple(sorted(entry.name for entry in resources.files("loaders").iterdir() if _manifest_of(entry).is_file()))


def read_manifest(dataset: str) -> Manifest:
    """The manifest of a dataset. Raises LoadError for an unknown dataset, ManifestError with file and line."""
    if dataset not in datasets():
        raise LoadError(f"There is no dataset '{dataset}'. Known datasets: {', '.join(datasets())}.")
    source = _manifest_of(resources.files("loaders") / dataset)
    manifest = parse_manifest(source.read_text("utf-8"), f"loaders/{dataset}/source.yaml")
    if manifest.dataset != dataset:
        raise ManifestError(
            f"loaders/{dataset}/source.yaml: dataset is '{manifest.dataset}', the folder's name is '{dataset}'."
        )
    return manifest


def parse_manifest(text: str, name: str) -> Manifest:
    """A manifest from its YAML; `name` stands in error messages."""
    node = None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return Manifest.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{name}, line {line}: {error.problem}.") from error
    except ValidationError as error:
        raise ManifestError("\n".join(_describe(e, node, name) for e in error.errors())) from error


def _manifest_of(folder: Traversable) -> Traversable:
    return folder / "source.yaml"


def _describe(error: Any, node: yaml.Node | None, name: str) -> str:
    location = ".".join(str(part) for part in error["loc"])
    unknown = error["type"] == "extra_forbidden"
    reason = "unknown key; remove it or correct its spelling" if unknown else error["msg"].removeprefix("Value error, ")
    return f"{name}, line {_line_of(node, error['loc'])}: {location}: {reason}"


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Line of the innermost key that an error's location reaches."""
    line = 1
    for part in location:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == part), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
