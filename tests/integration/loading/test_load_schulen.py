"""Schools: points in a Shape file, and what its records may be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

SCHOOL = {
    "Schulnumme": 98765, "Schulform": "Gymnasium", "Name": "Gymnasium Süd", "Kurzname": "GY Süd",
    "Adresse": "Schulstr. 1", "Postleitza": "45131", "Ort": "Essen", "Schueler": 850, "Rufnummer": "0201/1",
    "Email": "a@schule.example",
}  # fmt: skip
PLACE = shapely.Point(360_000.5, 5_700_000.25)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write([{…}, …], [point, …])`: a Shape file; its folder."""

    def make(rows: list[dict[str, Any]], shapes: list[Any], kind: str = "Point") -> Path:
        folder = tmp_path / "schulen"
        folder.mkdir(exist_ok=True)
        schools = [SCHOOL | row for row in rows]
        pyogrio.raw.write(
            folder / "SchulenNRW.shp", shapely.to_wkb(np.array(shapes, dtype=object)),
            [np.array([school[name] for school in schools]) for name in SCHOOL], np.array(list(SCHOOL)),
            geometry_type=kind, crs="EPSG:25832", encoding="UTF-8", driver="ESRI Shapefile",
        )  # fmt: skip
        return folder

    return make


def test_a_school_with_its_keys(load: Load, connection: Connection, write: Write) -> None:
    report = load("schulen", write([{}], [PLACE]))
    assert report.collections["schulen"] == Counts(read=1, inserted=1)
    row = connection.execute(
        "select id, schulform, name, postleitzahl, schueler, ST_AsText(geom) from geobasis.schulen"
    ).fetchone()
    assert row == ("098765", "Gymnasium", "Gymnasium Süd", "45131", 850, "POINT(360000.5 5700000.25)")
    assert load("schulen", write([{"Schueler": 851}], [PLACE])).collections["schulen"] == Counts(read=1, updated=1)


def test_rows_that_do_not_fit(load: Load, connection: Connection, write: Write) -> None:
    rows = [{}, {"Schulnumme": 1234567}, {"Schulnumme": 2, "Name": ""}, {"Schulnumme": 3}, {"Schulnumme": 4}]
    folder = write(rows, [PLACE, PLACE, PLACE, shapely.Point(7.0, 51.4), None])
    assert load("schulen", folder).collections["schulen"] == Counts(read=5, inserted=1, rejected=4)
    reasons = [reason for (reason,) in connection.execute("select reason from provenance.reject order by line")]
    expected = ["SCHULNUMME is '1234567', it must be six digits", "NAME is empty, every school must have one",
                "are outside North Rhine-Westphalia", "the record has no geometry"]  # fmt: skip
    for reason, part in zip(reasons, expected, strict=True):
        assert part in reason


def test_areas_in_the_place_of_points(load: Load, write: Write) -> None:
    folder = write([{}], [PLACE.buffer(5)], "Polygon")
    with pytest.raises(DeliveryRefused, match=r"SchulenNRW\.shp holds polygons; it must hold points"):
        load("schulen", folder)


def test_a_record_that_is_cut(load: Load, connection: Connection, write: Write) -> None:
    """Its index says that the second point has 12 bytes: too few for two coordinates."""
    folder = write([{}, {"Schulnumme": 2}], [PLACE, PLACE])
    index = folder / "SchulenNRW.shx"
    content = bytearray(index.read_bytes())
    content[112:116] = (6).to_bytes(4, "big")
    index.write_bytes(content)
    assert load("schulen", folder).collections["schulen"] == Counts(read=2, inserted=1, rejected=1)
    (reason,) = connection.execute("select reason from provenance.reject").fetchone() or ("",)
    assert reason == "the record of a point has 12 bytes, which are too few"
