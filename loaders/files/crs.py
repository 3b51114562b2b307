"""The CRS of a file: known, or asked for; and by which operation PostGIS brings it to that of storage."""

import warnings
from collections.abc import Callable

from pyproj import CRS, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from loaders.area import ZONE_PREFIX
from loaders.errors import LoadError

STORAGE = 25832
WORLD = 4326
DEGREES = {"OGC:CRS84", "OGC:84", "CRS84"}
NRW = AreaOfInterest(5.8, 50.3, 9.5, 52.6)
ROUNDED = 1e-6  # degrees by which edges of the world may be rounded
IN_DEGREES = (5.8, 50.3, 9.5, 52.6)
# The same place in DHDN / zone 2 and in EPSG:25832, as the grid BETA2007 has it: without it PROJ is half a metre off
DHDN = "Deutsches Hauptdreiecksnetz"
BY_GRID = (31466, (2_570_000.0, 5_699_999.9999), (361_380.312, 5_699_565.450))
BETA2007 = "the grid BETA2007 (EPSG:15948)"
MIDDLE = (361_380.312, 5_699_565.450)
AXES = "axis order change (2D) + "
TOLERANCE = 0.002  # metres
# what coordinates look like in the middle of the state: the box, and the CRS
LOOKS = (
    ((5.8, 50.3, 9.5, 52.6), "EPSG:4326"),
    ((274_000, 5_560_000, 540_000, 5_840_000), "EPSG:25832"),
    ((32_274_000, 5_560_000, 32_540_000, 5_840_000), "EPSG:4647"),
    ((2_480_000, 5_560_000, 2_760_000, 5_840_000), "EPSG:31466"),
    ((3_270_000, 5_560_000, 3_540_000, 5_840_000), "EPSG:31467"),
    ((640_000, 6_480_000, 1_060_000, 6_920_000), "EPSG:3857"),
)
Box = tuple[float, ...]
# where PostGIS puts a point: EPSG code, x and y to x and y in EPSG:25832
Place = Callable[[int, tuple[float, float]], tuple[float, float]]


def to_srid(text: str) -> int | None:
    """The EPSG code of a CRS as a file or a person names it; None where it has none. Raises LoadError."""
    if text.strip().upper() in DEGREES:
        return WORLD
    try:
        crs = CRS.from_user_input(text)
        return WORLD if crs.to_authority() == ("OGC", "CRS84") else crs.to_epsg(min_confidence=25)
    except (CRSError, ProjError) as error:
        raise LoadError(f"'{text[:80]}' is no CRS. Give its EPSG code, such as --crs EPSG:25832.") from error


def looks_like(box: Box) -> str | None:
    """The CRS in which such coordinates lie in the state."""
    west, south, east, north = box
    for (left, bottom, right, top), crs in LOOKS:
        if left <= west and east <= right and bottom <= south and north <= top:
            return crs
    return None


def suggestion(box: Box | None) -> str:
    """What to give, for a message."""
    found = looks_like(box) if box else None
    if found:
        return f"Its coordinates look like those of {found}: if they are, give --crs {found}."
    if box and looks_like((box[1], box[0], box[3], box[2])):
        return "Its axes seem to be swapped: name the columns with --coordinates, the easting or longitude first."
    known = "EPSG:25832 (UTM, zone 32), EPSG:4326 (degrees), EPSG:31466 or EPSG:31467 (Gauß-Krüger)"
    return f"Name it with --crs, such as {known}."


def is_geographic(srid: int) -> bool:
    """Whether its coordinates are degrees."""
    return CRS.from_epsg(srid).is_geographic


def false_east(srid: int) -> float | None:
    """What to take from eastings that are those of EPSG:25832 otherwise; None for all other CRSs."""
    return {STORAGE: 0.0, 4647: ZONE_PREFIX}.get(srid)


def name_operation(srid: int, place: Place) -> str:
    """How PostGIS comes from a CRS to EPSG:25832. Raises LoadError where it lacks the grid that DHDN needs."""
    if srid == STORAGE:
        return "as in the file"
    if false_east(srid):
        return "the zone taken from the easting; exact"
    crs = CRS.from_epsg(srid)
    datum = crs.geodetic_crs.datum.name if crs.geodetic_crs and crs.geodetic_crs.datum else ""
    if datum == DHDN:
        code, point, expected = BY_GRID
        if not _near(place(code, point), expected):
            raise LoadError(
                f"The database's PROJ lacks the grid BETA2007, so EPSG:{srid} would be half a metre off. Install it "
                "there (Debian: the package proj-data), start the database again, then load again."
            )
        return f"{BETA2007}, accuracy 0.9 m"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a grid is missing here
        back = Transformer.from_crs(STORAGE, srid, always_xy=True)
        point = back.transform(*MIDDLE)
        found = place(srid, point)
        group = TransformerGroup(srid, STORAGE, True, NRW)  # pyright: ignore[reportArgumentType]
    for transformer in group.transformers:
        if _near(found, transformer.transform(*point)):
            accuracy = f", accuracy {transformer.accuracy:g} m" if transformer.accuracy >= 0 else ""
            return f"{transformer.description.removeprefix(AXES)}{accuracy}"
    return "an operation that PostGIS chose"


def _near(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= TOLERANCE for a, b in zip(one[:2], other[:2], strict=True))
