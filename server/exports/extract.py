"""What is to be in a file: parameters -> Extract. The worker that makes a cut reads the parameters by these rules."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from server.catalogue import Collection
from server.conditions import PARAMETERS as CONDITIONS
from server.conditions import parse_conditions
from server.cql2.filter import Condition
from server.crs import Crs, offered, parse_crs
from server.exports.area import Area, belongs, parse_area
from server.exports.kinds import find_kind, usual_crs
from server.formats.layer import Format

PARAMETERS = ("area", "crs", *CONDITIONS)
DEFAULT_KIND = "gpkg"
# Changes when files of the same data are made otherwise, so that kept ones are not taken for them
EDITION = "1"


@dataclass(frozen=True)
class Extract:
    """A collection or a part of it, in a format and a CRS. `given`: the parameters that it was read from."""

    collection: Collection
    kind: Format
    crs: Crs
    area: Area | None = None
    condition: Condition | None = None
    given: tuple[tuple[str, str], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is the whole collection in the format's own CRS, of which files are made in advance."""
        return self.area is None and self.condition is None and self.crs == usual_crs(self.kind)

    @property
    def name(self) -> str:
        """Name of its file."""
        parts = [self.collection.id]
        if self.area:
            parts.append(self.area.key)
        if self.condition:
            parts.append("auswahl")
        if self.crs != usual_crs(self.kind):
            parts.append(self.crs.uri.rsplit("/", 1)[-1].lower())
        return f"{'_'.join(parts)}.{self.kind.extension}"

    def key(self, mark: tuple[int, str]) -> str:
        """Names the file of the collection's state `mark` for ever: 32 hexadecimal digits."""
        parts = (EDITION, self.collection.id, mark, self.kind.key, self.given)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def where(self) -> tuple[sql.Composable, dict[str, Any]]:
        """SQL of what its rows meet, and what that binds."""
        parts: list[sql.Composable] = [belongs(self.collection, self.area)] if self.area else []
        parameters: dict[str, Any] = {}
        if self.condition:
            parts.append(sql.SQL("({})").format(self.condition.sql))
            parameters = self.condition.parameters
        return sql.SQL(" and ").join(parts) if parts else sql.SQL("true"), parameters


def _known(collection: Collection, kind: Format) -> tuple[Crs, ...]:
    return (usual_crs(kind),) if kind.solids else offered(collection)


def parse_extract(collection: Collection, kind: str, parameters: Mapping[str, str]) -> Extract:
    """The extract of a request. Raises InvalidParameter; parameters that are none of its own do not matter."""
    found = find_kind(collection, kind)
    given = tuple((name, parameters[name]) for name in PARAMETERS if name in parameters)
    crs = parse_crs("crs", parameters["crs"], _known(collection, found)) if "crs" in parameters else usual_crs(found)
    return Extract(
        collection, found, crs, parse_area(parameters.get("area")), parse_conditions(collection, parameters), given
    )
