"""Parts of collections as files: by area, filter and CRS; made at once, kept, refused with the remedy."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from server.settings import ROOT

UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
LIKE = "filter=str%20LIKE%20%27A%25%27"


@pytest.fixture(scope="module")
def keys(offered: Any) -> dict[Any, Any]:
    """An existing municipality that has addresses, and the number of addresses by the beginnings of its key."""
    with psycopg.connect(offered.maker.database_url) as connection:
        counts = "select ags, count(*) from geobasis.adresse group by ags order by 2 desc, 1"
        rows: list[tuple[str, int]] = connection.execute(counts).fetchall()
    ags = rows[0][0]
    found = {n: sum(c for key, c in rows if key.startswith(ags[:n])) for n in (2, 3, 5, 8)}
    return {"ags": ags, **found}


def to_ids(answer: httpx.Response) -> list[str]:
    """Ids of the features of a GeoJSON sequence."""
    return [json.loads(line)["id"] for line in answer.content.split(b"\x1e")[1:]]


@pytest.mark.parametrize("digits", [8, 5, 3, 2])
def test_an_area_holds_what_belongs_to_it_by_key(web: httpx.Client, keys: dict[Any, Any], digits: int) -> None:
    area = keys["ags"][:digits]
    answer = web.get(f"/collections/adresse/download?area={area}&f=geojsonl")
    assert answer.status_code == 200, answer.text
    ids = to_ids(answer)
    assert len(ids) == len(set(ids)) == keys[digits] == int(answer.headers["ogc-numberreturned"])
    assert answer.headers["content-disposition"] == f'attachment; filename="adresse_{area}.geojsonl"'


def test_areas_together_are_the_whole(web: httpx.Client, offered: Any) -> None:
    """Each feature belongs to one municipality: none is lost between two files, none is in both."""
    with psycopg.connect(offered.maker.database_url) as connection:
        areas = [row[0] for row in connection.execute("select distinct ags from geobasis.hausumring")]
        expected = {row[0] for row in connection.execute("select id from geobasis.hausumring")}
    found = [
        id_ for area in areas for id_ in to_ids(web.get(f"/collections/hausumring/download?area={area}&f=geojsonl"))
    ]
    assert len(found) == len(expected)
    assert set(found) == expected


def test_filter_and_crs(web: httpx.Client, keys: dict[Any, Any], offered: Any) -> None:
    answer = web.get(
        f"/collections/adresse/download?area={keys['ags']}&f=csv&{LIKE}&crs={UTM.replace('25832', '4258')}"
    )
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with psycopg.connect(offered.maker.database_url) as connection:
        query = "select count(*) from geobasis.adresse where ags = %s and str like 'A%%'"
        expected = connection.execute(query, [keys["ags"]]).fetchone()
    assert (len(rows),) == expected
    assert answer.headers["content-crs"] == f"<{UTM.replace('25832', '4258')}>"
    assert answer.headers["content-disposition"] == f'attachment; filename="adresse_{keys["ags"]}_auswahl_4258.csv"'


def test_an_empty_part_is_a_file_without_features(web: httpx.Client, keys: dict[Any, Any]) -> None:
    answer = web.get(f"/collections/adresse/download?area={keys['ags']}&f=gpkg&filter=str=%27gibt%20es%20nicht%27")
    assert (answer.status_code, answer.headers["ogc-numberreturned"]) == (200, "0")
    assert answer.content.startswith(b"SQLite format 3\0")


def test_the_same_request_gets_the_kept_file(web: httpx.Client, keys: dict[Any, Any], offered: Any) -> None:
    path = f"/collections/adresse/download?area={keys['ags']}&f=fgb"
    first = web.get(path)
    folder = offered.maker.home / "downloads" / "cuts"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    second = web.get(f"{path}&lang=en")
    assert (second.content, second.headers["etag"]) == (first.content, first.headers["etag"])
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    part = web.get(path, headers={"Range": "bytes=0-3", "If-Range": first.headers["etag"]})
    assert (part.status_code, part.content) == (206, b"fgb\x03")


def test_a_kept_part_has_a_status_and_an_address(web: httpx.Client, keys: dict[Any, Any]) -> None:
    answer = web.get(f"/collections/adresse/download?area={keys['ags']}&f=parquet")
    monitor = answer.links["monitor"]["url"]
    status = web.get(monitor, params={"f": "json"}).json()
    assert (status["status"], status["progress"]) == ("successful", 100)
    assert status["request"] == {"area": keys["ags"]}
    link = next(x for x in status["links"] if x["rel"] == "enclosure")
    assert web.get(link["href"]).content == answer.content
    name = web.get("/collections/gemeinde/items", params={"kn": keys["ags"]}).json()["features"][0]["properties"]["gn"]
    assert f'{name} <code class="minor">{keys["ags"]}</code>' in web.get(monitor, params={"f": "html"}).text
    wrong = web.get(f"{link['href'][:-1]}x")
    assert (wrong.status_code, "Correct the address" in wrong.json()["detail"]) == (404, True)
    other = web.get(monitor.replace("/adresse/", "/kreis/"))
    assert (other.status_code, "files are kept for a day" in other.json()["detail"]) == (404, True)


def test_the_whole_is_the_file_that_is_there(web: httpx.Client) -> None:
    for path in ("download?f=gpkg", "download", f"download?f=gpkg&crs={UTM}"):
        answer = web.get(f"/collections/kreis/{path}")
        assert answer.status_code == 303
        assert answer.headers["location"].endswith("/collections/kreis/downloads/kreis.gpkg")
    absent = web.get("/collections/land/download?f=gpkg")
    assert (absent.status_code, "There is no file land.gpkg now" in absent.json()["detail"]) == (404, True)


def test_the_accept_header_chooses_a_format(web: httpx.Client, keys: dict[Any, Any]) -> None:
    path = f"/collections/adresse/download?area={keys['ags']}"
    assert web.get(path, headers={"Accept": "text/csv"}).headers["content-type"].startswith("text/csv")
    assert web.get(path, headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("area=99999999", "the collection 'gemeinde' has no area with the key 99999999"),
        ("area=05999", "the collection 'kreis' has no area with the key 05999000"),
        ("area=0511", "it is no key of an area. Give an official key: 8 digits for a municipality"),
        ("area=", "it is no key of an area"),
        ("area=051110001", "it is no key of an area"),
        ("area=%D9%A0%D9%A5", "it is no key of an area"),
        ("area=05'--", "it is no key of an area"),
        ("area=05%00", "it holds a NUL character"),
        ("area=05&area=05", "it is given more than once"),
        ("area=05&f=dwg", "it is no format of this resource. Use one of: gpkg, fgb, parquet, geojsonl, csv, shp"),
        ("area=05&f=../../etc/passwd", "it is no format of this resource"),
        ("area=05&crs=EPSG:25832", "it is not the URI of a CRS"),
        ("area=05&filter=nix%3D1", "nix"),
        ("area=05&filter=" + "(" * 5000, "filter"),
        ("area=05&limit=5", "The parameter 'limit' is not known here"),
    ],
)
def test_hostile_and_mistaken_requests(web: httpx.Client, query: str, text: str) -> None:
    answer = web.get(f"/collections/adresse/download?{query}")
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


@pytest.mark.parametrize("key", ["x", "0" * 31, "0" * 32, "0" * 33, "%2e%2e%2fadresse"])
def test_downloads_that_there_are_not(web: httpx.Client, key: str) -> None:
    for path in (f"/collections/adresse/download/{key}", f"/collections/adresse/download/{key}/adresse.csv"):
        answer = web.get(path)
        assert answer.status_code == 404
        assert "There is no" in answer.json()["detail"] or "There is nothing at" in answer.json()["detail"]


def test_without_a_key_the_geometry_decides(offered: Any, serve_files: Any, tmp_path: Path) -> None:
    """A collection whose YAML names no key is cut by the area's outline; what touches it is in."""
    folder = tmp_path / "collections"
    folder.mkdir()
    for name in ("gemeinde", "hausumring"):
        collection = yaml.safe_load((ROOT / "collections" / f"{name}.yaml").read_text())
        collection.pop("area")
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(collection))
    with psycopg.connect(offered.maker.database_url) as connection:
        kn = connection.execute("select min(kn) from geobasis.gemeinde").fetchone()
        assert kn
        touching = """
            select a.id from geobasis.{} a join geobasis.gemeinde g on ST_Intersects(a.geom, g.geom) where g.kn = %s"""
        expected = {
            name: {row[0] for row in connection.execute(touching.format(name).encode(), kn)}
            for name in ("gemeinde", "hausumring")
        }
    assert len(expected["gemeinde"]) > 1
    with serve_files(offered.maker, OPENNRW_COLLECTIONS_DIR=str(folder)) as served:
        for name, ids in expected.items():
            answer = httpx.get(f"{served.url}/collections/{name}/download?area={kn[0]}&f=geojsonl", timeout=60)
            assert set(to_ids(answer)) == ids
