"""Boxes of any size, early and late pages, with and without a filter: a page should cost what it sends."""

import http.client
import json
import statistics
from collections.abc import Mapping
from typing import Any

import psycopg
from cases import UTM32, Town, around, to_query, to_statement
from tools import HTTP_PORT, Table
from visits import ask

from server.editions import edition_of
from server.features.cursor import Cursor, to_token
from server.features.params import parse_items_query

SIZES: Mapping[str, float | None] = {"0.5 km": 250, "3 km": 1500, "15 km": 7500, "40 km": 20_000, "whole": None}
FILTERS: Mapping[str, dict[str, str]] = {"none": {}, "gfk=2463": {"gfk": "2463"}}
WARM, COUNTED = 5, 40
FAR = 1000  # the page that is compared with the first


def measure_boxes(connection: psycopg.Connection[Any], town: Town) -> None:
    """Each size of box, limit, page and filter; pages that are not full are shown but not compared."""
    table = Table(
        "A page of any box (EPSG:25832)",
        *("box", "matches", "filter", "limit", "page", "sent", "rows read", "read/sent", "ms", "to the best case"),
    )
    for name, filters in FILTERS.items():
        for limit in (10, 1000):
            for late in (False, True):
                given = {**filters, "limit": str(limit)}
                rows = [_page(connection, town, half, given, late=late) for half in SIZES.values()]
                best = min((ms for _, sent, _, ms in rows if sent == limit), default=0.0)
                for size, (matches, sent, read, ms) in zip(SIZES, rows, strict=True):
                    beside = f"{ms / best:.2f}" if best and sent == limit else "–"
                    cells = (
                        size,
                        f"{matches:,}",
                        name,
                        str(limit),
                        "middle" if late else "first",
                        str(sent),
                        str(read),
                    )
                    table.row(*cells, read / max(sent, 1), ms, beside)


def _page(
    connection: psycopg.Connection[Any], town: Town, half: float | None, parameters: dict[str, str], *, late: bool
) -> tuple[int, int, int, float]:
    """Number of matches; of the page features sent, rows read and milliseconds."""
    given = {**parameters, "crs": UTM32, "bbox-crs": UTM32}
    conditions, values = ["true"], []
    if half is not None:
        box = around(town.places[0], half, degrees=False)
        given["bbox"] = ",".join(f"{value:.3f}" for value in box)
        conditions.append("ST_Intersects(geom, ST_MakeEnvelope(%s, %s, %s, %s, 25832))")
        values += box
    if "gfk" in parameters:
        conditions.append("gfk = %s")
        values.append(parameters["gfk"])
    where = " and ".join(conditions)
    middle_of = "percentile_disc(0.5) within group (order by fid)"
    query = f"select count(*), {middle_of} from geobasis.{town.collection.id} where {where}"
    matches, middle = connection.execute(query.encode(), values).fetchone() or (0, 0)
    if late and middle:
        given["cursor"] = token(town, given, middle)
    sent, spent = _timed(f"/collections/{town.collection.id}/items?{to_query(given)}")
    return matches, sent, _rows_read(connection, to_statement(connection, town, given)), spent


def token(town: Town, parameters: Mapping[str, str], fid: int) -> str:
    """The cursor of the page that begins at a feature."""
    identity = parse_items_query(town.collection, parameters).identity
    return to_token(Cursor(fid, version=town.state.version, edition=edition_of(town.state)), identity)


def _timed(path: str) -> tuple[int, float]:
    """Features of a page, and the median of the milliseconds that it takes."""
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT)
    connection.request("GET", path)
    sent = json.loads(connection.getresponse().read())["numberReturned"]
    spent = [ask(connection, "GET", path) for _ in range(WARM + COUNTED)]
    return sent, statistics.median(spent[WARM:])


def _rows_read(connection: psycopg.Connection[Any], statement: str) -> int:
    """Rows that the statement takes from the table, those that it throws away among them."""
    with connection.transaction():
        connection.execute("set local max_parallel_workers_per_gather = 0")
        row = connection.execute(f"explain (analyze, timing off, format json) {statement}".encode()).fetchone()
    return _read(row[0][0]["Plan"], "hausumring") if row else 0


def _read(plan: Mapping[str, Any], table: str) -> int:
    here = 0
    if plan.get("Relation Name") == table:
        discarded = sum(plan.get(f"Rows Removed by {cause}", 0) for cause in ("Filter", "Index Recheck"))
        here = round((plan["Actual Rows"] + discarded) * plan["Actual Loops"])
    return here + sum(_read(part, table) for part in plan.get("Plans", []))


def measure_paging(connection: psycopg.Connection[Any], town: Town) -> None:
    """The first page and the thousandth of the whole collection."""
    table = Table(
        f"Page {FAR:,} beside page 1, whole collection", "limit", "page 1 (ms)", f"page {FAR:,} (ms)", "ratio"
    )
    for limit in (10, 100, 1000):
        skipped = min(limit * (FAR - 1), town.state.features - limit)
        fid = connection.execute(
            f"select fid from geobasis.{town.collection.id} order by fid offset %s limit 1".encode(), [skipped]
        ).fetchone()
        given = {"limit": str(limit)}
        path = f"/collections/{town.collection.id}/items?{to_query(given)}"
        late = f"{path}&cursor={token(town, given, fid[0] if fid else 0)}"
        near, far = ([], [])
        for _ in range(3):
            near.append(_timed(path)[1])
            far.append(_timed(late)[1])
        table.row(str(limit), min(near), min(far), min(far) / min(near))
