"""Text that is no text, values that are none, places that are elsewhere: refused or rejected, with the words."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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

REMEDY = "Fetch it again, or convert it if it is meant to be so."
NO_TEXT = {
    "empty": (b"", f"gebref.txt is empty. {REMEDY}"),
    "only a BOM": (b"\xef\xbb\xbf\r\n", f"gebref.txt is empty. {REMEDY}"),
    "UTF-16": ("N;A1;A\r\n".encode("utf-16"), f"gebref.txt is UTF-16; it must be text in UTF-8. {REMEDY}"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), f"gebref.txt is packed by gzip; it must be text in UTF-8. {REMEDY}"),
    "zip": (b"PK\x03\x04" + bytes(20), f"gebref.txt is a zip; it must be text in UTF-8. {REMEDY}"),
    "lone CR": (
        b"N;A1;A\rN;A2;A\r",
        f"gebref.txt ends its lines with CR alone; they must end with LF or CRLF. {REMEDY}",
    ),
    "no rows": (b"gebref\n" * 3, "gebref.txt has 1 columns; known are 15 and 21 of addresses and 6 of keys"),
}


@pytest.mark.parametrize("case", NO_TEXT)
def test_what_is_no_text_of_rows(load: Load, write_addresses: Write, case: str) -> None:
    content, text = NO_TEXT[case]
    with pytest.raises(DeliveryRefused) as refused:
        load("gebref", write_addresses(content, end=b""))
    assert text in str(refused.value)
    assert refused.value.report.status == "refused"


def test_header_only(load: Load, write_addresses: Write) -> None:
    header = "nba;oid;qua;landschl;land;regbezschl;regbez;kreisschl;kreis;gmdschl;gmd;ottschl;ott;strschl;str;hnr;adz"
    with pytest.raises(DeliveryRefused, match=r"adresse: 0 of 1 rows can be used. See the rejects for the reasons\."):
        load("gebref", write_addresses(f"{header};zone;ostwert;nordwert;datum"))


def test_lines(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    """Ends of lines may differ; a control character, a zero byte and a BOM inside are rejected."""
    rows = [
        address("A1").encode() + b"\r\n",
        address("A2").encode() + b"\n",
        b"\xef\xbb\xbf" + address("A3").encode() + b"\n",
        address("A4", str="Mar\0l").encode() + b"\r\n",
        address("A5").encode() + b"\r" + address("A6").encode() + b"\n",
        address("A7", str="Mar\x1bl").encode() + b"\n",
        address("A8", str="x" * 100_000).encode() + b"\n",
        address("A9").encode(),
    ]
    report = load("gebref", write_addresses(*rows, end=b""))
    assert report.collections["adresse"] == Counts(read=8, inserted=4, rejected=4)
    assert connection.execute("select line, rule, reason from provenance.reject order by line").fetchall() == [
        (3, "lines", "the line holds a byte order mark, which only begins a file"),
        (4, "lines", "the line holds a control character; it must be plain text"),
        (5, "lines", "the line has 41 fields, it must have 21"),
        (7 - 1, "lines", "the line holds a control character; it must be plain text"),
    ]
    ids = connection.execute("select id, length(str) from geobasis.adresse order by id").fetchall()
    assert ids == [("A1", 4), ("A2", 4), ("A8", 100_000), ("A9", 4)]


def test_text_is_data(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    """What a spreadsheet, a shell or HTML would take for more than text is stored as it stands."""
    texts = ['"Marl', "'Marl'", "=1+1", "@SUM(A1)", "-2+3", "<b>x</b>", "\\N", "\\.", "NULL", "%s", "Z\u0308", "🏠"]
    load("gebref", write_addresses(*(address(f"A{i:02}", str=text) for i, text in enumerate(texts))))
    stored = connection.execute("select str from geobasis.adresse order by id").fetchall()
    assert [text for (text,) in stored] == texts


NUMBERS = [
    "1e999",
    "NaN",
    "Infinity",
    "-inf",
    "0x10",
    "1.234.567,8",
    "420.565,275",
    "420 565",
    "٤٢٠٥٦٥",
    "1_000",
    "--1",
]


def test_numbers(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    rows = [address(f"A{i:02}", ostwert=number) for i, number in enumerate(NUMBERS)]
    huge = "4" * 400
    rows += [address("B1", ostwert=huge), address("B2", ostwert="-0"), address("B3", ostwert="4.20565275e5")]
    rows += [address("B4", ostwert="420565.27500000000000000000"), address("B5", ostwert="1e-300")]
    report = load("gebref", write_addresses(*rows))
    assert report.collections["adresse"] == Counts(read=16, inserted=2, rejected=14)
    rejects = dict(connection.execute("select line, reason from provenance.reject").fetchall())
    no_number = {line: f"ostwert '{text}' is no number; it must look like 349925.060 or 349925,060"
                 for line, text in enumerate(NUMBERS, 1)}  # fmt: skip
    assert {line: rejects[line] for line in range(2, 12)} == {line: no_number[line] for line in range(2, 12)}
    assert rejects[1] == "ostwert '1e999' is too large a number"
    assert rejects[12].startswith(f"ostwert '{'4' * 60}…' (400 characters) is no number")
    assert rejects[13].startswith("the coordinates E -0.000, N 5673959.771 are outside")
    stored = connection.execute("select id, ST_X(geom) from geobasis.adresse order by id").fetchall()
    assert stored == [("B3", 420565.275), ("B4", 420565.275)]


def test_dates(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    later = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
    dates = ["31.02.2020", "2020-02-30", "2020-2-3", "1899-12-31", later, "20261332", "0000-00-00", "２０２０-01-01"]
    good = ["1900-01-01", tomorrow, "29.02.2024", "20240229", "2024-02-29Z", ""]
    report = load("gebref", write_addresses(*(address(f"A{i:02}", datum=text) for i, text in enumerate(dates + good))))
    assert report.collections["adresse"] == Counts(read=14, inserted=6, rejected=8)
    assert connection.execute("select rule, reason from provenance.reject order by line").fetchall() == [
        ("date", "datum '31.02.2020' is no date; it must look like 2026-07-01"),
        ("date", "datum '2020-02-30' is no date; it must look like 2026-07-01"),
        ("date", "datum '2020-2-3' is no date; it must look like 2026-07-01"),
        ("date", "datum '1899-12-31' is before 1900; correct it at the source"),
        ("date", f"datum '{later}' lies in the future; correct it at the source"),
        ("date", "datum '20261332' is no date; it must look like 2026-07-01"),
        ("date", "datum '0000-00-00' is no date; it must look like 2026-07-01"),
        ("date", "datum '２０２０-01-01' is no date; it must look like 2026-07-01"),
    ]


PLACES = {  # easting, northing: one point near Plettenberg as it is written after a usual mistake
    "northing and easting seem to be swapped: check the axis order of the delivery's CRS": (
        "5673959.771",
        "420565.275",
    ),
    "the easting bears the zone 32 twice": ("3232420565.275", "5673959.771"),
    "the coordinates seem to be of zone 31 (EPSG:25831): reproject": ("841180.98", "5690117.14"),
    "zone 31 (EPSG:25831), the axes swapped: reproject": ("5690117.14", "841180.98"),
    "zone 31 (EPSG:25831), with the zone before the easting: reproject": ("31841180.98", "5690117.14"),
    "the coordinates seem to be of zone 33 (EPSG:25833): reproject": ("2.45", "5690103.5"),
    "the coordinates seem to be Gauss-Krüger, zone 2 (EPSG:31466)": ("2630000", "5680000"),
    "the coordinates seem to be Gauss-Krüger, zone 3 (EPSG:31467)": ("3420600", "5675800"),
    "the coordinates seem to be Web Mercator (EPSG:3857)": ("876000", "6662000"),
    "the coordinates seem to be longitude and latitude in degrees: reproject": ("7.87", "51.21"),
    "longitude and latitude in degrees, the axes swapped: reproject": ("51.21", "7.87"),
    "5830144); check the delivery's CRS": ("1", "1"),
}


def test_places_elsewhere(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    """What they seem to be is said, so that the operator knows the remedy."""
    rows = [address(f"A{i:02}", ostwert=east, nordwert=north) for i, (east, north) in enumerate(PLACES.values())]
    report = load("gebref", write_addresses(*rows, address("Z"), address("ZZ", zone="31")))
    reasons = connection.execute("select rule, reason from provenance.reject order by line").fetchall()
    assert {rule for rule, _ in reasons} == {"area"}
    *places, zone = [reason for _, reason in reasons]
    assert zone == "zone is '31', it must be 32 (EPSG:25832)"
    for reason, meaning in zip(places, PLACES, strict=True):
        assert "are outside North Rhine-Westphalia (EPSG:25832: E 274000 to 536144, N 5568000 to" in reason
        assert meaning in reason
    (check,) = (check for check in report.checks if check.rule == "area")
    assert not check.passed
    assert check.detail.startswith("13 rows rejected, the first: gebref.txt, line 1: the coordinates E 5673959.771")
