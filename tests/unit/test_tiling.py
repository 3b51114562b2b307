"""Grids as data, where tiles lie, what a collection's YAML may say of its tiles, shares of a tile."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from server.crs import Box
from server.errors import ConfigurationError, NotFound
from server.levels import Tiles
from server.state import State
from server.tiling.grid import (
    Tile,
    check_tile,
    clip_box,
    find_matrix,
    inner_box,
    limits,
    search_box,
    tile_box,
)
from server.tiling.making import fair_shares
from server.tiling.matrixsets import grids_by_name, read_grids

CONFIG = Path(__file__).resolve().parents[2] / "config"
GRIDS = read_grids(CONFIG)
WORLD = 20037508.342789244
NRW = State(bbox=Box(280_000, 5_577_000, 531_800, 5_820_000))
each_grid = pytest.mark.parametrize("name", GRIDS)


def test_the_grids() -> None:
    assert list(GRIDS) == ["WebMercatorQuad", "WorldCRS84Quad", "AdV_25832", "EU_25832"]
    assert {name: grid.srid for name, grid in GRIDS.items()} == {
        "WebMercatorQuad": 3857,
        "WorldCRS84Quad": 4326,
        "AdV_25832": 25832,
        "EU_25832": 25832,
    }
    assert grids_by_name(CONFIG)["DE_EPSG_25832_ADV"] is GRIDS["AdV_25832"]
    assert tile_box(GRIDS["WebMercatorQuad"], Tile(0, 0, 0)) == (-WORLD, -WORLD, WORLD, WORLD)
    assert tile_box(GRIDS["WorldCRS84Quad"], Tile(0, 0, 1)) == (0, -90, 180, 90)


def test_the_german_grid_is_that_of_the_published_capabilities() -> None:
    """Origin, cell size and number of tiles as basemap.de's WMTS has them; all levels halve the one before."""
    grid = GRIDS["AdV_25832"]
    first, last = grid.matrices[0], grid.matrices[13]
    assert (first.west, first.north, first.cols, first.rows) == (-46133.17, 6301219.54, 1, 1)
    assert first.tile_width == pytest.approx(4891.96981025127 * 256)
    assert last.tile_width == pytest.approx(0.597164283477938 * 256)
    assert grid.document["tileMatrices"][0]["scaleDenominator"] == pytest.approx(17471320.7508974)
    assert [matrix.zoom for matrix in grid.matrices] == list(range(5, 20))
    # the state lies in these tiles of level 8
    assert limits(NRW, grid, grid.by_level[8]) == (98, 148, 66, 118)


@each_grid
def test_tiles_of_a_level_meet(name: str) -> None:
    grid = GRIDS[name]
    left, right = tile_box(grid, Tile(9, 100, 200)), tile_box(grid, Tile(9, 100, 201))
    below = tile_box(grid, Tile(9, 101, 200))
    assert left.xmax == pytest.approx(right.xmin, abs=1e-6)
    assert left.ymin == pytest.approx(below.ymax, abs=1e-6)
    child = tile_box(grid, Tile(10, 200, 400))
    assert child[0] == pytest.approx(left[0], abs=1e-6)
    assert child[3] == pytest.approx(left[3], abs=1e-6)


@each_grid
def test_what_lies_within_is_seen_by_no_other_tile(name: str) -> None:
    """The inner box, transformed back, lies in the tile without its buffer; the search box around it with it."""
    grid = GRIDS[name]
    level = grid.between(12, 12)[0].level
    found = limits(NRW, grid, grid.by_level[level])
    assert found
    tile = Tile(level, (found.min_row + found.max_row) // 2, (found.min_col + found.max_col) // 2)
    inner, search = inner_box(grid, tile, 25832), search_box(grid, tile, NRW, 25832)
    assert inner
    assert search
    assert search.xmin < inner.xmin < inner.xmax < search.xmax
    assert search.ymin < inner.ymin < inner.ymax < search.ymax
    if grid.srid == 25832:
        assert search == clip_box(grid, tile)
        assert inner.xmin - search.xmin == pytest.approx(
            2 * 64 / 4096 * (tile_box(grid, tile).xmax - inner.xmin), rel=0.05
        )


def test_a_former_state_may_have_reached_further() -> None:
    grid, tile = GRIDS["WebMercatorQuad"], Tile(8, 80, 130)
    assert search_box(grid, tile, NRW, 25832) is None
    assert search_box(grid, tile, NRW, 25832, former=True)
    whole = search_box(grid, Tile(0, 0, 0), NRW, 25832, former=True)
    assert whole
    assert -500_000 < whole.xmin < 0
    assert 1_200_000 < whole.xmax < 1_500_000
    assert search_box(grid, tile, State(), 25832) is None
    assert limits(State(), grid, grid.by_level[8]) is None


def test_data_of_the_whole_world_have_all_tiles_of_a_grid_of_a_part_of_it() -> None:
    world = State(bbox=Box(-180, -90, 180, 90), srid=4326)
    grid = GRIDS["AdV_25832"]
    assert limits(world, grid, grid.by_level[3]) == (0, 7, 0, 7)


def test_a_tile_that_is_not_there_is_told() -> None:
    grid = GRIDS["AdV_25832"]
    with pytest.raises(NotFound, match="tileMatrix 4 is not offered here: this tileset has 5 to 9"):
        find_matrix(grid, Tile(4, 0, 0), 10, 14)
    with pytest.raises(NotFound, match="tileMatrix 0 is not offered here: this tileset has none"):
        find_matrix(grid, Tile(0, 0, 0), 0, 4)
    with pytest.raises(NotFound, match="it has rows 98 to 148 and columns 66 to 118"):
        check_tile(Tile(8, 97, 66), limits(NRW, grid, grid.by_level[8]))


DEFINITION = json.loads((CONFIG / "tilematrixsets" / "AdV_25832.json").read_text("utf-8"))
FIRST = DEFINITION["tileMatrices"][0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "other"}, "id is 'other', but a tile matrix set's file bears its id: rename one."),
        ({"orderedAxes": ["N", "E"]}, "orderedAxes must name the axis to the east first, such as E, N."),
        ({"crs": "http://www.opengis.net/def/crs/EPSG/0/x"}, "Give http://www.opengis.net/def/crs/EPSG/0/<code>"),
        ({"crs": "urn:ogc:def:crs:EPSG::25832"}, "is not supported: give http://www.opengis.net/def/crs/EPSG/0/<code>"),
        (
            {"tileMatrices": [{**DEFINITION["tileMatrices"][0], "cornerOfOrigin": "bottomLeft"}]},
            "begin at the top left",
        ),
        (
            {"tileMatrices": [{**DEFINITION["tileMatrices"][0], "id": "-1"}]},
            "levels are numbered, begin at the top left",
        ),
        ({"tileMatrices": [{"id": "0"}]}, "It must be a tile matrix set (TMS 2.0)."),
    ],
)
def test_a_wrong_grid_is_told_with_its_file(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    folder = tmp_path / "tilematrixsets"
    folder.mkdir()
    (folder / "AdV_25832.json").write_text(json.dumps({**DEFINITION, **changes}), "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read_grids(tmp_path)
    assert reason in str(raised.value)
    assert str(folder / "AdV_25832.json") in str(raised.value)


def test_attributes_from_a_level_on() -> None:
    tiles = Tiles.model_validate({"minzoom": 8, "maxzoom": 16, "properties": {"str": 14, "gmd": 8}})
    assert tiles.properties == ("str", "gmd")
    assert tiles.properties_at(13) == ("gmd",)
    assert tiles.properties_at(14) == ("str", "gmd")
    plain = Tiles.model_validate({"minzoom": 8, "maxzoom": 16, "properties": ["str"]})
    assert plain.properties_at(8) == ("str",)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"properties": {"str": 17}}, "properties.str begins at 17, outside 8 to 16"),
        ({"first": {"str": 9}}, "unknown key 'first'; give properties as a mapping of names to levels"),
        ({"maxzoom": 7}, "minzoom 8 is above maxzoom 7"),
        ({"borders": {"by": "kn", "ranks": {"land": 2}}}, "borders.by names 'kn', which is not among tiles.properties"),
    ],
)
def test_wrong_tiles_in_yaml_are_told(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Tiles.model_validate({"minzoom": 8, "maxzoom": 16, **wrong})


@pytest.mark.parametrize(
    ("needs", "total", "shares"),
    [
        ([10, 20, 30], 100, [10, 20, 30]),
        ([10, 200, 300], 100, [10, 45, 45]),
        ([300, 10, 50], 100, [45, 10, 45]),
        ([40, 40, 40], 100, [33, 33, 34]),
        ([], 100, []),
    ],
)
def test_layers_share_a_tile(needs: list[int], total: int, shares: list[int]) -> None:
    assert fair_shares(needs, total) == shares


def test_names_and_borders_are_for_areas_that_stay_single() -> None:
    given = {"minzoom": 8, "maxzoom": 16, "properties": ["kn"]}
    borders = {"by": "kn", "ranks": {"land": 2, "kreis": 5}}
    for further, geometry in (
        ({"names": True}, "Point"),
        ({"borders": borders}, "LineString"),
        ({"names": True, "pyramid": {"method": "blocks", "below": 12}}, "Polygon"),
    ):
        with pytest.raises(ValueError, match=r"tiles\.names and tiles\.borders are for areas that are not counted"):
            Tiles.model_validate({**given, **further}).check(geometry)
    tiles = Tiles.model_validate({**given, "names": True, "borders": borders})
    tiles.check("MultiPolygon")
    assert tiles.borders
    assert tiles.borders.rank("05111000", None) == "land"
    assert tiles.borders.rank("05111000", "03111000") == "land"
    assert tiles.borders.rank("05111000", "05158000") == "kreis"
    assert tiles.borders.rank("05111000", "05111004") == "kreis"
