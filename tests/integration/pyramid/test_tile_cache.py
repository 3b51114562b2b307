"""Kept tiles: made once, sent as kept, and taken out exactly where a delivery touches them."""

import gzip
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import shapely
from pmtiles.reader import MemorySource, Reader, all_tiles
from psycopg import sql

from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.progress import Quiet
from loaders.rollback import RollbackOptions, roll_back
from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections, read_service
from server.errors import NotFitting
from server.pyramid.make import refresh
from server.settings import Settings
from server.tiling.archive import Archivist, Scope
from server.tiling.batch import Overtaken, ProcessLost, read_states
from server.tiling.grid import Tile, limits
from server.tiling.matrixsets import read_grids
from server.tiling.places import place_of
from server.tiling.seed import Seeder

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = {c.id: c for c in read_collections(ROOT / "collections")}
GRIDS = {name: grid for name, grid in read_grids(ROOT / "config").items() if name != "EU_25832"}
MVT = "application/vnd.mapbox-vector-tile"
# level of WebMercatorQuad with the scale, by grid; small scales are made of the pyramid, 15 of the features
ZOOMS = (10, 12, 15)
NAMES = ("adresse", "hausumring")

Place = tuple[str, str, Tile]
Serve = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    status: int
    etag: str


@dataclass(frozen=True)
class Story:
    """A service before and after a changed delivery: answers by tile, rows of tiles.cache, changed places (3857)."""

    url: str
    database_url: str
    before: dict[Place, Answer]
    after: dict[Place, Answer]
    kept_before: dict[tuple[Any, ...], Any]
    kept_after: dict[tuple[Any, ...], Any]
    changed: dict[str, list[Any]]


def path_of(place: Place) -> str:
    collection, grid, tile = place
    return f"/collections/{collection}/tiles/{grid}/{tile.matrix}/{tile.row}/{tile.col}"


def all_places(database_url: str) -> list[Place]:
    with psycopg.connect(database_url) as connection:
        states = read_states(connection, [COLLECTIONS[name] for name in NAMES])
    places = []
    for name in NAMES:
        for grid in GRIDS.values():
            for matrix in grid.matrices:
                if matrix.zoom in ZOOMS and (found := limits(states[name], grid, matrix)):
                    rows, cols = range(found.min_row, found.max_row + 1), range(found.min_col, found.max_col + 1)
                    places += [(name, grid.id, Tile(matrix.level, row, col)) for row in rows for col in cols]
    return places


def ask_all(client: httpx.Client, places: list[Place], former: dict[Place, Answer]) -> dict[Place, Answer]:
    def ask(place: Place) -> Answer:
        known = {"If-None-Match": former[place].etag} if place in former else {}
        answer = client.get(path_of(place), headers=known)
        return Answer(answer.status_code, answer.headers["ETag"])

    return {place: ask(place) for place in places}


def read_kept(database_url: str) -> dict[tuple[Any, ...], Any]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select collection, grid, level, row, col, made from tiles.cache").fetchall()
    return {row[:5]: row[5] for row in rows}


def wait_for_kept(database_url: str, number: int) -> None:
    """Tiles are kept behind the answers' backs."""
    deadline = time.monotonic() + 20
    while len(read_kept(database_url)) < number and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(read_kept(database_url)) == number


def make(url: str) -> None:
    for name in NAMES:
        refresh(url, COLLECTIONS[name])


def read_shapes(url: str, name: str) -> dict[str, str]:
    """Geometry and what tiles carry, by id."""
    with psycopg.connect(url) as connection:
        names = sql.SQL(", ").join(map(sql.Identifier, COLLECTIONS[name].tiles.properties))
        query = sql.SQL("select id || concat_ws('|', {}), ST_AsBinary(ST_Transform(geom, 3857)) from {}")
        return dict(connection.execute(query.format(names, sql.Identifier("geobasis", name))).fetchall())


@pytest.fixture(scope="module")
def story(
    cluster: Any, example_template: str, tmp_path_factory: pytest.TempPathFactory, serve_probe: Serve
) -> Iterator[Story]:
    url = cluster.create(example_template)
    make(url)
    folder = tmp_path_factory.mktemp("changed")
    write_deliveries(folder, ExampleOptions(addresses=600, changes=0.01))
    with serve_probe(url, OPENNRW_COLLECTIONS_DIR=str(ROOT / "collections")) as served:
        with httpx.Client(base_url=served.url, timeout=30) as client:
            places = all_places(url)
            before = ask_all(client, places, {})
            wait_for_kept(url, len(places))
            kept_before, shapes_before = read_kept(url), {name: read_shapes(url, name) for name in NAMES}
            for dataset in ("gebref", "hausumringe"):
                load_dataset(dataset, LoadOptions(url, folder / "store", source=str(folder)))
            assert ask_all(client, places, before) == {p: Answer(304, a.etag) for p, a in before.items()}
            make(url)
            kept_after = read_kept(url)
            wait_until_told(client, url)
            after = ask_all(client, places, before)
        shapes_after = {name: read_shapes(url, name) for name in NAMES}
        changed = {
            name: [shapely.from_wkb(wkb) for _, wkb in shapes_before[name].items() ^ shapes_after[name].items()]
            for name in NAMES
        }
        yield Story(served.url, url, before, after, kept_before, kept_after, changed)
    cluster.drop(url)


def wait_until_told(client: httpx.Client, url: str) -> None:
    """Until the server knows of the tables' new state: their time of publication is a tile's."""
    with psycopg.connect(url) as connection:
        found = dict(connection.execute("select collection, published from tiles.collection").fetchall())
    for name in NAMES:
        place = next(place for place in all_places(url) if place[0] == name)
        wanted = found[name].strftime("%H:%M:%S GMT")
        deadline = time.monotonic() + 20
        while not (last := client.get(path_of(place)).headers["Last-Modified"]).endswith(wanted):
            assert time.monotonic() < deadline, last
            time.sleep(0.05)


def touched(place: Place, changed: list[Any], more: float) -> bool:
    """Whether something that changed lies in the tile's box, grown by so many parts of its edge."""
    west, south, east, north = place_of(GRIDS[place[1]], place[2]).area
    grown = (east - west) * more
    box = shapely.box(west - grown, south - grown, east + grown, north + grown)
    return bool(shapely.intersects(box, changed).any())


def test_a_delivery_changes_exactly_the_tiles_that_it_touches(story: Story) -> None:
    differing = {place for place, answer in story.after.items() if answer.status != 304}
    assert {story.after[place].etag for place in differing}.isdisjoint(story.before[place].etag for place in differing)
    for name, grid in GRIDS.items():
        for zoom in ZOOMS:
            level = next(matrix.level for matrix in grid.matrices if matrix.zoom == zoom)
            here = [place for place in story.before if place[1] == name and place[2].matrix == level]
            assert any(place in differing for place in here)
            for place in here:
                if zoom == 15 and touched(place, story.changed[place[0]], -0.02):
                    assert place in differing  # within the tile itself
                if place in differing:
                    assert touched(place, story.changed[place[0]], 0 if zoom == 15 else 1 / 8)
    assert len(differing) < len(story.before) / 2


def test_only_tiles_that_may_have_changed_are_taken_out(story: Story) -> None:
    """The others stay as they are, so nobody has to make them again."""
    gone = story.kept_before.keys() - story.kept_after.keys()
    assert all(story.kept_after[key] == story.kept_before[key] for key in story.kept_after)
    differing = {(p[0], p[1], *p[2]) for p, answer in story.after.items() if answer.status != 304}
    assert differing <= gone
    for collection, grid, *tile in gone:
        assert touched((collection, grid, Tile(*tile)), story.changed[collection], 1 / 8)
    assert len(gone) < len(story.kept_before) / 2


def test_a_tile_is_what_the_database_gives_now(story: Story, serve_probe: Serve) -> None:
    """Answers out of the cache after the delivery, and those of a service without any cache."""
    given = {
        "OPENNRW_COLLECTIONS_DIR": str(ROOT / "collections"),
        "OPENNRW_TILE_CACHE": "0",
        "OPENNRW_TILE_MEMORY": "0",
    }
    with (
        serve_probe(story.database_url, **given) as other,
        httpx.Client(base_url=story.url) as kept,
        httpx.Client(base_url=other.url) as fresh,
    ):
        for place in list(story.before)[::3]:
            one, two = kept.get(path_of(place)), fresh.get(path_of(place))
            assert (one.content, one.headers["ETag"]) == (two.content, two.headers["ETag"])


def test_tiles_are_sent_as_they_are_kept_or_as_the_client_wants_them(story: Story) -> None:
    place = next(p for p, answer in story.before.items() if answer.status == 200 and p[2].matrix == 12)
    with httpx.Client(base_url=story.url) as client:
        answers = {
            coding: client.build_request("GET", path_of(place), headers={"Accept-Encoding": coding})
            for coding in ("gzip", "identity", "zstd", "br, gzip;q=0", "gzip;q=0.5, br")
        }
        sent = {coding: client.send(request, stream=True) for coding, request in answers.items()}
        bodies = {coding: b"".join(answer.iter_raw()) for coding, answer in sent.items()}
    codings = {coding: answer.headers.get("Content-Encoding", "identity") for coding, answer in sent.items()}
    plain = bodies["identity"]
    assert codings["gzip"] == codings["gzip;q=0.5, br"] == "gzip"
    assert gzip.decompress(bodies["gzip"]) == plain
    assert codings["identity"] == "identity"
    assert codings["br, gzip;q=0"] in {"br", "identity"}  # small ones are not worth it
    assert codings["zstd"] in {"zstd", "identity"}
    assert len({answer.headers["ETag"] for answer in sent.values()}) == 1
    for answer in sent.values():
        assert answer.headers["Content-Type"] == MVT
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert "max-age" in answer.headers["Cache-Control"]


def test_a_tile_of_several_collections_is_remembered_and_follows_each_of_them(story: Story, serve_probe: Serve) -> None:
    """What is put in place of a kept tile is seen once its collection's tables are told of, not before."""
    full = {place for place, answer in story.before.items() if answer.status == 200 and place[1] == "WebMercatorQuad"}
    place = next(p for p in story.before if p in full and p[0] == "adresse" and ("hausumring", *p[1:]) in full)
    ask = path_of(place).removeprefix("/collections/adresse")
    with (
        serve_probe(story.database_url, OPENNRW_COLLECTIONS_DIR=str(ROOT / "collections")) as served,
        httpx.Client(base_url=served.url) as client,
        psycopg.connect(story.database_url, autocommit=True) as connection,
    ):
        both = client.get(ask, params={"collections": "adresse,hausumring"})
        parts = [client.get(f"/collections/{name}{ask}").content for name in NAMES]
        assert (both.content, both.headers["Content-Encoding"]) == (b"".join(parts), "gzip")
        tile = client.get(ask, params={"collections": "adresse"})
        assert (tile.content, tile.headers["ETag"]) == (parts[0], client.get(path_of(place)).headers["ETag"])
        mark = (gzip.compress(b"mark", mtime=0), "hausumring", "WebMercatorQuad", *place[2])
        connection.execute(
            "update tiles.cache set content = %s where (collection, grid, level, row, col) = (%s, %s, %s, %s, %s)", mark
        )
        again = client.get(ask, params={"collections": "hausumring,adresse"})
        assert (again.content, again.headers["ETag"]) == (both.content, both.headers["ETag"])
        connection.execute(
            "update tiles.collection set made = nextval('tiles.made') where collection = 'hausumring' "
            "returning pg_notify('opennrw_publication', json_build_object('collection', collection)::text)"
        )
        deadline = time.monotonic() + 20
        while (now := client.get(ask, params={"collections": "adresse,hausumring"})).content == both.content:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert now.content == parts[0] + b"mark"
        assert client.get(f"/collections/hausumring{ask}").content == b"mark"
        assert now.headers["ETag"] != both.headers["ETag"]
        connection.execute("delete from tiles.cache where content = %s", [mark[0]])


@pytest.fixture(scope="module")
def later(story: Story, serve_probe: Serve) -> Iterator[str]:
    """Another service over the same database, with two processes."""
    given = {"OPENNRW_COLLECTIONS_DIR": str(ROOT / "collections"), "OPENNRW_WORKERS": "2"}
    with serve_probe(story.database_url, **given) as served:
        yield served.url


def test_what_is_kept_serves_other_servers_and_later_ones(story: Story, later: str) -> None:
    """A mark put in place of a kept tile comes from a server that was started afterwards."""
    with psycopg.connect(story.database_url, autocommit=True) as connection:
        row = connection.execute(
            "select collection, grid, level, row, col from tiles.cache "
            "where octet_length(content) > 0 and level = 10 limit 1"
        ).fetchone()
        assert row
        mark = b"not a tile, but what is kept"
        values = [gzip.compress(mark, mtime=0), b"0123456789ab", *row]
        connection.execute(
            "update tiles.cache set content = %s, etag = %s "
            "where (collection, grid, level, row, col) = (%s, %s, %s, %s, %s)",
            values,
        )
        path = path_of((row[0], row[1], Tile(*row[2:])))
        for _ in range(2):  # out of the database, then out of memory
            answer = httpx.get(later + path)
            assert (answer.content, answer.headers["ETag"]) == (mark, f'W/"{b"0123456789ab".hex()}"')
        connection.execute("delete from tiles.cache where etag = %s", [b"0123456789ab"])


def test_a_cold_tile_is_made_once_for_all_who_ask(story: Story, later: str) -> None:
    """Two processes, twelve askers; the table is locked, so that whoever makes the tile can be counted."""
    place = next(p for p, a in story.before.items() if a.status == 200 and p[:2] == ("hausumring", "WebMercatorQuad"))
    making = (
        "select count(*) from pg_stat_activity where state = 'active' and query ilike %s and pid <> pg_backend_pid()"
    )
    with (
        psycopg.connect(story.database_url) as lock,
        psycopg.connect(story.database_url, autocommit=True) as look,
        ThreadPoolExecutor(12) as askers,
    ):
        look.execute("delete from tiles.cache where collection = 'hausumring'")
        (relations,) = lock.execute(
            "select relations from tiles.collection where collection = 'hausumring'"
        ).fetchone() or ([],)
        for name in relations:
            lock.execute(sql.SQL("lock table {}").format(sql.Identifier("tiles", name)))
        answers = [askers.submit(httpx.get, later + path_of(place), timeout=30) for _ in range(12)]
        deadline = time.monotonic() + 10
        while (look.execute(making, ["%ST_AsMVT%"]).fetchone() or (0,))[0] < 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # whoever would make it, too, has come
        assert look.execute(making, ["%ST_AsMVT%"]).fetchone() == (1,)
        lock.rollback()
        done = [answer.result() for answer in answers]
    assert {answer.status_code for answer in done} == {200}
    assert len({answer.content for answer in done}) == 1


def test_the_servers_role_may_only_keep_what_is_right(story: Story) -> None:
    keep = (
        "select tiles.keep('hausumring', %s, '{x}', '{1}', '{1}', '{1}', '{1}', array['BOX(0 0,1 1)'], '{a}', "
        "'{0}', '{0}', '{a}')"
    )
    with psycopg.connect(story.database_url, autocommit=True) as connection:
        made = connection.execute("select made from tiles.collection where collection = 'hausumring'").fetchone()
        assert made
        connection.execute("set role opennrw_reader")
        for statement in ("insert into tiles.cache select * from tiles.cache", "delete from tiles.cache"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        assert connection.execute(keep, [made[0] - 1]).fetchone() == (False,)
        assert connection.execute(keep, made).fetchone() == (True,)
        connection.execute("reset role")
        assert connection.execute("delete from tiles.cache where grid = 'x'").rowcount == 1
        with psycopg.connect(story.database_url) as other:
            other.execute("select pg_advisory_xact_lock(tiles.lock_of('hausumring'))")
            assert connection.execute(keep, made).fetchone() == (False,)


def settings_for(story: Story, folder: Path, tile_cache: int = 100) -> Settings:
    given = {"database_url": story.database_url, "OPENNRW_HOME": folder, "OPENNRW_TILE_CACHE": tile_cache}
    return Settings(**given)  # pyright: ignore[reportArgumentType]


def test_tiles_are_made_in_advance_and_not_twice(story: Story, tmp_path: Path) -> None:
    with psycopg.connect(story.database_url, autocommit=True) as connection:
        connection.execute("delete from tiles.cache")
        seeder = Seeder(settings_for(story, tmp_path), story.database_url, "AdV_25832", Quiet(), 1)
        first = seeder.seed(COLLECTIONS["hausumring"], (12, 14))
        assert first.made > 5
        assert first.size > 0
        connection.execute("delete from tiles.cache where zoom = 13")
        second = seeder.seed(COLLECTIONS["hausumring"], (12, 14))
        assert 0 < second.made < first.made
        assert second.made + second.kept == first.made
        full = Seeder(settings_for(story, tmp_path, 0), story.database_url, "AdV_25832", Quiet(), 1)
        assert full.seed(COLLECTIONS["adresse"], (14, 16)).full
    with httpx.Client(base_url=story.url) as client:
        for place in [p for p in story.after if p[:2] == ("hausumring", "AdV_25832") and p[2].matrix == 7]:
            assert client.get(path_of(place)).headers["ETag"] == story.after[place].etag


class _Kills(Quiet):
    """Kills one of the processes that make tiles when the first of them are there."""

    killed = 0

    def advance(self, n: int) -> None:
        if not self.killed:
            victim = multiprocessing.active_children()[0]
            self.killed = victim.pid or 0
            os.kill(self.killed, signal.SIGKILL)


def test_a_killed_process_ends_the_making_with_a_word_and_what_is_kept_stays(story: Story, tmp_path: Path) -> None:
    settings, hausumring, kills = settings_for(story, tmp_path), COLLECTIONS["hausumring"], _Kills()
    with psycopg.connect(story.database_url, autocommit=True) as connection:
        connection.execute("delete from tiles.cache")
    with pytest.raises(
        ProcessLost, match=r"(?s)One of 2 processes that make tiles has ended.*Start again.*processes 1"
    ):
        Seeder(settings, story.database_url, "AdV_25832", kills, 2).seed(hausumring)
    assert kills.killed
    assert multiprocessing.active_children() == []
    again = Seeder(settings, story.database_url, "AdV_25832", Quiet(), 2).seed(hausumring)
    assert again.kept > 0
    assert again.made > 0
    assert Seeder(settings, story.database_url, "AdV_25832", Quiet(), 1).seed(hausumring).made == 0


SEEDING = """
import os, signal, sys
from pathlib import Path
from loaders.progress import Quiet
from server.catalogue import read_collections
from server.settings import Settings
from server.tiling.seed import Seeder
import multiprocessing

class Ends(Quiet):
    def advance(self, amount):
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    settings = Settings(OPENNRW_TILE_CACHE=100)
    (collection,) = [c for c in read_collections(Path("collections")) if c.id == "hausumring"]
    Seeder(settings, settings.database_url, "EU_25832", Ends(), 2).seed(collection, (14, 16))
"""


def test_processes_end_with_the_one_that_began_them(story: Story, tmp_path: Path) -> None:
    script = tmp_path / "seeding.py"
    script.write_text(SEEDING)
    environment = {**os.environ, "DATABASE_URL": story.database_url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [int(pid) for pid in done.stdout.split()]
    assert len(left) == 2
    end = time.monotonic() + 30
    while time.monotonic() < end and any(is_alive(pid) for pid in left):
        time.sleep(0.05)
    assert not any(is_alive(pid) for pid in left)
    with psycopg.connect(story.database_url, autocommit=True) as connection:
        connection.execute("delete from tiles.cache")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked after yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_kept_is_bounded(story: Story) -> None:
    size = "select coalesce(sum(octet_length(content) + 250), 0)::int, count(*)::int, min(zoom)::int from tiles.cache"
    with psycopg.connect(story.database_url, autocommit=True) as connection:
        connection.execute("delete from tiles.cache where zoom = 12")
        connection.execute(
            "insert into tiles.cache (collection, grid, level, row, col, zoom, area, etag, features, left_out, content)"
            " select 'adresse', 'y', 9, n, n, case when n % 2 = 0 then 9 else 16 end, "
            "ST_MakeEnvelope(0, 0, 1, 1, 3857), 'a', 1, 0, convert_to(repeat('x', 1000), 'utf8') "
            "from generate_series(1, 40) n"
        )
        (before, number, _) = connection.execute(size).fetchone() or (0, 0, 0)
        assert connection.execute("select tiles.prune(%s)", [before]).fetchone() == (0,)
        (removed,) = connection.execute("select tiles.prune(%s)", [before - 1000]).fetchone() or (0,)
        (after, left, lowest) = connection.execute(size).fetchone() or (0, 0, 0)
        assert (number - left, lowest) == (removed, 9)
        assert 0.9 * (before - 1000) - 12_000 < after <= 0.9 * (before - 1000)
        assert connection.execute("select count(*) from tiles.cache where grid = 'y' and zoom = 9").fetchone() == (20,)
        connection.execute("delete from tiles.cache")


def archivist(story: Story, folder: Path) -> Archivist:
    service = read_service(ROOT / "config")
    return Archivist(settings_for(story, folder), story.database_url, service, Quiet())


def test_an_archive_holds_the_tiles_of_the_server(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "hausumring.pmtiles"
    made = archivist(story, tmp_path).make(Scope((COLLECTIONS["hausumring"],), (10, 15)), path)
    content = path.read_bytes()
    reader = Reader(MemorySource(content))
    found = dict(all_tiles(MemorySource(content)))
    assert (made.tiles, made.size, made.left_out) == (len(found), len(content), 0)
    header, metadata = reader.header(), reader.metadata()
    assert (header["min_zoom"], header["max_zoom"], header["clustered"]) == (10, 15, True)
    assert metadata["vector_layers"][0]["id"] == "hausumring"
    assert metadata["vector_layers"][0]["fields"] == {"id": "String", "gfk": "String", "count": "Number"}
    with httpx.Client(base_url=story.url) as client:
        compared = 0
        for (collection, grid, tile), answer in story.after.items():
            if (collection, grid) == ("hausumring", "WebMercatorQuad"):
                there = found.get((tile.matrix, tile.col, tile.row))
                plain = client.get(path_of((collection, grid, tile))).content
                assert (gzip.decompress(there) if there else b"") == plain
                compared += bool(answer.etag and plain)
        assert compared > 5


def test_an_archive_of_several_collections_and_of_nothing(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "map.pmtiles"
    both = (COLLECTIONS["adresse"], COLLECTIONS["hausumring"])
    archivist(story, tmp_path).make(Scope(both, (14, 14)), path)
    found = dict(all_tiles(MemorySource(path.read_bytes())))
    with httpx.Client(base_url=story.url) as client:
        for (zoom, x, y), content in found.items():
            answer = client.get(f"/tiles/WebMercatorQuad/{zoom}/{y}/{x}", params={"collections": "adresse,hausumring"})
            assert gzip.decompress(content) == answer.content
    with pytest.raises(NotFitting, match="no tile with anything in it"):
        archivist(story, tmp_path).make(Scope(both, (0, 3)), path)
    with pytest.raises(NotFitting, match="opennrw tiles prepare --collection gemeinde"):
        archivist(story, tmp_path).make(Scope((COLLECTIONS["gemeinde"],)), path)


def test_an_archive_is_of_one_state_only(story: Story, tmp_path: Path) -> None:
    """The tables change while its first tile is made: nothing comes of it."""

    class Changes(Quiet):
        def step(self, name: str, total: int | None, unit: str = "") -> None:
            if name == "make tiles":
                with psycopg.connect(story.database_url, autocommit=True) as connection:
                    connection.execute("update tiles.collection set made = nextval('tiles.made')")

    maker = Archivist(settings_for(story, tmp_path), story.database_url, read_service(ROOT / "config"), Changes())
    with pytest.raises(Overtaken, match="A delivery of 'hausumring' came"):
        maker.make(Scope((COLLECTIONS["hausumring"],), (14, 14)), tmp_path / "x.pmtiles")
    assert not (tmp_path / "x.pmtiles").exists()


def test_a_rollback_gives_every_tile_its_former_content(story: Story) -> None:
    with psycopg.connect(story.database_url) as connection:
        deliveries = connection.execute(
            "select delivery from provenance.collection where collection = any(%s) order by 1 desc", [list(NAMES)]
        ).fetchall()
    for (delivery,) in deliveries:
        roll_back(delivery, RollbackOptions(story.database_url))
    make(story.database_url)
    with httpx.Client(base_url=story.url, timeout=30) as client:
        wait_until_told(client, story.database_url)
        answers = ask_all(client, list(story.before), story.before)
    assert {place: answer.etag for place, answer in answers.items()} == {
        place: answer.etag for place, answer in story.before.items()
    }
