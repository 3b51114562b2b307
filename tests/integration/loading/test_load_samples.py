"""Genuine deliveries, or what there is of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import DeliveryRefused
from loaders.report import Report

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]


def test_dvg1_state_and_regions(load: Load, connection: Connection, samples: Path) -> None:
    report = load("dvg1", samples / "dvg1_shape", only=("land", "regierungsbezirk"))
    assert report.status == "published"
    assert {name: counts.inserted for name, counts in report.collections.items()} == {"land": 1, "regierungsbezirk": 5}
    rows = connection.execute(
        """select id, gn, stand::text, ST_IsPolygonCCW(geom), ST_IsValid(geom), GeometryType(geom), ST_SRID(geom)
           from geobasis.regierungsbezirk order by id"""
    ).fetchall()
    as_stored = ("2020-03-04", True, True, "MULTIPOLYGON", 25832)
    assert rows == [
        ("05100000", "Düsseldorf", *as_stored),
        ("05300000", "Köln", *as_stored),
        ("05500000", "Münster", *as_stored),
        ("05700000", "Detmold", *as_stored),
        ("05900000", "Arnsberg", *as_stored),
    ]
    bbox = connection.execute("select bbox from provenance.collection where collection = 'land'").fetchone()
    assert bbox == ([280374.968, 5577679.22, 531791.2, 5820211.608],)


def test_incomplete_layer_is_refused_and_can_be_left_out(load: Load, connection: Connection, samples: Path) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        load("dvg1", samples / "dvg1_shape")
    assert "dvg1krs_nw.shp is missing from the delivery" in str(refused.value)
    assert "leave kreis out: --only land --only regierungsbezirk --only gemeinde" in str(refused.value)
    assert connection.execute("select status from provenance.delivery").fetchall() == [("refused",)]
    assert connection.execute("select count(*) from geobasis.land").fetchone() == (0,)


def test_dvg2_of_2018_without_cpg(load: Load, connection: Connection, samples: Path) -> None:
    report = load("dvg2", samples / "dvg2_shape", only=("kreis_generalisiert",))
    assert report.collections["kreis_generalisiert"].inserted == 53
    row = connection.execute(
        """select gn, koord_ori, koord_gen, laenge_ori, stand::text
           from geobasis.kreis_generalisiert where id = '05358000'"""
    ).fetchone()
    assert row is not None
    assert row[0] == "Düren"
    assert row[4] == "2018-01-24"
    assert row[1] > row[2] > 0
    assert row[3] == pytest.approx(56_470.595, abs=0.001)


def test_gebref_in_both_layouts(load: Load, connection: Connection, samples: Path) -> None:
    report = load("gebref", samples / "gebref")
    assert report.collections["adresse"].inserted == report.collections["adresse"].read == 3
    rows = connection.execute(
        """select id, ags, regbez, gmd, concat_ws(' ', str, hnr, adz), ST_AsText(geom), datum::text
           from geobasis.adresse
           where qua = 'A' order by id"""
    ).fetchall()
    old = ("05158028", "Düsseldorf", "Ratingen", "Minoritenstraße 6", "POINT(349925.06 5685090.386)", "2022-01-01")
    new = ("05962052", "Arnsberg", "Plettenberg", "Marl 2 a", "POINT(420565.275 5673959.771)", "2026-07-01")
    assert rows == [("DENW000002207504", *old), ("DENW08HK0000ChHB", *new)]
