"""loaders/<dataset>/source.yaml as a frozen Manifest, validated strictly."""

import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from loaders.errors import LoadError, ManifestError
from loaders.grid import GRID
from loaders.strict_yaml import parse_yaml

if TYPE_CHECKING:
    from loaders.area import Area

IDENTIFIER = r"^[a-z][a-z0-9_]{0,59}$"
Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
# a file of any kind names its columns otherwise than the publishers do
Column = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,59}$")]
Columns = dict[Column, Literal["text", "verbatim", "date", "integer", "number"]]


def _must_compile(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_must_compile)]


class Strict(BaseModel):
    """A part of a manifest: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _must_be_area(corners: tuple[float, ...]) -> tuple[float, ...]:
    if len(corners) != 4 or not (corners[0] < corners[2] and corners[1] < corners[3]):
        raise ValueError("must be west, south, east, north in EPSG:25832")
    if not all(low <= corner <= high for corner, low, high in zip(corners, GRID[:2] * 2, GRID[2:] * 2, strict=True)):
        raise ValueError(f"must lie within the grid of the spatial key: {', '.join(f'{edge:.0f}' for edge in GRID)}")
    return corners


class KnownKeys(Strict):
    """A column of the table with official keys, which a collection of boundaries holds.

    `unknown`: the largest share of rows whose key that collection may lack, where it is loaded.
    """

    column: Identifier
    collection: Identifier
    unknown: float = Field(ge=0, le=1)


class CollectionSource(Strict):
    """Where a collection's rows come from, and what must hold for them.

    `min`: features in the whole state at least; 0: a delivery may lack the collection's layers; `key`: the column that
    tells rows apart; `columns`: name to type, in a Shape file in upper case and cut to ten characters (`verbatim`:
    text, also where a file has it as a number); `optional`: those that only some editions have; `tolerant`: further
    ones of a Shape file are named in the report and left out; `layer`: its name in the files, for Shape files as a
    pattern; `made`: columns of the table that the loader makes, as far as `date` names them;
    `mixed`: texts that are not UTF-8 are cp1252, for some publishers' tables have rows of both; `date`: the
    column that says how current a row is; `since`: the year before which no date can lie; `rejected`: the largest share
    of rows that may be rejected, see checks.FEW_REJECTS; `volatile`: columns of the table whose change alone is no
    change of the feature, such as the date of the delivery in every row.
    """

    min: int = Field(ge=0)
    key: Identifier
    tolerant: bool = False
    columns: Columns = Field(min_length=1)
    optional: Columns = Field(default_factory=dict)
    made: tuple[Identifier, ...] = Field(default=(), strict=False)
    layer: Pattern | None = None
    mixed: bool = False
    date: Column | None = None
    volatile: tuple[Identifier, ...] = Field(default=(), strict=False)
    rejected: float = Field(default=0.01, ge=0, le=1)
    since: int = Field(default=1900, ge=1500)
    ags: KnownKeys | None = None

    @model_validator(mode="after")
    def _name_known_columns(self) -> Self:
        for what, name in (("key", self.key), ("date", self.date)):
            if name is not None and name not in {*self.columns, *self.made}:
                raise ValueError(f"{what} names '{name}', which is none of the columns {', '.join(self.columns)}")
        return self


class Packages(Strict):
    """A product in packages, such as one file per district, each of which replaces its own features only.

    The group `package` of the manifest's `file` gives a package's key; `column`, which every collection has, begins
    with it in all rows of the package. `shared`: packages may hold the same objects, of which the newest counts; then
    `column` is the key itself. `member`: matches the names of an archive's members, and has a group `package`, too:
    where the archive's own name does not tell its package. `few`: so many features a package may lose, however few it
    has.
    """

    column: Identifier
    shared: bool = False
    member: Pattern | None = None
    few: int = Field(default=0, ge=0)


class Manifest(Strict):
    """What the publisher delivers and what of it is loaded.

    `hosts` are those that the host of `url` may redirect to.
    `file` matches the whole name of a delivered file; where it has a group `edition`, only the newest edition counts.
    `reads` are the suffixes of the members that a loader reads; `ignored` names layers that are not loaded, and why.
    `area` is west, south, east, north in EPSG:25832: rows outside are rejected.
    `joined`: collections whose areas become those of its features.
    """

    dataset: str = Field(pattern=IDENTIFIER)
    version: int = Field(ge=1)
    title: str
    url: str = Field(pattern=r"^https://.+(/|\.(csv|zip))$")
    hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$")], ...] = Field(default=(), strict=False)
    file: Pattern
    reads: tuple[Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")], ...] = Field(strict=False)
    area: Annotated[tuple[float, ...], AfterValidator(_must_be_area)] = Field(strict=False)
    collections: dict[str, CollectionSource] = Field(min_length=1)
    ignored: dict[str, str] = Field(default_factory=dict)
    joined: tuple[str, ...] = Field(default=(), strict=False)
    packages: Packages | None = None

    @model_validator(mode="after")
    def _name_packages(self) -> Self:
        if (self.packages is not None) != ("package" in re.compile(self.file).groupindex):
            raise ValueError("packages: where files are packages, `file` has a group `package`, and only there")
        if self.packages and "package" not in re.compile(self.packages.member or self.file).groupindex:
            raise ValueError("packages: `member` has no group `package`")
        undated = [name for name, source in self.collections.items() if source.date is None]
        if self.packages is not None and self.packages.shared and undated:
            raise ValueError(f"packages: shared objects are told by their date, and {undated[0]} names none")
        return self

    @property
    def layout(self) -> str:
        """The folder of loaders/ whose `load` reads the delivery."""
        return self.dataset

    @property
    def loader(self) -> str:
        """Name and version of the loader, as provenance records it. A new version makes known files new."""
        return f"{self.dataset} {self.version}"

    @property
    def area_of_use(self) -> "Area":
        """Where the rows must lie."""
        from loaders.area import Area  # noqa: PLC0415 - and so are its libraries

        return Area(*self.area)

    def date_of(self, collection: str) -> str | None:
        """The column that says how current a row of a collection is."""
        return self.collections[collection].date

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
    """Names of the datasets that have a loader of their own."""
    return tuple(sorted(entry.name for entry in resources.files("loaders").iterdir() if _manifest_of(entry).is_file()))


def read_manifest(dataset: str) -> Manifest:
    """The manifest of a dataset. Raises LoadError for an unknown dataset, ManifestError with file and line."""
    if dataset not in datasets():
        from loaders.described import read_described  # noqa: PLC0415 - it makes manifests

        return read_described(dataset)
    source = _manifest_of(resources.files("loaders") / dataset)
    manifest = parse_manifest(source.read_text("utf-8"), f"loaders/{dataset}/source.yaml")
    if manifest.dataset != dataset:
        raise ManifestError(
            f"loaders/{dataset}/source.yaml: dataset is '{manifest.dataset}', the folder's name is '{dataset}'."
        )
    return manifest


def parse_manifest(text: str, name: str) -> Manifest:
    """A manifest from its YAML; `name` stands in error messages."""
    return parse_yaml(text, Manifest, name)


def _manifest_of(folder: Traversable) -> Traversable:
    return folder / "source.yaml"
