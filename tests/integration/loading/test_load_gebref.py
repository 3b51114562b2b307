"""Rows of addresses: what is understood, what is rejected and with which words, what a next delivery changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report

Load = Callable[..., Report]
Write = Callable[..., Path]
Address = Callable[..., str]
Connection = psycopg.Connection[Any]


def test_row_as_stored(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    load("gebref", write_addresses(address("DENW08HK0000ChHB", ott="", str="Straße „Größe“")))
    cursor = connection.execute("select * from geobasis.adresse")
    assert cursor.description is not None
    row = dict(zip([column.name for column in cursor.description], cursor.fetchone() or (), strict=True))
    assert row["id"] == row["oi"] == "DENW08HK0000ChHB"
    assert (row["ags"], row["landschl"], row["gmdschl"]) == ("05962052", "05", "052")
    assert row["ott"] is None
    assert row["adz"] is None
    assert row["str"] == "Straße „Größe“"
    assert len(row["digest"]) == 32
    assert row["fid"] >> 20 == 3605672296  # the Hilbert code of its cell
    assert row["fid"] & 0xFFFFF == 1


WAYS = {
    "point": ("420565.275", b"\r\n", b""),
    "comma": ("420565,275", b"\n", b""),
    "zone prefix": ("32420565,275", b"\r\n", b"\xef\xbb\xbf"),
    "no last end of line": ("420565.275", b"", b""),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_write_the_same_row(
    load: Load, connection: Connection, write_addresses: Write, address: Address, way: str
) -> None:
    east, end, start = WAYS[way]
    load("gebref", write_addresses(address("A1", ostwert=east), end=end, start=start))
    rows = connection.execute("select id, nba, ST_AsText(geom) from geobasis.adresse").fetchall()
    assert rows == [("A1", "N", "POINT(420565.275 5673959.771)")]


def test_rejects_name_line_and_reason(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    folder = write_addresses(
        address("A1"),
        address("A2") + ";zu viel",
        address("A3", kreis="Mark", str="Köln").encode("cp1252"),
        address("A4", datum="31.02.2026"),
        address("A5", ostwert="5673959.771", nordwert="420565.275"),
        "",
        address("A6", qua="X"),
        address("A7", zone="33"),
        address("A8", landschl="06"),
        address("", hnr="1"),
        address("A9", nordwert="n/a"),
        address("A10", ostwert=""),
        address("A11", str="a\tb"),
        "zu wenig",
        address("A12"),
    )
    report = load("gebref", folder)
    assert report.collections["adresse"] == Counts(read=14, inserted=2, rejected=12)
    rejects = connection.execute("select file, line, reason from provenance.reject order by line").fetchall()
    assert rejects == [
        ("gebref.txt", 2, "the line has 22 fields, it must have 21"),
        ("gebref.txt", 3, "byte 0xf6 at position 79 is not UTF-8; in cp1252 it reads "
         "'enberg;0000;;02418;Köln;2;;32;420565.275': the row must be UTF-8"),
        ("gebref.txt", 4, "datum '31.02.2026' is no date; it must look like 2026-07-01"),
        ("gebref.txt", 5, "the coordinates E 5673959.771, N 420565.275 are outside "
         "North Rhine-Westphalia (EPSG:25832: E 274000 to 536144, N 5568000 to 5830144); northing and easting seem "
         "to be swapped: check the axis order of the delivery's CRS"),
        ("gebref.txt", 7, "qua is 'X', it must be one of A, B, C"),
        ("gebref.txt", 8, "zone is '33', it must be 32 (EPSG:25832)"),
        ("gebref.txt", 9, "the municipality's key is '06962052'; it must be eight digits that begin with 05"),
        ("gebref.txt", 10, "oid is empty, every address must have one"),
        ("gebref.txt", 11, "nordwert 'n/a' is no number; it must look like 349925.060 or 349925,060"),
        ("gebref.txt", 12, "ostwert is empty, every address must have a place"),
        ("gebref.txt", 13, "the line holds a control character; it must be plain text"),
        ("gebref.txt", 14, "the line has 1 fields, it must have 21"),
    ]  # fmt: skip
    raw = connection.execute("select raw from provenance.reject where line in (3, 14) order by line").fetchall()
    assert "K\\xf6ln" in raw[0][0]
    assert raw[1] == ("zu wenig",)
    assert report.rejects == 12
    assert report.first_rejects[0].line == 2


def test_damaged_first_line_does_not_decide_the_layout(load: Load, write_addresses: Write, address: Address) -> None:
    report = load("gebref", write_addresses("verdorben", address("A1"), address("A2")))
    assert report.collections["adresse"] == Counts(read=3, inserted=2, rejected=1)


def test_same_id_twice(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    folder = write_addresses(address("A1"), address("A2"), address("A1"), address("A1", hnr="3"))
    report = load("gebref", folder)
    assert report.collections["adresse"] == Counts(read=4, inserted=2, duplicate=1, rejected=1)
    assert connection.execute("select line, reason from provenance.reject").fetchall() == [
        (4, "the id A1 stands already in gebref.txt, line 1, with other content; the first is kept")
    ]
    assert connection.execute("select hnr from geobasis.adresse where id = 'A1'").fetchone() == ("2",)


def test_next_delivery(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    addresses = [address(f"A{i}", hnr=str(i), ostwert=f"4{i:05}.000") for i in range(40)]
    load("gebref", write_addresses(*addresses))
    fids = dict(connection.execute("select id, fid from geobasis.adresse").fetchall())

    addresses[1] = address("A1", hnr="1", adz="a", ostwert="400001.000")
    addresses[2] = address("A2", hnr="2", ostwert="450000.000")
    del addresses[3]
    addresses.append(address("NEU", ostwert="400001.500"))
    report = load("gebref", write_addresses(*addresses))
    assert report.collections["adresse"] == Counts(read=40, inserted=1, updated=2, unchanged=37, deleted=1)

    now = dict(connection.execute("select id, fid from geobasis.adresse").fetchall())
    assert now["A1"] == fids["A1"], "a changed feature keeps its fid"
    assert now["A2"] != fids["A2"], "one that moved to another cell gets a new one"
    assert now["NEU"] >> 20 == now["A1"] >> 20
    assert now["NEU"] > now["A1"]
    assert {id_: now[id_] for id_ in now if id_ not in {"A2", "NEU"}} == {
        id_: fid for id_, fid in fids.items() if id_ not in {"A2", "A3"}
    }
    deliveries = connection.execute(
        "select id, delivery from geobasis.adresse where id in ('A1', 'A4', 'NEU')"
    ).fetchall()
    assert sorted(deliveries) == [("A1", 2), ("A4", 1), ("NEU", 2)]


def test_history_keeps_former_versions(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    addresses = [address(f"A{i}") for i in range(20)]
    load("gebref", write_addresses(*addresses))
    load("gebref", write_addresses(*addresses[1:], address("A20")))
    load("gebref", write_addresses(address("A1", hnr="7"), *addresses[2:], address("A20")))
    rows = connection.execute(
        """select h.id, h.hnr, h.delivery, h.ended_by, valid_from = was.finished, valid_to = ended.finished
           from history.adresse h join provenance.delivery was on was.id = h.delivery
           join provenance.delivery ended on ended.id = h.ended_by order by h.id"""
    ).fetchall()
    assert rows == [("A0", "2", 1, 2, True, True), ("A1", "2", 1, 3, True, True)]
    state = connection.execute("select version, features, first_date::text from provenance.collection").fetchone()
    assert state == (3, 20, "2026-07-01")


def test_same_delivery_again_does_nothing(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    folder = write_addresses(address("A1"))
    load("gebref", folder)
    before = connection.execute("select xmin::text, * from geobasis.adresse").fetchall()
    report = load("gebref", folder)
    assert report.status == "unchanged"
    assert "stage" not in report.seconds
    assert connection.execute("select xmin::text, * from geobasis.adresse").fetchall() == before
    assert connection.execute("select version from provenance.collection").fetchall() == [(1,)]
    assert connection.execute("select count(*) from provenance.delivery").fetchone() == (1,)


def test_other_files_with_the_same_features(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    load("gebref", write_addresses(address("A1"), address("A2")))
    report = load("gebref", write_addresses(address("A2"), address("A1")))
    assert report.status == "unchanged"
    assert report.collections["adresse"] == Counts(read=2, unchanged=2)
    assert connection.execute("select version, delivery from provenance.collection").fetchall() == [(1, 1)]
    statuses = connection.execute("select status from provenance.delivery order by id").fetchall()
    assert statuses == [("published",), ("unchanged",)]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["a;b;c"], "gebref.txt has 3 columns; known are 15 and 21 of addresses and 6 of keys"),
        (["L;05;;;;NRW"], "The delivery holds no file of addresses"),
        (
            ["N;A1;A;05;1;58;028;0000;12741;6;;32349925,060;5685090,386;Minoritenstraße;2022-01-01"],
            "The key file gebref_schluessel.txt is missing",
        ),
        (["verdorben;" * 20], "0 of 1 rows can be used. See the rejects"),
    ],
)
def test_refused(load: Load, write_addresses: Write, lines: list[str], text: str) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        load("gebref", write_addresses(*lines))
    assert text in str(refused.value)
    assert refused.value.report.status == "refused"


def test_key_that_the_key_file_lacks(load: Load, connection: Connection, write_addresses: Write) -> None:
    row = "N;{};A;05;1;58;{};0000;12741;6;;32349925,060;5685090,386;Minoritenstraße;2022-01-01"
    write_addresses(
        "L;05;;;;NRW", "R;05;1;;;Düsseldorf", "K;05;1;58;;Mettmann", "G;05;1;58;028;Ratingen", name="key.txt"
    )
    report = load("gebref", write_addresses(row.format("A1", "028"), row.format("A2", "029")))
    assert report.collections["adresse"] == Counts(read=2, inserted=1, rejected=1)
    assert connection.execute("select reason from provenance.reject").fetchall() == [
        ("the key '05158029' is not in the key file; rows and keys must be of one delivery",)
    ]
