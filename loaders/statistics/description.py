"""A table of the statistical offices as its YAML describes it, and what is made of that: the manifest, tables, and
collections, one for each level of areas.
"""

import re
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, model_validator

from loaders.described import Described, Strict, to_yaml
from loaders.grid import GRID
from loaders.home import own_folder
from loaders.manifest import IDENTIFIER, CollectionSource
from loaders.strict_yaml import read_named
from loaders.tables import TableShape

SHIPPED = Path(__file__).parent / "tables"
OWN = "statistics"
Level = Literal["land", "regierungsbezirk", "kreis", "gemeinde"]
DIGITS: dict[Level, int] = {"land": 2, "regierungsbezirk": 3, "kreis": 5, "gemeinde": 8}
# what a key column may hold; any other name is a category, which becomes a property
ROLES = ("jahr", "stichtag", "schluessel", "name")
MARK = "_zeichen"


@cache
def read_common() -> dict[str, dict[str, Any]]:
    """What all tables share: `properties`, `signs` in the place of values, and names of `levels`."""
    return yaml.safe_load((Path(__file__).parent / "common.yaml").read_text("utf-8"))


def _to_tuple(value: Any) -> Any:
    """One text, or a list of them."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _to_layouts(value: Any) -> Any:
    """One list of columns, or several."""
    if isinstance(value, list) and value:
        return tuple(map(tuple, value)) if isinstance(value[0], list) else (tuple(value),)
    return value


class Text(Strict):
    """A text in both languages."""

    de: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Keywords(Strict):
    """Keywords in both languages."""

    de: tuple[str, ...] = Field(strict=False)
    en: tuple[str, ...] = Field(strict=False)


class Licence(Strict):
    """What may be done with it."""

    title: str
    url: str


class Rights(Strict):
    """Whose it is, as the publisher wants to be named."""

    attribution: Text
    licence: Licence


class Value(Strict):
    """A value of each area and time. `head`: texts that stand above its column, one below the other; `unit`: as it is
    printed above the column or in brackets in the table's title.
    """

    head: Annotated[tuple[str, ...], BeforeValidator(_to_tuple)]
    type: Literal["integer", "number"]
    title: Text
    description: Text | None = None
    unit: str | None = None


class Category(Strict):
    """A column before the values that divides them, such as classes of size."""

    title: Text
    description: Text | None = None


class Areas(Strict):
    """A level of areas that has a collection; `min`: so many features it must have at least."""

    min: int = Field(ge=1)


class Statistic(Strict):
    """A table. `columns`: what its columns before the values hold, in their order, see ROLES; or several such lists,
    of which the longest that fits the file is taken. `area_names`: where no column holds keys, the line of the title
    that names the area, and the area's key. `ignored`: heads of columns that are not loaded. `rejected`: the largest
    share of rows that may find no area.
    """

    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")
    version: int = Field(default=1, ge=1)
    table: str = Field(min_length=1)
    title: Text
    description: Text
    keywords: Keywords
    rights: Rights
    url: str = Field(pattern=r"^https://.+(/|\.(csv|zip))$")
    file: str
    columns: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_to_layouts)]
    area_names: dict[str, str] = Field(default_factory=dict)
    areas: dict[Level, Areas] = Field(min_length=1)
    categories: dict[str, Category] = Field(default_factory=dict)
    values: dict[str, Value] = Field(min_length=1)
    ignored: tuple[str, ...] = Field(default=(), strict=False)
    rejected: float = Field(default=0.05, ge=0, le=1)
    since: int = Field(default=1900, ge=1500)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for name in (*self.values, *self.categories):
            if not re.fullmatch(IDENTIFIER, name) or len(name) > 40:
                raise ValueError(f"'{name}' must be small letters, digits and _, a letter first, 40 at most")
        names = [
            *read_common()["properties"],
            *self.categories,
            *(column for v in self.values for column in (v, v + MARK)),
            "id",
            "fid",
        ]
        names += ["geom", "delivery", "digest"]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name '{doubles[0]}' stands for two things; choose another one")
        for layout in self.columns:
            unknown = [c for c in layout if c not in ROLES and c not in self.categories]
            if unknown:
                raise ValueError(
                    f"columns names '{unknown[0]}', which is none of {', '.join(ROLES)} and not among the categories"
                )
            if "schluessel" not in layout and not self.area_names:
                raise ValueError("columns has no 'schluessel', so area_names must tell the areas by the table's title")
        for name, key in self.area_names.items():
            if not re.fullmatch(r"05([0-9]|[0-9]{3}|[0-9]{6})?", key):
                raise ValueError(
                    f"area_names: '{name}' has the key '{key}'; keys begin with 05 and have 2, 3, 5 or 8 digits"
                )
        return self

    @cached_property
    def properties(self) -> dict[str, dict[str, Any]]:
        """The attributes of its features as a collection's YAML has them."""
        return read_common()["properties"] | _categories(self) | _values(self)

    def to_manifest(self) -> Described:
        """How it is loaded, and what it is published as."""
        columns = {name: entry["type"] for name, entry in self.properties.items()}
        indexed = tuple(name for name, entry in self.properties.items() if entry.get("queryable"))
        names: dict[Level, str] = {level: f"{self.dataset}_{level}" for level in self.areas}
        return Described(
            dataset=self.dataset,
            version=self.version,
            title=self.title.de,
            url=self.url,
            file=self.file,
            reads=(".csv",),
            area=GRID,
            collections={
                name: CollectionSource(
                    min=self.areas[level].min,
                    key="id",
                    columns={"id": "text", "stand": "date"},
                    date="stand",
                    rejected=self.rejected,
                    since=self.since,
                )
                for level, name in names.items()
            },
            reader="statistics",
            tables=tuple(
                TableShape(name=name, columns=columns, indexed=indexed, geometry="MultiPolygon")
                for name in names.values()
            ),
            documents={name: self.to_collection(level) for level, name in names.items()},
            joined=tuple(names),
        )

    def to_collection(self, level: Level) -> str:
        """The YAML of a level's collection."""
        title, plural = self.title, read_common()["levels"][level]
        document = {
            "id": f"{self.dataset}_{level}",
            "dataset": self.dataset,
            "title": {"de": f"{title.de}: {plural['de']}", "en": f"{title.en}: {plural['en']}"},
            "description": self.description.model_dump(),
            "keywords": {key: list(words) for key, words in self.keywords.model_dump().items()},
            "rights": self.rights.model_dump(),
            "geometry": "MultiPolygon",
            "label": "name",
            "datetime": "stand",
            "area": "gebiet",
            "properties": self.properties,
            "tiles": {
                "minzoom": 6,
                "maxzoom": 14,
                "properties": [name for name in self.properties if name not in {"gebiet", "gebietsstand"}],
                "separate": True,
                "pyramid": {"method": "coverage", "below": 12},
            },
        }
        return to_yaml(document, f"Made of the description of {self.dataset} by each load: edit that one instead.")


def statistics() -> dict[str, Path]:
    """The descriptions by the names of their tables; one's own stands before one that the project brings."""
    folders = (SHIPPED, own_folder(OWN))
    return {path.stem: path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.yaml"))}


def find_statistic(dataset: str) -> Statistic | None:
    """The table of that name. Raises ManifestError with file and line."""
    path = statistics().get(dataset)
    return read_named(path, Statistic, "dataset") if path else None


def _categories(statistic: Statistic) -> dict[str, dict[str, Any]]:
    return {
        name: {"type": "string", **category.model_dump(exclude_none=True), "queryable": True}
        for name, category in statistic.categories.items()
    }


def _values(statistic: Statistic) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in statistic.values.items():
        texts = value.model_dump(include={"type", "title", "description", "unit"}, exclude_none=True)
        found[name] = {**texts, "queryable": True}
        found[name + MARK] = {
            "type": "string",
            "title": {"de": f"{value.title.de}: Zeichen", "en": f"{value.title.en}: sign"},
            "description": {
                "de": "Zeichen, das die Statistik statt eines Wertes oder neben ihm druckt",
                "en": "The sign that the statistics print in place of a value or beside it",
            },
            "codes": read_common()["signs"],
        }
    return found
