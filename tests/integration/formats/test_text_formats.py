"""JSON-FG, GML, CSV and text sequences: what programs and the standards' schemas read is what the database has."""

import csv
import io
import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyogrio
import pyogrio.raw
import pytest
import shapely
from jsonschema import Draft202012Validator
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it brings no types)
from referencing import Registry, Resource

from server.crs import CRS84, ETRS89_UTM32, OFFERED, Crs
from server.formats.table import BY_KEY, FORMATS

# media types by f where nothing has solids
OF_ITEMS = {found.key: found.media_type for found in FORMATS if found.items and not found.solids}
OF_ITEM = {key: media_type for key, media_type in OF_ITEMS.items() if BY_KEY[key].single}

POINTS, AREAS = "/collections/messpunkt/items", "/collections/flaeche/items"
TEXTS = ("json", "jsonfg", "gml", "gmlsf2", "csv", "geojsonl")
CORE = "http://www.opengis.net/spec/json-fg-1/1.0/conf/core"
PROFILES = "http://www.opengis.net/def/profile/OGC/0/"
GML = "{http://www.opengis.net/gml/3.2}"
OWN = "{urn:x-opennrw-geo:messpunkt}"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

Fetch = Callable[..., list[tuple[Any, ...]]]
Schemas = Callable[[bytes], etree.XMLSchema]


def defused(text: str | None) -> str:
    """A text as CSV has it."""
    return "" if text is None else ("'" if text[:1] in tuple("=+-@'\t\r\n") else "") + text


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


# What programs read


@pytest.mark.parametrize("f", TEXTS)
def test_gdal_reads_each_attribute(client: httpx.Client, truth: Fetch, tmp_path: Path, f: str) -> None:
    given = {"f": f, "limit": 10_000, "crs": ETRS89_UTM32.uri, "properties": "name,wert,datum"}
    answer = client.get(POINTS, params=given)
    path = tmp_path / f"punkte.{BY_KEY[f].extension.rsplit('.', 1)[-1]}"
    path.write_bytes(answer.content)
    _, _, geometries, values = pyogrio.raw.read(path)
    columns = dict(zip(pyogrio.read_info(path)["fields"].tolist(), values, strict=True))
    expected = truth("select id, name, wert, datum, ST_X(geom), ST_Y(geom) from geobasis.messpunkt order by fid")
    if f == "csv":  # GDAL's columns are text here, and the coordinates are two of them
        assert columns["id"].tolist() == [defused(row[0]) for row in expected]
        assert [round(float(x), 3) for x in columns["x"]] == [round(row[4], 3) for row in expected]
        return
    assert columns["id"].tolist() == [row[0] for row in expected]
    empty = None if f.startswith("gml") else ""  # GDAL takes an empty element for none
    assert columns["name"].tolist() == [row[1] if row[1] != "" else empty for row in expected]
    assert [None if math.isnan(value) else float(value) for value in columns["wert"]] == [row[2] for row in expected]
    assert [str(day)[:10].replace("NaT", "None") for day in columns["datum"]] == [str(row[3]) for row in expected]
    places = shapely.get_coordinates(shapely.from_wkb(geometries))
    assert abs(places - [row[4:6] for row in expected]).max() < 0.001


@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.uri.rsplit("/", 1)[-1])
@pytest.mark.parametrize("f", ["jsonfg", "gml", "csv"])
def test_coordinates_are_those_of_each_crs_in_its_order(client: httpx.Client, truth: Fetch, f: str, crs: Crs) -> None:
    answer = client.get(AREAS, params={"f": f, "limit": 3, "crs": crs.uri})
    assert answer.headers["Content-Crs"] == f"<{crs.uri}>"
    flip = crs.northing_first and f != "csv"
    geometry = f"{'ST_FlipCoordinates' if flip else ''}(ST_Transform(geom, {crs.srid}))"
    expected = truth(f"select ST_AsText({geometry}, 12) from geobasis.flaeche order by fid limit 3")
    found: list[Any] = []
    if f == "csv":
        found = [shapely.from_wkt(row["wkt"]) for row in rows_of(answer.content)]
    elif f == "jsonfg":
        document = answer.json()
        member = "geometry" if crs == CRS84 else "place"
        assert document.get("coordRefSys") == (None if crs == CRS84 else crs.uri)
        found = [shapely.from_geojson(json.dumps(feature[member])) for feature in document["features"]]
    else:
        root = etree.fromstring(answer.content)
        assert {element.get("srsName") for element in root.iter(f"{GML}MultiSurface")} == {crs.uri}
        for surface in root.iter(f"{GML}MultiSurface"):
            first = next(surface.iter(f"{GML}posList")).text.split()
            found.append(shapely.Point(float(first[0]), float(first[1])))
    tolerance = 2e-8 if crs.geographic else 0.002
    for geometry, (text,) in zip(found, expected, strict=True):
        wanted = shapely.from_wkt(text)
        if f == "gml":
            wanted = shapely.Point(shapely.get_coordinates(wanted)[0])
        assert abs(shapely.get_coordinates(geometry) - shapely.get_coordinates(wanted)).max() < tolerance


def test_ogrinfo_reads_gml_by_its_published_schema(client: httpx.Client, probe: Any, tmp_path: Path) -> None:
    path = tmp_path / "flaeche.gml"
    path.write_bytes(client.get(AREAS, params={"f": "gml", "limit": 5, "crs": ETRS89_UTM32.uri}).content)
    command = ["ogrinfo", "-ro", "-so", "-al", "--config", "GDAL_HTTP_TIMEOUT", "20", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Feature Count: 5" in told.stdout
    assert "Geometry: Multi" in told.stdout
    assert "nummer: Integer" in told.stdout
    assert '"EPSG",25832' in told.stdout


# GML


@pytest.mark.parametrize(("f", "xsd", "level"), [("gml", "xsd", "0"), ("gmlsf2", "xsdsf2", "2")])
@pytest.mark.parametrize("path", [POINTS, AREAS, f"{POINTS}/50%25", f"{AREAS}/f00011", f"{POINTS}?skipGeometry=true"])
def test_gml_is_valid(client: httpx.Client, gml_schemas: Schemas, path: str, f: str, xsd: str, level: str) -> None:
    collection = path.split("/")[2]
    answer = client.get(path, params={**dict(httpx.QueryParams(path.partition("?")[2])), "f": f})
    own = client.get(f"/collections/{collection}/schema", params={"f": xsd})
    assert own.headers["Content-Type"] == "application/xml"
    assert f"<gmlsf:ComplianceLevel>{level}</gmlsf:ComplianceLevel>" in own.text
    assert answer.headers["Content-Type"] == (
        f'application/gml+xml;version=3.2;profile="http://www.opengis.net/def/profile/ogc/2.0/gml-sf{level}"'
    )
    schema = gml_schemas(own.content)
    root = etree.fromstring(answer.content)
    assert schema.validate(root), schema.error_log
    locations = root.get("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", "").split()
    assert locations[2:] == [
        f"urn:x-opennrw-geo:{collection}",
        f"{client.base_url}/collections/{collection}/schema?f={xsd}",
    ]


def test_gml_ids_are_the_features_where_xml_allows(client: httpx.Client, truth: Fetch) -> None:
    root = etree.fromstring(client.get(POINTS, params={"f": "gml", "limit": 10_000}).content)
    found = {feature.findtext(f"{OWN}id"): feature.get(f"{GML}id") for feature in root.iter(f"{OWN}messpunkt")}
    assert set(found) == {id_ for (id_,) in truth("select id from geobasis.messpunkt")}
    assert found["p00042"] == "p00042"
    assert found["50%"] == "_x" + b"50%".hex()
    assert len(set(found.values())) == len(found)


def test_gml_texts_come_as_they_are(client: httpx.Client, truth: Fetch) -> None:
    root = etree.fromstring(client.get(POINTS, params={"f": "gml", "limit": 10_000}).content)
    found = {feature.findtext(f"{OWN}id"): feature.findtext(f"{OWN}name") for feature in root.iter(f"{OWN}messpunkt")}
    assert found == dict(truth("select id, name from geobasis.messpunkt"))


# JSON-FG


@pytest.fixture(scope="module")
def jsonfg(standards: Path) -> Draft202012Validator:
    """JSON-FG's own schema of a root object."""
    folder = standards / "json-fg" / "core" / "schemas"
    schemas = [json.loads(path.read_text("utf-8")) for path in folder.glob("*.json") if ".min." not in path.name]
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)
    root = next(schema for schema in schemas if schema["$id"].endswith("jsonfg-root-object.json"))
    return Draft202012Validator(root, registry=registry)


@pytest.mark.parametrize("path", [POINTS, AREAS, f"{POINTS}/p00042"])
@pytest.mark.parametrize("given", [{}, {"crs": ETRS89_UTM32.uri}, {"crs": CRS84.uri}, {"skipGeometry": "true"}])
def test_jsonfg_is_valid(client: httpx.Client, jsonfg: Draft202012Validator, path: str, given: dict[str, str]) -> None:
    document = client.get(path, params={"f": "jsonfg", **given}).json()
    errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in jsonfg.iter_errors(document)]
    assert not errors
    assert CORE in document["conformsTo"]


def test_jsonfg_has_the_official_coordinates_beside_geojson(client: httpx.Client, truth: Fetch) -> None:
    answer = client.get(POINTS, params={"f": "jsonfg", "limit": 50})
    document = answer.json()
    assert answer.headers["Content-Type"] == "application/fg+json"
    assert answer.headers["OpenNRW-Coordinates"] == "official"
    assert document["coordRefSys"] == ETRS89_UTM32.uri
    assert (document["featureType"], document["geometryDimension"]) == ("messpunkt", 0)
    assert document["featureSchema"] == f"{client.base_url}/collections/messpunkt/schema"
    assert document["coordinates"] == {"status": "official"}
    expected = truth(
        "select ST_X(geom)::numeric(12,3)::float8, ST_Y(geom)::numeric(12,3)::float8, datum::text "
        "from geobasis.messpunkt order by fid limit 50"
    )
    plain = client.get(POINTS, params={"limit": 50}).json()["features"]
    for feature, (x, y, day), geojson in zip(document["features"], expected, plain, strict=True):
        assert feature["place"]["coordinates"] == [x, y]
        assert feature["geometry"] == geojson["geometry"]
        assert feature["properties"] == geojson["properties"]
        assert feature["time"] == ({"date": day} if day else None)


@pytest.mark.parametrize(
    ("given", "media_type", "profiles", "fallback"),
    [
        ({"f": "json", "profile": "jsonfg"}, "application/geo+json", ["jsonfg"], False),
        ({"f": "json", "profile": "jsonfg-plus"}, "application/geo+json", ["jsonfg-plus", "jsonfg"], True),
        ({"f": "jsonfg"}, "application/fg+json", ["jsonfg"], False),
        ({"f": "jsonfg", "profile": f"{PROFILES}jsonfg-plus"}, "application/fg+json", ["jsonfg-plus", "jsonfg"], True),
    ],
)
def test_profiles_of_jsonfg(
    client: httpx.Client, given: dict[str, str], media_type: str, profiles: list[str], fallback: bool
) -> None:
    answer = client.get(POINTS, params={**given, "crs": ETRS89_UTM32.uri, "limit": 3})
    document = answer.json()
    assert answer.headers["Content-Type"] == media_type
    linked = [link["href"] for link in document["links"] if link["rel"] == "profile"]
    assert linked == [f"{PROFILES}{name}" for name in profiles]
    assert f'<{PROFILES}{profiles[0]}>; rel="profile"' in answer.headers["Link"]
    assert all((feature["geometry"] is not None) == fallback for feature in document["features"])
    assert all(feature["place"] for feature in document["features"])
    following = client.get(answer.links["next"]["url"])
    assert following.headers["Content-Type"] == media_type
    assert following.json()["conformsTo"] == document["conformsTo"]


def test_geojson_stays_without_members_of_jsonfg(client: httpx.Client) -> None:
    for given in ({}, {"profile": "rfc7946"}):
        document = client.get(POINTS, params={"limit": 2, **given}).json()
        assert not {"conformsTo", "coordRefSys", "featureType"} & set(document)
        assert set(document["features"][0]) == {"type", "id", "geometry", "properties"}


# CSV


def test_csv_is_lossless_and_runs_no_formula(client: httpx.Client, truth: Fetch) -> None:
    answer = client.get(POINTS, params={"f": "csv", "limit": 10_000, "crs": ETRS89_UTM32.uri})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    head = b"id,name,nummer,wert,aktiv,datum,notiz,delivery,x,y\r\n"
    assert answer.content.startswith(head)
    expected = truth(
        "select id, name, nummer::text, wert::text, aktiv::text, datum::text, notiz, delivery::text, "
        "round(ST_X(geom)::numeric, 3)::text, round(ST_Y(geom)::numeric, 3)::text from geobasis.messpunkt order by fid"
    )
    texts = (0, 1, 6)
    found = [list(row.values()) for row in rows_of(answer.content)]
    assert found == [
        [defused(cell) if number in texts else cell or "" for number, cell in enumerate(row)] for row in expected
    ]
    assert not any(cell.startswith(tuple("=+@\t\r")) for row in found for cell in row)
    assert b'"\'=1+1"' in answer.content


def test_csv_tells_an_empty_text_from_none(client: httpx.Client, truth: Fetch) -> None:
    ((empty,),) = truth("select id from geobasis.messpunkt where name = ''")
    ((missing,),) = truth("select id from geobasis.messpunkt where name is null order by fid limit 1")
    lines = [client.get(POINTS, params={"f": "csv", "id": id_}).text.split("\r\n")[1] for id_ in (empty, missing)]
    begins = [f'''"{defused(id_).replace('"', '""')}"''' for id_ in (empty, missing)]
    assert lines[0].startswith(f'{begins[0]},"",')
    assert lines[1].startswith(f"{begins[1]},,")


# Text sequences


def test_text_sequences_are_records_of_rfc_8142(client: httpx.Client) -> None:
    answer = client.get(POINTS, params={"f": "geojsonl", "limit": 10_000})
    assert answer.headers["Content-Type"] == "application/geo+json-seq"
    empty, *records = answer.content.split(b"\x1e")
    assert empty == b""
    assert all(record.endswith(b"\n") and record.count(b"\n") == 1 for record in records)
    plain = client.get(POINTS, params={"limit": 10_000}).json()["features"]
    assert [json.loads(record) for record in records] == plain


# Whatever the format


@pytest.mark.parametrize("f", OF_ITEMS)
def test_pages_end_by_their_links_with_each_feature_once(client: httpx.Client, truth: Fetch, f: str) -> None:
    given = {"f": f, "limit": 150, "bbox": "340000,5640000,365000,5710000", "bbox-crs": ETRS89_UTM32.uri}
    pages = [client.get(POINTS, params={**given, "filter": "nummer > 0"})]
    while "next" in pages[-1].links:
        media_type = OF_ITEMS[f].replace('"', r"\"")
        assert f'rel="next"; type="{media_type}"' in pages[-1].headers["Link"]
        pages.append(client.get(pages[-1].links["next"]["url"]))
    ((expected,),) = truth(
        "select count(*) from geobasis.messpunkt where nummer > 0 and "
        "ST_Intersects(geom, ST_MakeEnvelope(340000, 5640000, 365000, 5710000, 25832))"
    )
    assert sum(int(page.headers["OGC-NumberReturned"]) for page in pages) == expected
    assert len(pages) == -(-expected // 150)
    back = client.get(pages[-1].links["prev"]["url"])
    assert back.headers["OGC-NumberReturned"] == "150"
    if f in TEXTS:
        assert features_in(back.content, f) == features_in(pages[-2].content, f)
        found = [one for page in pages for one in features_in(page.content, f)]
        assert len(set(found)) == len(found) == expected


def features_in(content: bytes, f: str) -> list[str]:
    """Ids of the features, in their order."""
    if f == "csv":
        return [row["id"] for row in rows_of(content)]
    if f.startswith("gml"):
        return [str(one.findtext(f"{OWN}id")) for one in etree.fromstring(content).iter(f"{OWN}messpunkt")]
    if f == "geojsonl":
        return [json.loads(record)["id"] for record in content.split(b"\x1e")[1:]]
    return [feature["id"] for feature in json.loads(content)["features"]]


@pytest.mark.parametrize("f", TEXTS)
def test_a_selection_holds_in_each_format(client: httpx.Client, f: str) -> None:
    given = {"f": f, "limit": 5, "properties": "wert,name", "skipGeometry": "true"}
    content = client.get(POINTS, params=given).content
    assert b"notiz" not in content.replace(b"schema", b"")
    if f == "csv":
        assert content.startswith(b"id,name,wert\r\n")
    elif f.startswith("gml"):
        names = {element.tag for feature in etree.fromstring(content).iter(f"{OWN}messpunkt") for element in feature}
        assert names <= {f"{OWN}id", f"{OWN}name", f"{OWN}wert"}
    else:
        features = [json.loads(one) for one in content.split(b"\x1e")[1:]] if f == "geojsonl" else None
        for feature in features or json.loads(content)["features"]:
            assert (list(feature["properties"]), feature["geometry"]) == (["name", "wert"], None)


def test_former_pages_are_sorted_as_asked(client: httpx.Client, truth: Fetch) -> None:
    given = {"f": "csv", "sortby": "-nummer,name", "limit": 300}
    first = client.get(POINTS, params=given)
    second = client.get(first.links["next"]["url"])
    assert features_in(client.get(second.links["prev"]["url"]).content, "csv") == features_in(first.content, "csv")
    plain = client.get(POINTS, params={**given, "f": "json"})
    assert features_in(first.content, "csv") == [defused(id_) for id_ in features_in(plain.content, "json")]


@pytest.mark.parametrize("f", OF_ITEM)
def test_a_feature_by_itself(client: httpx.Client, f: str) -> None:
    answer = client.get(f"{POINTS}/p00042", params={"f": f})
    assert answer.headers["Content-Type"] == OF_ITEM[f]
    assert b"p00042" in answer.content
    assert {"self", "alternate", "collection"} <= set(answer.links)
    missing = client.get(f"{POINTS}/nobody", params={"f": f})
    assert (missing.status_code, missing.json()["title"]) == (404, "Not found")
    again = client.get(f"{POINTS}/p00042", params={"f": f}, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accept", "f"),
    [
        ("application/fg+json", "jsonfg"),
        ("text/csv", "csv"),
        ("application/geo+json-seq", "geojsonl"),
        ("application/gml+xml", "gml"),
        ('application/gml+xml; version=3.2; profile="http://www.opengis.net/def/profile/ogc/2.0/gml-sf2"', "gmlsf2"),
        ('application/gml+xml;version=3.2;profile="http://www.opengis.net/def/profile/ogc/2.0/gml-sf0"', "gml"),
        ("application/gml+xml;q=0.2, application/geo+json;q=0.1", "gml"),
    ],
)
def test_accept_chooses_among_all(client: httpx.Client, accept: str, f: str) -> None:
    answer = client.get(POINTS, params={"limit": 1}, headers={"Accept": accept})
    assert answer.headers["Content-Type"].removesuffix("; charset=utf-8") == OF_ITEMS[f]


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"f": "csv", "profile": "jsonfg"}, "Leave the parameter out"),
        ({"f": "json", "profile": "JSONFG"}, "Use one of: rfc7946, jsonfg, jsonfg-plus"),
        ({"f": "jsonfg", "profile": "rfc7946"}, "Use one of: jsonfg, jsonfg-plus"),
        ({"f": "gml", "profile": "gml-sf1"}, "Use one of: gml-sf0, gml-sf2"),
        ({"profile": ""}, "Use one of: rfc7946, jsonfg, jsonfg-plus"),
    ],
)
def test_a_wrong_profile_is_told(client: httpx.Client, given: dict[str, str], remedy: str) -> None:
    for path in (POINTS, f"{POINTS}/p00042"):
        if path != POINTS and given.get("f") == "csv":
            continue
        problem = client.get(path, params=given).json()
        assert (problem["status"], problem["parameter"], problem["remedy"]) == (400, "profile", remedy)


def test_a_format_that_one_feature_has_not_is_told(client: httpx.Client) -> None:
    problem = client.get(f"{POINTS}/p00042", params={"f": "csv"}).json()
    assert (problem["status"], problem["parameter"]) == (400, "f")
    assert problem["remedy"] == f"Use one of: json, html, {', '.join(list(OF_ITEM)[1:])}"


# What the coordinates are


def test_coordinates_are_official_or_say_how_they_were_transformed(client: httpx.Client) -> None:
    found = {}
    for crs in OFFERED:
        answer = client.get(POINTS, params={"limit": 1, "crs": crs.uri})
        found[crs.uri.rsplit("/", 1)[-1]] = answer.headers["OpenNRW-Coordinates"]
    assert found["25832"] == "official"
    assert found["CRS84"] == ('transformed;operation="Inverse of UTM zone 32N + ETRS89 to WGS 84 (1)";accuracy=1.000')
    assert found["25833"] == 'transformed;operation="Inverse of UTM zone 32N + UTM zone 33N";accuracy=0.000'
    assert all(said.startswith("transformed;operation=") for name, said in found.items() if name != "25832")


def test_dhdn_goes_by_the_grid_that_postgis_has(client: httpx.Client, truth: Fetch) -> None:
    """The operation that is told is the one that was used: with PROJ's data BETA2007 is there, 0.4 m from without."""
    ((x, y),) = truth(
        "select ST_X(p), ST_Y(p) from ST_Transform(ST_SetSRID(ST_MakePoint(361380.312, 5699565.450), 25832), 31466) p"
    )
    by_grid = abs(x - 2570000) < 0.002 and abs(y - 5700000) < 0.002
    answer = client.get(POINTS, params={"limit": 1, "crs": "http://www.opengis.net/def/crs/EPSG/0/31466"})
    assert ("DHDN to ETRS89 (8)" in answer.headers["OpenNRW-Coordinates"]) == by_grid


def test_simplified_coordinates_say_so(client: httpx.Client) -> None:
    given = {"f": "jsonfg", "limit": 1, "crs": ETRS89_UTM32.uri, "zoom-level": "10"}
    answer = client.get(AREAS, params=given)
    assert answer.headers["OpenNRW-Coordinates"] == "official;simplified"
    assert answer.json()["coordinates"] == {"status": "official", "simplified": True}
