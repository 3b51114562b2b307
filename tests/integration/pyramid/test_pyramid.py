"""What tiles are read from: made after a publication, amended after the next one, never half of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import shapely
from psycopg import sql

from loaders.errors import LoadError
from loaders.example.options import ExampleOptions
from loaders.example.write import write_deliveries
from loaders.progress import Quiet
from loaders.rollback import RollbackOptions, roll_back
from loaders.run import LoadOptions, load_dataset
from server.catalogue import Collection, read_collections
from server.pyramid import coverage
from server.pyramid.make import is_current, refresh
from server.pyramid.plan import Level, declare, zooms
from server.pyramid.sources import source_of
from server.state import Pyramid, State

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = {c.id: c for c in read_collections(ROOT / "collections")}
LOADED = ("adresse", "hausumring", "gemeinde")

Rows = dict[int | None, dict[int, str]]


@dataclass(frozen=True)
class Story:
    """A database in which a changed delivery came in, and all rows of the tables before, after, and made anew."""

    url: str
    before: dict[str, Rows]
    after: dict[str, Rows]
    anew: dict[str, Rows]
    ways: dict[str, tuple[str, str, str]]


def read_tables(url: str) -> dict[str, Rows]:
    """Digests of the rows by fid, by level (None: the base), by collection."""
    found: dict[str, Rows] = {}
    with psycopg.connect(url) as connection:
        told = connection.execute("select collection, base, zooms, relations from tiles.collection").fetchall()
        for collection, base, numbers, relations in told:
            found[collection] = {
                level: dict(
                    connection.execute(
                        sql.SQL("select fid, md5(t::text) from {} t").format(sql.Identifier("tiles", name))
                    ).fetchall()
                )
                for level, name in zip([None, *numbers], [base, *relations], strict=True)
            }
    return found


def read_beside(url: str, collection: str) -> dict[tuple[int | None, str], dict[int, str]]:
    """Digests of the rows of names and borders by fid, by level and what they are."""
    found = {}
    with psycopg.connect(url) as connection:
        told = "select base, zooms, relations from tiles.collection where collection = %s"
        base, numbers, relations = connection.execute(told, [collection]).fetchone() or ("", [], [])
        tables = [(None, base, "names"), (None, base, "borders")]
        tables += [(level, name, "borders") for level, name in zip(numbers, relations, strict=True)]
        for level, name, kind in tables:
            query = sql.SQL("select fid, md5(t::text) from {} t").format(sql.Identifier("tiles", f"{name}_{kind}"))
            found[level, kind] = dict(connection.execute(query).fetchall())
    return found


def make(url: str, names: tuple[str, ...] = LOADED) -> dict[str, str]:
    return {name: refresh(url, COLLECTIONS[name]).how for name in names}


@pytest.fixture(scope="module")
def story(cluster: Any, example_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    url = cluster.create(example_template)
    first = make(url)
    before = read_tables(url)
    folder = tmp_path_factory.mktemp("changed")
    write_deliveries(folder, ExampleOptions(addresses=600, changes=0.03))
    for dataset in ("gebref", "hausumringe"):
        load_dataset(dataset, LoadOptions(url, folder / "store", source=str(folder)))
    second = make(url)
    after = read_tables(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("delete from tiles.collection")
    third = make(url)
    yield Story(url, before, after, read_tables(url), {n: (first[n], second[n], third[n]) for n in LOADED})
    cluster.drop(url)


def test_a_changed_delivery_amends_the_tables_to_what_making_them_anew_gives(story: Story) -> None:
    assert story.ways["adresse"] == story.ways["hausumring"] == ("made", "amended", "made")
    assert story.ways["gemeinde"] == ("made", "nothing", "made")
    for name in LOADED:
        assert list(story.after[name]) == [None, *zooms(COLLECTIONS[name])]
        assert story.after[name] == story.anew[name]
    assert story.before["gemeinde"] == story.after["gemeinde"]


def test_only_what_the_delivery_touched_is_written_anew(story: Story) -> None:
    for name in ("adresse", "hausumring"):
        former, now = story.before[name], story.after[name]
        changed = [fid for fid in former[None].keys() | now[None].keys() if former[None].get(fid) != now[None].get(fid)]
        assert 0 < len(changed) < len(now[None]) / 5
        for level in zooms(COLLECTIONS[name]):
            other = [
                fid for fid in former[level].keys() | now[level].keys() if former[level].get(fid) != now[level].get(fid)
            ]
            assert len(other) <= len(changed)


def test_counts_of_points_add_up_at_every_level(story: Story) -> None:
    with psycopg.connect(story.url) as connection:
        names = connection.execute("select relations from tiles.collection where collection = 'adresse'").fetchall()
        for name in names[0][0]:
            table = sql.Identifier("tiles", name)
            query = "select sum(count), count(*) filter (where (count = 1) <> (id is not null)) from {}"
            assert connection.execute(sql.SQL(query).format(table)).fetchone() == (len(story.after["adresse"][None]), 0)


def test_blocks_are_fewer_at_each_level_and_lie_where_buildings_are(story: Story) -> None:
    with psycopg.connect(story.url) as connection:
        row = connection.execute(
            "select base, relations from tiles.collection where collection = 'hausumring'"
        ).fetchone()
        assert row
        base, relations = row
        sizes = []
        for name in relations:
            query = """select count(*), count(*) filter (where not ST_IsValid(t.geom)), count(*) filter (
              where not exists (select from {} b where ST_Intersects(b.geom, t.geom))) from {} t"""
            tables = sql.Identifier("tiles", base), sql.Identifier("tiles", name)
            found = connection.execute(sql.SQL(query).format(*tables)).fetchone()
            assert found
            assert found[1:] == (0, 0)
            sizes.append(found[0])
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 20 * max(sizes[-1], 1)


def test_areas_that_share_edges_still_do_at_every_level(story: Story) -> None:
    with psycopg.connect(story.url) as connection:
        row = connection.execute(
            "select base, relations from tiles.collection where collection = 'gemeinde'"
        ).fetchone()
        assert row
        vertices = []
        for name in (row[0], *row[1]):
            query = sql.SQL("select ST_AsBinary(geom) from {} order by fid").format(sql.Identifier("tiles", name))
            areas = shapely.from_wkb([wkb for (wkb,) in connection.execute(query).fetchall()])
            assert shapely.coverage_is_valid(areas)
            assert shapely.is_valid(areas).all()
            vertices.append(shapely.get_num_coordinates(areas).sum())
    assert vertices == sorted(vertices, reverse=True)
    assert vertices[-1] < vertices[0] / 10


def test_a_part_of_a_coverage_is_simplified_as_the_whole_is(story: Story) -> None:
    with psycopg.connect(story.url, autocommit=True) as connection:
        row = connection.execute(
            "select base, relations from tiles.collection where collection = 'gemeinde'"
        ).fetchone()
        assert row
        finer, level = sql.Identifier("tiles", row[0]), Level(COLLECTIONS["gemeinde"], 10, row[1][-1])
        fids = [fid for (fid,) in connection.execute(sql.SQL("select fid from {} order by 1").format(finer)).fetchall()]
        whole = dict(coverage.simplify(connection, level, finer, fids, alone=True))
        parts = {}
        for start in range(0, len(fids), 3):
            parts |= dict(coverage.simplify(connection, level, finer, fids[start : start + 3], alone=False))
    assert parts == whole


def test_a_rollback_brings_the_former_rows_back(story: Story) -> None:
    with psycopg.connect(story.url) as connection:
        found = connection.execute(
            "select delivery from provenance.collection where collection = 'hausumring'"
        ).fetchone()
    assert found
    roll_back(found[0], RollbackOptions(story.url))
    assert refresh(story.url, COLLECTIONS["hausumring"]).how == "amended"
    assert read_tables(story.url)["hausumring"] == story.before["hausumring"]


class _Breaks(Quiet):
    """Ends the job's database session at a step."""

    def __init__(self, url: str, step: str) -> None:
        self._url = url
        self._step = step

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        if name == self._step:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = 'opennrw pyramid adresse' and datname = current_database()"
                )


def test_a_job_that_breaks_off_leaves_the_former_tables_and_is_run_again(example_database_url: str) -> None:
    adresse = COLLECTIONS["adresse"]
    with pytest.raises(LoadError, match="What was live is live still"):
        refresh(example_database_url, adresse, _Breaks(example_database_url, "level 10"))
    assert read_tables(example_database_url) == {}
    made = refresh(example_database_url, adresse)
    with psycopg.connect(example_database_url, autocommit=True) as connection:
        tables = "select count(*) from pg_class where relnamespace = 'tiles'::regnamespace and relname like 'adresse_%'"
        assert connection.execute(f"{tables} and relkind = 'r'").fetchone() == (1 + len(zooms(adresse)),)
        connection.execute("update provenance.collection set version = version + 1 where collection = 'adresse'")
        assert not is_current(connection, adresse)
        before = read_tables(example_database_url)
        with pytest.raises(LoadError):
            refresh(example_database_url, adresse, _Breaks(example_database_url, "level 10"))
        assert read_tables(example_database_url) == before
        assert not is_current(connection, adresse)
        assert (made.how, refresh(example_database_url, adresse).how) == ("made", "amended")
        assert is_current(connection, adresse)


def test_rows_that_changed_beside_the_loaders_are_found_by_their_number(example_database_url: str) -> None:
    adresse = COLLECTIONS["adresse"]
    refresh(example_database_url, adresse)
    with psycopg.connect(example_database_url, autocommit=True) as connection:
        connection.execute("delete from geobasis.adresse where fid = (select min(fid) from geobasis.adresse)")
        connection.execute(
            "update provenance.collection set version = version + 1, features = features - 1 "
            "where collection = 'adresse'"
        )
    assert refresh(example_database_url, adresse).how == "made"


def test_a_changed_area_is_simplified_with_its_neighbours(example_database_url: str) -> None:
    gemeinde = COLLECTIONS["gemeinde"]
    refresh(example_database_url, gemeinde)
    former_beside = read_beside(example_database_url, "gemeinde")
    with psycopg.connect(example_database_url, autocommit=True) as connection:
        former = connection.execute("select fid, delivery from geobasis.gemeinde order by fid limit 1").fetchone()
        assert former
        connection.execute(
            b"""
insert into provenance.delivery (dataset, digest, source, loader, status, started)
values ('dvg1', repeat('b', 64), 'test', 'test', 'published', now());
insert into history.gemeinde
  select g.*, now(), now() + interval '1 s', (select max(id) from provenance.delivery) from geobasis.gemeinde g
  order by fid limit 1;
update geobasis.gemeinde set gn = 'Neustadt',
  geom = ST_Multi(ST_Difference(geom, ST_Buffer(ST_PointOnSurface(geom), 200))),
  delivery = (select max(id) from provenance.delivery) where fid = (select min(fid) from geobasis.gemeinde);
update provenance.collection set version = version + 1, published = now() + interval '1 s',
  delivery = (select max(id) from provenance.delivery) where collection = 'gemeinde'"""
        )
        made = refresh(example_database_url, gemeinde)
        assert made.how == "amended"
        # the area itself at each level; of its neighbours those whose common edge gave way to the small new hole
        assert 2 * (1 + len(zooms(gemeinde))) <= made.changed < 16 * (1 + len(zooms(gemeinde)))
        amended, beside = read_tables(example_database_url), read_beside(example_database_url, "gemeinde")
        connection.execute("delete from tiles.collection")
    refresh(example_database_url, gemeinde)
    assert read_tables(example_database_url) == amended
    assert read_beside(example_database_url, "gemeinde") == beside != former_beside


def state(version: int, pyramid: Pyramid | None) -> State:
    return State(version=version, pyramid=pyramid)


def test_a_level_is_read_from_one_table_of_one_version() -> None:
    hausumring = COLLECTIONS["hausumring"]
    at = State().published
    current = Pyramid(7, 3, at, declare(hausumring), "base_1", {zoom: f"z{zoom}" for zoom in zooms(hausumring)})
    cases = [
        (state(3, None), 3857, 8, ("geobasis", "hausumring")),
        (state(3, current), 3857, 8, ("tiles", "z8")),
        (state(3, current), 25832, 8, ("tiles", "z8")),
        (state(3, current), 3857, 15, ("tiles", "base_1")),
        (state(3, current), 25832, 15, ("geobasis", "hausumring")),
        (state(4, current), 25832, 15, ("tiles", "base_1")),  # the pyramid of version 4 is not there yet
        (state(4, current), 4326, 15, ("tiles", "base_1")),
    ]
    for known, srid, zoom, table in cases:
        source = source_of(hausumring, known, srid, zoom)
        assert source.table == table
        assert ("count" in source.columns) == (table[1] == "z8")
        assert (source.feature_id is None) == (source.note is not None) == (table[1] == "z8")
    other = Pyramid(7, 3, at, "declared otherwise", "base_1", {8: "z8"})
    assert source_of(hausumring, state(3, other), 3857, 8).table == ("geobasis", "hausumring")


@pytest.mark.parametrize(
    ("id_", "pyramid", "message"),
    [
        ("adresse", "{method: blocks, below: 14}", "'blocks' is for Polygon or MultiPolygon, not for Point"),
        ("hausumring", "{method: clusters, below: 14}", "'clusters' is for Point, not for MultiPolygon"),
        ("hausumring", "{method: blocks, below: 6}", "pyramid.below is 6, outside 7 to 17"),
        ("hausumring", "{method: blocks, below: 14, keep: 3}", "tiles.pyramid.keep: unknown key"),
        ("hausumring", "{method: blobs, below: 14}", "'coverage', 'clusters' or 'blocks'"),
    ],
)
def test_a_pyramid_that_does_not_fit_is_refused(tmp_path: Path, id_: str, pyramid: str, message: str) -> None:
    text = (ROOT / "collections" / f"{id_}.yaml").read_text("utf-8")
    start = text.index("pyramid: {")
    end = text.index("}", start) + 1
    (tmp_path / f"{id_}.yaml").write_text(text[:start] + "pyramid: " + pyramid + text[end:], "utf-8")
    with pytest.raises(Exception, match=f"{id_}.yaml, line .*") as caught:
        read_collections(tmp_path)
    assert message in str(caught.value)


def test_a_collection_without_a_pyramid_has_its_base_alone() -> None:
    plain: Collection = COLLECTIONS["hausumring"].model_copy(
        update={"tiles": COLLECTIONS["hausumring"].tiles.model_copy(update={"pyramid": None})}
    )
    assert zooms(plain) == ()
    assert source_of(plain, state(1, None), 3857, 8).note is None
