"""At which levels a collection has tiles, and of what: `tiles` in its YAML."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from server.strict import Strict

AREAS = ("Polygon", "MultiPolygon")
# Kinds of geometries that the methods of tiles.pyramid are for
METHODS = {"coverage": AREAS, "blocks": AREAS, "clusters": ("Point",)}


class Pyramid(Strict):
    """What tiles show at scales too small for the features as they are.

    below: the first level that shows them as they are. method: coverage: areas that share their edges are simplified
    together, so that they still meet; clusters: points near each other become one with their number (`count`);
    blocks: areas near each other grow together, with their number, and what is too small to be seen is left out.
    """

    method: Literal["coverage", "clusters", "blocks"]
    below: int = Field(ge=1, le=23)

    @property
    def counts(self) -> bool:
        """Whether what is shown may stand for several features."""
        return self.method != "coverage"


class Borders(Strict):
    """Lines between areas, whose ranks are told by keys: `by` names the property, `ranks` how many of its first
    characters are the same within units of each rank, the highest first. Where nothing is beyond a line it has the
    highest; else that of the first number of characters in which both sides differ.
    """

    by: str
    ranks: dict[str, int] = Field(min_length=1)

    def rank(self, one: str, other: str | None) -> str:
        """Of a line between areas of these keys."""
        names = list(self.ranks)
        if other is None:
            return names[0]
        return next((name for name, length in self.ranks.items() if one[:length] != other[:length]), names[-1])


class Tiles(Strict):
    """Levels at which a collection has vector tiles, and the attributes that they carry. All levels are those of
    WebMercatorQuad; other grids have the levels with the same scales.

    properties: names, or a mapping of names to the first level that carries them. separate: the tiles of all
    collections have this one only where it is named, because it doubles another. names: of areas, which tiles cut to
    pieces, they have a point for the name, too, in a layer of its own. borders: and lines, each once.
    """

    minzoom: int = Field(ge=0, le=22)
    maxzoom: int = Field(ge=0, le=22)
    properties: tuple[str, ...] = Field(default=(), strict=False)
    first: dict[str, int] = Field(default_factory=dict, exclude=True)
    separate: bool = False
    pyramid: Pyramid | None = None
    names: bool = False
    borders: Borders | None = None

    @model_validator(mode="before")
    @classmethod
    def _levels_of_properties(cls, data: Any) -> Any:
        if isinstance(data, dict) and "first" in data:
            raise ValueError("unknown key 'first'; give properties as a mapping of names to levels")
        if isinstance(data, dict) and isinstance(data.get("properties"), dict):
            return {**data, "properties": tuple(data["properties"]), "first": data["properties"]}
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minzoom > self.maxzoom:
            raise ValueError(f"minzoom {self.minzoom} is above maxzoom {self.maxzoom}")
        for name, level in self.first.items():
            if not self.minzoom <= level <= self.maxzoom:
                raise ValueError(f"properties.{name} begins at {level}, outside {self.minzoom} to {self.maxzoom}")
        if self.pyramid and not self.minzoom < self.pyramid.below <= self.maxzoom + 1:
            raise ValueError(
                f"pyramid.below is {self.pyramid.below}, outside {self.minzoom + 1} to {self.maxzoom + 1}: it is the "
                "first level with the features as they are"
            )
        if self.borders and self.borders.by not in self.levels:
            raise ValueError(f"borders.by names '{self.borders.by}', which is not among tiles.properties")
        return self

    def check(self, geometry: str) -> None:
        """Raise ValueError where it does not fit the geometry of the collection."""
        pyramid = self.pyramid
        if pyramid and geometry not in METHODS[pyramid.method]:
            shapes = " or ".join(METHODS[pyramid.method])
            raise ValueError(f"tiles.pyramid.method '{pyramid.method}' is for {shapes}, not for {geometry}")
        if pyramid and pyramid.counts and "count" in self.properties:
            raise ValueError("tiles.properties names 'count', which is what a pyramid counts in")
        if (self.names or self.borders) and (geometry not in AREAS or (pyramid and pyramid.counts)):
            raise ValueError("tiles.names and tiles.borders are for areas that are not counted in a pyramid")

    @property
    def levels(self) -> dict[str, int]:
        """The first level at which tiles have the attributes of single features."""
        least = self.pyramid.below if self.pyramid and self.pyramid.counts else self.minzoom
        return {name: max(least, self.first.get(name, least)) for name in self.properties}

    def properties_at(self, zoom: int) -> tuple[str, ...]:
        """The attributes of tiles at a level."""
        return tuple(name for name in self.properties if self.first.get(name, self.minzoom) <= zoom)
