"""Geometries from anywhere: what is read, repaired with the original kept, or rejected, and that nothing crashes."""

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from loaders.area import Area
from loaders.batch import Geometries, Sieve
from loaders.geometry import multipolygons, points
from loaders.report import Repair
from loaders.wkb import MAX_BYTES

NRW = Area(274_000, 5_568_000, 536_144, 5_830_144)
E, N = 400_000.0, 5_700_000.0
ORIGIN = np.array([E, N])


def _sift(*contents: bytes | None, false_east: float = 0) -> tuple[Geometries, Sieve]:
    sieve = Sieve("hu_shp.shp", np.arange(1, len(contents) + 1), lambda _: "raw")
    return multipolygons(pa.array(contents, pa.binary()), false_east, NRW, sieve), sieve


def _reasons(sieve: Sieve) -> list[str]:
    rejects = sieve.rejects()
    assert {reject.rule for reject in rejects} <= {"geometry", "area"}
    return [reject.reason for reject in rejects]


def _moved(text: str) -> Any:
    """A shape of WKT, with the origin in the state."""
    return shapely.transform(shapely.from_wkt(text), lambda xy: xy + ORIGIN)


def _head(code: int, count: int, order: str = "<") -> bytes:
    return struct.pack(f"{order}BII", order == "<", code, count)


def _ring(*points: tuple[float, float]) -> bytes:
    return _head(3, 1) + struct.pack("<I", len(points)) + b"".join(struct.pack("<2d", E + x, N + y) for x, y in points)


def _comb(teeth: int) -> Any:
    """A comb laid over another that is turned by a right angle: every tooth crosses every other."""
    along, across = np.linspace(0, 100, teeth), np.arange(teeth) % 2 * 100
    return shapely.Polygon(ORIGIN + np.vstack([np.column_stack([along, across]), np.column_stack([across, along])]))


UNREADABLE = {
    "null": (None, "the record has no geometry"),
    "nothing": (b"", "the geometry is no WKB; the file is damaged"),
    "text": (b"abcdefgh", "the geometry is no WKB; the file is damaged"),
    "only a head": (_head(3, 0)[:5], "the geometry cannot be read: Unexpected EOF parsing WKB"),
    "count of rings": (_head(3, 2**32 - 1), "the geometry cannot be read: Input buffer is smaller than requested"),
    "count of vertices": (_head(3, 1) + b"\xff" * 4, "the geometry cannot be read: Input buffer is smaller"),
    "ring of one vertex": (_ring((0, 0)), "the geometry cannot be read: "),
    "unclosed": (
        _ring((0, 0), (0, 1), (1, 1), (5, 5)),
        "the geometry cannot be read: Points of LinearRing do not form",
    ),
    "no rings": (_head(3, 0), "the geometry is empty: it has no rings"),
    "no parts": (_head(6, 0), "the geometry is empty: it has no rings"),
    "curve": (_head(10, 0), "the geometry is a CurvePolygon; only polygons are allowed here"),
    "unknown": (_head(77, 0), "the geometry is a geometry of the unknown type 77; only polygons are allowed here"),
    "collections in collections": (_head(7, 1) * 1_000_000, "the geometry is a GeometryCollection; only polygons"),
    "the same inside": (_head(6, 1) + _head(7, 1) * 1_000_000, "the parts of the MultiPolygon are no polygons"),
    "multipolygons in it": (_head(6, 1) * 1_000_000, "the parts of the MultiPolygon are no polygons"),
    "in its second part": (_head(6, 2) + _head(3, 0) + _head(6, 1) * 1_000_000, "the parts of the MultiPolygon are"),
    "too large": (_head(3, 1) + bytes(MAX_BYTES), "the geometry has about 1000000 vertices; at most 1000000 are"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable(case: str) -> None:
    content, reason = UNREADABLE[case]
    geometries, sieve = _sift(content, shapely.to_wkb(_moved("POLYGON((0 0, 0 9, 9 9, 9 0, 0 0))")))
    (found,) = _reasons(sieve)
    assert found.startswith(reason)
    assert sieve.good.tolist() == [False, True]
    assert geometries.only(sieve.good).east.tolist() == [E + 4.5]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_dimensions_and_flavours(order: int, flavor: Any) -> None:
    """Heights and measures are left out; byte order and flavour of WKB make no difference, nor does the size."""
    ring = [(E + 100 * np.cos(t), N + 100 * np.sin(t), 7.0) for t in np.linspace(0, 6, 1500)]
    large = shapely.MultiPolygon([shapely.Polygon(ring), shapely.box(E + 200, N, E + 210, N + 10)])
    small = shapely.force_3d(_moved("POLYGON((0 0, 0 9, 9 9, 9 0, 0 0), (2 2, 3 2, 3 3, 2 2))"), 5)
    shapes = [large, small, shapely.force_2d(large), shapely.force_2d(small)]
    contents = [shapely.to_wkb(shape, byte_order=order, flavor=flavor, output_dimension=3) for shape in shapes]
    geometries, sieve = _sift(*contents)
    assert _reasons(sieve) == []
    stored = shapely.from_wkb(geometries.ewkb.to_numpy(zero_copy_only=False))
    assert not shapely.has_z(stored).any()
    assert [shape.geom_type for shape in stored] == ["MultiPolygon"] * 4
    assert shapely.equals(stored, shapely.force_2d(np.array(shapes))).all()


REPAIRED = {
    "bow tie": ("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))", 50, 2, "Self-intersection"),
    "hole along an edge": ("POLYGON((0 0,0 9,9 9,9 0,0 0),(0 3,0 6,3 6,3 3,0 3))", 72, 1, "Self-intersect"),
    "spike": ("POLYGON((0 0,0 9,9 9,9 0,4 0,4 -5,4 0,0 0))", 81, 1, "Ring Self-intersection"),
    "hole outside": ("POLYGON((0 0,0 9,9 9,9 0,0 0),(20 20,20 21,21 21,20 20))", 81.5, 2, "Hole lies outside shell"),
    "parts that overlap": ("MULTIPOLYGON(((0 0,0 9,9 9,9 0,0 0)),((5 5,5 14,14 14,14 5,5 5)))", 146, 1, "Self-inter"),
    "part without area": ("MULTIPOLYGON(((0 0,0 9,9 9,9 0,0 0)),((20 20,30 30,20 20,20 20)))", 81, 1, "Too few points"),
}  # fmt: skip


@pytest.mark.parametrize("case", REPAIRED)
def test_repaired_with_the_original_kept(case: str) -> None:
    text, area, parts, reason = REPAIRED[case]
    original = shapely.to_wkb(_moved(text))
    geometries, sieve = _sift(original)
    assert geometries.repaired.tolist() == [True]
    (stored,) = shapely.from_wkb(geometries.ewkb.to_numpy(zero_copy_only=False))
    assert (stored.area, len(stored.geoms), stored.is_valid) == (pytest.approx(area, rel=0.01), parts, True)
    ids = pa.array(["A1"])
    (repair,) = sieve.batch(ids, {}, geometries).repairs
    assert repair == Repair("hu_shp.shp", 1, "A1", repair.reason, original)
    assert repair.reason.startswith(reason)
    assert repair.reason.endswith(f"m² became {stored.area:.3f} m²")


INVALID = {
    "flat": (shapely.to_wkb(_moved("POLYGON((0 0, 9 9, 0 0, 0 0))")), "and no area is left after repair"),
    "NaN": (_ring((0, 0), (0, 9), (float("nan"), 9), (0, 0)), "has a coordinate that is no finite number"),
    "crossings without number": (shapely.to_wkb(_comb(300)), "crosses itself more than 1000 times"),
    "more of them than memory": (shapely.to_wkb(_comb(50_000)), "crosses itself more than 1000 times"),
}


@pytest.mark.parametrize("case", INVALID)
def test_beyond_repair(case: str) -> None:
    content, reason = INVALID[case]
    geometries, sieve = _sift(content)
    (found,) = _reasons(sieve)
    assert found.startswith("the geometry is invalid (") or reason in found
    assert reason in found
    assert sieve.batch(pa.array(["A1"]), {}, geometries).repairs == []


@pytest.mark.parametrize("value", ["inf", "-inf", "1e308", "-1e308"])
def test_infinite_coordinates(value: str) -> None:
    _, sieve = _sift(_ring((0, 0), (0, 9), (float(value), 9), (0, 0)))
    (reason,) = _reasons(sieve)
    assert "are outside North Rhine-Westphalia" in reason
    assert ("coordinates must be finite numbers" in reason) == ("inf" in value)


def test_many_vertices_are_no_fault() -> None:
    turns = np.linspace(0, 2 * np.pi, 500_000, endpoint=False)
    circle = shapely.Polygon(np.column_stack([E + 9000 * np.cos(turns), N + 9000 * np.sin(turns)]))
    geometries, sieve = _sift(shapely.to_wkb(circle))
    assert _reasons(sieve) == []
    assert geometries.repaired.tolist() == [False]


def test_points_that_are_no_numbers() -> None:
    sieve = Sieve("gebref.txt", np.arange(1, 5), lambda _: "raw")
    east = np.array([E, float("nan"), float("inf"), 1.0])
    points(east, np.array([N, N, N, 1]), NRW, sieve)
    first, second, third = _reasons(sieve)
    assert first.endswith("coordinates must be finite numbers: look at how the delivery was written")
    assert second.startswith("the coordinates E inf, N 5700000.000 are outside")
    assert third.endswith("check the delivery's CRS")


def test_edges_of_the_area_belong_to_it() -> None:
    sieve = Sieve("gebref.txt", np.arange(1, 4), lambda _: "raw")
    points(np.array([274_000, 536_144, 536_144.001]), np.array([5_568_000, 5_830_144, 5_830_144]), NRW, sieve)
    assert sieve.good.tolist() == [True, True, False]
