"""How the words of q are sought: by their index, wherever the features lie that have them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.catalogue import read_collections
from server.crs import Box
from server.features.params import parse_items_query
from server.features.query import items_query
from server.state import State

ROOT = Path(__file__).parents[2]
UTM = "http://www.opengis.net/def/crs/EPSG/0/25832"
ADDRESSES = b"""
insert into geobasis.adresse (fid, id, oi, qua, ags, landschl, regbezschl, kreisschl, gmdschl, gmd, strschl, str, hnr,
  delivery, digest, geom)
select n, n, n, 'A', '05113000', '05', '1', '13', '000', case when n < 18000 then 'Essen' else 'Zeche' end, n % 400,
  case when n % 2 = 0 then 'Seltenweg ' || n else 'Hauptstr.' end, n % 50, 1, '',
  ST_SetSRID(ST_MakePoint(350000 + n % 100, 5700000 + n / 100), 25832)
from generate_series(1, 20000) n"""


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"q": "seltenweg 19998"}, 1),
        ({"q": "haupt"}, 11),
        ({"q": "zeche", "limit": "10"}, 11),
        ({"q": "zeche", "sortby": "-str", "limit": "10"}, 11),
        ({"q": "zeche", "bbox": "350000,5700000,350100,5700300", "bbox-crs": UTM, "limit": "10"}, 11),
        ({"q": "zeche,seltenweg", "resultType": "hits"}, None),
    ],
)
def test_words_are_sought_by_their_index_and_not_in_each_feature(
    many: psycopg.Connection[Any], given: dict[str, str], rows: int | None
) -> None:
    """The last towns in the order of the key are found as fast as the first: nothing is read along that order."""
    adresse = next(c for c in read_collections(ROOT / "collections") if c.id == "adresse")
    bounds = Box(350_000, 5_700_000, 350_100, 5_700_300)
    state = State(1, 1, datetime.now(UTC), 20_000, bounds, 0.0, 0.0)
    statement = items_query(parse_items_query(adresse, {"limit": "10", **given}), state)
    assert statement
    assert statement.plan_by_values
    lines = many.execute(b"explain (analyze, timing off, costs off) " + statement.text, statement.parameters).fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert "adresse_text" in plan, plan
    assert "Seq Scan on adresse" not in plan, plan
    assert not re.search(r"Filter: .*geobasis.words", plan), plan
    if rows is not None:
        found = many.execute(statement.text, statement.parameters).fetchone()
        assert found
        assert found[-1] == rows


@pytest.fixture(scope="module")
def many(cluster: Any, migrated_template: str) -> Iterator[psycopg.Connection[Any]]:
    """20,000 addresses; half have the same street, and the last tenth lies in a town of its own."""
    url = cluster.create(migrated_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ADDRESSES)
        connection.execute("vacuum (analyze) geobasis.adresse")
        yield connection
    cluster.drop(url)
