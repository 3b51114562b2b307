"""The pure parts of a request for features: parameters, cursor, covering, SQL."""

import random
from datetime import date
from pathlib import Path

import pytest

from server.catalogue import Collection, read_collections
from server.crs import CRS84, OFFERED, Box, Crs, around, to_frame, transformer
from server.errors import InvalidParameter, UnknownParameter, UriTooLong
from server.ewkb import to_box2d, to_ewkb
from server.features.areas import key_ranges, search_areas
from server.features.cursor import Cursor, parse_cursor, to_token
from server.features.page import Reading, to_page
from server.features.params import ItemsQuery, parse_bbox, parse_items_query, parse_limit
from server.features.query import items_query
from server.limits import DEFAULT_LIMIT, MAX_LIMIT
from server.parameters import MAX_PARAMETERS, parse_query
from server.spatial_key import covering, sharpened
from server.state import State
from server.times import parse_datetime

ROOT = Path(__file__).resolve().parents[2]
STATE = State(1, 1, features=1_000_000, bbox=Box(280_000, 5_577_000, 531_800, 5_820_000), half_width=50, half_height=40)


@pytest.fixture(scope="module")
def gemeinde() -> Collection:
    return next(c for c in read_collections(ROOT / "collections") if c.id == "gemeinde")


def parse(collection: Collection, **parameters: str) -> ItemsQuery:
    return parse_items_query(collection, {name.replace("_", "-"): value for name, value in parameters.items()})


def test_defaults(gemeinde: Collection) -> None:
    query = parse(gemeinde)
    assert (query.limit, query.crs, query.bbox_crs, query.unfiltered) == (DEFAULT_LIMIT, CRS84, CRS84, True)


@pytest.mark.parametrize(
    ("text", "limit"), [("1", 1), ("00100", 100), ("1000000", MAX_LIMIT), ("10000", 10_000), ("9" * 30, MAX_LIMIT)]
)
def test_limit(text: str, limit: int) -> None:
    assert parse_limit(text) == limit


def test_bbox_in_x_y_order_whatever_the_crs_has() -> None:
    lat_lon = next(crs for crs in OFFERED if crs.srid == 4258)
    assert parse_bbox("6,50,7,51", CRS84) == (Box(6, 50, 7, 51),)
    assert parse_bbox("50,6,51,7", lat_lon) == (Box(6, 50, 7, 51),)
    assert parse_bbox("6,50,0,7,51,100", CRS84) == (Box(6, 50, 7, 51),)
    assert parse_bbox("170,50,-170,51", CRS84) == (Box(170, 50, 180, 51), Box(-180, 50, -170, 51))


def test_datetime_is_days_both_included() -> None:
    assert parse_datetime("2026-07-01T23:30:00-02:00") == (date(2026, 7, 2), date(2026, 7, 2))
    assert parse_datetime("../2026-07-01") == (None, date(2026, 7, 1))
    assert parse_datetime(None) == (None, None)


def test_cursor_round_trip_and_binding() -> None:
    for cursor in (Cursor(0), Cursor(2**62 + 5, backward=True), Cursor(2**63 - 1, version=4711)):
        assert parse_cursor(to_token(cursor, "q"), "q") == cursor
    with pytest.raises(InvalidParameter, match="altered or belongs to another query"):
        parse_cursor(to_token(Cursor(5), "q"), "other")


def test_every_altered_character_of_a_cursor_is_seen() -> None:
    token = to_token(Cursor(123456789), "q")
    for place, character in enumerate(token):
        for other in "Az0_-":
            altered = token[:place] + other + token[place + 1 :]
            if other != character:
                with pytest.raises(InvalidParameter):
                    parse_cursor(altered, "q")


@pytest.mark.parametrize(
    ("query", "error", "text"),
    [
        (b"a=1&x=2", UnknownParameter, "'x' is not known here. Known parameters: a, b"),
        (b"a=1&a=2", InvalidParameter, "given more than once"),
        (b"a=%ff", InvalidParameter, "not UTF-8"),
        (b"a=%00", InvalidParameter, "NUL"),
        (b"a=" + b"1" * 40_000, UriTooLong, "40002 bytes"),
        (b"&".join([b""] * (MAX_PARAMETERS + 5)) + b"&a=1", UnknownParameter, "not known here"),
    ],
)
def test_query_strings_are_read_strictly(query: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        parse_query(query, ("a", "b"))


def test_query_strings_are_decoded() -> None:
    assert parse_query(b"a=Gr%C3%B6%C3%9Fe+%26+S%C3%B6hne&b=x%3Dy=z&", ("a", "b")) == {
        "a": "Größe & Söhne",
        "b": "x=y=z",
    }
    assert parse_query(b"a", ("a",)) == {"a": ""}


def test_covering_is_tight_and_bounded() -> None:
    whole = covering(Box(0, 0, 1e7, 1e7))
    assert [tuple(r) for r in whole] == [(0, (1 << 52) - 1)]
    small = covering(Box(400_000, 5_700_000, 400_100, 5_700_100))
    assert len(small) <= 32
    cells = sum(high - low + 1 for low, high in small) >> 20
    assert 26 * 26 <= cells <= 4 * 26 * 26, "a small box must not read far beyond its own cells"


@pytest.mark.parametrize("backward", [False, True])
def test_sharpened_ranges_hold_the_same_features_of_the_box_and_fewer_others(backward: bool) -> None:
    chance = random.Random(7)
    fewer = 0
    for _ in range(200):
        x, y, size = (
            chance.uniform(290_000, 500_000),
            chance.uniform(5_580_000, 5_780_000),
            10 ** chance.uniform(2, 4.7),
        )
        box = Box(x, y, x + size, y + size * chance.uniform(0.3, 1))
        ranges = list(covering(box))[:: -1 if backward else 1]
        sharp = sharpened(box, ranges, backward=backward)
        assert sharp == sorted(sharp, reverse=backward)
        for _ in range(40):
            place = Box(*(chance.uniform(box.xmin, box.xmax), chance.uniform(box.ymin, box.ymax)) * 2)
            ((key, _),) = covering(place)
            assert any(low <= key <= high for low, high in sharp)
        fewer += size_of(sharp) < size_of(ranges)
        assert size_of(sharp) <= size_of(ranges)
    assert fewer > 100


def size_of(ranges: list[tuple[int, int]]) -> int:
    return sum(high - low + 1 for low, high in ranges)


def test_key_ranges_go_on_from_the_cursor(gemeinde: Collection) -> None:
    areas = search_areas(parse(gemeinde, bbox="7.0,51.0,7.3,51.2"), STATE)
    everything = key_ranges(areas, STATE, Cursor(-1), 10**9)
    middle = len(everything) // 2
    low, high = everything[middle]
    at = (low + high) // 2
    after = key_ranges(areas, STATE, Cursor(at), 10**9)
    before = key_ranges(areas, STATE, Cursor(at, backward=True), 10**9)
    assert after == [(at, high), *everything[middle + 1 :]]
    assert before == [(low, at), *reversed(everything[:middle])]


def test_a_box_beside_the_state_asks_nothing(gemeinde: Collection) -> None:
    assert items_query(parse(gemeinde, bbox="0,0,1,1"), STATE) is None
    assert items_query(parse(gemeinde, bbox="6,51,7,52"), State()) is None
    page = to_page(parse(gemeinde, bbox="0,0,1,1"), None, Reading(1))
    assert (page.returned, page.matched, page.next, page.previous) == (0, 0, None, None)


def test_values_never_reach_the_sql_text(gemeinde: Collection) -> None:
    statement = items_query(parse(gemeinde, gn="'; drop table x; --", limit="17", bbox="6.5,51,7,52"), STATE)
    assert statement is not None
    assert b"drop table" not in statement.text
    assert b"6.5" not in statement.text
    assert "'; drop table x; --" in statement.parameters.values()


def test_the_same_shape_of_query_has_the_same_text(gemeinde: Collection) -> None:
    """So that PostgreSQL keeps its plan."""
    texts = {
        items_query(parse(gemeinde, gn=name, bbox=bbox, limit=limit), STATE).text  # pyright: ignore[reportOptionalMemberAccess]
        for name, bbox, limit in (("A", "6.9,51.4,7.1,51.5", "10"), ("B", "7.0,51.4,7.01,51.41", "9"))
    }
    assert len(texts) == 1


@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.name)
def test_a_frame_lies_around_and_within(crs: Crs) -> None:
    """Against an outline of a hundred times as many points."""
    box = Box(280_000, 5_577_000, 531_800, 5_820_000)
    frame = to_frame(box, 25832, crs.srid)
    outer, inner = frame.outer, frame.inner
    n = 4000
    line = [box.xmin + (box.xmax - box.xmin) * i / n for i in range(n + 1)]
    side = [box.ymin + (box.ymax - box.ymin) * i / n for i in range(n + 1)]
    xs = [*line, *line, *[box.xmin] * (n + 1), *[box.xmax] * (n + 1)]
    ys = [*[box.ymin] * (n + 1), *[box.ymax] * (n + 1), *side, *side]
    x, y = transformer(25832, crs.srid).transform(xs, ys)
    assert outer.xmin <= min(x)
    assert max(x) <= outer.xmax
    assert outer.ymin <= min(y)
    assert max(y) <= outer.ymax
    assert inner is None or outer.common(inner) == inner
    tight = 1e-3 * (outer.xmax - outer.xmin)
    assert min(x) - outer.xmin < tight, "around, but not far around"
    assert around(box, 25832, crs.srid) == outer


def test_boxes_as_postgis_reads_them() -> None:
    assert to_box2d(Box(1.5, 2, 3, 4e-7)) == "BOX(1.5 2,3 4e-07)"
    kinds = {int.from_bytes(bytes.fromhex(to_ewkb(box, 25832))[1:5], "little") & 0xFF: box for box in BOXES}
    assert kinds == {1: BOXES[0], 2: BOXES[1], 3: BOXES[2]}


BOXES = [Box(1, 1, 1, 1), Box(1, 1, 1, 2), Box(1, 1, 2, 2)]
