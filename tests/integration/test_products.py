"""The products of other publishers as users get them: example deliveries loaded, served, searched and tiled."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pyogrio.raw
import pytest

from loaders.example.options import ExampleOptions
from loaders.example.products import PRODUCTS, write_products
from loaders.run import LoadOptions, load_dataset

EXAMPLE = ExampleOptions(addresses=600)
ZERO, BY = (f"https://www.govdata.de/dl-de/{terms}-2-0" for terms in ("zero", "by"))
Get = Callable[..., Any]
DISTRICT = {"schluessel": "3144", "fluren": ["1"]}
B = {"schluessel": "3145"}


@pytest.fixture
def get(cluster: Any, example_template: str, start_server: Callable[..., Any], tmp_path: Path) -> Any:
    """`get("/collections", …)`: the JSON of a server with all products; it must answer 200."""
    url = cluster.create(example_template)
    for dataset, folder in write_products(tmp_path / "products", EXAMPLE).items():
        report = load_dataset(dataset, LoadOptions(url, tmp_path / "store", str(folder)))
        assert (report.status, report.rejects) == ("published", 0), report
        assert {c.detail for c in report.checks if not c.passed and c.rule != "min"} == set()
    server = start_server(url)

    def ask(path: str, **parameters: Any) -> Any:
        response = httpx.get(server.url + path, params=parameters, timeout=30)
        assert response.status_code == 200, response.text
        return response.json() if "json" in response.headers["content-type"] else response.content

    yield ask
    server.stop()
    cluster.drop(url)


def _count(get: Get, collection: str, **parameters: str) -> int:
    return get(f"/collections/{collection}/items", f="json", resultType="hits", **parameters)["numberMatched"]


def test_products_are_served(get: Get) -> None:
    assert len(PRODUCTS) >= 1
    _check_land_values(get)
    _check_accidents(get)
    _check_schools(get)
    _check_districts(get)
    _check_landscape(get)


def _check_land_values(get: Get) -> None:
    brw = "bodenrichtwert"
    year = _count(get, brw, jahr="2026")
    assert _count(get, brw) == 2 * year > 0
    for datetime, expected in {
        "2026-01-01": year,
        "2026-06-30": year,
        "2025-07-01/2026-01-01": 2 * year,
        "2027-01-01/..": 0,
        "../2025-12-31": year,
    }.items():
        assert _count(get, brw, datetime=datetime) == expected, datetime
    page = get(f"/collections/{brw}/items", f="jsonfg", datetime="2025-03-01", limit=1)
    assert page["features"][0]["time"] == {"interval": ["2025-01-01", "2025-12-31"]}
    assert _count(get, brw, jahr="2026", filter="nuta='L' and bodenrichtwert < 10") > 0
    schema = get(f"/collections/{brw}/schema")["properties"]
    assert [schema[name]["x-ogc-role"] for name in ("stag", "gilt_bis")] == [
        "primary-interval-start",
        "primary-interval-end",
    ]
    described = get(f"/collections/{brw}", f="json")
    assert described["license"] == ZERO
    assert described["attribution"].startswith("Gutachterausschüsse für Grundstückswerte")


def _check_accidents(get: Get) -> None:
    accidents = "unfaelle"
    year = _count(get, accidents, ujahr="2025")
    assert 0 < year < _count(get, accidents)
    assert sum(_count(get, accidents, datetime=f"2025-{month:02d}-15") for month in range(1, 13)) == year
    assert (
        _count(get, accidents, ujahr="2025", istrad="true") + _count(get, accidents, ujahr="2025", istrad="false")
        == year
    )
    described = get(f"/collections/{accidents}", f="json")
    assert described["license"] == BY
    assert described["attribution"].startswith("Statistische Ämter des Bundes und der Länder")
    assert (
        get(f"/collections/{accidents}/tiles/WebMercatorQuad/tilejson", f="json")["attribution"]
        == described["attribution"]
    )


def _check_schools(get: Get) -> None:
    schools = get("/collections/schulen/items", f="json", q="gymnasium", limit=500)["features"]
    assert 0 < len(schools) == _count(get, "schulen", schulform="Gymnasium")
    one = schools[0]["properties"]
    assert isinstance(one["schueler"], int)
    assert one["schulnummer"] == schools[0]["id"]
    assert get("/collections/schulen", f="json")["license"] == BY


def _check_districts(get: Get) -> None:
    """Areas from the GeoPackage of one district and, of the Ämter, from the boundaries."""
    assert _count(get, "katasteramt", geometrie_aus="kreis") == _count(get, "katasteramt") > 0
    [first, *_] = get("/collections/flur/items", f="json")["features"]
    assert first["properties"]["gemaschl"] == first["id"][:6]
    assert first["geometry"]["type"] == "MultiPolygon"
    amt = first["properties"]["amtschl"]
    assert _count(get, "gemarkung", amtschl=amt, geometrie_aus="geopackage") == _count(get, "gemarkung") > 0


def _check_landscape(get: Get) -> None:
    """Codes and their texts, the publishers' terms, and what the themes of the landscape model lack is not listed."""
    roads = get("/collections/strassenabschnitt/items", f="json", absast="Abschnitt", limit=5)["features"]
    assert roads[0]["geometry"]["type"] == "MultiLineString"
    assert {(road["properties"]["strkl"], road["properties"]["klasse"]) for road in roads} == {("L", "Landesstraße")}
    assert _count(get, "nullpunkt") == 2 * _count(get, "netzknoten")
    [node, *_] = get("/collections/netzknoten/items", f="json")["features"]
    assert node["properties"]["nkpktf"] == "Einmündung oder Kreuzung von 2-streifigen Straßen"
    assert get("/collections/netzknoten", f="json")["license"] == BY
    kinds = {"Naturschutzgebiet": "NSG-", "Landschaftsschutzgebiet": "LSG-"}
    for kind, start in kinds.items():
        [area, *_] = get("/collections/schutzgebiet/items", f="json", art=kind)["features"]
        assert area["id"].startswith(start)
    assert get("/collections/schutzgebiet", f="json")["license"] == ZERO
    [wood, *_] = get("/collections/dlm_vegetation/items", f="json")["features"]
    named = [wood["properties"][name] for name in ("objart", "objektart", "veg", "vegetation")]
    assert named == ["43002", "Wald", "1100", "Laubholz"]
    assert _count(get, "dlm_verkehr", wdm="1305") == _count(get, "dlm_verkehr") > 0
    listed = {collection["id"] for collection in get("/collections", f="json")["collections"]}
    assert "dlm_gebiet" in listed
    assert "dlm_relief" not in listed


def test_features_without_geometry_in_every_format(
    cluster: Any, migrated_template: str, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """The lists alone, of which no area is known."""
    url = cluster.create(migrated_template)
    lists = {
        "katasteraemter": {"5113": "Essen"},
        "katasteraemter-gemarkungen-fluren-nrw": {"Essen": {"A (3144)": DISTRICT, "B (3145)": DISTRICT | B}},
    }
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, content in lists.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    load_dataset("gemarkung", LoadOptions(url, tmp_path / "store", str(folder)))
    server = start_server(url)
    base = server.url + "/collections/gemarkung"
    described = httpx.get(base, params={"f": "json"}).json()
    assert described["itemCount"] == 2
    links = [link["href"] for link in described["links"] if link["rel"] == "items"]
    assert len(links) > 5
    for href in [*links, base, server.url, f"{base}/items/053144", f"{base}/map", f"{server.url}/map"]:
        assert httpx.get(href, timeout=30).status_code in (200, 404), href
    for features in (httpx.get(f"{base}/items?f={f}").json()["features"] for f in ("json", "jsonfg")):
        assert [feature["geometry"] for feature in features] == [None, None]
    crs = "http://www.opengis.net/def/crs/EPSG/0/25832"
    placed = httpx.get(f"{base}/items?f=jsonfg&crs={crs}").json()["features"]
    assert [(feature["geometry"], feature["place"]) for feature in placed] == [(None, None)] * 2
    assert httpx.get(f"{base}/items?f=json&bbox=6,50,8,52").json()["numberMatched"] == 0
    for f in ("gpkg", "parquet", "fgb", "gml", "csv"):
        found = httpx.get(f"{base}/items", params={"f": f}, timeout=60)
        assert found.status_code == 200, (f, found.text[:300])
        path = tmp_path / f"answer.{f}"
        path.write_bytes(found.content)
        assert _read_shapes(path) == [None, None], f
    server.stop()
    cluster.drop(url)


def _read_shapes(path: Path) -> list[Any]:
    if path.suffix == ".parquet":
        return pq.read_table(path).column("geom").to_pylist()
    if path.suffix == ".csv":
        return [None for line in path.read_text("utf-8").splitlines()[1:] if "POLYGON" not in line.upper()]
    _, _, shapes, fields = pyogrio.raw.read(path)
    return [None] * len(fields[0]) if shapes is None else list(shapes)  # a GML without any has no column of them
