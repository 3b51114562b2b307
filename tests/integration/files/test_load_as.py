"""Files of any kind become collections: what is guessed, what is stored, what a running service shows of it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from pyproj import Transformer

from loaders.report import Report

Rows = Callable[..., list[tuple[Any, ...]]]
Write = Callable[..., Path]
Load = Callable[..., Report]
LiveServer = Any

STORED = [
    ("007", "Hauptstr. 1", "05113000", 1.5, "2024-02-01", "361380.312 5699565.450"),
    ("008", "Nebenstr. 2", "05113000", 2.5, "2024-02-02", "361381.312 5699565.450"),
    ("009", "Am Öhr 3", "05111000", None, "2024-02-03", "361382.312 5699565.450"),
]
QUERY = """
select id, strasse_nr, "AGS", flaeche_m2, "Stand"::text, to_char(ST_X(geom), 'FM999999.000') || ' ' ||
  to_char(ST_Y(geom), 'FM9999999.000') from geobasis.spielplatz order by id
"""


@pytest.mark.filterwarnings("ignore:.*field name")  # of a Shape file, which cuts them
@pytest.mark.parametrize(
    ("name", "crs"), [("a.gpkg", "EPSG:25832"), ("a.geojson", "EPSG:4326"), ("a.fgb", "EPSG:31466")]
)
def test_each_format_is_stored_alike(load_as: Load, write: Write, rows: Rows, name: str, crs: str) -> None:
    # PROJ's wheel has no grid, so DHDN is checked by the point that the grid has
    places = [(361_380.312 + i, 5_699_565.45) for i in range(3)]
    if crs == "EPSG:31466":
        points = [shapely.Point(2_570_000.0, 5_699_999.9999)] * 3
    else:
        forward = Transformer.from_crs("EPSG:25832", crs, always_xy=True)
        points = [shapely.Point(*forward.transform(*place)) for place in places]
    report = load_as("spielplatz", write(name, None, points, crs=crs))
    assert report.status == "published"
    found = rows(QUERY)
    if crs == "EPSG:31466":
        assert {row[5] for row in found} == {"361380.312 5699565.450"}
        assert [row[:5] for row in found] == [row[:5] for row in STORED]
    else:
        assert found == STORED
    (told,) = [check.detail for check in report.checks if check.rule == "crs"]
    assert told.startswith({"EPSG:31466": "EPSG:31466 to EPSG:25832: the grid BETA2007"}.get(crs, crs))


def test_a_shape_keeps_its_short_names_and_cp1252(load_as: Load, write: Write, rows: Rows) -> None:
    columns = {"strasse": ["Ährenweg 1", "Weg 2", "Weg 3"], "nr": ["01", "02", "03"]}
    path = write("orte.shp", columns, encoding="ISO-8859-1")
    report = load_as("orte", path)
    assert (report.status, rows("select id, strasse, nr from geobasis.orte order by id")[0]) == (
        "published",
        ("01", "Ährenweg 1", "01"),
    )


def test_a_running_service_shows_it_and_does_not_mind_broken_yaml(
    load_as: Load, write: Write, service: LiveServer, home: Path
) -> None:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        assert client.get("/collections/spielplatz").status_code == 404
        load_as("spielplatz", write("a.gpkg"), title="Spielplätze", attribution="Stadt Essen", licence="dl-de/by-2-0")
        wait_for(lambda: client.get("/collections/spielplatz").status_code == 200)
        document = client.get("/collections/spielplatz?f=json").json()
        assert (document["title"], document["attribution"]) == ("Spielplätze", "Stadt Essen")
        assert "spielplatz" in [c["id"] for c in client.get("/collections?f=json").json()["collections"]]

        broken = home / "collections" / "kaputt.yaml"
        broken.write_text("id: kaputt\nfarbe: rot\n", "utf-8")
        load_as("zweite", write("b.gpkg"))
        wait_for(lambda: "collections not taken" in service.log.read_text())
        assert "kaputt.yaml, line 2: farbe: unknown key" in service.log.read_text()
        assert client.get("/collections/spielplatz/items?AGS=05111000").json()["numberMatched"] == 1
        assert client.get("/collections/zweite").status_code == 404

        broken.unlink()
        load_as("dritte", write("c.gpkg"))
        wait_for(lambda: client.get("/collections/dritte").status_code == 200)
        assert client.get("/collections/zweite/items").json()["numberMatched"] == 3


def test_all_that_a_collection_has_answers(load_as: Load, write: Write, service: LiveServer) -> None:
    report = load_as("spielplatz", write("a.geojson", crs="EPSG:25832"))
    with httpx.Client(base_url=service.url, timeout=30) as client:
        wait_for(lambda: client.get("/collections/spielplatz").status_code == 200)
        path = "/collections/spielplatz"
        schema = client.get(f"{path}/schema?lang=de").json()["properties"]
        assert schema["flaeche_m2"]["title"] == "Fläche m²"
        for query in (
            "filter=strasse_nr='Hauptstr. 1'",
            "filter=casei(strasse_nr)=casei('HAUPTSTR. 1')",
            "q=hauptstrasse",
        ):
            found = client.get(f"{path}/items?{query}").json()["features"]
            assert [feature["id"] for feature in found] == ["007"], query
        feature = client.get(f"{path}/items/007?crs=http://www.opengis.net/def/crs/EPSG/0/25832").json()
        assert feature["geometry"]["coordinates"] == pytest.approx([361_380.312, 5_699_565.45], abs=1e-3)
        tile = client.get(f"{path}/tiles/WebMercatorQuad/14/5453/8510")
        assert (tile.status_code, b"Hauptstr. 1" in tile.content) == (200, True)
        assert client.get(f"{path}/downloads?f=json").status_code == 200
        csv = client.get(f"{path}/items?f=csv")
        assert (csv.status_code, csv.text.count("Hauptstr. 1")) == (200, 1)
        told = client.get(f"{path}/provenance?f=json").json()
        assert str(report.delivery) in str(told)


def wait_for(right: Callable[[], bool], seconds: float = 30) -> None:
    """Until it is so."""
    deadline = time.monotonic() + seconds
    while not right():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
