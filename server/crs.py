"""Coordinate reference systems: URI, SRID, axis order, decimals.

PostGIS and pyproj are always used in x, y order (east, north or longitude, latitude); `Crs.northing_first` says
that the CRS itself has it the other way round, which is what a client sends and gets (Features Part 2, 18-058r1).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pyproj import Transformer

from server.catalogue import STORAGE_SRID, Collection
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
            max(self.xmin, other.xmin),
            max(self.ymin, other.ymin),
            min(self.xmax, other.xmax),
            min(self.ymax, other.ymax),
        )
        return box if box.xmin <= box.xmax and box.ymin <= box.ymax else None


@dataclass(frozen=True)
class Crs:
    """A CRS that the service offers.

    decimals: what a millimetre needs, 3 for metres and 8 for degrees (1e-8 degrees are 1.1 mm). heights: a third
    coordinate; only collections with solids have any, and `srid` is that of the other two.
    """

    uri: str
    srid: int
    name: str
    northing_first: bool = False
    decimals: int = 3
    geographic: bool = False
    heights: bool = False


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", 4326, "WGS 84 (lon, lat)", decimals=8, geographic=True)
ETRS89_UTM32 = Crs(f"{EPSG}25832", STORAGE_SRID, "ETRS89 / UTM 32N")

# EPSG has no code for the two together (OGC 09-048r6, 4.3.2: URIs of compound CRSs)
WITH_HEIGHTS = Crs(
    f"http://www.opengis.net/def/crs-compound?1={EPSG}25832&2={EPSG}7837",
    STORAGE_SRID,
    "ETRS89 / UTM 32N + DHHN2016",
    heights=True,
)

# Of every collection
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
BY_URI = {crs.uri: crs for crs in (*OFFERED, WITH_HEIGHTS)}


def offered(collection: Collection) -> tuple[Crs, ...]:
    """The CRSs of a collection."""
    return (*OFFERED, WITH_HEIGHTS) if collection.lod else OFFERED


def parse_crs(parameter: str, value: str | None, known: tuple[Crs, ...] = OFFERED) -> Crs:
    """The CRS that a parameter names by its URI; CRS84 where it is absent (/req/crs/fc-crs-valid-value)."""
    if value is None:
        return CRS84
    if (crs := BY_URI.get(value)) and crs in known:
        return crs
    raise InvalidParameter(
        parameter,
        value,
        "it is not the URI of a CRS that this service offers",
        f"Use one of: {', '.join(crs.uri for crs in known)}",
    )


@lru_cache(maxsize=64)
def transformer(source: int, target: int) -> Transformer:
    """Transformer between two SRIDs in x, y order.

    Only good for search areas with a margin and for metadata: pyproj's wheel lacks the BETA2007 grid, so that
    DHDN is up to 2 m off. Features are transformed by PostGIS.
    """
    return Transformer.from_crs(source, target, always_xy=True)


# Segments per side of a box that is transformed by its outline: a side is smooth, and its bulge between them is known
STEPS = 4
SIDES = tuple(slice(i * STEPS, (i + 1) * STEPS + 1) for i in range(4))
# Places in the outline of each point of a side between its ends, and of the two beside it
INNER = tuple((i - 1, i, i + 1) for side in SIDES for i in range(side.start + 1, side.stop - 1))


@dataclass(frozen=True)
class Frame:
    """A box seen in another CRS: `outer` lies around it, `inner` within it (None where it is too thin for one)."""

    outer: Box
    inner: Box | None


def to_frame(box: Box, source: int, target: int) -> Frame:
    """Transform a box by its densified outline; both SRIDs in x, y order.

    Transforming just two corners would lose features: a parallel is no straight line in UTM. Between two points of
    the outline a side still bulges, by some 100 m for one as long as the state: both boxes make up for it.
    """
    if source == target:
        return Frame(box, box)
    x, y = transformer(source, target).transform(*_outline(box))
    south, east, north, west = SIDES
    dx, dy = _bulge(x), _bulge(y)
    inner = Box(max(x[west]) + dx, max(y[south]) + dy, min(x[east]) - dx, min(y[north]) - dy)
    thin = inner.xmin >= inner.xmax or inner.ymin >= inner.ymax
    return Frame(Box(min(x) - dx, min(y) - dy, max(x) + dx, max(y) + dy), None if thin else inner)


def _bulge(values: list[float]) -> float:
    """How far the sides, smooth curves, can leave the range of points taken from them at equal steps: an eighth of the
    second difference, doubled because that varies along a curve.
    """
    return max([abs(values[a] - 2 * values[b] + values[c]) for a, b, c in INNER]) / 4


@lru_cache(maxsize=1024)
def around(box: Box, source: int, target: int) -> Box:
    """The box in the target CRS around a box of the source CRS; for extents, which are asked for again and again."""
    return to_frame(box, source, target).outer


def _outline(box: Box) -> tuple[list[float], list[float]]:
    """x and y of the points along the southern, eastern, northern and western side, closed."""
    xmin, ymin, xmax, ymax = box
    dx, dy = (xmax - xmin) / STEPS, (ymax - ymin) / STEPS
    xs = [xmin + i * dx for i in range(STEPS)]
    ys = [ymin + i * dy for i in range(STEPS)]
    x_back = [xmax - i * dx for i in range(STEPS)]
    y_back = [ymax - i * dy for i in range(STEPS)]
    x = [*xs, *([xmax] * STEPS), *x_back, *([xmin] * STEPS), xmin]
    y = [*([ymin] * STEPS), *ys, *([ymax] * STEPS), *y_back, ymin]
    return x, y
