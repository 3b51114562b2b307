"""Katasterämter, Gemarkungen and Fluren: the genuine lists, areas by the same keys, and what lists may not be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Lists = Callable[..., Path]

OFFICES = {"5113": "Essen", "5711": "Bielefeld"}
DISTRICTS = {"Essen": {"Rüttenscheid (3144)": {"fluren": ["1", "39"], "schluessel": "3144"}}}


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    """Writes both lists; gives their folder."""

    def write(districts: Any = DISTRICTS, offices: Any = OFFICES) -> Path:
        folder = tmp_path / "lists"
        folder.mkdir(exist_ok=True)
        for name, content in (("katasteraemter", offices), ("katasteraemter-gemarkungen-fluren-nrw", districts)):
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / f"{name}.json").write_text(text, "utf-8")
        return folder

    return write


def test_the_genuine_lists(load: Load, connection: Connection, samples: Path) -> None:
    report = load("gemarkung", samples / "gemarkungen")
    assert {name: (counts.read, counts.inserted) for name, counts in report.collections.items()} == {
        "katasteramt": (53, 53),
        "gemarkung": (2903, 2903),
        "flur": (50654, 50654),
    }
    assert {check.detail for check in report.checks if not check.passed} == set()
    row = connection.execute(
        "select id, nummer, name, amtschl, amt, geom, geometrie_aus from geobasis.gemarkung where nummer = '2851'"
    ).fetchone()
    assert row == ("052851", "2851", "Altenhagen", "05711", "Bielefeld", None, None)
    row = connection.execute(
        "select flur, gemaschl, gemarkung, amt from geobasis.flur where id = '052853094'"
    ).fetchone()
    assert row == ("94", "052853", "Bielefeld", "Bielefeld")


def test_areas_are_those_of_the_same_keys(load: Load, connection: Connection, lists: Lists) -> None:
    area = "'SRID=25832;MULTIPOLYGON(((0 0,0 1,1 1,0 0)))'"
    columns = "fid, id, oi, schluessel, paket, delivery, digest, geom"
    for fid, key in enumerate(("053144", "053144039", "053145")):
        values = f"{fid}, '{key}', '{key}KB', '{key}', '05113', 1, '', {area}"
        connection.execute(f"insert into geobasis.katasterbezirk ({columns}) values ({values})".encode())
    report = load("gemarkung", lists())
    assert report.collections["flur"] == Counts(read=2, inserted=2)
    found = connection.execute("select id, geometrie_aus, geom is null from geobasis.flur order by id").fetchall()
    assert found == [("053144001", None, True), ("053144039", "katasterbezirk", False)]
    assert connection.execute("select id, geometrie_aus from geobasis.gemarkung").fetchall() == [
        ("053144", "katasterbezirk")
    ]
    told = {check.collection: check.detail for check in report.checks if check.rule == "join"}
    assert told["flur"] == "1 of 2 have no geometry: neither the delivery nor katasterbezirk holds their key"
    assert told["katasteramt"].startswith("2 of 2 have no geometry: neither the delivery nor kreis")
    assert told["gemarkung"] == "every feature has an area"


def test_entries_that_do_not_fit(load: Load, connection: Connection, lists: Lists) -> None:
    good = DISTRICTS["Essen"]
    districts = {
        "Essen": {
            **good,
            "A (12)": {"fluren": [], "schluessel": "12"},
            "B (1234)": {"schluessel": "1234"},
            "C (2000)": {"fluren": ["0", 7], "schluessel": "2000"},
        },
        "Atlantis": {"D (4321)": {"fluren": [], "schluessel": "4321"}},
        "Unna": 5,
    }
    report = load("gemarkung", lists(districts, {**OFFICES, "7": "Nirgends"}))
    assert report.collections["gemarkung"] == Counts(read=6, inserted=2, rejected=4)
    assert report.collections["flur"] == Counts(read=4, inserted=2, rejected=2)
    reasons = [reason for (reason,) in connection.execute("select reason from provenance.reject order by reason")]
    assert reasons == [
        "A (12): schluessel is '12', it must be four digits",
        "B (1234): fluren is no list",
        "Unna is no object of Gemarkungen",
        "a Flur of C is '0'; it must be a number from 1 to 999, as text",
        "a Flur of C is '7'; it must be a number from 1 to 999, as text",
        "the key of the Amt Nirgends is '7'; it must be five digits that begin with 05",
        "the list of Ämter does not hold 'Atlantis'",
    ]


@pytest.mark.parametrize(
    ("districts", "offices", "told"),
    [
        (OFFICES, OFFICES, "The list of Gemarkungen and Fluren is missing"),
        (DISTRICTS, DISTRICTS, "The list of Ämter, by their keys, is missing"),
        ("[]", OFFICES, "fluren-nrw.json is no list of Ämter or Gemarkungen: it must be an object with members"),
        ("{" * 9, OFFICES, "fluren-nrw.json is no list of Ämter or Gemarkungen: Expecting property name"),
        ("[" * 100_000, OFFICES, "fluren-nrw.json is no list of Ämter or Gemarkungen: maximum recursion depth"),
    ],
)
def test_what_is_no_list_is_refused(load: Load, lists: Lists, districts: Any, offices: Any, told: str) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        load("gemarkung", lists(districts, offices))
    assert told in str(refused.value)
