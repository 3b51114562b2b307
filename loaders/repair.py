"""Invalid areas made valid, the original kept; what would lose its area or cost too much is rejected."""

from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from loaders.batch import Mask, Sieve

RULE = "geometry"
# Repair cuts lines at every crossing: a thousand of them take a tenth of a second, a million two gigabytes
MAX_CROSSINGS = 1000
FEW_SEGMENTS = 45  # which cannot cross more often
CHUNK = 1 << 20


def repair(shapes: NDArray[np.object_], wkb: pa.Array, sieve: Sieve) -> Mask:
    """Make invalid areas valid, in place; returns which. `wkb`: their originals, which the sieve is given to keep."""
    invalid = ~shapely.is_valid(shapes) & sieve.good
    indices = np.flatnonzero(invalid).tolist()
    faults: dict[int, str] = {}
    for index, reason in zip(indices, shapely.is_valid_reason(shapes[invalid]), strict=True):
        before = shapes[index]
        shapes[index], fault = _mend(before)
        if shapes[index] is None:
            faults[index] = f"the geometry is invalid ({reason}) and {fault}"
        else:
            areas = f"{before.area:.3f} m² became {shapes[index].area:.3f} m²"
            sieve.note_repair(index, f"{reason}; {areas}", wkb[index].as_py())
    sieve.refuse(np.isin(np.arange(len(shapes)), list(faults)), faults.__getitem__, RULE)
    return invalid & sieve.good


def _mend(shape: shapely.Geometry) -> tuple[shapely.Geometry | None, str]:
    """A valid area, or None and why there is none."""
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return None, "has a coordinate that is no finite number"
    if _crosses_often(shape):
        return None, f"crosses itself more than {MAX_CROSSINGS} times; repair it at the source"
    try:
        mended = _areas(shapely.make_valid(shape, method="structure", keep_collapsed=False))
    except shapely.errors.ShapelyError as error:
        return None, f"cannot be repaired: {error}"
    return mended, "no area is left after repair"


def _areas(shape: shapely.Geometry) -> shapely.Geometry | None:
    """The polygons of a repaired geometry; None where there are none, or where they are not valid either."""
    parts = shapely.get_parts(shapely.get_parts(shape))
    polygons = [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    areas = shapely.MultiPolygon(polygons) if polygons else None
    return areas if areas is not None and areas.is_valid else None


def _crosses_often(shape: shapely.Geometry) -> bool:
    """Whether the segments cross each other more often than repair can bear; stops counting there."""
    coordinates, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(shape)), return_index=True)
    if len(coordinates) <= FEW_SEGMENTS:
        return False
    joined = ring[1:] == ring[:-1]
    segments: Any = shapely.linestrings(np.stack([coordinates[:-1], coordinates[1:]], axis=1)[joined])
    tree, crossings = shapely.STRtree(segments), 0
    step = max(1, CHUNK // len(segments))
    for start in range(0, len(segments), step):
        crossings += tree.query(segments[start : start + step], predicate="crosses").shape[1]
        if crossings > 2 * MAX_CROSSINGS:  # each is seen from both sides
            return True
    return False
