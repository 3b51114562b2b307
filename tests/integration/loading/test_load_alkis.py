"""ALKIS in the simplified schema: layouts, keys, uses, cut texts, and objects that two districts hold."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pytest
import shapely

from loaders.errors import DeliveryRefused
from loaders.example.options import ExampleOptions
from loaders.example.write import write_cadastre
from loaders.ledger import read_deliveries
from loaders.report import Counts, Report
from loaders.rollback import RollbackOptions, roll_back

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

PARCEL = {
    "oid": "DENW22AL800005HeFL", "aktualit": "2026-02-17", "flstkennz": "05314403900040______", "gmdschl": "05113000",
    "gemarkung": "Rüttenscheid", "gemaschl": "053144", "flaeche": 538.0, "lagebeztxt": "Herthastr. 4",
    "tntxt": "Wohnbaufläche;538",
}  # fmt: skip
USE = {"oid": "DENW22AL10003XyzNU", "aktualit": "2026-02-17", "nutzart": "Wohnbaufläche"}
PARCELS, USES = {"only": ("flurstueck",)}, {"only": ("nutzung",)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "alkis"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path, square: Callable[..., Any]) -> Write:
    """`write([{…}, …], layer="Flurstueck", package="05113")`: a district's GeoPackage with one layer."""

    def make(
        rows: list[dict[str, Any]], layer: str = "Flurstueck", package: str = "05113", crs: str = "EPSG:25832"
    ) -> Path:
        path = folder / f"202601_gru_vereinf_{package}000_Nirgends_EPSG25832.gpkg"
        path.unlink(missing_ok=True)
        shapes = [row.get("shape", square(i * 200)) for i, row in enumerate(rows)]
        fields = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "shape"]
        columns = [
            np.array([row.get(name) for row in rows], dtype="datetime64[D]" if name == "aktualit" else None)
            for name in fields
        ]
        pyogrio.raw.write(
            path, shapely.to_wkb(np.array(shapes, dtype=object)),
            [c if c.dtype.kind in "fM" else c.astype(object) for c in columns], np.array(fields),
            geometry_type="Unknown", crs=crs, driver="GPKG", layer=layer, layer_options={"GEOMETRY_NAME": "geometrie"},
        )  # fmt: skip
        return path

    return make


def _change(path: Path, *statements: str, **values: Any) -> None:
    """What no honest program writes; the spatial index's triggers would need functions that are GDAL's own."""
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("select name from sqlite_schema where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{name}"')
        for statement in statements:
            database.execute(statement, values)


def test_parcel_with_its_parts_and_uses(load: Load, connection: Connection, write: Write, folder: Path) -> None:
    other = {
        "oid": "DENW22AL800005HfFL",
        "flstkennz": "053144039000410002",
        "tntxt": "Wohnbaufläche;380|Straßenverkehr;20,5",
        "lagebeztxt": None,
    }
    write([PARCEL, PARCEL | other])
    report = load("alkis", folder, **PARCELS)
    assert report.collections["flurstueck"] == Counts(read=2, inserted=2)
    rows = connection.execute(
        """select id, oi, flurnr, zaehler, nenner, folge, nutzungen, nutzflaechen, aktualit::text, paket
           from geobasis.flurstueck order by id"""
    ).fetchall()
    rest = ("2026-02-17", "05113")
    assert rows == [
        ("05314403900040______", PARCEL["oid"], 39, 40, None, None, ["Wohnbaufläche"], [538.0], *rest),
        (
            "053144039000410002__",
            other["oid"],
            39,
            41,
            2,
            None,
            ["Wohnbaufläche", "Straßenverkehr"],
            [380, 20.5],
            *rest,
        ),
    ]


def test_rows_that_do_not_fit(load: Load, write: Write, folder: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"flstkennz": "0531440390004"},
            "flstkennz is '0531440390004'; it must be a mark such as 05314403900040______",
        ),
        ({"flstkennz": "06314403900040______"}, "it must be a mark such as"),
        ({"gmdschl": "11000000"}, "gmdschl is '11000000', it must be eight digits that begin with 05"),
        ({"oid": ""}, "oid is empty, every object must have one"),
        ({"aktualit": "1850-01-01"}, "aktualit '1850-01-01' is before 1900"),
        ({"flaeche": float("inf")}, "flaeche is inf, which is no number"),
        ({"shape": shapely.Point(400_000, 5_700_000)}, "the geometry is a Point; only polygons are allowed here"),
    ]
    bad = [PARCEL | {"oid": f"{n}FL", "flstkennz": f"0531440390004{n}"} | change for n, (change, _) in enumerate(cases)]
    write([PARCEL, *bad])
    report = load("alkis", folder, **PARCELS)
    assert report.collections["flurstueck"] == Counts(read=len(bad) + 1, inserted=1, rejected=len(bad))
    for reject, (_, reason) in zip(report.first_rejects, cases, strict=True):
        assert reason in reject.reason


def test_text_that_was_cut_within_a_character(load: Load, connection: Connection, write: Write, folder: Path) -> None:
    path = write([PARCEL | {"tntxt": None}, PARCEL | {"flstkennz": "05314403900041______"}])
    full = "Wohnbaufläche;17|" + "Wald;1|" * 33  # 249 bytes
    cut = (full + "xxxx").encode()[:253] + "ä".encode()[:1]
    assert len(cut) == 254
    _change(path, "update Flurstueck set tntxt = cast(:cut as text), lagebeztxt = cast(:wrong as text) where fid = 1",
            cut=cut, wrong=b"Stra\xdfe")  # fmt: skip
    report = load("alkis", folder, **PARCELS)
    assert report.collections["flurstueck"] == Counts(read=2, inserted=1, rejected=1)
    assert report.first_rejects[0].reason.startswith("lagebeztxt: byte 0xdf at position 5 is not UTF-8")

    _change(path, "update Flurstueck set lagebeztxt = 'Herthastr. 4'")
    report = load("alkis", folder, **PARCELS)
    assert report.collections["flurstueck"] == Counts(read=2, inserted=1, unchanged=1, repaired=1)
    details = {check.rule: check.detail for check in report.checks}
    assert "1 repaired, their originals are in provenance.repair" in details["encoding"]
    assert connection.execute("select rule, reason, original from provenance.repair order by rule").fetchall() == [
        ("encoding", "tntxt was cut within a character", cut),
        ("value", "tntxt is cut: 'xxxx', the last of its uses, is left out of nutzungen", cut[:-1]),
    ]
    row = connection.execute(
        "select nutzungen, tntxt from geobasis.flurstueck where cardinality(nutzungen) > 1"
    ).fetchone()
    assert row == (["Wohnbaufläche"] + ["Wald"] * 33, cut[:-1].decode())


def test_an_object_of_two_districts_is_live_once(
    load: Load, connection: Connection, write: Write, folder: Path, square: Callable[..., Any]
) -> None:
    def rows(first: str | None, second: str) -> list[dict[str, Any]]:
        days = {"A": first, "B": second}
        return [
            USE | {"oid": f"{letter}NU", "aktualit": day, "name": day, "shape": square(200 * ord(letter))}
            for letter, day in days.items()
            if day
        ]

    def live() -> list[tuple[Any, ...]]:
        return connection.execute("select id, name, paket from geobasis.nutzung order by id").fetchall()

    write(rows("2026-01-01", "2026-01-01"), "Nutzung", "05113")
    write([rows("2026-01-02", "2026-01-01")[0], USE], "Nutzung", "05117")
    report = load("alkis", folder, **USES)
    assert report.collections["nutzung"] == Counts(read=4, inserted=3, duplicate=1)
    own = (USE["oid"], None, "05117")
    assert live() == [("ANU", "2026-01-02", "05117"), ("BNU", "2026-01-01", "05113"), own]

    # an older one leaves what is live as it is, a newer one replaces it
    write(rows("2026-01-01", "2026-01-03"), "Nutzung", "05113")
    assert load("alkis", folder, packages=("05113",), **USES).collections["nutzung"] == Counts(
        read=2, updated=1, duplicate=1
    )
    assert live() == [("ANU", "2026-01-02", "05117"), ("BNU", "2026-01-03", "05113"), own]
    write(rows("2026-01-04", "2026-01-03"), "Nutzung", "05113")
    assert load("alkis", folder, packages=("05113",), **USES).collections["nutzung"] == Counts(
        read=2, updated=1, unchanged=1
    )
    assert live() == [("ANU", "2026-01-04", "05113"), ("BNU", "2026-01-03", "05113"), own]

    # the other district holds it still: it is not gone
    write(rows(None, "2026-01-03"), "Nutzung", "05113")
    report = load("alkis", folder, packages=("05113",), accept_shrink=True, **USES)
    assert report.collections["nutzung"] == Counts(read=1, unchanged=1, handed_over=1)
    assert live() == [("ANU", "2026-01-04", "05117"), ("BNU", "2026-01-03", "05113"), own]
    write([USE], "Nutzung", "05117")
    assert load("alkis", folder, packages=("05117",), accept_shrink=True, **USES).collections["nutzung"].deleted == 1
    assert [row[0] for row in live()] == ["BNU", USE["oid"]]


def test_what_was_handed_over_can_be_rolled_back(
    load: Load, database_url: str, connection: Connection, write: Write, folder: Path
) -> None:
    """Nothing else changed in that delivery: the record of it is all that tells."""
    border = USE | {"oid": "ANU"}
    for package in ("05113", "05117"):
        write([USE | {"oid": f"{package}NU"}, border], "Nutzung", package)
    load("alkis", folder, **USES)
    packages = "select id, paket from geobasis.nutzung order by id"
    before = connection.execute(packages).fetchall()
    assert ("ANU", "05113") in before
    write([USE | {"oid": "05113NU"}], "Nutzung", "05113")
    handed = load("alkis", folder, packages=("05113",), accept_shrink=True, **USES)
    assert ("ANU", "05117") in connection.execute(packages).fetchall()

    recorded = "select updated, handed_over from provenance.load where delivery = %s"
    assert handed.delivery
    assert connection.execute(recorded, [handed.delivery]).fetchall() == [(0, 1)]
    newest = read_deliveries(connection, "alkis", 1)[0][0]
    assert newest["collections"]["nutzung"]["handed_over"] == 1

    undone = roll_back(handed.delivery, RollbackOptions(database_url))
    assert undone.collections["nutzung"] == Counts(read=1, updated=1)
    assert connection.execute(packages).fetchall() == before


def test_a_district_replaces_its_own_objects(load: Load, connection: Connection, write: Write, folder: Path) -> None:
    for package in ("05113", "05117"):
        write([USE | {"oid": f"{package}{i}NU"} for i in range(3)], "Nutzung", package)
    load("alkis", folder, **USES)
    write(
        [USE | {"oid": f"05113{i}NU", "nutzart": "Unland/Vegetationslose Fläche"} for i in range(3)], "Nutzung", "05113"
    )
    report = load("alkis", folder, packages=("05113",), **USES)
    assert report.packages == ["05113"]
    assert report.collections["nutzung"] == Counts(read=3, updated=3)
    rows = connection.execute(
        "select objektart, paket, count(*) from geobasis.nutzung group by 1, 2 order by 1"
    ).fetchall()
    assert rows == [("41001", "05117", 3), ("43007", "05113", 3)]


@pytest.mark.parametrize("layer", ["GebauedeBauwerk", "202601_gru_vereinf_05113000_essen_epsg25832__gebaeudebauwerk"])
def test_names_of_layers(load: Load, connection: Connection, write: Write, folder: Path, layer: str) -> None:
    row = {"oid": "DENW22AL10004bQbGB", "aktualit": "2026-01-01", "gebnutzbez": "Gebäude", "funktion": "Garage"}
    write([row], layer)
    load("alkis", folder, only=("gebaeude_bauwerk",))
    assert connection.execute("select oi, funktion from geobasis.gebaeude_bauwerk").fetchall() == [
        (row["oid"], "Garage")
    ]


def _add_view(path: Path) -> None:
    _change(path, "alter table Flurstueck rename to kept", "create view Flurstueck as select * from kept")


def _damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def test_files_that_are_refused(load: Load, write: Write, folder: Path) -> None:
    cases: list[tuple[list[dict[str, Any]], dict[str, str], Callable[[Path], None] | None, str]] = [
        ([PARCEL | {"farbe": "rot"}], {}, None, "Flurstueck has in addition farbe; the loader knows the columns oid"),
        ([{"oid": "A", "aktualit": "2026-01-01", "gmdschl": "05113000"}], {}, None, "Flurstueck lacks flstkennz"),
        ([PARCEL | {"flaeche": "x", "gmdschl": 5113000.0}], {}, None, r"of another type gmdschl \(OFTReal\)"),
        ([PARCEL], {"crs": "EPSG:31467"}, None, "the CRS of Flurstueck is 'EPSG:31467'; it must be EPSG:25832 or EPSG"),
        ([PARCEL], {"layer": "Eigentuemer"}, None, "holds the layer Eigentuemer, which is unknown to the loader alkis"),
        ([USE], {"layer": "Nutzung"}, None, r"lacks the layer Flurstueck\. Fetch .* leave flurstueck out \(--only\)"),
        ([PARCEL], {}, _add_view, "Flurstueck is a view; it must be a table"),
        ([PARCEL], {}, _damage, "cannot be read: .*Fetch the delivery again"),
    ]
    for rows, options, spoil, reason in cases:
        path = write(rows, **options)
        if spoil:
            spoil(path)
        with pytest.raises(DeliveryRefused, match=reason):
            load("alkis", folder, **PARCELS)


def test_the_example_in_all_layers(load: Load, connection: Connection, tmp_path: Path) -> None:
    options = ExampleOptions(addresses=600, date=date(2026, 1, 1))
    folders = write_cadastre(tmp_path, options, 2)
    report = load("alkis", folders["alkis"])
    assert report.rejects == 0
    assert report.collections["verwaltungseinheit"].duplicate > 0  # the state is in both packages
    counts = {name: counts.inserted for name, counts in report.collections.items()}
    assert counts["flurstueck"] == counts["flurstueck_punkt"] > 900
    assert counts["nutzung_flurstueck"] > counts["flurstueck"]
    areas = "select sum(ST_Area(geom)) from geobasis."
    (land,), (use,), (own,) = (
        connection.execute(areas + name).fetchone() or (0,)
        for name in ("flurstueck", "nutzung", "verwaltungseinheit where art = 'Gemeinde'")
    )
    assert land == pytest.approx(own, rel=1e-4)
    assert use == pytest.approx(own, rel=1e-4)
    outside = """select count(*) from geobasis.flurstueck f join geobasis.flurstueck_punkt p using (id)
                 where not ST_Covers(f.geom, p.geom)"""
    assert connection.execute(outside).fetchone() == (0,)

    report = load("alkis_nas", folders["alkis_nas"])
    assert report.rejects == 0
    assert report.collections["ax_flurstueck"].inserted == counts["flurstueck"]
    assert report.collections["ax_gebaeude"].inserted == counts["gebaeude_bauwerk"]
    differing = """select count(*) from geobasis.flurstueck f left join geobasis.ax_flurstueck a on a.id = f.idflurst
                   where (a.flstkennz, a.flaeche, a.nenner) is distinct from (f.flstkennz, f.flaeche, f.nenner)
                   or not ST_Equals(a.geom, f.geom)"""
    assert connection.execute(differing).fetchone() == (0,)

    later = replace(options, changes=0.1, date=date(2026, 7, 1))
    report = load("alkis", write_cadastre(tmp_path, later, 2)["alkis"])
    assert report.collections["flurstueck"].updated > 0
    assert report.collections["flurstueck"].inserted == report.collections["flurstueck"].deleted == 0
    assert report.collections["gebaeude_bauwerk"].changed
    newest = connection.execute("select last_date from provenance.collection where collection = 'gebaeude_bauwerk'")
    assert newest.fetchone() == (later.date,)
