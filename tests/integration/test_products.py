"""The products of other publishers as users get them: example deliveries loaded, served, searched and tiled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from loaders.example.options import ExampleOptions
from loaders.example.products import PRODUCTS, write_products
from loaders.run import LoadOptions, load_dataset

EXAMPLE = ExampleOptions(addresses=600)
ZERO, BY = (f"https://www.govdata.de/dl-de/{terms}-2-0" for terms in ("zero", "by"))
Get = Callable[..., Any]


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
