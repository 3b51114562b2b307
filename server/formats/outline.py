"""What the binary formats say of a layer: columns, kind of geometry, CRS, origin. Pure.

Their coordinates are in x, y order (easting or longitude first) whatever the CRS says: GeoParquet ("Coordinate axis
order") and GeoPackage (clause 1.1.1.1.2) demand it, and so do all who read FlatGeobuf and Shape.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from psycopg import sql
from pyproj import CRS

from server.catalogue import Property, PropertyType
from server.crs import CRS84, Crs
from server.formats.layer import About, Layer, geometry_expression

GEOMETRY = "geom"
NOTHING = About()
DELIVERY = {"de": "Lieferung", "en": "Delivery"}


@dataclass(frozen=True)
class Column:
    """An attribute."""

    name: str
    type: PropertyType
    title: str
    description: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class Outline:
    """A layer as a file has it.

    kind: name of the simple feature type, `has_z`: whether there are heights; `kind` is None where no geometry is
    wanted, `shape` is then null, otherwise SQL of the geometry of table alias t. notes: what else to know of the file.
    """

    name: str
    columns: tuple[Column, ...]
    kind: str | None
    has_z: bool
    shape: sql.Composable
    crs: Crs
    title: str
    description: str
    notes: dict[str, Any]

    @property
    def typed(self) -> str:
        """Name of the kind with its dimensions, as pyogrio and GeoParquet have it."""
        return f"{self.kind} Z" if self.has_z else str(self.kind)

    @property
    def definition(self) -> CRS:
        """The CRS by its code: CRS84 and EPSG:4326 are one where positions are in x, y order."""
        return definition(f"EPSG:{self.crs.srid}")

    @property
    def projjson(self) -> dict[str, Any]:
        """The CRS as PROJJSON."""
        return (definition("OGC:CRS84") if self.crs == CRS84 else self.definition).to_json_dict()


@lru_cache(maxsize=64)
def definition(name: str) -> CRS:
    """The definition of a CRS; reading it takes a millisecond."""
    return CRS.from_user_input(name)


def to_outline(layer: Layer, about: About = NOTHING) -> Outline:
    """The outline of a layer; `about` is needed for its texts only."""
    collection, wanted = layer.collection, layer.selection.geometry
    known = {p.name: _to_column(p, about.lang) for p in collection.properties}
    known["delivery"] = Column("delivery", "integer", DELIVERY[about.lang], nullable=False)
    return Outline(
        name=collection.id,
        columns=(Column("id", "string", "Id", nullable=False), *(known[name] for name in layer.names)),
        kind=collection.geometry.removesuffix("Z").strip() if wanted else None,
        has_z=wanted and (layer.crs.heights or collection.geometry.endswith("Z")),
        shape=geometry_expression(layer, flip=False) if wanted else sql.SQL("null::geometry"),
        crs=layer.crs,
        title=about.title or collection.title.in_(about.lang),
        description=about.description or collection.description.in_(about.lang),
        notes=_to_notes(layer, about),
    )


def _to_column(prop: Property, lang: str) -> Column:
    text = prop.description.in_(lang) if prop.description else ""
    return Column(prop.name, prop.type, prop.title.in_(lang), text)


def _to_notes(layer: Layer, about: About) -> dict[str, Any]:
    found = {
        "collection": layer.collection.id,
        "title": about.title,
        "description": about.description,
        "attribution": about.attribution,
        "licence": about.licence,
        "delivery": about.delivery,
        "published": about.published.isoformat() if about.published else None,
        "crs": layer.crs.uri,
        "coordinates": asdict(about.coordinates) if about.coordinates else None,
        "source": f"{about.base}/collections/{layer.collection.id}" if about.base else None,
    }
    return {name: value for name, value in found.items() if value}
