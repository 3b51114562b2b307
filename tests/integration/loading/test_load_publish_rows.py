"""What counts as a change, what stays of rejected rows, what vouches for a delivery."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.report import Counts, Report

Load = Callable[..., Report]
Write = Callable[..., Path]
Address = Callable[..., str]
Connection = psycopg.Connection[Any]


def test_a_new_date_of_the_delivery_is_no_change(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    load("gebref", write_addresses(address("A1", datum="2026-01-01"), address("A2", datum="2026-01-01")))
    later = write_addresses(address("A1", datum="2026-07-01"), address("A2", datum="2026-07-01", hnr="3"))
    assert load("gebref", later).collections["adresse"] == Counts(read=2, updated=1, unchanged=1)
    rows = connection.execute("select id, datum::text, delivery from geobasis.adresse order by id").fetchall()
    assert rows == [("A1", "2026-01-01", 1), ("A2", "2026-07-01", 2)]
    assert connection.execute("select id from history.adresse").fetchall() == [("A2",)]


def test_the_feature_of_a_rejected_row_stays(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    lines = [address(f"A{i}", hnr=str(i)) for i in range(20)]
    load("gebref", write_addresses(*lines))
    broken = [
        address("A0", qua="X"),  # a value
        "N;A1;A;05",  # too few fields
        address("A2", str="Stra\xdfe").encode("cp1252"),  # other bytes
        address("B1", ostwert="1"),  # of a feature that was not there
    ]
    report = load("gebref", write_addresses(*broken, *lines[4:]), accept_shrink=True)
    assert report.collections["adresse"] == Counts(read=20, unchanged=16, rejected=4, deleted=1, kept=3)
    gone = connection.execute("select id from history.adresse").fetchall()
    assert gone == [("A3",)]
    rejected = connection.execute("select line, feature from provenance.reject order by line").fetchall()
    assert rejected == [(1, "A0"), (2, "A1"), (3, "A2"), (4, "B1")]
    assert connection.execute("select kept from provenance.load order by delivery").fetchall() == [(0,), (3,)]
    assert connection.execute("select features from provenance.collection").fetchone() == (19,)

    report = load("gebref", write_addresses(*lines[1:]))
    assert report.collections["adresse"] == Counts(read=19, inserted=1, unchanged=18, deleted=1)


def test_a_published_delivery_stays(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    load("gebref", write_addresses(address("A1")))
    load("gebref", write_addresses(address("A1"), ""), accept_shrink=True)
    connection.execute("delete from provenance.delivery where status = 'unchanged'")
    with pytest.raises(psycopg.errors.RaiseException, match=r"Delivery 1 was published and stays: features and their"):
        connection.execute("delete from provenance.delivery")
    references = connection.execute(
        "select conrelid::regclass::text from pg_constraint where confrelid = 'provenance.delivery'::regclass "
        "and connamespace in ('geobasis'::regnamespace, 'history'::regnamespace)"
    ).fetchall()
    assert references == []


def test_anybody_can_compute_a_digest(
    load: Load, connection: Connection, write_addresses: Write, address: Address
) -> None:
    """SHA-256 over length (int32, -1 for null) and bytes of each attribute but `datum`, and of the geometry as EWKB."""
    load("gebref", write_addresses(address("A1", str="Straße", adz="")))
    columns = "nba, oi, qua, ags, landschl, land, regbezschl, regbez, kreisschl, kreis, gmdschl, gmd, ottschl, ott"
    query = f"select {columns}, strschl, str, hnr, adz, ST_AsEWKB(geom, 'NDR'), digest from geobasis.adresse"
    row = connection.execute(query.encode()).fetchone()
    assert row
    *values, digest = row
    fields = [value.encode() if isinstance(value, str) else value for value in values]
    content = b"".join(
        (-1).to_bytes(4, "big", signed=True) if field is None else len(field).to_bytes(4, "big") + field
        for field in fields
    )
    assert None in fields
    assert sha256(content).digest() == digest
