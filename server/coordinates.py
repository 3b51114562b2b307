"""What the coordinates of an answer are: official, as they were delivered, or transformed, and by which operation.

PROJ offers several operations between two CRSs, and which one PostGIS takes depends on its version and on the grids
that its machine has: without BETA2007, DHDN is off by half a metre. So PostGIS is asked for a point, and the operation
is the one of PROJ's that leads to the same place.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from pyproj.aoi import AreaOfInterest
from pyproj.transformer import TransformerGroup

from server.catalogue import STORAGE_SRID
from server.crs import OFFERED, Crs

# A point in the middle of the state, EPSG:25832, and where the grid BETA2007 puts it, in x, y order: the wheel of
# pyproj brings no grids, PROJ's own package of data does
POINT = (361_380.312, 5_699_565.450)
BY_GRID = {31466: (2_570_000.0, 5_699_999.9999), 31467: (3_361_399.3478, 5_701_404.5473)}
GRID = "BETA2007"
TOLERANCE = 0.002  # metres, or as many degrees times 100 km
NRW = AreaOfInterest(5.8, 50.3, 9.5, 52.6)


@dataclass(frozen=True)
class Coordinates:
    """operation: PROJ's name of it, accuracy: of it, metres; None where they are official, or not known.

    simplified: for a map at some level.
    """

    official: bool
    operation: str | None = None
    accuracy: float | None = None
    simplified: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        members: dict[str, Any] = {"status": "official" if self.official else "transformed"}
        if not self.official:
            members |= {"operation": self.operation, "accuracy": self.accuracy}
        return {**members, "simplified": True} if self.simplified else members

    @property
    def header(self) -> str:
        """As the response header OpenNRW-Coordinates has it: an item with parameters (RFC 9651)."""
        parts = ["official" if self.official else "transformed"]
        if self.operation:
            parts.append(f'operation="{self.operation}"')
        if self.accuracy is not None:
            parts.append(f"accuracy={self.accuracy:.3f}")
        if self.simplified:
            parts.append("simplified")
        return ";".join(parts)

    @property
    def sentence(self) -> str:
        """As people read it in a file."""
        said = "official, as delivered" if self.official else "transformed"
        if self.operation:
            said += f" by {self.operation}"
        if self.accuracy is not None:
            said += f", accuracy {self.accuracy:g} m"
        return f"{said}, simplified" if self.simplified else said


class Operations:
    """The operations that PostGIS takes from EPSG:25832 on; None as long as they are not known."""

    def __init__(self) -> None:
        self._found: Mapping[int, tuple[str | None, float | None]] = {}

    def take(self, places: Mapping[int, tuple[float, float]]) -> None:
        """Find the operations by where PostGIS puts POINT, for each EPSG code."""
        self._found = {srid: find_operation(srid, place) for srid, place in places.items()}

    def coordinates(self, srid: int, crs: Crs, *, simplified: bool = False) -> Coordinates:
        """What coordinates of a collection whose geometries are stored in `srid` are in a CRS."""
        if crs.srid == srid:
            return Coordinates(True, simplified=simplified)
        operation, accuracy = self._found.get(crs.srid, (None, None)) if srid == STORAGE_SRID else (None, None)
        return Coordinates(False, operation, accuracy, simplified)


def targets() -> list[int]:
    """EPSG codes to ask PostGIS for."""
    return sorted({crs.srid for crs in OFFERED} - {STORAGE_SRID})


def places_query() -> bytes:
    """SQL of where PostGIS puts POINT: x and y for each of the targets."""
    point = sql.SQL("ST_SetSRID(ST_MakePoint({}, {}), {})").format(*map(sql.Literal, POINT), sql.Literal(STORAGE_SRID))
    places = [
        sql.SQL("select {0}, ST_X(p), ST_Y(p) from ST_Transform({1}, {0}) p").format(sql.Literal(srid), point)
        for srid in targets()
    ]
    return sql.SQL(" union all ").join(places).as_bytes()


def find_operation(srid: int, place: tuple[float, float]) -> tuple[str | None, float | None]:
    """Name and accuracy of the operation that leads POINT to this place; None where PROJ knows none that does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a grid is missing here
        # pyproj's stubs know the class by two names
        group = TransformerGroup(STORAGE_SRID, srid, True, NRW)  # pyright: ignore[reportArgumentType]
    if srid in BY_GRID and _near(place, BY_GRID[srid]):
        for operation in group.unavailable_operations:
            if any(GRID in grid.short_name for grid in operation.grids):
                return operation.name, _accuracy(operation.accuracy)
    for transformer in group.transformers:
        if _near(place, transformer.transform(*POINT)):
            return transformer.description.removesuffix(" + axis order change (2D)"), _accuracy(transformer.accuracy)
    return None, None


def _near(place: tuple[float, float], other: tuple[float, float]) -> bool:
    tolerance = TOLERANCE if max(map(abs, place)) > 360 else TOLERANCE / 100_000
    return max(abs(a - b) for a, b in zip(place, other, strict=True)) < tolerance


def _accuracy(value: float) -> float | None:
    """PROJ says -1 where it does not know."""
    return value if value >= 0 else None
