"""Coordinates in every CRS: right to a millimetre, in the CRS's own axis order, with the decimals it needs."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyproj
import pytest
import shapely
from pyproj import datadir
from shapely.geometry import shape

from server.crs import CRS84, OFFERED, Crs

Fetch = Callable[..., list[tuple[Any, ...]]]
PROJ_DATA = Path("/usr/share/proj")  # Debian's proj-data: pyproj's wheel has no BETA2007 grid
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
each_crs = pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.uri.rsplit("/", 1)[1])


@pytest.fixture(scope="module", autouse=True)
def grids() -> Iterator[None]:
    before = datadir.get_data_dir()
    datadir.append_data_dir(str(PROJ_DATA))
    yield
    datadir.set_data_dir(before)


def coordinates(features: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    return shapely.get_coordinates([shape(feature["geometry"]) for feature in features])


def fetch_items(client: httpx.Client, collection: str, crs: Crs) -> list[dict[str, Any]]:
    parameters = {"limit": "10000", **({} if crs is CRS84 else {"crs": crs.uri})}
    answer = client.get(f"/collections/{collection}/items", params=parameters)
    assert answer.status_code == 200
    assert answer.headers["Content-Crs"] == f"<{crs.uri}>"
    return answer.json()["features"]


@each_crs
@pytest.mark.parametrize("collection", ["messpunkt", "flaeche"])
def test_fc_crs_action_agrees_with_pyproj_and_postgis_to_a_millimetre(
    client: httpx.Client, truth: Fetch, crs: Crs, collection: str
) -> None:
    features = fetch_items(client, collection, crs)
    stored = dict(truth(f"select id, ST_AsBinary(geom) from geobasis.{collection}"))
    by_postgis = dict(truth(f"select id, ST_AsBinary(ST_Transform(geom, {crs.srid})) from geobasis.{collection}"))
    ids = [feature["id"] for feature in features]
    assert set(ids) == set(stored)
    found = coordinates(features)[:, ::-1] if crs.northing_first else coordinates(features)
    source = shapely.get_coordinates(shapely.from_wkb([stored[i] for i in ids]))
    transformer = pyproj.Transformer.from_crs(25832, crs.srid, always_xy=True)
    expected = np.column_stack(transformer.transform(source[:, 0], source[:, 1]))
    # rounding takes up to half a unit of the last decimal; 1e-8 degrees are 1.1 mm at most
    tolerance = 0.51 * 10**-crs.decimals + (1e-9 if crs.geographic else 1e-4)
    assert np.abs(found - expected).max() <= tolerance
    assert np.abs(found - shapely.get_coordinates(shapely.from_wkb([by_postgis[i] for i in ids]))).max() <= tolerance


@each_crs
def test_axis_order_is_the_one_of_the_crs(client: httpx.Client, crs: Crs) -> None:
    """PROJ's own database says which axis comes first; CRS84 is WGS 84 with longitude first."""
    first = pyproj.CRS("OGC:CRS84" if crs is CRS84 else crs.srid).axis_info[0].direction
    assert crs.northing_first is (first == "north")
    feature = fetch_items(client, "bezirk", crs)[0]
    x_like, y_like = feature["geometry"]["coordinates"][0][0][0]
    # everywhere in the state, in all these CRSs but UTM 31 and 33 seen from far, northings exceed eastings
    if crs.srid not in {4647, 3857, 3035}:
        assert (abs(x_like) > abs(y_like)) is crs.northing_first


def test_hand_checked_points(client: httpx.Client, truth: Fetch) -> None:
    """A corner at E 280000, N 5658000 of zone 32: degrees by Krüger's series, Mercator by its formula, no PROJ."""
    (id_,) = truth("select id from geobasis.flaeche where ST_XMin(geom) = 280000")[0]
    latitude, longitude = 51.03137865, 5.86229558
    corner = {
        f"{EPSG}4326": (latitude, longitude),
        f"{EPSG}4258": (latitude, longitude),
        CRS84.uri: (longitude, latitude),
        f"{EPSG}25832": (280000, 5658000),
        f"{EPSG}3044": (5658000, 280000),
        f"{EPSG}4647": (32280000, 5658000),
        f"{EPSG}3857": (652587.759, 6626846.121),
    }
    for uri, expected in corner.items():
        feature = client.get(f"/collections/flaeche/items/{id_}", params={"crs": uri}).json()
        assert list(expected) in [list(pair) for pair in feature["geometry"]["coordinates"][0][0]], uri


def test_the_old_systems_go_through_beta2007(truth: Fetch) -> None:
    """R 2570000, H 5700000 in Gauß-Krüger zone 2: by Helmert's seven parameters it would be 0.4 m off here."""
    ((x, y),) = truth(
        "select ST_X(p), ST_Y(p) from ST_Transform(ST_SetSRID(ST_MakePoint(2570000, 5700000), 31466), 25832) p"
    )
    assert (round(x, 3), round(y, 3)) == (361380.312, 5699565.450)


@each_crs
def test_decimals_are_what_a_millimetre_needs_and_no_more(client: httpx.Client, crs: Crs) -> None:
    parameters = {"limit": "500", "crs": crs.uri}
    answer = client.get("/collections/messpunkt/items", params=parameters).text
    numbers = [n for pair in re.findall(r'"coordinates":\[([^\]]*)\]', answer) for n in pair.split(",")]
    decimals = [len(number.partition(".")[2]) for number in numbers]
    assert max(decimals) == crs.decimals == (8 if crs.geographic else 3)
    assert not any(number.endswith("0") and "." in number for number in numbers)
    assert not any("e" in number for number in numbers)


@each_crs
def test_ogc_crs_header_on_every_answer(client: httpx.Client, crs: Crs) -> None:
    for path in ("/collections/messpunkt/items", "/collections/leer/items", "/collections/flaeche/items/f00300"):
        for f in ("json", "html"):
            answer = client.get(path, params={"crs": crs.uri, "f": f})
            assert answer.status_code == 200
            assert answer.headers["Content-Crs"] == f"<{(crs if f == 'json' else CRS84).uri}>", "pages draw degrees"
    again = client.get("/collections/flaeche/items/f00300", params={"crs": crs.uri}, headers={"If-None-Match": "*"})
    assert (again.status_code, again.headers["Content-Crs"]) == (304, f"<{crs.uri}>")


def test_default_is_crs84(client: httpx.Client) -> None:
    for path in ("/collections/messpunkt/items?limit=2", "/collections/flaeche/items/f00300"):
        default, explicit = client.get(path), client.get(path, params={"crs": CRS84.uri})
        assert default.headers["Content-Crs"] == explicit.headers["Content-Crs"] == f"<{CRS84.uri}>"
    assert default.json()["geometry"] == explicit.json()["geometry"]


@each_crs
def test_round_trip_a_feature_is_found_where_its_answer_says(client: httpx.Client, crs: Crs) -> None:
    """The coordinates of an answer, sent back as a box in the same CRS, find the feature again."""
    for id_ in ("f00300", "f00011"):
        feature = client.get(f"/collections/flaeche/items/{id_}", params={"crs": crs.uri}).json()
        west, south, east, north = shape(feature["geometry"]).bounds  # in the CRS's own order, as bbox wants it
        bbox = ",".join(map(repr, (west, south, east, north)))
        found = client.get(
            "/collections/flaeche/items", params={"bbox": bbox, "bbox-crs": crs.uri, "limit": "10000"}
        ).json()
        assert id_ in [f["id"] for f in found["features"]]


def test_holes_parts_and_orientation_survive(client: httpx.Client, truth: Fetch) -> None:
    """RFC 7946: exterior rings counter-clockwise, which a swap of axes for a northing-first CRS mirrors."""
    for crs in (CRS84, next(c for c in OFFERED if c.srid == 25832)):
        features: dict[str, Any] = {f["id"]: shape(f["geometry"]) for f in fetch_items(client, "flaeche", crs)}
        for id_, parts, holes in truth(
            "select id, ST_NumGeometries(geom), ST_NumInteriorRings(ST_GeometryN(geom, 1)) from geobasis.flaeche"
        ):
            geometry = features[id_]
            assert (len(geometry.geoms), len(geometry.geoms[0].interiors)) == (parts, holes)
            assert all(part.exterior.is_ccw for part in geometry.geoms)
            assert not any(ring.is_ccw for part in geometry.geoms for ring in part.interiors)


def test_answers_are_geojson_without_a_crs_member(client: httpx.Client) -> None:
    document = orjson.loads(client.get("/collections/flaeche/items", params={"crs": OFFERED[1].uri}).content)
    assert "crs" not in document
    assert all("crs" not in feature["geometry"] and "bbox" not in feature for feature in document["features"])


@pytest.mark.parametrize("parameter", ["crs", "bbox-crs"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "EPSG:25832",
        "25832",
        "javascript:alert(1)",
        "http://localhost:1/crs",
        "http://www.opengis.net/def/crs/EPSG/0/5555",
        "http://www.opengis.net/def/crs/EPSG/0/25832 ",
        "http://www.opengis.net/def/crs/epsg/0/25832",
        "https://www.opengis.net/def/crs/EPSG/0/25832",
        "urn:ogc:def:crs:EPSG::25832",
    ],
)
def test_crs_exception_and_bbox_crs_exception(client: httpx.Client, parameter: str, value: str) -> None:
    answer = client.get("/collections/messpunkt/items", params={parameter: value})
    problem = answer.json()
    assert answer.status_code == 400
    assert problem["parameter"] == parameter
    assert "not the URI of a CRS that this service offers" in problem["rule"]
    assert CRS84.uri in problem["remedy"]
    if parameter == "crs":
        assert client.get("/collections/flaeche/items/f00300", params={"crs": value}).status_code == 400
