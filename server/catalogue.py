"""collections/*.yaml and config/service.yaml as frozen objects, validated strictly.

An unknown key, a wrong type or a double key is an error that names file and line.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from loaders.codes import read_codelist
from loaders.reserved import RESERVED
from server import strict
from server.errors import ConfigurationError
from server.levels import Tiles
from server.looks import Look, default_look
from server.strict import Strict, Text, read_yaml

Language = strict.Language
LANGUAGES = strict.LANGUAGES
GeometryType = Literal["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]
PropertyType = Literal[
    "string", "integer", "number", "date", "datetime", "boolean", "string[]", "integer[]", "number[]", "date[]"
]

IDENTIFIER = r"^[a-z][a-z0-9_]{0,59}$"
PROPERTY_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,59}$"
STORAGE_SRID = 25832

# Columns of collections whose features have solids
SOLIDS = ("solids", "model")


class Keywords(Strict):
    """Keywords in each language."""

    de: tuple[str, ...] = Field(strict=False)
    en: tuple[str, ...] = Field(strict=False)

    def in_(self, lang: str) -> tuple[str, ...]:
        """The keywords in a language: 'de' or 'en'."""
        return self.de if lang == "de" else self.en


def _read_codes(codes: Any) -> Any:
    """A name stands for an official list, which the loaders share."""
    if not isinstance(codes, str):
        return codes
    try:
        return read_codelist(codes)
    except FileNotFoundError as error:
        raise ValueError(f"there is no code list {codes}: loaders/codelists has no file of that name") from error


class Property(Strict):
    """An attribute of a collection's features; `name` is the column and the JSON member.

    queryable: an index begins with the column, so it can be filtered by; any other is refused. caseless: an index of
    geobasis.caseless(column) serves casei(), accenti() and ILIKE; without it they look at each feature, and a filter
    of nothing else may take no longer than `cql2.limits.SCAN_TIMEOUT`. codes: the texts of its codes, or the name of
    a list in loaders/codelists.
    """

    name: str = Field(pattern=PROPERTY_NAME)
    type: PropertyType
    title: Text
    description: Text | None = None
    example: str | int | float | None = None
    queryable: bool = False
    caseless: bool = False
    unit: str | None = None
    codes: Annotated[dict[str, Text], BeforeValidator(_read_codes)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _text_can_be_caseless(self) -> Self:
        if self.caseless and not (self.queryable and self.type == "string"):
            raise ValueError("caseless needs a queryable of type string")
        return self


ID = Property(name="id", type="string", title=Text(de="Id", en="Id"), queryable=True)


class Licence(Strict):
    """Licence of the data."""

    title: str
    url: str


class Rights(Strict):
    """Whose the data is, as its publisher wants to be named, and what may be done with it."""

    attribution: Text
    licence: Licence


class Found(Strict):
    """What /search finds in a collection: its features by their names, or several that share a name, as addresses
    share their street.

    name, part, within: properties with the name, with the part of the place and the place that it lies in. key:
    further properties by whose values its features are told from others of the same name. words: said before or
    after the name, but no part of it ("Kreis Unna"). weight: 0 to 1, which of two equal names comes first.
    numbers: house number and its suffix, where the features are addresses; an index finds them by key and name.

    A parcel's name is its mark, its part the name of its Gemarkung, and its key the Gemarkung's digits, the Flur, the
    counter and the divisor of its number: indexes find it by each of these.
    """

    kind: Literal["place", "street", "parcel"]
    name: str
    key: tuple[str, ...] = Field(default=(), strict=False)
    part: str | None = None
    within: str | None = None
    words: tuple[str, ...] = Field(default=(), strict=False)
    weight: float = Field(default=0, ge=0, le=1)
    numbers: tuple[str, ...] = Field(default=(), strict=False, max_length=2)

    @model_validator(mode="after")
    def _parcel_is_numbered(self) -> Self:
        if self.kind == "parcel" and (len(self.key) != 4 or self.part is None):
            raise ValueError("a parcel needs a part, and a key of four: Gemarkung, Flur, counter, divisor")
        return self

    @property
    def properties(self) -> tuple[str, ...]:
        """All that it names."""
        return tuple(n for n in (self.name, *self.key, self.part, self.within, *self.numbers) if n is not None)


class Collection(Strict):
    """A published collection: one table of schema geobasis; `srid` is the EPSG code of its geometries, which are in
    x, y order. `text`: properties whose words the parameter q looks for; an index of geobasis.words(...) serves it.
    `area`: the property with the official municipality key (AGS), whose beginning names district and region, too.
    `rights`: where they differ from those of the service's other data.
    `datetime`: the property with a feature's day, or with the first one if `datetime_end` names that with the last.
    `source`: how a file of any kind is read into it, which is the loaders' matter (loaders/files/description.py).
    `lod`: its features are buildings with solids of this level of detail, in columns `solids` and `model` besides.
    """

    id: str = Field(pattern=IDENTIFIER)
    dataset: str = Field(pattern=IDENTIFIER)
    title: Text
    description: Text
    keywords: Keywords
    geometry: GeometryType
    srid: int = STORAGE_SRID
    lod: Literal["1", "2"] | None = None
    label: str | None = None
    datetime: str | None = None
    datetime_end: str | None = None
    area: str | None = None
    properties: tuple[Property, ...] = Field(strict=False)
    tiles: Tiles
    rights: Rights | None = None
    text: tuple[str, ...] = Field(default=(), strict=False)
    search: tuple[Found, ...] = Field(default=(), strict=False)
    style: Look | None = None
    source: dict[str, Any] = Field(default_factory=dict)

    def __hash__(self) -> int:
        """By id, so that SQL texts can be cached by collection."""
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        """A collection is read once; comparing all its members would cost more than a small page."""
        return self is other

    @cached_property
    def queryables(self) -> tuple[Property, ...]:
        """Properties that can be filtered by; each has an index."""
        return tuple(p for p in self.properties if p.queryable)

    @cached_property
    def parameters(self) -> tuple[Property, ...]:
        """Queryables that are query parameters, too (Features Part 3, /req/queryables-query-parameters/parameters)."""
        return (ID, *(p for p in self.queryables if not p.type.endswith("[]")))

    @property
    def days(self) -> tuple[str, ...]:
        """The properties with a feature's first and last day; one where it has but one day, none without any."""
        return tuple(name for name in (self.datetime, self.datetime_end) if name)

    @cached_property
    def look(self) -> Look:
        """How it is drawn: as its YAML says, or by its kind of geometry."""
        if self.style:
            return self.style
        levels = self.tiles.levels
        if self.label is None or self.label not in levels:
            return default_look(self.geometry)
        return default_look(self.geometry, self.label, max(14, levels[self.label]))

    @cached_property
    def parcel(self) -> Found | None:
        """How its features are found by the numbers of parcels, if they are parcels."""
        return next((found for found in self.search if found.kind == "parcel"), None)

    @cached_property
    def sortables(self) -> tuple[str, ...]:
        """Names that features can be sorted by: the id, and each property whose index begins with it."""
        return ("id", *(p.name for p in self.queryables if not p.type.endswith("[]")))

    @model_validator(mode="before")
    @classmethod
    def _name_properties(cls, data: Any) -> Any:
        """YAML gives properties as a mapping in their order; each gets its key as its name."""
        properties = data.get("properties") if isinstance(data, dict) else None
        if isinstance(properties, dict):
            named = tuple({"name": k, **v} if isinstance(v, dict) else v for k, v in properties.items())
            return {**data, "properties": named}
        return data

    @model_validator(mode="after")
    def _style_fits(self) -> Self:
        if self.style:
            self.style.check(self.geometry, self.tiles.minzoom, self.tiles.levels)
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        by_name = {p.name: p for p in self.properties}
        named = {"label": self.label, "datetime": self.datetime, "area": self.area}
        named["datetime_end"] = self.datetime_end
        named |= {f"tiles.{n}": n for n in self.tiles.properties}
        named |= {f"text.{n}": n for n in self.text}
        named |= {f"search.{n}": n for found in self.search for n in found.properties}
        for key, name in named.items():
            if name is not None and name not in by_name:
                raise ValueError(f"{key} names '{name}', which is not among the properties")
        if reserved := RESERVED & by_name.keys():
            raise ValueError(f"the property name '{min(reserved)}' is reserved; choose another column name")
        if undated := [n for n in self.days if by_name[n].type != "date"]:
            raise ValueError(f"datetime names '{undated[0]}', which is not of type date")
        if self.datetime_end and not self.datetime:
            raise ValueError("datetime_end needs datetime, which names the first day")
        if self.area and not (by_name[self.area].queryable and by_name[self.area].type == "string"):
            raise ValueError(f"area names '{self.area}', which is not a queryable of type string")
        if untold := [n for n in self.text if by_name[n].type != "string"]:
            raise ValueError(f"text names '{untold[0]}', which is not of type string")
        self.tiles.check(self.geometry)
        return self


class Provider(Strict):
    """Who runs this service."""

    name: str
    url: str | None = None
    email: str | None = None


class Service(Strict):
    """config/service.yaml: what the landing page says."""

    title: Text
    description: Text
    keywords: Keywords
    provider: Provider
    attribution: Text
    licence: Licence

    def rights_of(self, collection: Collection) -> Rights:
        """Its own, or those of the service's data."""
        return collection.rights or Rights(attribution=self.attribution, licence=self.licence)

    def attribution_of(self, collections: Iterable[Collection], lang: Language) -> str:
        """Every publisher once."""
        return "; ".join(dict.fromkeys(self.rights_of(c).attribution.in_(lang) for c in collections))

    def licence_of(self, collections: Iterable[Collection]) -> str:
        """The URL of every licence once."""
        return "; ".join(dict.fromkeys(self.rights_of(c).licence.url for c in collections))


def read_service(config_dir: Path) -> Service:
    """Read config/service.yaml. Raises ConfigurationError with file and line."""
    return read_yaml(config_dir / "service.yaml", Service)


def read_collections(collections_dir: Path, *further: Path) -> tuple[Collection, ...]:
    """Read every collections/*.yaml, sorted by id, and those of further folders, which need not be there.

    Raises ConfigurationError with file and line.
    """
    paths = sorted(collections_dir.glob("*.yaml"))
    if not paths:
        raise ConfigurationError(
            f"{collections_dir} holds no *.yaml file: a service needs at least one collection. "
            "Set OPENNRW_COLLECTIONS_DIR to the folder that holds them."
        )
    found: dict[str, tuple[Path, Collection]] = {}
    for path in [*paths, *(path for folder in further for path in sorted(folder.glob("*.yaml")))]:
        collection = read_yaml(path, Collection)
        if collection.id != path.stem:
            raise ConfigurationError(
                f"{path}: id is '{collection.id}', but a collection's file bears its id: rename one."
            )
        if other := found.get(collection.id):
            raise ConfigurationError(f"{path} and {other[0]} describe the same collection: remove one of them.")
        found[collection.id] = path, collection
    return tuple(found[name][1] for name in sorted(found))
