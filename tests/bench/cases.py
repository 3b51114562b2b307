"""The requests of the bench, each with the statement that the server runs for it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from pyproj import Transformer
from tools import moved

from server.catalogue import STORAGE_SRID, Collection, read_collections
from server.crs import CRS84, Box
from server.features.item import item_text
from server.features.params import parse_items_query
from server.features.query import items_query
from server.pyramid.sources import source_of
from server.settings import Settings
from server.state import State
from server.tiling.grid import Tile
from server.tiling.making import Wanted, layer_steps
from server.tiling.matrixsets import read_grids

UTM32 = "http://www.opengis.net/def/crs/EPSG/0/25832"
SAMPLES = 24  # places; each is asked for with so many boxes:
BOXES = 150
HALF = 3000  # metres from the middle of a box to its sides


@dataclass(frozen=True)
class Case:
    """Requests of one kind; the statements are those of some of them."""

    name: str
    paths: list[str]
    statements: list[str]


@dataclass(frozen=True)
class Town:
    """The collection of the bench, its state, and places where buildings are, EPSG:25832."""

    collection: Collection
    state: State
    places: list[tuple[float, float]]
    ids: list[str]


def read_town(connection: psycopg.Connection[Any], settings: Settings) -> Town:
    """The same places in every run."""
    collection = {c.id: c for c in read_collections(*settings.collection_folders)}["hausumring"]
    row = connection.execute(
        "select version, delivery, published, features, bbox, half_width, half_height "
        "from provenance.collection where collection = 'hausumring'"
    ).fetchone()
    if row is None:
        sys.exit("The collection hausumring is empty.")
    state = State(*row[:4], bbox=Box(*row[4]), half_width=row[5], half_height=row[6])
    rows = connection.execute(
        "select ST_XMin(geom), ST_YMin(geom), id from geobasis.hausumring order by md5(id) limit %s", [SAMPLES]
    ).fetchall()
    return Town(collection, state, [(x, y) for x, y, _ in rows], [id_ for _, _, id_ in rows])


def to_query(parameters: Mapping[str, str]) -> str:
    """A query string; the values need no escapes."""
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def around(place: tuple[float, float], half: float, *, degrees: bool) -> tuple[float, ...]:
    """A box around a place, in CRS84 or in EPSG:25832."""
    x, y = place
    if not degrees:
        return (x - half, y - half, x + half, y + half)
    transform = Transformer.from_crs(STORAGE_SRID, 4326, always_xy=True).transform
    return (*transform(x - half, y - half), *transform(x + half, y + half))


def item_cases(connection: psycopg.Connection[Any], town: Town) -> list[Case]:
    """Pages of 10, 100 and 1,000 features in boxes of 6 km, in CRS84 and in EPSG:25832."""
    return [_items(connection, town, limit, crs) for limit in (10, 100, 1000) for crs in (None, UTM32)]


def _items(connection: psycopg.Connection[Any], town: Town, limit: int, crs: str | None) -> Case:
    paths, statements = [], []
    for place in town.places:
        steady = {"limit": str(limit), **({"crs": crs, "bbox-crs": crs} if crs else {})}
        box = around(place, HALF, degrees=crs is None)
        for number, corners in enumerate([box, *moved(box, 30 if crs else 3e-4, BOXES)]):
            parameters = {**steady, "bbox": ",".join(f"{value:.5f}" for value in corners)}
            paths.append(f"/collections/{town.collection.id}/items?{to_query(parameters)}")
            if number == 0:
                statements.append(to_statement(connection, town, parameters))
    return Case(f"{limit} features, {'EPSG:25832' if crs else 'CRS84'}", paths, statements)


def to_statement(connection: psycopg.Connection[Any], town: Town, parameters: Mapping[str, str]) -> str:
    """The statement of a page, with its values."""
    statement = items_query(parse_items_query(town.collection, parameters), town.state)
    if statement is None:
        sys.exit(f"The box {parameters.get('bbox')} holds nothing.")
    return psycopg.ClientCursor(connection).mogrify(statement.text, statement.parameters)


def single_case(connection: psycopg.Connection[Any], town: Town) -> Case:
    """Single features by their id."""
    text = item_text(town.collection, CRS84)
    statements = [
        psycopg.ClientCursor(connection).mogrify(text, {"id": id_, "name": town.collection.id}) for id_ in town.ids
    ]
    return Case("single item", [f"/collections/{town.collection.id}/items/{id_}" for id_ in town.ids], statements)


def tile_case(connection: psycopg.Connection[Any], town: Town, settings: Settings) -> Case:
    """Tiles of zoom 15 where buildings are; the server keeps what it has made, pgbench makes each anew."""
    to_mercator = Transformer.from_crs(STORAGE_SRID, 3857, always_xy=True)
    edge, size = 20037508.342789244, 2 * 20037508.342789244 / 2**15
    grid = read_grids(settings.config_dir)["WebMercatorQuad"]
    paths, statements = [], []
    for place in town.places:
        x, y = to_mercator.transform(*place)
        tile = Tile(15, int((edge - y) // size), int((x + edge) // size))
        source = source_of(town.collection, town.state, 3857, 15)
        statement = next(layer_steps(Wanted(town.collection, grid, tile), town.state, source))
        statements.append(psycopg.ClientCursor(connection).mogrify(statement.text, statement.parameters))
        paths.append(f"/collections/{town.collection.id}/tiles/WebMercatorQuad/15/{tile.row}/{tile.col}")
    return Case("tile z15", paths, statements)
