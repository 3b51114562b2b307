"""QGIS as its users have it: what it gets of the service, and what it asks for."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

pytestmark = pytest.mark.clients

CRS84, UTM32 = "EPSG:4326", "EPSG:25832"

Query = Callable[[str], list[tuple[Any, ...]]]
Asked = Callable[[], list[str]]
Qgis = Callable[..., dict[str, Any]]


def by_id(layer: dict[str, Any]) -> dict[str, Any]:
    """The features by their id, which must be there once."""
    found = {feature["properties"]["id"]: feature for feature in layer["features"]}
    assert len(found) == len(layer["features"]), "features arrived twice"
    return found


def is_recent(layer: dict[str, Any]) -> bool:
    """Whether this QGIS knows Part 2 and filters by parameters (from 3.32 on); older ones ask for degrees only."""
    return tuple(map(int, layer["qgis"].split(".")[:2])) >= (3, 32)


def test_every_address_once_with_its_attributes_where_it_belongs(
    qgis: Qgis, live_server: str, published: Query, asked: Asked
) -> None:
    layer = qgis("qgis_features.py", live_server, "adresse")
    found = by_id(layer)
    names = [name for name in layer["types"] if name != "datum"]
    rows = published(f"select {', '.join(names)}, datum::text, ST_X(geom), ST_Y(geom) from geobasis.adresse")
    assert layer["count"] == len(rows) == len(found)
    for *values, x, y in rows:
        feature = found[values[names.index("id")]]
        assert [feature["properties"][name] for name in (*names, "datum")] == values
        assert (feature["x"], feature["y"]) == pytest.approx((x, y), abs=0.002)
    assert any(re.search("[äöüß]", feature["properties"]["str"]) for feature in found.values())
    assert layer["crs"] == (UTM32 if is_recent(layer) else CRS84)
    pages = [request for request in asked() if "/items?limit=1000" in request]
    assert len(pages) == len(set(pages)) == -(-len(rows) // 1000)


def test_types_of_fields(qgis: Qgis, live_server: str) -> None:
    layer = qgis("qgis_features.py", live_server, "hausumring")
    assert layer["types"] == {
        "id": "string",
        "gfk": "string",
        "ags": "string",
        "oi": "string",
        "aktualitaet": "date",
        "delivery": "integer",
    }


def test_areas_arrive_whole(qgis: Qgis, live_server: str, published: Query) -> None:
    layer = qgis("qgis_features.py", live_server, "gemeinde")
    srid = layer["crs"].removeprefix("EPSG:")
    rows = published(f"select id, ST_NPoints(geom), ST_Area(ST_Transform(geom, {srid})) from geobasis.gemeinde")
    found = by_id(layer)
    assert len(found) == len(rows)
    for id_, points, area in rows:
        assert found[id_]["points"] == points
        assert found[id_]["area"] == pytest.approx(area, rel=1e-5)


def test_a_filter_finds_what_the_database_finds(qgis: Qgis, live_server: str, published: Query, asked: Asked) -> None:
    [(gmd,)] = published("select gmd from geobasis.adresse where gmd ~ '[äöüß]' order by id limit 1")
    layer = qgis("qgis_features.py", live_server, "adresse", f"\"gmd\" = '{gmd}'")
    expected = published(f"select id from geobasis.adresse where gmd = '{gmd}'")
    assert set(by_id(layer)) == {id_ for (id_,) in expected}
    if is_recent(layer):  # older ones filter by themselves
        assert all("filter=" in request for request in asked() if "limit=1000" in request)


# As a user writes them, as QGIS sends them (from 3.32 on; older ones know no Part 3), as the database reads them
PUSHED = [
    ("\"str\" LIKE 'S%'", "(str LIKE 'S%')", "str like 'S%'"),
    ("\"str\" ILIKE 's%'", "(CASEI(str) LIKE CASEI('s%'))", "str ilike 's%'"),
    ("\"hnr\" IN ('1', '2') AND \"qua\" <> 'C'", "hnr IN ('1','2')", "hnr in ('1', '2') and qua <> 'C'"),
    ('"ott" IS NULL', "(ott IS NULL)", "ott is null"),
    ("\"datum\" >= '2020-01-01'", "(datum >= DATE('2020-01-01'))", "datum >= '2020-01-01'"),
    (
        "intersects_bbox($geometry, geom_from_wkt('POLYGON((4e5 5e6, 406e3 5e6, 406e3 6e6, 4e5 6e6, 4e5 5e6))'))",
        "S_INTERSECTS(geom,BBOX(",
        "ST_Intersects(geom, ST_MakeEnvelope(4e5, 5e6, 406e3, 6e6, 25832))",
    ),
]


@pytest.mark.parametrize(("condition", "sent", "truth"), PUSHED)
def test_filters_are_asked_of_the_server(  # noqa: PLR0917 (fixtures)
    qgis: Qgis, live_server: str, published: Query, asked: Asked, condition: str, sent: str, truth: str
) -> None:
    layer = qgis("qgis_features.py", live_server, "adresse", condition)
    if not is_recent(layer):
        assert all("filter=" not in request for request in asked())
        return
    expected = published(f"select id from geobasis.adresse where {truth}")
    assert set(by_id(layer)) == {id_ for (id_,) in expected}
    assert expected
    requests = [unquote(request) for request in asked() if "limit=1000" in request]
    assert requests
    assert all(f"filter={sent}" in request or sent in request for request in requests)
    assert all("filter-lang=cql2-text" in request for request in requests)


def test_a_filter_by_date_is_asked_of_the_server(qgis: Qgis, live_server: str, published: Query, asked: Asked) -> None:
    [(day,)] = published(
        "select aktualitaet::text from geobasis.hausumring where aktualitaet is not null order by 1 offset 100 limit 1"
    )
    layer = qgis("qgis_features.py", live_server, "hausumring", f"\"aktualitaet\" = '{day}'")
    expected = published(f"select id from geobasis.hausumring where aktualitaet = '{day}'")
    assert set(by_id(layer)) == {id_ for (id_,) in expected}
    wanted = f"filter=(aktualitaet = DATE('{day}'))" if is_recent(layer) else f"datetime={day}"
    assert all(wanted in unquote(request) for request in asked() if "limit=1000" in request)


def test_the_same_layer_again_asks_for_no_metadata(qgis: Qgis, live_server: str, asked: Asked) -> None:
    """QGIS keeps what Cache-Control allows, so that a project opens quickly; only the features come anew."""
    qgis("qgis_features.py", live_server, "land")
    first = len(asked())
    qgis("qgis_features.py", live_server, "land")
    again = [request for request in asked()[first + 1 :] if not request.startswith("OPTIONS")]
    assert 4 < first < 12
    assert again
    assert all("/collections/land/items" in request for request in again)


@pytest.mark.parametrize(("collection", "scale"), [("hausumring", 5_000), ("adresse", 5_000), ("gemeinde", 500_000)])
def test_vector_tiles_are_drawn(
    qgis: Qgis, live_server: str, published: Query, asked: Asked, collection: str, scale: int
) -> None:
    [place] = published(
        f"select ST_X(p)::text, ST_Y(p)::text from (select ST_Transform(ST_PointOnSurface(geom), 4326) p "
        f"from geobasis.{collection} order by fid offset 5 limit 1) t"
    )
    drawn = qgis("qgis_tiles.py", live_server, collection, *place, str(scale))
    assert drawn["errors"] == []
    assert 0.0005 < drawn["drawn"] < 1
    tiles = [request for request in asked() if f"/collections/{collection}/tiles/WebMercatorQuad/" in request]
    assert sum(request.endswith(".mvt") for request in tiles) >= 1


def test_styles_are_those_meant(qgis: Qgis, live_server: str, published: Query, tmp_path: Path) -> None:
    """The stylesheet of the whole map on tiles by their addresses, and a layer style."""
    [place] = published(
        "select ST_X(p)::text, ST_Y(p)::text from (select ST_Transform(ST_PointOnSurface(geom), 4326) p "
        "from geobasis.hausumring order by ST_Area(geom) desc limit 1) t"
    )
    picture = tmp_path / "picture.png"
    given = ("hausumring", "MultiPolygon", "light", *place, "3000", str(picture))
    found = qgis("qgis_styles.py", live_server, *given)
    converted = found["converted"]
    unread = [text for text in converted["warnings"] if "Referenced font" not in text]
    assert (converted["result"], unread) == (0, [])
    assert converted["texts"]["adresse:label0"] == 'concat("hnr","adz")'
    assert converted["texts"]["gemeinde:label0"] == "gn"
    assert {"land:line1", "gemeinde:line0", "hausumring:fill3"} <= set(converted["drawn"])
    assert found["drawn"]["loaded"]
    assert sum(found["drawn"]["colours"].get(colour, 0) for colour in ("#d9d2c7", "#d3cdd2", "#e0bfae")) > 500
    layer = found["layer"]
    assert (layer["done"], layer["renderer"]) == (True, "RuleRenderer")
    assert [(rule["label"], rule["layer"], rule["colour"]) for rule in layer["rules"]] == [
        ("Bebauung", "SimpleFill", "#e3ddd2"),
        ("Öffentliches Gebäude", "SimpleFill", "#e0bfae"),
        ("Gewerbe und Wirtschaft", "SimpleFill", "#d3cdd2"),
        ("Wohnen und anderes", "SimpleFill", "#d9d2c7"),
        ("Umriss", "SimpleLine", "#b5ab9c"),
    ]
    assert all(rule["valid"] for rule in layer["rules"])
    assert (layer["rules"][0]["to"], layer["rules"][1]["from"], layer["rules"][1]["to"]) == (34124, 34124, 0)
