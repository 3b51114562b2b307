"""Tiles of objects that several districts hold: each delivery of one of them changes exactly the tiles it touches."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio.raw
import pyproj
import pytest
import shapely

from loaders.rollback import RollbackOptions, roll_back
from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections
from server.pyramid.make import Made, refresh
from server.settings import Settings
from server.tiling.batch import Maker, Order, read_states
from server.tiling.grid import Tile
from server.tiling.matrixsets import read_grids
from server.tiling.places import levels_of, occupied, place_of

ROOT = Path(__file__).resolve().parents[3]
NUTZUNG = next(c for c in read_collections(ROOT / "collections") if c.id == "nutzung")
GRIDS = {name: grid for name, grid in read_grids(ROOT / "config").items() if name in {"WebMercatorQuad", "AdV_25832"}}
Etags = dict[tuple[str, Tile], bytes]
Objects = dict[str, tuple[str, str]]

# where the objects are, EPSG:25832: the first is held by both districts
PLACES = {"A": (361_000, 5_701_000), "B": (364_500, 5_703_500), "C": (358_000, 5_699_000)}
# others, so that few of all change: where many do, all tables are made anew
PLACES |= {letter: (352_000 + 700 * number, 5_695_000) for number, letter in enumerate("DEFG")}
REST: Objects = dict.fromkeys("CDEFG", ("2026-01-01", "Wald"))


def area(letter: str) -> Any:
    x, y = PLACES[letter]
    return shapely.box(x, y, x + 60, y + 40)


@dataclass
class Cadastre:
    """Districts that deliver, and the tiles that are kept of what they delivered."""

    url: str
    folder: Path
    settings: Settings
    etags: Etags

    def deliver(self, package: str, objects: Objects) -> None:
        """The uses of a district, day and kind by letter."""
        source = self.folder / "alkis"
        source.mkdir(exist_ok=True)
        path = source / f"202601_gru_vereinf_{package}000_Nirgends_EPSG25832.gpkg"
        path.unlink(missing_ok=True)
        columns = [[f"{letter}NU" for letter in objects], *zip(*objects.values(), strict=True)]
        types = [object, "datetime64[D]", object]
        pyogrio.raw.write(
            path,
            shapely.to_wkb(np.array([area(letter) for letter in objects], dtype=object)),
            [np.array(values, dtype=type_) for values, type_ in zip(columns, types, strict=True)],
            np.array(["oid", "aktualit", "nutzart"]),
            geometry_type="Polygon",
            crs="EPSG:25832",
            driver="GPKG",
            layer="Nutzung",
            layer_options={"GEOMETRY_NAME": "geometrie"},
        )
        options = LoadOptions(
            self.url, self.folder / "store", str(source), only=("nutzung",), packages=(package,), accept_shrink=True
        )
        load_dataset("alkis", options)

    def look(self, *touched: str) -> tuple[Made, set[tuple[str, Tile]]]:
        """Bring the tables up to date. Of the tiles those are taken out that show one of the objects `touched`, no
        other; all that is kept is what would be made now. Gives the tiles of which the content is another.
        """
        made = refresh(self.url, NUTZUNG)
        with psycopg.connect(self.url, autocommit=True) as connection:
            survivors = self._kept(connection)
            kept = self._fill(connection)
            connection.execute("delete from tiles.cache")
            former, self.etags = self.etags, self._fill(connection)
        assert self.etags == {key: kept[key] for key in self.etags}
        gone = former.keys() - survivors.keys()
        differing = {key for key in former if kept.get(key) != former[key]}
        # a box is kept in single precision: it may reach a metre further
        assert differing <= gone
        assert gone <= {key for key in former if any(shows(*key, letter, 1) for letter in touched)}
        assert all(survivors[key] == former[key] for key in survivors)
        return made, differing

    def _fill(self, connection: psycopg.Connection[Any]) -> Etags:
        """Make all that is not kept; what is kept then."""
        there = self._kept(connection)
        state = read_states(connection, [NUTZUNG])["nutzung"]
        assert state.pyramid
        for grid in GRIDS.values():
            tiles = [t for level in occupied(connection, state, grid, levels_of([NUTZUNG])) for t in level]
            order = Order(self.settings, self.url, {"nutzung": state.pyramid.made}, grid.id, keep=True)
            with closing(Maker(order)) as maker:
                maker.fill([tile for tile in tiles if (grid.id, tile) not in there])
        return self._kept(connection)

    @staticmethod
    def _kept(connection: psycopg.Connection[Any]) -> Etags:
        rows = connection.execute("select grid, level, row, col, etag from tiles.cache").fetchall()
        return {(grid, Tile(*tile)): etag for grid, *tile, etag in rows}


def shows(grid: str, tile: Tile, letter: str, more: int = 0) -> bool:
    """Whether the box around an object, larger by some metres, touches a tile or its buffer."""
    to_mercator = pyproj.Transformer.from_crs(25832, 3857, always_xy=True).transform
    shape = shapely.transform(area(letter), lambda xy: np.stack(to_mercator(*xy.T), axis=1))
    return shapely.box(*shape.bounds).buffer(more).intersects(shapely.box(*place_of(GRIDS[grid], tile).area))


def differs_at(former: Etags, letter: str, differing: set[tuple[str, Tile]]) -> bool:
    """Whether the tiles that show an object, and no others, have another content: what only grazes one may or may not
    be seen in it.
    """
    return (
        {key for key in former if key[0] == "WebMercatorQuad" and shows(*key, letter, -10)} <= differing
        and differing <= {key for key in former if shows(*key, letter, 1)}
        and bool(differing)
    )


@pytest.fixture
def cadastre(database_url: str, tmp_path: Path) -> Callable[[], Cadastre]:
    chosen = tmp_path / "collections"
    chosen.mkdir()
    shutil.copy(ROOT / "collections" / "nutzung.yaml", chosen)
    given = {"OPENNRW_HOME": tmp_path, "OPENNRW_COLLECTIONS_DIR": chosen}
    settings = Settings(database_url=database_url, **given)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return lambda: Cadastre(database_url, tmp_path, settings, {})


def test_shared_objects_change_their_tiles_with_whichever_district(cadastre: Callable[[], Cadastre]) -> None:
    town = cadastre()
    town.deliver("05113", {"A": ("2026-01-01", "Wald"), "B": ("2026-01-01", "Wald")})
    town.deliver("05117", {"A": ("2026-01-02", "Wohnbaufläche"), **REST})
    assert town.look()[0].how == "made"
    first = town.etags
    assert {grid for grid, _ in first} == set(GRIDS)

    # an older form of the shared object changes nothing, with a new one of its own it changes that
    town.deliver("05113", {"A": ("2026-01-01", "Straßenverkehr"), "B": ("2026-02-01", "Straßenverkehr")})
    made, differing = town.look("B")
    assert (made.how, made.changed) == ("amended", 2)  # the row that went and the one that came
    assert differs_at(first, "B", differing)

    # a newer form of the one district replaces the other's; that it leaves this district later changes nothing
    town.deliver("05113", {"A": ("2026-03-01", "Fließgewässer"), "B": ("2026-02-01", "Straßenverkehr")})
    before = town.etags
    assert differs_at(before, "A", town.look("A")[1])
    town.deliver("05113", {"B": ("2026-02-01", "Straßenverkehr")})
    assert town.look()[1] == set()

    # gone from the other, too; and back again
    both = town.etags
    town.deliver("05117", REST)
    assert differs_at(both, "A", town.look("A")[1])
    with psycopg.connect(town.url) as connection:
        row = connection.execute("select delivery from provenance.collection where collection = 'nutzung'").fetchone()
    assert row
    roll_back(row[0], RollbackOptions(town.url))
    town.look("A")
    assert town.etags == both
