"""3D buildings: the genuine tiles, tiles in the place of one another, and buildings that do not fit."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from loaders.errors import DeliveryRefused
from loaders.example.city import write_city
from loaders.example.options import ExampleOptions
from loaders.report import Report

Load = Callable[..., Report]
Connection = psycopg.Connection[Any]
Write = Callable[..., Path]

NAME = "LoD2_32_340_5706_1_NW.gml"
SRS = "urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH"
SPACES = " ".join(
    f'xmlns:{prefix}="http://www.opengis.net/{name}"'
    for prefix, name in (
        *(("core", "citygml/1.0"), ("bldg", "citygml/building/1.0"), ("gen", "citygml/generics/1.0")),
        *(("gml", "gml"), ("xlink", "1999/xlink")),
    )
).replace("opengis.net/1999", "w3.org/1999")
POLYGON = (
    '<gml:Polygon gml:id="{id}"><gml:exterior><gml:LinearRing><gml:posList srsDimension="3">{positions}</gml:posList>'
    "</gml:LinearRing></gml:exterior></gml:Polygon>"
)
SURFACE = (
    "<bldg:boundedBy><bldg:{kind}><bldg:lod2MultiSurface><gml:MultiSurface><gml:surfaceMember>{polygon}"
    "</gml:surfaceMember></gml:MultiSurface></bldg:lod2MultiSurface></bldg:{kind}></bldg:boundedBy>"
)
SOLID = (
    "<bldg:lod2Solid><gml:Solid><gml:exterior><gml:CompositeSurface>{members}</gml:CompositeSurface></gml:exterior>"
    "</gml:Solid></bldg:lod2Solid>"
)
COUNTS = """
select count(*), sum(teilezahl), sum(ST_NumGeometries(solids)), sum((select count(*) from ST_Dump(solids))),
  sum(jsonb_array_length(model::jsonb->'solids')),
  sum((select sum(length(s->>'surfaces')) from jsonb_array_elements(model::jsonb->'solids') s))
from {}
"""


def _tent(name: str, east: float = 340_010, north: float = 5_706_010, height: float = 3.0) -> str:
    """A solid of a square on the ground and four triangles of a roof above it."""
    corners = [(east, north), (east + 4, north), (east + 4, north + 4), (east, north + 4)]
    ground = [(*corner, 50.0) for corner in (*reversed(corners), corners[-1])]
    faces = {f"{name}-g": ("GroundSurface", ground)}
    for number, (start, end) in enumerate(zip(corners, [*corners[1:], corners[0]], strict=True)):
        top = (east + 2, north + 2, 50 + height)
        faces[f"{name}-{number}"] = ("RoofSurface", [(*start, 50.0), (*end, 50.0), top, (*start, 50.0)])
    members = "".join(f'<gml:surfaceMember xlink:href="#{key}"/>' for key in faces)
    surfaces = [
        SURFACE.format(kind=kind, polygon=POLYGON.format(id=key, positions=" ".join(str(n) for p in ring for n in p)))
        for key, (kind, ring) in faces.items()
    ]
    return SOLID.format(members=members) + "".join(surfaces)


def _building(name: str = "DENW21AL10000001", content: str | None = None, day: str = "2024-03-01") -> str:
    given = (
        "<bldg:roofType>3500</bldg:roofType>"
        f'<bldg:measuredHeight uom="urn:adv:uom:m">3.0</bldg:measuredHeight>{_tent(name)}'
    )
    return (
        f'<core:cityObjectMember><bldg:Building gml:id="{name}"><core:creationDate>{day}</core:creationDate>'
        '<gen:stringAttribute name="Gemeindeschluessel"><gen:value>05112000</gen:value></gen:stringAttribute>'
        f"<bldg:function>31001_1010</bldg:function>{given if content is None else content}</bldg:Building>"
        "</core:cityObjectMember>"
    )


def _tile(*buildings: str, srs: str = SRS) -> str:
    return (
        f'<core:CityModel {SPACES}><gml:boundedBy><gml:Envelope srsName="{srs}"/></gml:boundedBy>'
        f"{''.join(buildings)}</core:CityModel>"
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(content: str, name: str = NAME, folder: str = "lod") -> Path:
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        (path / name).write_text(content, "utf-8")
        return path

    return make


def _count(text: str, name: str) -> int:
    return len(re.findall(rf"<bldg:{name}[ >]", text))


@pytest.mark.parametrize(
    ("dataset", "collection", "file"),
    [
        ("lod2", "gebaeude_3d", "lod2/LoD2_280_5657_1_NW.gml"),
        ("lod1", "gebaeude_3d_lod1", "lod1/LoD1_32_280_5657_1_NW.gml"),
    ],
)
def test_a_genuine_tile_loads_whole(
    load: Load, connection: Connection, samples: Path, dataset: str, collection: str, file: str
) -> None:
    text = (samples / file).read_text("utf-8")
    report = load(dataset, samples / file)
    assert (report.packages, report.rejects) == (["280_5657"], 0)
    counts = report.collections[collection]
    assert (counts.inserted, counts.repaired) == (_count(text, "Building"), 0)
    row = connection.execute(sql.SQL(COUNTS).format(sql.Identifier("geobasis", collection))).fetchone()
    polygons, solids = text.count("<gml:Polygon"), text.count("<gml:Solid>")
    assert row == (counts.inserted, _count(text, "BuildingPart"), solids, polygons, solids, polygons)


def test_attributes_of_genuine_buildings(load: Load, connection: Connection, samples: Path) -> None:
    load("lod2", samples / "lod2" / "LoD2_280_5657_1_NW.gml")
    row = connection.execute(
        """select funktion, dachform, dach, hoehe, gmdschl, adressen, teilezahl, teile[1], dachformen, teilhoehen,
             datenquelledachhoehe, erstellt::text, kachel, bodenhoehe, ST_SRID(solids), ST_GeometryType(geom)
           from geobasis.gebaeude_3d where id = 'DENW43AL00001j7x'"""
    ).fetchone()
    assert row == (
        *("Wohnhaus", None, None, 7.978, "05370024", ["Von-Byland-Straße 51, Selfkant"]),
        *(4, "UUID_80abdc59-3485-4609-bd0c-0e5683c0205c"),
        *(["3100", "1000", "1000", "1000"], [7.978, 5.132, 5.132, 6.339]),
        *("1000", "2019-12-13", "280_5657", 40.915, 25832, "ST_MultiPolygon"),
    )
    heights = connection.execute("select min(hoehe), max(hoehe), count(geschosse) from geobasis.gebaeude_3d").fetchone()
    assert heights is not None
    assert heights[0] > 1
    assert heights[1] < 30
    assert heights[2] == 2  # parts of theirs have them
    # the parts of this one stand side by side on their ground surfaces
    area = connection.execute(
        """select ST_Area(geom), (select sum(ST_Area(ST_Force2D(d.geom))) from ST_Dump(solids) d
             join jsonb_array_elements(model::jsonb -> 'solids') with ordinality x (s, n) on n = d.path[1]
             where substr(s ->> 'surfaces', d.path[2], 1) = 'G')
           from geobasis.gebaeude_3d where id = 'DENW43AL00001j7x'"""
    ).fetchone()
    assert area is not None
    assert area[0] == pytest.approx(area[1])


def test_a_delivery_replaces_its_tile_only(load: Load, connection: Connection, write: Write) -> None:
    both = write(_tile(_building(), _building("DENW21AL10000002")), folder="both")
    write(_tile(_building("DENW21AL10000003")), "LoD2_341_5706_1_NW.gml", folder="both")
    assert load("lod2", both).collections["gebaeude_3d"].inserted == 3
    taller = _tent("a", height=4.0)
    part = f'<bldg:consistsOfBuildingPart><bldg:BuildingPart gml:id="UUID_1">{taller}</bldg:BuildingPart>'
    report = load(
        "lod2", write(_tile(_building(content=f"{part}</bldg:consistsOfBuildingPart>"), _building("DENW21AL10000004")))
    )
    counts = report.collections["gebaeude_3d"]
    assert (counts.updated, counts.inserted, counts.deleted) == (1, 1, 1)
    rows = connection.execute("select id, kachel, dachhoehe, teilezahl from geobasis.gebaeude_3d order by id")
    assert rows.fetchall() == [
        ("DENW21AL10000001", "340_5706", 54.0, 1),
        ("DENW21AL10000003", "341_5706", 53.0, 0),
        ("DENW21AL10000004", "340_5706", 53.0, 0),
    ]


def test_parts_named_anew_and_later_days_are_no_change(load: Load, write: Write) -> None:
    def tile(part: str, day: str) -> str:
        content = f'<bldg:consistsOfBuildingPart><bldg:BuildingPart gml:id="{part}">{_tent("x")}</bldg:BuildingPart>'
        return _tile(_building(content=f"{content}</bldg:consistsOfBuildingPart>", day=day))

    load("lod2", write(tile("UUID_1", "2024-03-01")))
    assert load("lod2", write(tile("UUID_2", "2025-03-01"))).collections["gebaeude_3d"].unchanged == 1


def test_a_building_in_two_tiles_is_there_once(load: Load, connection: Connection, write: Write) -> None:
    load("lod2", write(_tile(_building(), _building("DENW21AL10000002")), folder="first"))
    load("lod2", write(_tile(_building(day="2025-01-01")), "LoD2_339_5706_1_NW.gml", folder="second"))
    live = "select id, kachel from geobasis.gebaeude_3d order by id"
    assert connection.execute(live).fetchall() == [("DENW21AL10000001", "340_5706"), ("DENW21AL10000002", "340_5706")]
    report = load("lod2", write(_tile(_building("DENW21AL10000002")), folder="third"), accept_shrink=True)
    assert report.collections["gebaeude_3d"].handed_over == 1
    assert connection.execute(live).fetchall() == [("DENW21AL10000001", "339_5706"), ("DENW21AL10000002", "340_5706")]


def test_buildings_that_do_not_fit(load: Load, write: Write) -> None:
    tent = _tent("a")
    member = '<gml:surfaceMember xlink:href="#a-g"/>'
    cases = [
        ("", "it has no solid"),
        (tent.replace(member, ""), "1 of its surfaces belong to no solid, among them a-g"),
        (tent.replace("#a-g", "#b-g"), "its solid refers to the surface b-g, which the building does not hold"),
        (tent.replace("GroundSurface", "Window"), "it is bounded by a Window, which is not known"),
        (tent.replace(" 53.0", ""), "its coordinates cannot be read: "),
        (tent.replace(" 53.0", " 9000"), "its heights are not between -2000 and 2000 metres: "),
        (tent.replace('srsDimension="3"', 'srsDimension="2"'), "its positions have 2 numbers; they must have 3"),
        (tent.replace("340010", "940010"), "are outside North Rhine-Westphalia"),
        (tent + "<bldg:lod2MultiCurve/>", "it has a lod2MultiCurve, which the loader does not know"),
        (
            tent + '<bldg:measuredHeight uom="ft">9</bldg:measuredHeight>',
            "its height is in ft; it must be in metres (urn:adv:uom:m)",
        ),
        (tent + "<bldg:measuredHeight>hoch</bldg:measuredHeight>", "its measuredHeight is 'hoch', which is no number"),
        (
            tent + "<bldg:roofType>1000</bldg:roofType><bldg:roofType>3100</bldg:roofType>",
            "it has several values of roofType: 1000, 3100",
        ),
        (
            f"{tent}<bldg:consistsOfBuildingPart><bldg:BuildingPart gml:id='P'/></bldg:consistsOfBuildingPart>",
            "its part P has no solid",
        ),
    ]
    buildings = [_building(f"DENW21AL1000{number:04}", content) for number, (content, _) in enumerate(cases)]
    report = load("lod2", write(_tile(*buildings, _building("DENW21AL10009999"))))
    reasons = [reject.reason for reject in report.first_rejects]
    assert report.collections["gebaeude_3d"].inserted == 1
    assert len(reasons) == len(cases)
    for reason, (_, expected) in zip(reasons, cases, strict=True):
        assert expected in reason


def test_tiles_that_are_refused(load: Load, write: Write) -> None:
    whole = _tile(_building())
    wanted = "it must be EPSG:25832 with heights in DHHN2016 (EPSG:7837)"
    cases = [
        (_tile(_building(), srs="urn:adv:crs:ETRS89_UTM32*DE_DHHN92_NH"), wanted),
        (_tile(_building(), srs="urn:adv:crs:ETRS89_UTM32"), f"its CRS is 'urn:adv:crs:ETRS89_UTM32'; {wanted}"),
        (whole.replace("building/1.0", "building/3.0"), "citygml/building/3.0'; known are Building of"),
        (whole.replace("bldg:Building", "bldg:Bridge"), "holds Bridge of the namespace 'http://www.opengis.net/"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + whole, "has a document type declaration"),
        (whole[:-200], "is no whole XML file"),
    ]
    for content, message in cases:
        with pytest.raises(DeliveryRefused) as refused:
            load("lod2", write(content))
        told = str(refused.value) + "".join(reject.reason for reject in refused.value.report.first_rejects)
        assert message in told
    with pytest.raises(DeliveryRefused, match=r"haus\.gml does not say which package it holds"):
        load("lod2", write(whole, "haus.gml") / "haus.gml")


def test_invented_buildings_load_in_both_levels(load: Load, connection: Connection, tmp_path: Path) -> None:
    folders = write_city(tmp_path, ExampleOptions(addresses=500), 1)
    for dataset, collection in (("lod1", "gebaeude_3d_lod1"), ("lod2", "gebaeude_3d")):
        report = load(dataset, folders[dataset])
        text = "".join(path.read_text("utf-8") for path in folders[dataset].glob("*.gml"))
        counts = report.collections[collection]
        assert (report.rejects, counts.inserted, counts.duplicate) == (0, _count(text, "Building"), 0)
    row = connection.execute(
        """select count(*) filter (where abs(b.dachhoehe - b.bodenhoehe - b.hoehe) > 0.001), count(distinct b.dachform),
             count(*) filter (where not ST_Equals(b.geom, l.geom)), count(*) filter (where b.hoehe < l.hoehe)
           from geobasis.gebaeude_3d b join geobasis.gebaeude_3d_lod1 l using (id)"""
    ).fetchone()
    assert row == (0, 2, 0, 0)  # roofs of both kinds on the same outlines
