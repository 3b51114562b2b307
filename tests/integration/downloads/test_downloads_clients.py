"""What people read files with, over HTTP with ranges: GDAL, geopandas, DuckDB; every feature, once, in its place."""

import json
import subprocess
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import geopandas
import httpx
import psycopg
import pyogrio
import pytest
from fsspec.implementations.http import HTTPFileSystem

AT = "/collections/adresse/downloads/adresse"
BOX = "select ST_XMin(geom), ST_YMin(geom), ST_XMax(geom), ST_YMax(geom) from geobasis.gemeinde limit 1"


@pytest.fixture(scope="module")
def known(offered: Any) -> Callable[..., Any]:
    """Asks the database that the files were made of."""

    def ask(query: str, *values: Any) -> Any:
        with psycopg.connect(offered.maker.database_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    return ask


@pytest.mark.parametrize("extension", ["gpkg", "fgb", "geojsonl", "csv", "shp.zip"])
def test_gdal_reads_all_features_from_the_address(offered: Any, known: Any, extension: str) -> None:
    command = ["ogrinfo", "-ro", "-so", "-al", f"/vsicurl/{offered.url}{AT}.{extension}"]
    told = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.decode()
    assert f"Feature Count: {known('select count(*) from geobasis.adresse')[0][0]}\n" in told
    assert all(f"\n{name}: " in told for name in ("str", "hnr", "ags", "delivery"))


def test_gdal_fetches_a_box_of_a_flatgeobuf_by_ranges(offered: Any, known: Any) -> None:
    """The spatial index is used: far less than the file is sent, and every feature of the box comes."""
    box = [float(value) for value in known(BOX)[0]]
    inside = "select id from geobasis.adresse where geom && ST_MakeEnvelope(%s, %s, %s, %s, 25832)"
    data = pyogrio.read_dataframe(f"/vsicurl/{offered.url}{AT}.fgb", bbox=tuple(box))
    assert data.crs is not None
    assert data.crs.to_epsg() == 25832
    assert sorted(data["id"]) == sorted(row[0] for row in known(inside, *box))


def test_geopandas_reads_parquet_and_geopackage(offered: Any, known: Any, web: httpx.Client, tmp_path: Path) -> None:
    count = known("select count(*) from geobasis.adresse")[0][0]
    east = known("select sum(ST_X(geom)) from geobasis.adresse")[0][0]
    path = offered.url + f"{AT}.parquet"
    parquet = geopandas.read_parquet(path, filesystem=fsspec.filesystem("http"))
    package = tmp_path / "adresse.gpkg"
    package.write_bytes(web.get(f"{AT}.gpkg").content)
    for data in (parquet, geopandas.read_file(package)):
        assert data.crs is not None
        assert data.crs.to_epsg() == 25832
        assert len(data) == count
        assert data.geometry.x.sum() == pytest.approx(east, abs=0.01)


class Dated(HTTPFileSystem):
    """Files over HTTP by ranges; DuckDB asks for their dates, too."""

    protocol = "http"

    def modified(self, path: str) -> datetime:
        return parsedate_to_datetime(httpx.head(path).headers["last-modified"])


def test_duckdb_counts_from_the_address(offered: Any, known: Any) -> None:
    database = duckdb.connect()
    database.register_filesystem(Dated())
    query = f"select ags, count(*) from read_parquet('{offered.url}{AT}.parquet') group by ags order by ags"
    found = database.execute(query).fetchall()
    assert found == known("select ags, count(*) from geobasis.adresse group by ags order by ags")


@pytest.mark.parametrize("kind", ["gpkg", "fgb", "parquet"])
def test_a_part_says_what_it_is_of_what(web: httpx.Client, known: Any, kind: str) -> None:
    """Area, licence and delivery are in the file: who gets it from somebody else knows them."""
    ((ags, name),) = known(
        "select kn, gn from geobasis.gemeinde where kn in (select ags from geobasis.adresse) limit 1"
    )
    answer = web.get(f"/collections/adresse/download?area={ags}&f={kind}")
    assert answer.status_code == 200, answer.text
    text = answer.content
    told = f"Only gemeinde {name} ({ags}): features whose ags begins with {ags}."
    # GeoPackage keeps it as XML or JSON, the others as JSON, where letters may be escaped
    assert told.encode() in text or json.dumps(told)[1:-1].encode() in text
    assert b"dl-de/zero-2-0" in text
