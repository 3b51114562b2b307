"""Coordinate reference systems: URI, SRID, axis order, decimals.

PostGIS and pyproj are always used in x, y order (east, north or longitude, latitude); `Crs.northing_first` says
that the CRS itself has it the other way round, which is what a client sends and gets (Features Part 2, 18-058r1).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pyproj import Transformer

from server.catalogue import STORAGE_SRID
from server.errors import InvalidParameter

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


class Box(NamedTuple):
    """A box in x, y order, whatever the CRS's own axis order is."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def grown(self, dx: float, dy: float) -> "Box":
        """The box, larger by dx to the west and east and by dy to the south and north."""
        return Box(self.xmin - dx, self.ymin - dy, self.xmax + dx, self.ymax + dy)

    def common(self, other: "Box") -> "Box | None":
        """What both boxes cover, or None where they do not touch."""
        box = Box(
            max(self.xmin, other.xmin), max(self.ymin, other.ymin), min(self.xmax, other.xmax), min(self.ymax, other.ymax)
        )
        return box if box.xmin <= box.xmax and box.ymin <= box.ymax else None

    def contains(self, other: "Box") -> bool:
        """Whether the other box lies within this one, the edge included."""
        return (
            self.xmin <= other.xmin and self.ymin <= other.ymin and other.xmax <= self.xmax and other.ymax <= self.ymax
        )


@dataclass(frozen=True)
class Crs:
    """A CRS that the service offers.

    decimals: what a millimetre needs, 3 for metres and 8 for degrees (1e-8 degrees are 1.1 mm).
    """

    uri: str
    srid: int
    name: str
    northing_first: bool = False
    decimals: int = 3
    geographic: bool = False


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326, "WGS 84 (lon, lat)", decimals=8, geographic=True)
ETRS89_UTM32 = Crs(f"{EPSG}25832", STORAGE_SRID, "ETRS89 / UTM 32N")

OFFERED: tuple[Crs, ...] = (
    CRS84,
    ETRS89_UTM32,
    Crs(f"{EPSG}25831", 25831, "ETRS89 / UTM 31N"),
    Crs(f"{EPSG}25833", 25833, "ETRS89 / UTM 33N"),
    Crs(f"{EPSG}4258", 4258, "ETRS89 (lat, lon)", northing_first=True, decimals=8, geographic=True),
    Crs(f"{EPSG}4326", 4326, "WGS 84 (lat, lon)", northing_first=True, decimals=8, geographic=True),
    Crs(f"{EPSG}3857", 3857, "WGS 84 / Pseudo-Mercator"),
    Crs(f"{EPSG}3035", 3035, "ETRS89 / LAEA Europe", northing_first=True),
    Crs(f"{EPSG}3044", 3044, "ETRS89 / UTM 32N (N-E)", northing_first=True),
    Crs(f"{EPSG}4647", 4647, "ETRS89 / UTM 32N (zE-N)"),
    Crs(f"{EPSG}31466", 31466, "DHDN / Gauß-Krüger 2", northing_first=True),
    Crs(f"{EPSG}31467", 31467, "DHDN / Gauß-Krüger 3", northing_first=True),
)
BY_URI = {crs.uri: crs for crs in OFFERED}


def parse_crs(parameter: str, value: str | None) -> Crs:
    """The CRS that a parameter names by its URI; CRS84 where it is absent (/req/crs/fc-crs-valid-value)."""
    if value is None:
        return CRS84
    if crs := BY_URI.get(value):
        return crs
    raise InvalidParameter(
        parameter,
        value,
        "it is not the URI of a CRS that this service offers",
        f"Use one of: {', '.join(BY_URI)}",
    )


@lru_cache(maxsize=64)
def transformer(source: int, target: int) -> Transformer:
    """Transformer between two SRIDs in x, y order.

    Only good for search areas with a margin and for metadata: pyproj's wheel lacks the BETA2007 grid, so that
    DHDN is 0.4 m off. Features are transformed by PostGIS.
    """
    return Transformer.from_crs(source, target, always_xy=True)


def outline(box: Box, steps: int = 32) -> tuple[list[float], list[float]]:
    """Points along the four sides of a box, `steps` per side: its x and its y values, south, east, north, west."""
    along = [i / steps for i in range(steps)]
    width, height = box.xmax - box.xmin, box.ymax - box.ymin
    xs = [box.xmin + t * width for t in along]
    ys = [box.ymin + t * height for t in along]
    x = xs + [box.xmax] * steps + [box.xmax - t * width for t in along] + [box.xmin] * steps
    y = [box.ymin] * steps + ys + [box.ymax] * steps + [box.ymax - t * height for t in along]
    return x, y


def around(box: Box, source: int, target: int) -> Box:
    """The box in the target CRS around a box of the source CRS, by its densified outline.

    Transforming just two corners would lose features: a parallel is no straight line in UTM.
    """
    x, y = transformer(source, target).transform(*outline(box))
    return Box(min(x), min(y), max(x), max(y))


def within(box: Box, source: int, target: int, steps: int = 32) -> Box | None:
    """A box in the target CRS that lies inside a box of the source CRS; None where the box is too thin for one."""
    x, y = transformer(source, target).transform(*outline(box, steps))
    south, east, north, west = (slice(i * steps, (i + 1) * steps + 1) for i in range(4))
    corner_x, corner_y = [*x, x[0]], [*y, y[0]]
    inner = Box(max(corner_x[west]), max(corner_y[south]), min(corner_x[east]), min(corner_y[north]))
    return inner if inner.xmin < inner.xmax and inner.ymin < inner.ymax else None
