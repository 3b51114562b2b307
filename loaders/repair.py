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
TANGLED = f"crosses itself more than {MAX_CROSSINGS} times; repair it at the source"
FEW_SEGMENTS = 45  # which cannot cross more often
# vertices beyond which even to ask whether it is valid may take minutes, and segments that are looked at then
LARGE = 20_000
CHUNK = 1 << 20


def repair(shapes: NDArray[np.object_], wkb: pa.Array, sieve: Sieve) -> Mask:
    """Make invalid areas valid, in place; returns which. `wkb`: their originals, which the sieve is given to keep."""
    _refuse_tangled(shapes, sieve)
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


def _refuse_tangled(shapes: NDArray[np.object_], sieve: Sieve) -> None:
    tangled = np.zeros(len(shapes), np.bool_)
    for index in np.flatnonzero(shapely.get_num_coordinates(shapes) > LARGE).tolist():
        tangled[index] = _crosses_often(shapes[index])
    shapes[tangled] = None
    sieve.refuse(tangled, lambda _: f"the geometry {TANGLED}", RULE)


def _mend(shape: shapely.Geometry) -> tuple[shapely.Geometry | None, str]:
    """A valid area, or None and why there is none."""
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return None, "has a coordinate that is no finite number"
    if _crosses_often(shape):
        return None, TANGLED
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
    """Whether the segments cross each other more often than repair can bear; stops counting there.

    Of many segments only some are looked at, anywhere in the shape.
    """
    coordinates, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(shape)), return_index=True)
    if len(coordinates) <= FEW_SEGMENTS:
        return False
    ends = np.stack([coordinates[:-1], coordinates[1:]], axis=1)[ring[1:] == ring[:-1]]
    segments: Any = shapely.linestrings(ends)
    tree, crossings = shapely.STRtree(segments), 0
    some = np.random.default_rng(0).permutation(len(segments))[:LARGE]
    step = max(1, CHUNK // len(segments))
    for start in range(0, len(some), step):
        looked_at = some[start : start + step]
        one, other = tree.query(segments[looked_at])
        crossings += int(np.count_nonzero(_cross(ends[looked_at[one]], ends[other])))
        if crossings > 2 * MAX_CROSSINGS:  # each is seen from both sides
            return True
    return False


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> Mask:
    """Whether two segments, each two points, cross between their ends: each has the other's ends on both sides."""
    return (_side(one, other[:, 0]) * _side(one, other[:, 1]) < 0) & (
        _side(other, one[:, 0]) * _side(other, one[:, 1]) < 0
    )


def _side(segment: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the point is on the left of the segment, -1 on the right, 0 on its line."""
    along, across = segment[:, 1] - segment[:, 0], point - segment[:, 0]
    return np.sign(along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0])
