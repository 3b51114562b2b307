"""Prepared statements by libpq's own calls, on a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import psycopg
import pytest

from server.prepared import KEPT, PreparingConnection, can_prepare, to_numbered

Work = Callable[[PreparingConnection], Awaitable[None]]


@pytest.fixture
def run(database_url: str) -> Callable[[Work], None]:
    """Runs a coroutine with a connection of its own."""

    def with_connection(work: Work) -> None:
        async def main() -> None:
            async with await PreparingConnection.connect(database_url, autocommit=True) as connection:
                await work(connection)

        asyncio.run(main())

    return with_connection


async def count_prepared(connection: PreparingConnection) -> int:
    rows = await connection.execute("select count(*) from pg_prepared_statements")
    row = await rows.fetchone()
    return row[0] if row else -1


def test_placeholders_are_numbered_once_each() -> None:
    assert to_numbered(b"select %(a)s, %(b)s, %(a)s, 5 %% 3") == (b"select $1, $2, $1, 5 % 3", ("a", "b"))


def test_values_of_all_types_come_back(run: Callable[[Work], None]) -> None:
    values: dict[str, Any] = {
        "text": "Größe '%s' \\ \"",
        "whole": 2**62,
        "number": 0.1,
        "yes": True,
        "day": date(2026, 2, 28),
        "none": None,
    }

    async def work(connection: PreparingConnection) -> None:
        text = b"select %(text)s::text, %(whole)s, %(number)s, %(yes)s, %(day)s, %(none)s::int, 7 %% 4"
        for _ in range(3):
            assert await connection.fetch_prepared(text, values) == [(*values.values(), 3)]
        assert await count_prepared(connection) == 1

    run(work)


def test_a_large_answer_comes_whole(run: Callable[[Work], None]) -> None:
    async def work(connection: PreparingConnection) -> None:
        (row,) = await connection.fetch_prepared(b"select repeat('x', %(n)s::int), %(n)s", {"n": 5_000_000})
        assert (len(row[0]), row[1]) == (5_000_000, 5_000_000)

    run(work)


def test_a_large_parameter_goes_whole(run: Callable[[Work], None]) -> None:
    async def work(connection: PreparingConnection) -> None:
        assert await connection.fetch_prepared(b"select length(%(t)s::text)", {"t": "ß" * 3_000_000}) == [(3_000_000,)]

    run(work)


def test_an_error_leaves_the_connection_usable(run: Callable[[Work], None]) -> None:
    async def work(connection: PreparingConnection) -> None:
        text = b"select 1 / %(n)s::int"
        with pytest.raises(psycopg.errors.DivisionByZero):
            await connection.fetch_prepared(text, {"n": 0})
        with pytest.raises(psycopg.errors.SyntaxError):
            await connection.fetch_prepared(b"select from from", {})
        assert await connection.fetch_prepared(text, {"n": 1}) == [(1,)]

    run(work)


def test_whoever_is_cancelled_stops_the_statement_and_keeps_the_connection(run: Callable[[Work], None]) -> None:
    async def work(connection: PreparingConnection) -> None:
        sleeping = asyncio.create_task(connection.fetch_prepared(b"select pg_sleep(%(n)s)", {"n": 30.0}))
        await asyncio.sleep(0.2)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert not connection.closed
        assert await connection.fetch_prepared(b"select 1", {}) == [(1,)]

    run(work)


@pytest.mark.parametrize("moment", range(12))
def test_cancelled_at_any_moment_the_connection_is_usable(run: Callable[[Work], None], moment: int) -> None:
    async def work(connection: PreparingConnection) -> None:
        text = b"select repeat('x', %(n)s::int) from generate_series(1, 3)"
        fetching = asyncio.create_task(connection.fetch_prepared(text, {"n": 400_000}))
        for _ in range(moment):
            await asyncio.sleep(0)
        fetching.cancel()
        await asyncio.wait([fetching])
        assert not connection.closed
        assert await connection.fetch_prepared(b"select 1", {}) == [(1,)]

    run(work)


def test_statements_that_the_session_forgot_are_prepared_anew(run: Callable[[Work], None]) -> None:
    async def work(connection: PreparingConnection) -> None:
        assert await connection.fetch_prepared(b"select %(n)s", {"n": 1}) == [(1,)]
        await connection.execute("deallocate all")
        assert await connection.fetch_prepared(b"select %(n)s", {"n": 2}) == [(2,)]

    run(work)


def test_the_number_of_statements_kept_is_bounded(run: Callable[[Work], None]) -> None:
    async def work(connection: PreparingConnection) -> None:
        for number in range(KEPT + 10):
            assert await connection.fetch_prepared(f"select {number}".encode(), {}) == [(number,)]
        assert await count_prepared(connection) == KEPT

    run(work)


@pytest.mark.parametrize("value", [[1], b"x", (1,), {"a": 1}])
def test_what_needs_adaptation_is_left_to_psycopg(value: object) -> None:
    assert not can_prepare({"a": value})
    assert can_prepare({"a": 1, "b": "x", "c": None})
    assert not can_prepare(None)
