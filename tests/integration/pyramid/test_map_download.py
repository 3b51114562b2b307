"""The tiles of all collections in one file: made after their tables, fresh after each delivery, read by ranges."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pmtiles.reader import MemorySource, Reader, all_tiles

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.progress import Quiet
from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections, read_service
from server.exports.archives import Archives
from server.jobs.app import connect_queue
from server.jobs.progress import JobProgress
from server.jobs.tasks import TASKS, Work, pyramid, whole_map
from server.pyramid.make import refresh
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
# a map of some collections: the whole one holds some thousand tiles
CHOSEN = ("adresse", "gemeinde", "gemeinde_generalisiert", "kreis")
ADDRESS = "/downloads/map.pmtiles"
WAITING = "select queue_name, priority from jobs.procrastinate_jobs where task_name = 'map' and status = 'todo'"


@dataclass(frozen=True)
class Place:
    """A database with the example, and a service over it that offers files of a folder."""

    settings: Settings
    client: httpx.Client

    @property
    def url(self) -> str:
        assert self.settings.database_url
        return self.settings.database_url

    def work(self, **arguments: str) -> Work:
        return Work(self.settings, 1, arguments, JobProgress(1, self.url))


@pytest.fixture(scope="module")
def place(
    cluster: Any, example_template: str, serve_probe: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    url = cluster.create(example_template)
    folder = tmp_path_factory.mktemp("map")
    chosen = folder / "collections"
    chosen.mkdir()
    for name in CHOSEN:
        text = (ROOT / "collections" / f"{name}.yaml").read_text("utf-8")
        (chosen / f"{name}.yaml").write_text(text.replace("maxzoom: 16", "maxzoom: 14"), "utf-8")
    given = {"OPENNRW_COLLECTIONS_DIR": str(chosen), "OPENNRW_HOME": str(folder)}
    settings = Settings(database_url=url, **given)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with serve_probe(url, **given) as served, httpx.Client(base_url=served.url, timeout=30) as client:
        yield Place(settings, client)
    cluster.drop(url)


def test_the_archive_of_the_whole_map_follows_every_delivery(place: Place, tmp_path: Path) -> None:
    missing = place.client.get(ADDRESS)
    assert missing.status_code == 404
    assert "There is no file map.pmtiles now. A worker makes it after a delivery" in missing.json()["detail"]
    wrong = place.client.get("/downloads/karte.pmtiles").json()["detail"]
    assert "There is no file 'karte.pmtiles'. There is map.pmtiles" in wrong
    assert whole_map(place.work()).outcome == "early"  # no tables yet
    with connect_queue(place.settings) as connection:
        connection.execute("delete from jobs.procrastinate_jobs")
        for name in CHOSEN:
            assert pyramid(place.work(collection=name)).outcome == "made"
        assert connection.execute(WAITING).fetchall() == [(TASKS["map"].queue, TASKS["map"].priority)]
    assert whole_map(place.work()).outcome == "made"
    assert whole_map(place.work()).outcome == "unchanged"
    former = place.client.get(ADDRESS)

    write_deliveries(tmp_path, ExampleOptions(addresses=600, changes=0.05))
    load_dataset("gebref", LoadOptions(place.url, tmp_path / "store", source=str(tmp_path)))
    assert whole_map(place.work()).outcome == "early"
    assert place.client.get(ADDRESS).headers["ETag"] == former.headers["ETag"]
    assert pyramid(place.work(collection="adresse")).outcome == "amended"
    assert whole_map(place.work()).outcome == "made"

    answer = place.client.get(ADDRESS)
    assert answer.headers["ETag"] != former.headers["ETag"]
    assert answer.headers["Content-Type"] == "application/vnd.pmtiles"
    again = place.client.get(ADDRESS, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    late = {"Range": "bytes=0-126", "If-Range": former.headers["ETag"]}
    assert place.client.get(ADDRESS, headers=late).status_code == 200
    part = place.client.get(ADDRESS, headers={**late, "If-Range": answer.headers["ETag"]})
    assert (part.status_code, part.content) == (206, answer.content[:127])
    for path in ("/tiles", "/tiles/WebMercatorQuad"):
        (link,) = [x for x in place.client.get(path).json()["links"] if x["rel"] == "enclosure"]
        assert (link["href"].endswith(ADDRESS), link["length"]) == (True, len(answer.content))
    assert "enclosure" not in place.client.get("/tiles/AdV_25832").text
    assert ADDRESS in place.client.get("/tiles/WebMercatorQuad?f=html").text


def test_its_tiles_are_those_of_the_service(place: Place) -> None:
    """All there are, of all collections but those that double another."""
    answer = place.client.get(ADDRESS)
    reader = Reader(MemorySource(answer.content))
    layers = {layer["id"] for layer in reader.metadata()["vector_layers"]}
    beside = {f"{name}.{kind}" for name in ("gemeinde", "kreis") for kind in ("names", "borders")}
    assert layers == {"adresse", "gemeinde", "kreis"} | beside
    assert reader.metadata()["left_out"] == 0
    found = dict(all_tiles(MemorySource(answer.content)))
    assert (reader.header()["min_zoom"], reader.header()["max_zoom"]) == (6, 14)
    limits = place.client.get("/tiles/WebMercatorQuad").json()["tileMatrixSetLimits"]
    full = 0
    for limit in limits[::2]:
        level = int(limit["tileMatrix"])
        rows = range(int(limit["minTileRow"]), int(limit["maxTileRow"]) + 1)
        cols = range(int(limit["minTileCol"]), int(limit["maxTileCol"]) + 1)
        # all of a level with few tiles, every so many of the others
        tiles = [(row, col) for row in rows for col in cols]
        for row, col in tiles[:: 1 + len(tiles) // 20]:
            there = found.get((level, col, row))
            plain = place.client.get(f"/tiles/WebMercatorQuad/{level}/{row}/{col}").content
            assert (gzip.decompress(there) if there else b"") == plain
            full += bool(plain)
    assert full > 8


def test_the_archive_is_of_what_the_catalogue_says_now(place: Place, tmp_path: Path) -> None:
    """Other levels in a YAML, and the archives are others, although no delivery came."""
    text = (ROOT / "collections" / "kreis.yaml").read_text("utf-8")
    for name, zoom in (("one", 9), ("two", 10)):
        folder = tmp_path / name
        folder.mkdir()
        changed = text.replace("maxzoom: 14", f"maxzoom: {zoom}").replace("below: 13", "below: 8")
        (folder / "kreis.yaml").write_text(changed, "utf-8")
        settings = place.settings.model_copy(update={"collections_dir": folder, "home": tmp_path})
        (kreis,) = read_collections(folder)
        archives = Archives(settings, read_service(ROOT / "config"), Quiet())
        assert archives.make_map([kreis]) == "early"
        refresh(place.url, kreis)
        assert archives.make_map([kreis]) == "made"
        (archive,) = (tmp_path / "downloads" / "_map").glob("*.pmtiles")
        assert Reader(MemorySource(archive.read_bytes())).header()["max_zoom"] == zoom
        assert kreis.tiles.maxzoom == zoom


def test_nothing_is_made_of_nothing(connection: psycopg.Connection[Any], tmp_path: Path) -> None:
    url = connection.info.dsn
    settings = Settings(database_url=url, OPENNRW_HOME=tmp_path)  # pyright: ignore[reportCallIssue]
    archives = Archives(settings, read_service(ROOT / "config"), Quiet())
    assert archives.make_map(read_collections(ROOT / "collections")) == "empty"
