"""bbox against brute force: the geometry as a client sees it, every vertex transformed, intersected by shapely.

No feature may be lost and none be too many, in every CRS, for boxes of every size, on both ways to search.
"""

import random
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest
import shapely

from server.catalogue import read_collections
from server.crs import CRS84, OFFERED, Box, Crs
from server.features.areas import prefers_keys, search_areas
from server.features.params import ItemsQuery
from server.limits import MAX_LIMIT
from server.spatial_key import covering
from server.state import State

Fetch = Callable[..., list[tuple[Any, ...]]]
COLLECTIONS = ("messpunkt", "flaeche", "bezirk")


class Truth:
    """Ids and transformed geometries of a collection, straight from the table."""

    def __init__(self, truth: Fetch, collection: str, crs: Crs) -> None:
        rows = truth(f"select id, ST_AsBinary(ST_Transform(geom, {crs.srid})) from geobasis.{collection}")
        self.ids = np.array([row[0] for row in rows])
        self.geometries = shapely.from_wkb([row[1] for row in rows])
        self.tree = shapely.STRtree(self.geometries)
        shapely.prepare(self.geometries)

    def within(self, box: Box) -> set[str]:
        """Ids of the features that intersect a box; a box without area is the point or line that it looks like."""
        x0, y0, x1, y1 = box
        shape = shapely.Point(x0, y0) if (x0, y0) == (x1, y1) else shapely.box(*box)
        if shape.area == 0 and shape.geom_type == "Polygon":
            shape = shapely.LineString([(x0, y0), (x1, y1)])
        return set(self.ids[self.tree.query(shape, "intersects")])


@pytest.fixture(scope="module")
def truth_of(truth: Fetch) -> Any:
    return lru_cache(maxsize=None)(lambda collection, crs: Truth(truth, collection, crs))


def boxes(found: Truth, seed: int, count: int) -> list[Box]:
    """Random boxes of all sizes and shapes around features and places between them."""
    rnd = random.Random(seed)
    bounds = shapely.bounds(found.geometries)
    west, south, east, north = shapely.total_bounds(found.geometries)
    made = []
    for _ in range(count):
        x0, y0, x1, y1 = bounds[rnd.randrange(len(bounds))]
        x, y = rnd.choice([(x0, y0), (x1, y1), (rnd.uniform(west, east), rnd.uniform(south, north))])
        width, height = ((east - west) * 10 ** rnd.uniform(-6, 0.3) for _ in range(2))
        if rnd.random() < 0.25:  # thin
            width, height = rnd.choice([(width, 0.0), (0.0, height), (width, height / 1000), (width / 1000, height)])
        fraction = rnd.random()
        made.append(Box(x - fraction * width, y - fraction * height, x + width, y + height))
    return made


def border_boxes(found: Truth) -> list[Box]:
    """Thin boxes along each side of the extent and just outside: where a transformed box is easily too small."""
    west, south, east, north = shapely.total_bounds(found.geometries)
    d = (east - west) * 1e-5
    third = (east - west) / 3
    return [
        Box(west - third, south - third, west + d, north + third),
        Box(east - d, south, east + third, north),
        Box(west, south - third, east, south + d),
        Box(west + third, north - d, west + third + 40 * d, north + third),
        Box(west - 2 * third, south, west - third, north),
    ]


def text(box: Box, crs: Crs) -> str:
    x0, y0, x1, y1 = box
    return ",".join(repr(float(v)) for v in ((y0, x0, y1, x1) if crs.northing_first else (x0, y0, x1, y1)))


def ask(client: httpx.Client, collection: str, bbox: str, crs: Crs) -> set[str]:
    parameters = {"bbox": bbox, "limit": MAX_LIMIT, **({} if crs is CRS84 else {"bbox-crs": crs.uri})}
    answer = client.get(f"/collections/{collection}/items", params=parameters)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    found = [feature["id"] for feature in document["features"]]
    assert len(found) == len(set(found)) == document["numberMatched"]
    return set(found)


@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.uri.rsplit("/", 1)[1])
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_fc_bbox_response_is_what_brute_force_finds(
    client: httpx.Client, truth_of: Any, collection: str, crs: Crs
) -> None:
    found = truth_of(collection, crs)
    for box in [*boxes(found, crs.srid, 18), *border_boxes(found)]:  # none of them leaves the range of degrees
        asked, expected = ask(client, collection, text(box, crs), crs), found.within(box)
        assert asked == expected, (text(box, crs), "lost", expected - asked, "too many", asked - expected)


def test_a_feature_on_the_edge_of_the_extent_is_never_lost(client: httpx.Client, truth: Fetch, truth_of: Any) -> None:
    """A side of the extent is a curve in another CRS: cut to too few of its points, the box would miss these."""
    number = "select id, ST_X(p), ST_Y(p) from (select id, ST_Transform(geom, {}) p from geobasis.messpunkt where {}) t"
    where = "ST_Y(geom) in (5577000, 5820000) or ST_X(geom) in (280000, 531800)"
    for crs in OFFERED:
        step = 1e-7 if crs.geographic else 0.01
        for id_, x, y in truth(number.format(crs.srid, where))[::7]:
            bbox = text(Box(x - step, y - step, x + step, y + step), crs)
            assert id_ in ask(client, "messpunkt", bbox, crs), (crs, bbox)


def test_both_ways_to_search_are_taken(truth: Fetch, truth_of: Any, collections_dir: Any) -> None:
    """The boxes above would prove little if all of them were searched alike."""
    collections = {c.id: c for c in read_collections(collections_dir)}
    ways: Counter[bool] = Counter()
    for name in COLLECTIONS:
        row = truth(
            "select features, bbox, half_width, half_height from provenance.collection where collection = %s", [name]
        )[0]
        state = State(1, features=row[0], bbox=Box(*row[1]), half_width=row[2], half_height=row[3])
        for crs in OFFERED[:3]:
            for box in boxes(truth_of(name, crs), crs.srid, 18):
                query = ItemsQuery(collections[name], MAX_LIMIT, CRS84, crs, boxes=(box,))
                if areas := search_areas(query, state):
                    ways[prefers_keys(areas, state, query.limit)] += 1
    assert ways[True] > 20, ways
    assert ways[False] > 20, ways


@pytest.mark.parametrize("limit", [3, 50])
@pytest.mark.parametrize("collection", ["messpunkt", "flaeche", "bezirk"])
def test_pages_of_a_box_add_up(client: httpx.Client, truth_of: Any, collection: str, limit: int) -> None:
    found = truth_of(collection, CRS84)
    for box in (Box(6.85, 51.46, 6.95, 51.52), Box(6.0, 50.5, 7.2, 51.5)):
        given = {"bbox": text(box, CRS84), "limit": limit}
        url = str(httpx.URL(f"/collections/{collection}/items", params=given))
        asked: list[str] = []
        while url and len(asked) < 300:
            document = client.get(url).json()
            asked += [feature["id"] for feature in document["features"]]
            url = next((x["href"] for x in document["links"] if x["rel"] == "next"), "")
        assert len(asked) == len(set(asked))
        assert set(asked) == found.within(box) if not url else set(asked) <= found.within(box)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_special_boxes(client: httpx.Client, truth_of: Any, collection: str) -> None:
    found = truth_of(collection, CRS84)
    everything = set(found.ids)
    assert ask(client, collection, "-180,-90,180,90", CRS84) == everything
    assert ask(client, collection, "5,50,0,10,53,500", CRS84) == everything, "six numbers: heights match"
    assert ask(client, collection, "170,-90,10,90", CRS84) == everything, "across the antimeridian, from the east"
    assert ask(client, collection, "170,-90,-170,90", CRS84) == set(), "across the antimeridian, far away"
    assert ask(client, collection, "7,-90,6.5,90", CRS84) == found.within(Box(-180, -90, 6.5, 90)) | found.within(
        Box(7, -90, 180, 90)
    )
    assert ask(client, collection, "0,0,1,1", CRS84) == set()
    assert ask(client, collection, "5,90,10,90", CRS84) == set(), "the pole"
    utm = next(crs for crs in OFFERED if crs.srid == 25832)
    assert ask(client, collection, "-1e300,-1e300,1e300,1e300", utm) == everything
    assert ask(client, collection, "1e300,1e300,1e301,1e301", utm) == set()
    assert ask(client, collection, "-1E+0,-.5,9e6,+9e6", utm) == everything


@pytest.mark.parametrize("srid", [25832, 4326, 31467])
def test_a_point_as_a_box(client: httpx.Client, truth: Fetch, truth_of: Any, srid: int) -> None:
    crs = next(c for c in OFFERED if c.srid == srid)
    ((x, y),) = truth(
        f"select ST_X(p), ST_Y(p) from (select ST_Transform(ST_PointOnSurface(geom), {srid}) p "
        "from geobasis.bezirk where id = 'b00012') t"
    )
    assert ask(client, "bezirk", text(Box(x, y, x, y), crs), crs) == truth_of("bezirk", crs).within(Box(x, y, x, y))
    assert "b00012" in ask(client, "bezirk", text(Box(x, y, x, y), crs), crs)


def test_the_hole_of_a_district_is_not_in_it(client: httpx.Client, truth: Fetch) -> None:
    ((x, y),) = truth(
        "select ST_X(p), ST_Y(p) from (select ST_Transform(ST_Centroid(ST_Envelope(geom)), 4326) p "
        "from geobasis.bezirk where ST_NumInteriorRings(ST_GeometryN(geom, 1)) = 1 and id <> 'b00020') t"
    )
    assert ask(client, "bezirk", f"{x - 0.01},{y - 0.01},{x + 0.01},{y + 0.01}", CRS84) == set()


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_covering_holds_every_key_of_a_box(truth: Fetch, collection: str) -> None:
    rows = truth(
        "select fid, (ST_XMin(geom) + ST_XMax(geom)) / 2, (ST_YMin(geom) + ST_YMax(geom)) / 2 "
        f"from geobasis.{collection}"
    )
    fids, x, y = (np.array(column) for column in zip(*rows, strict=True))
    rnd = random.Random(7)
    for _ in range(200):
        east, north = rnd.uniform(270_000, 540_000), rnd.uniform(5_570_000, 5_830_000)
        width, height = (10 ** rnd.uniform(-1, 5.5) for _ in range(2))
        box = Box(east, north, east + width, north + height)
        ranges = covering(box)
        assert len(ranges) <= 32
        assert all(low <= high for low, high in ranges)
        assert all(a[1] < b[0] for a, b in pairwise(ranges))
        inside = fids[(x >= box.xmin) & (x <= box.xmax) & (y >= box.ymin) & (y <= box.ymax)]
        covered = np.any([(inside >= low) & (inside <= high) for low, high in ranges], axis=0)
        assert covered.all(), (box, inside[~covered])


@pytest.mark.parametrize(
    ("bbox", "crs", "rule"),
    [
        ("", None, "it has not 4 or 6 numbers"),
        ("1,2,3", None, "it has not 4 or 6 numbers"),
        ("1,2,3,4,5", None, "it has not 4 or 6 numbers"),
        ("1,2,3,4,5,6,7", None, "it has not 4 or 6 numbers"),
        ("1;2;3;4", None, "it has not 4 or 6 numbers"),
        ("1,2,3," + "4" * 600, None, "it has not 4 or 6 numbers"),
        ("NaN,50,7,51", None, "finite decimal number"),
        ("6,50,Infinity,51", None, "finite decimal number"),
        ("6,50,1e999,51", None, "finite decimal number"),
        ("6, 50,7,51", None, "finite decimal number"),
        ("6,50,7,", None, "finite decimal number"),
        ("6,50,0x7,51", None, "finite decimal number"),
        ("6,5_0,7,51", None, "finite decimal number"),
        ("٦,50,7,51", None, "finite decimal number"),
        ("6,52,7,51", None, "its southern side lies north"),
        ("6,50,9,7,51,8", None, "lower height is above"),
        ("6,50,181,51", None, "it leaves the range of degrees"),
        ("6,50,7,90.1", None, "it leaves the range of degrees"),
        ("350000,5700000,360000,5710000", None, "it leaves the range of degrees"),
        ("360000,5700000,350000,5710000", 25832, "its western side lies east"),
        ("350000,5710000,360000,5700000", 25832, "its southern side lies north"),
        ("5710000,350000,5700000,360000", 3044, "its southern side lies north"),
        ("52,6,51,7", 4258, "its southern side lies north"),
    ],
)
def test_a_wrong_bbox_is_told(client: httpx.Client, bbox: str, crs: int | None, rule: str) -> None:
    parameters = {"bbox": bbox} | ({"bbox-crs": f"http://www.opengis.net/def/crs/EPSG/0/{crs}"} if crs else {})
    answer = client.get("/collections/messpunkt/items", params=parameters)
    problem = answer.json()
    assert answer.status_code == 400
    assert rule in problem["rule"]
    assert problem["parameter"] == "bbox"
    assert bbox[:200] in problem["detail"]
    order = "south,west,north,east" if crs in {3044, 4258} else "west,south,east,north"
    assert order in problem["remedy"]
