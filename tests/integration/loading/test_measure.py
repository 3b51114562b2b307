"""How far a collection reaches after each change of it is what looking at every feature gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import shapely
from psycopg import sql

from loaders.measure import Reach, amend, measure
from loaders.report import Report
from loaders.rollback import RollbackOptions, roll_back

FORMER: Reach = (-10, -20, 30, 40, 5, None)
STATE = "select features, bbox, half_width, half_height, first_date, last_date from provenance.collection"


@pytest.mark.parametrize(
    ("going", "coming", "reach"),
    [
        pytest.param([None] * 6, [None] * 6, FORMER, id="nothing"),
        pytest.param((-11, -21, 29, 39, 4, None), (-12, -22, 28, 38, 3, None), FORMER, id="within"),
        pytest.param((-11, -21, 29, 39, 4, None), (-9, -22, 31, 38, 6, 1), (-9, -20, 31, 40, 6, 1), id="further"),
        pytest.param((-10, -21, 29, 39, 4, None), (-11, -22, 28, 38, 3, None), None, id="the one at the edge is gone"),
        pytest.param((-10, -21, 29, 39, 4, None), (-10, -22, 28, 38, 3, None), FORMER, id="another one is there"),
        pytest.param((-11, -21, 29, 39, 5, None), [None] * 6, None, id="the largest is gone"),
    ],
)
def test_what_goes_and_comes(going: Reach, coming: Reach, reach: Reach | None) -> None:
    found = amend(FORMER, going, coming)
    assert found == (None if reach is None else list(reach))


def test_each_change_keeps_account(
    load: Callable[..., Report],
    database_url: str,
    connection: psycopg.Connection[Any],
    write_layer: Callable[..., Path],
) -> None:
    boxes = {f"DENW{n}": (400_000 + 100 * n, 5_700_000, 400_010 + 100 * n, 5_700_010) for n in range(9)}
    table = sql.Identifier("geobasis", "hausumring")

    def require_account() -> tuple[Any, ...]:
        state = connection.execute(STATE).fetchone()
        assert state
        assert state == tuple(measure(connection, table, "aktualitaet").values())
        return state

    def deliver(day: str, **changes: tuple[int, int, int, int] | None) -> tuple[Any, ...]:
        boxes.update(changes)  # pyright: ignore
        rows = {oid: box for oid, box in boxes.items() if box}
        columns = {
            "ags": ["05382068"] * len(rows),
            "oi": list(rows),
            "gfk": ["1000"] * len(rows),
            "aktualitae": [day] * len(rows),
        }
        folder = write_layer("hu_shp", [shapely.box(*box) for box in rows.values()], columns)
        assert load("hausumringe", folder, accept_shrink=True).status == "published"
        return require_account()

    first = deliver("2026-01-01")
    further = deliver("2026-01-01", DENW9=(399_000, 5_700_000, 399_040, 5_700_050))
    assert further[1:4] == ([399_000, *first[1][1:3], 5_700_050], 20, 25)
    assert deliver("2026-01-01", DENW4=(400_404, 5_700_001, 400_406, 5_700_002))[1:4] == further[1:4]
    assert deliver("2026-01-02", DENW9=None)[1:4] == first[1:4]
    roll_back(4, RollbackOptions(database_url))
    assert require_account()[1:4] == further[1:4]
