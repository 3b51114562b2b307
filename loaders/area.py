"""The area of use: where the coordinates of a delivery must lie, and what those outside seem to be."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from loaders.batch import Sieve

ZONE_PREFIX = 32_000_000.0
# share of its extent by which the box grows in another CRS, where its edges are curves
MARGIN = 0.02
OTHER_CRS = {
    "EPSG:25831": "the coordinates seem to be of zone 31 (EPSG:25831)",
    "EPSG:25833": "the coordinates seem to be of zone 33 (EPSG:25833)",
    "EPSG:31466": "the coordinates seem to be Gauss-Krüger, zone 2 (EPSG:31466)",
    "EPSG:31467": "the coordinates seem to be Gauss-Krüger, zone 3 (EPSG:31467)",
    "EPSG:3857": "the coordinates seem to be Web Mercator (EPSG:3857)",
    "EPSG:4258": "the coordinates seem to be longitude and latitude in degrees",
}
REPROJECT = "reproject the delivery (ogr2ogr -t_srs EPSG:25832)"
PREFIXES = {
    ZONE_PREFIX: "the easting bears the zone 32 as EPSG:4647 has it: check the delivery's .prj",
    -ZONE_PREFIX: "the easting lacks the zone 32, which EPSG:4647 puts before it: check the delivery's .prj",
    2 * ZONE_PREFIX: "the easting bears the zone 32 twice: check how the delivery was reprojected",
    101 * ZONE_PREFIX: "the easting bears the zone 32 twice: check how the delivery was reprojected",
}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Area:
    """A box in EPSG:25832, edges included."""

    west: float
    south: float
    east: float
    north: float

    def refuse_outside(self, bounds: NDArray[np.float64], sieve: Sieve) -> None:
        """Reject what is not wholly inside; also infinite coordinates and those that are no numbers."""
        west, south, east, north = bounds.T
        inside = (west >= self.west) & (east <= self.east) & (south >= self.south) & (north <= self.north)
        sieve.refuse(~inside, lambda i: self._describe(bounds[i].tolist()), "area")

    def _describe(self, bounds: list[float]) -> str:
        west, south, east, north = bounds
        return (
            f"the coordinates E {_span(west, east)}, N {_span(south, north)} are outside North Rhine-Westphalia "
            f"(EPSG:25832: E {self.west:.0f} to {self.east:.0f}, N {self.south:.0f} to {self.north:.0f}); "
            f"{self._guess((west, south, east, north))}"
        )

    def _guess(self, bounds: Box) -> str:
        """What the coordinates seem to be, and the remedy."""
        west, south, east, north = bounds
        if not np.isfinite(bounds).all():
            return "coordinates must be finite numbers: look at how the delivery was written"
        for box, meaning in _known_mistakes((self.west, self.south, self.east, self.north)):
            if box[0] <= west and east <= box[2] and box[1] <= south and north <= box[3]:
                return meaning
        return "check the delivery's CRS"


@lru_cache(maxsize=8)
def _known_mistakes(area: Box) -> tuple[tuple[Box, str], ...]:
    """Where the area's coordinates lie after a usual mistake."""
    return tuple(_mistakes(area))


def _mistakes(area: Box) -> Iterator[tuple[Box, str]]:
    west, south, east, north = area
    swapped = "northing and easting seem to be swapped: check the axis order of the delivery's CRS"
    yield (south, west, north, east), swapped
    for shift, meaning in PREFIXES.items():
        yield (west + shift, south, east + shift, north), meaning
        yield (south, west + shift, north, east + shift), f"{swapped}; {meaning}"
    for crs, meaning in OTHER_CRS.items():
        box = Transformer.from_crs("EPSG:25832", crs, always_xy=True).transform_bounds(*area, densify_pts=21)
        left, bottom, right, top = _widened(box)
        yield (left, bottom, right, top), f"{meaning}: {REPROJECT}"
        yield (bottom, left, top, right), f"{meaning}, the axes swapped: {REPROJECT}"
        if zone := {"EPSG:25831": 31e6, "EPSG:25833": 33e6}.get(crs):
            yield (left + zone, bottom, right + zone, top), f"{meaning}, with the zone before the easting: {REPROJECT}"


def _widened(box: Box) -> Box:
    west, south, east, north = box
    across, along = MARGIN * (east - west), MARGIN * (north - south)
    return west - across, south - along, east + across, north + along


def _span(low: float, high: float) -> str:
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
