"""Items in FlatGeobuf, GeoParquet and GeoPackage: the same features as in GeoJSON, page by page."""

import io
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import httpx
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from shapely.geometry import shape

MEDIA = {
    "fgb": "application/flatgeobuf",
    "parquet": "application/vnd.apache.parquet",
    "gpkg": "application/geopackage+sqlite3",
}
NAMES = ("name", "nummer", "wert", "aktiv", "datum", "notiz", "delivery")
UTM32 = "http://www.opengis.net/def/crs/EPSG/0/25832"
GK3 = "http://www.opengis.net/def/crs/EPSG/0/31467"
LATLON = "http://www.opengis.net/def/crs/EPSG/0/4258"

Frame = geopandas.GeoDataFrame


def fetch(client: httpx.Client, collection: str, key: str, **query: Any) -> httpx.Response:
    answer = client.get(f"/collections/{collection}/items", params={**query, "f": key})
    assert answer.status_code == 200, answer.text
    return answer


def read(answer: httpx.Response, folder: Path) -> Frame:
    """As a user of geopandas does, who saved it."""
    ending = {media: key for key, media in MEDIA.items()}[answer.headers["content-type"]]
    path = folder / f"answer.{ending}"
    path.write_bytes(answer.content)
    if ending == "parquet":
        return geopandas.read_parquet(path)
    found = geopandas.read_file(path)
    return found.rename_geometry("geom") if isinstance(found, geopandas.GeoDataFrame) else found


def values(found: Frame, name: str) -> list[Any]:
    """Values of a column, comparable with those of JSON."""
    texts = []
    for value in found[name].astype(object):
        if value is None or value != value or str(value) == "NaT":  # noqa: PLR0124 - NaN
            texts.append(None)
        elif name == "datum":
            texts.append(str(value)[:10])
        elif name in {"nummer", "wert"}:
            texts.append(float(value))
        else:
            texts.append(bool(value) if name == "aktiv" else value)
    return texts


def of_json(features: list[dict[str, Any]], name: str) -> list[Any]:
    found = [feature["properties"][name] for feature in features]
    return [None if v is None else float(v) for v in found] if name in {"nummer", "wert"} else found


@pytest.mark.parametrize("crs", [None, UTM32, GK3, LATLON], ids=["crs84", "utm32", "gk3", "latlon"])
@pytest.mark.parametrize("key", MEDIA)
def test_the_features_of_geojson(client: httpx.Client, tmp_path: Path, key: str, crs: str | None) -> None:
    query = {"limit": 300, "bbox": "6.8,51.3,7.2,51.6", **({"crs": crs} if crs else {})}
    document = client.get("/collections/flaeche/items", params=query).json()
    answer = fetch(client, "flaeche", key, **query)
    found, features = read(answer, tmp_path), document["features"]
    assert list(found["id"]) == [feature["id"] for feature in features]
    assert len(features) > 100
    for name in NAMES:
        assert values(found, name) == of_json(features, name), name
    shapes = np.array([shape(feature["geometry"]) for feature in features])
    if crs in {GK3, LATLON}:  # GeoJSON has the order of the CRS, files have x and y
        shapes = shapely.transform(shapes, lambda places: places[:, ::-1])
    assert shapely.equals_exact(found.geometry.to_numpy(), shapes, 1e-3 if crs in {UTM32, GK3} else 1e-8).all()
    assert found.crs
    named = found.crs.to_authority(min_confidence=20)
    if key == "parquet" and crs is None:
        assert named == ("OGC", "CRS84")
    else:
        assert named == ("EPSG", {None: "4326", UTM32: "25832", GK3: "31467", LATLON: "4258"}[crs])
    assert answer.headers["content-crs"] == f"<{crs or 'http://www.opengis.net/def/crs/OGC/1.3/CRS84'}>"


@pytest.mark.parametrize("key", MEDIA)
def test_pages_follow_their_links(client: httpx.Client, tmp_path: Path, key: str) -> None:
    query = {"limit": 150, "aktiv": "true"}
    wanted = client.get("/collections/messpunkt/items", params={**query, "limit": 10_000}).json()["features"]
    answer = fetch(client, "messpunkt", key, **query)
    ids: list[str] = []
    while True:
        found = list(read(answer, tmp_path)["id"])
        assert answer.headers["ogc-numberreturned"] == str(len(found))
        ids += found
        link = re.search(r'<([^>]+)>; rel="next"; type="([^"]+)"', answer.headers["link"])
        if link is None:
            break
        assert link[2] == MEDIA[key], "as QGIS looks for it"
        answer = client.get(link[1])
    assert ids == [feature["id"] for feature in wanted]
    assert len(ids) > 300


@pytest.mark.parametrize("key", MEDIA)
def test_long_answers_in_one_piece(client: httpx.Client, tmp_path: Path, key: str) -> None:
    answer = fetch(client, "messpunkt", key, limit=1_000_000)
    document = client.get("/collections/messpunkt/items", params={"limit": 10_000}).json()
    found = read(answer, tmp_path)
    assert list(found["id"]) == [feature["id"] for feature in document["features"]]
    assert answer.headers["ogc-numbermatched"] == str(len(found)) == str(document["numberMatched"])
    assert ("content-length" in answer.headers) == (key == "gpkg"), "only a file knows its length before"


@pytest.mark.parametrize("key", MEDIA)
def test_parts_of_features(client: httpx.Client, tmp_path: Path, key: str) -> None:
    query = {"limit": 20, "properties": "wert,name", "filter": "nummer > 5", "sortby": "-wert"}
    document = client.get("/collections/flaeche/items", params=query).json()
    found = read(fetch(client, "flaeche", key, **query), tmp_path)
    assert list(found["id"]) == [feature["id"] for feature in document["features"]]
    assert [name for name in found.columns if name not in {"geom", "bbox"}] == ["id", "name", "wert"]
    answer = fetch(client, "flaeche", key, **query, skipGeometry="true")
    if key == "parquet":
        assert pq.read_table(io.BytesIO(answer.content)).column_names == ["id", "name", "wert"]
        return
    path = tmp_path / f"bare.{key}"
    path.write_bytes(answer.content)
    bare = pyogrio.read_dataframe(path)
    assert list(bare["id"]) == list(found["id"])
    assert key == "gpkg" or bare.geometry.isna().all()


@pytest.mark.parametrize("key", MEDIA)
def test_nothing_found(client: httpx.Client, tmp_path: Path, key: str) -> None:
    found = read(fetch(client, "flaeche", key, filter="nummer = 4711"), tmp_path)
    assert len(found) == 0
    assert "datum" in found.columns
    assert len(read(fetch(client, "leer", key), tmp_path)) == 0


@pytest.mark.parametrize("key", MEDIA)
def test_simplified_shapes(client: httpx.Client, tmp_path: Path, key: str) -> None:
    query = {"limit": 20, "zoom-level": "6", "crs": UTM32}
    document = client.get("/collections/bezirk/items", params=query).json()
    found = read(fetch(client, "bezirk", key, **query), tmp_path)
    points = [shapely.count_coordinates(shape(feature["geometry"])) for feature in document["features"]]
    assert list(shapely.get_num_coordinates(found.geometry.to_numpy())) == points


def test_accept_chooses_the_format(client: httpx.Client) -> None:
    for media in MEDIA.values():
        answer = client.get("/collections/flaeche/items", params={"limit": 1}, headers={"Accept": media})
        assert answer.headers["content-type"] == media
        assert client.head("/collections/flaeche/items", headers={"Accept": media}).headers["content-type"] == media


def test_the_distributions_gdal_reads_the_stream(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "answer.fgb"
    path.write_bytes(fetch(client, "flaeche", "fgb", limit=10).content)
    done = subprocess.run(["ogrinfo", "-ro", "-al", path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("MULTIPOLYGON") == 10
    assert "Feature Count: 10" in done.stdout


def test_a_geopackage_tells_where_it_is_from(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "answer.gpkg"
    path.write_bytes(fetch(client, "flaeche", "gpkg", limit=10).content)
    with closing(sqlite3.connect(path)) as file:
        (told,) = file.execute("select metadata from gpkg_metadata").fetchone()
        assert file.execute("select identifier from gpkg_contents").fetchone() == ("Größe flaeche",)
        assert file.execute("select count(*) from rtree_flaeche_geom").fetchone() == (10,)
    assert f'"source":"{client.base_url}' in told
    assert '"licence":"https://www.govdata.de/dl-de/zero-2-0"' in told
