"""ALKIS as NAS: the genuine parcel, both versions of the model, curves, and files that are made to harm."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import shapely

from loaders.errors import DeliveryRefused, InvalidDelivery
from loaders.gml import GeometryError, to_wkb
from loaders.report import Counts, Report
from loaders.xml_stream import FeatureReader

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

NAME = "gru_xml_05112000_Duisburg_EPSG25832_NAS.xml"
LINE = "<gml:LinearRing><gml:posList>{}</gml:posList></gml:LinearRing>"
SQUARE = LINE.format("340000 5706000 340100 5706000 340100 5706100 340000 5706100 340000 5706000")
AREA = '<position><gml:Polygon srsName="{srs}"><gml:exterior>{ring}</gml:exterior></gml:Polygon></position>'
PARCEL = """<gml:featureMember><AX_Flurstueck gml:id="{id}">
<lebenszeitintervall><AA_Lebenszeitintervall><beginnt>2014-02-14T11:31:00Z</beginnt>{ended}</AA_Lebenszeitintervall>
</lebenszeitintervall><anlass>010400</anlass>{area}<flurstueckskennzeichen>{mark}</flurstueckskennzeichen>
<amtlicheFlaeche uom="m2">10000.00</amtlicheFlaeche><abweichenderRechtszustand>{flag}</abweichenderRechtszustand>
<gemeindezugehoerigkeit><AX_Gemeindekennzeichen><land>05</land><regierungsbezirk>1</regierungsbezirk><kreis>12</kreis>
<gemeinde>000</gemeinde></AX_Gemeindekennzeichen></gemeindezugehoerigkeit></AX_Flurstueck></gml:featureMember>"""
BUILDING = """<wfs:member><AX_Gebaeude gml:id="DENW21AL10007abc20240101T000000Z">
<lebenszeitintervall><AA_Lebenszeitintervall><beginnt>2024-01-01T00:00:00Z</beginnt></AA_Lebenszeitintervall>
</lebenszeitintervall>
<anlass xlink:href="https://registry.gdi-de.org/codelist/de.adv-online.gid/AA_Anlassart/200100"/>
<zeigtAuf xlink:href="urn:adv:oid:DENW21AL10007la1"/><zeigtAuf xlink:href="urn:adv:oid:DENW21AL10007la2"/>
<position><gml:Surface><gml:patches><gml:PolygonPatch><gml:exterior><gml:Ring>{curves}</gml:Ring></gml:exterior>
</gml:PolygonPatch></gml:patches></gml:Surface></position>
<gebaeudefunktion>1010</gebaeudefunktion><weitereGebaeudefunktion>1170</weitereGebaeudefunktion>
<anzahlDerOberirdischenGeschosse>2</anzahlDerOberirdischenGeschosse><hochhaus>false</hochhaus>
<dachform>3100</dachform><objekthoehe uom="m">9.5</objekthoehe></AX_Gebaeude></wfs:member>"""
CURVE = "<gml:curveMember><gml:Curve><gml:segments>{}</gml:segments></gml:Curve></gml:curveMember>"
SEGMENT = "<gml:{0} interpolation='x'><gml:posList>{1}</gml:posList></gml:{0}>"
HALF_DISC = CURVE.format(SEGMENT.format("Arc", "340010 5706000 340000 5706010 339990 5706000")) + CURVE.format(
    SEGMENT.format("LineStringSegment", "339990 5706000 340010 5706000")
)
SPACES = 'xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:xlink="http://www.w3.org/1999/xlink"'  # fmt: skip # noqa: E501


def _parcel(ring: str = SQUARE, srs: str = "urn:adv:crs:ETRS89_UTM32", **changes: str) -> str:
    values = {"id": "DENW21AL100077H6", "ended": "", "mark": "05329001100085______", "flag": "false"} | changes
    return PARCEL.format(area=AREA.format(ring=ring, srs=srs), **values)


def _document(*members: str, gid: str = "6.0", crs: str = "urn:adv:crs:ETRS89_UTM32") -> str:
    return (
        f'<AX_Bestandsdatenauszug xmlns="http://www.adv-online.de/namespaces/adv/gid/{gid}" {SPACES}>'
        f'<koordinatenangaben><AA_Koordinatenreferenzsystemangaben><crs xlink:href="{crs}"/>'
        "</AA_Koordinatenreferenzsystemangaben></koordinatenangaben>"
        f"<enthaelt><wfs:FeatureCollection>{''.join(members)}</wfs:FeatureCollection></enthaelt></AX_Bestandsdatenauszug>"
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(content: str | bytes) -> Path:
        folder = tmp_path / "nas"
        folder.mkdir(exist_ok=True)
        (folder / NAME).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return make


def test_the_genuine_parcel(load: Load, connection: Connection, samples: Path, write: Write) -> None:
    folder = write((samples / "nas" / "AX_Flurstueck_DENW21AL100077H6.gml").read_bytes())
    report = load("alkis_nas", folder, only=("ax_flurstueck",))
    assert report.collections["ax_flurstueck"] == Counts(read=1, inserted=1)
    row = connection.execute(
        """select id, flstkennz, gemaschl, flurnr, zaehler, nenner, gmdschl, flaeche, abweichenderrechtszustand,
           zeitpunktderentstehung, istgebucht, weistauf, beginnt::text, round(ST_Area(geom)), paket
           from geobasis.ax_flurstueck"""
    ).fetchone()
    assert row == (
        "DENW21AL100077H6", "05329001100085______", "053290", 11, 85, None, "05112000", 684.0, False, "1954-01-01",
        "DENW21AL10007CcG", ["DENW21AL100075xc"], "2014-02-14", 684.0, "05112",
    )  # fmt: skip


def test_both_versions_of_the_model(load: Load, connection: Connection, write: Write) -> None:
    assert (
        load("alkis_nas", write(_document(_parcel())), only=("ax_flurstueck",)).collections["ax_flurstueck"].inserted
        == 1
    )
    report = load("alkis_nas", write(_document(BUILDING.format(curves=HALF_DISC), gid="7.1")), only=("ax_gebaeude",))
    assert report.rejects == 0
    row = connection.execute(
        """select id, gebaeudefunktion, funktion, weiterefunktionen, oberirdischegeschosse, hochhaus, dachform,
           objekthoehe, anlass, zeigtauf, ST_Area(geom) from geobasis.ax_gebaeude"""
    ).fetchone()
    assert row is not None
    assert row[:10] == (
        "DENW21AL10007abc", "31001_1010", "Wohnhaus", ["31001_1170"], 2, False, "3100", 9.5, "200100",
        ["DENW21AL10007la1", "DENW21AL10007la2"],
    )  # fmt: skip
    assert row[10] == pytest.approx(3.14159 * 50, rel=1e-3)  # the chords of its arc are off by 5 mm at most
    with pytest.raises(DeliveryRefused, match=r"holds AX_Gebaeude of the namespace 'http.*gid/8\.0'; known are"):
        load("alkis_nas", write(_document(BUILDING.format(curves=HALF_DISC), gid="8.0")), only=("ax_gebaeude",))


def test_parcels_that_do_not_fit(load: Load, write: Write) -> None:
    cases = [
        (_parcel(mark="0532900110"), "flurstueckskennzeichen is '0532900110'; it must be a mark such as"),
        (_parcel(flag="vielleicht"), "abweichenderrechtszustand is 'vielleicht'; it must be true or false"),
        (_parcel(ended="<endet>2020-01-01T00:00:00Z</endet>"), "the object ended at 2020-01-01; a delivery holds"),
        (_parcel(srs="urn:adv:crs:ETRS89_UTM33"), "its CRS is 'urn:adv:crs:ETRS89_UTM33', which is neither"),
        (_parcel(srs="urn:ogc:def:crs:EPSG::4647"), "its eastings bear the zone"),
        (_parcel(LINE.format("340000 5706000 340100 x")), "its coordinates cannot be read: 340000 5706000 340100 x"),
        (_parcel(LINE.format("340000 5706000 340100 5706000 340100 5706100 340000 5706100")), "is not closed"),
        (_parcel(LINE.format("5706000 340000 5706000 340100 5706100 340100 5706000 340000")), "seem to be swapped"),
    ]
    document = _document(_parcel(id="DENW21AL100077H7"), *(parcel for parcel, _ in cases))
    report = load("alkis_nas", write(document), only=("ax_flurstueck",))
    assert report.collections["ax_flurstueck"] == Counts(read=len(cases) + 1, inserted=1, rejected=len(cases))
    for line, (reject, (_, reason)) in enumerate(zip(report.first_rejects, cases, strict=True), 2):
        assert reason in reject.reason
        assert reject.line == line


def _bomb() -> str:
    return '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>' + _document(_parcel(mark="&c;"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_bomb(), "has a document type declaration"),
        ('<!doctype a SYSTEM "file:///etc/passwd">' + _document(), "has a document type declaration"),
        (" " * 70_000 + "<!DOCTYPE a>" + _document(), "has a document type declaration"),
        (_document(_parcel()).encode("utf-16"), "is in UTF-16 or UTF-32; it must be UTF-8"),
        (_document(_parcel())[:-40], "is no whole XML file"),
        (_document(_parcel(mark="&unknown;")), "is no whole XML file: undefined entity"),
        (_document("<wfs:member>" + "<a>" * 210_000), "holds a feature of more than 8388608 bytes or 200000 tags"),
        (_document(_parcel(mark="0" * (9 << 20))), "holds a feature of more than 8388608 bytes or 200000 tags"),
        (b"\xff\xfe", "is in UTF-16"),
        (b"", "is no whole XML file"),
    ],
    ids=["bomb", "file", "late", "utf-16", "cut", "entity", "depth", "size", "mark", "empty"],
)  # fmt: skip
def test_files_that_are_made_to_harm(tmp_path: Path, content: str | bytes, reason: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidDelivery, match=reason):
        list(FeatureReader(path).read())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(parcels: int) -> int:
        path = tmp_path / f"{parcels}.xml"
        path.write_text(_document(_parcel() * parcels))
        tracemalloc.start()
        assert sum(1 for _ in FeatureReader(path).read()) == parcels
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(2000) < 1.5 * peak(400)


@pytest.mark.parametrize(
    ("curves", "reason"),
    [
        (CURVE.format(SEGMENT.format("CubicSpline", "0 0 1 1 2 2")), "a curve of the kind CubicSpline, which cannot"),
        (HALF_DISC.replace("339990 5706000 340010", "339991 5706000 340010"), "the curves of a ring of it do not meet"),
        (CURVE.format(SEGMENT.format("Arc", "0 0 1 1")), "an arc of it has 2 points"),
        ('<gml:curveMember xlink:href="#c1"/>', "it refers to a curve elsewhere"),
        ("", "a ring of it is empty"),
    ],
)
def test_curves_that_cannot_be_read(tmp_path: Path, curves: str, reason: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(_document(BUILDING.format(curves=curves)))
    with pytest.raises(GeometryError, match=reason):
        [to_wkb(feature.element) for feature in FeatureReader(path).read()]


def test_a_circle_of_two_arcs(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    circle = SEGMENT.format("ArcString", "10 0 0 10 -10 0 0 -10 10 0")
    path.write_text(_document(BUILDING.format(curves=CURVE.format(circle))))
    (shape,) = [shapely.from_wkb(to_wkb(feature.element)) for feature in FeatureReader(path).read()]
    assert shape.is_valid
    assert shape.area == pytest.approx(3.14159 * 100, rel=1e-3)
    assert shape.bounds == (-10, -10, 10, 10)
