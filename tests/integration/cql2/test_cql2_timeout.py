"""A filter that no index serves has less time than others."""

import asyncio

import pytest

from server.database import Database
from server.errors import QueryTooSlow


def test_a_query_may_be_given_less_time(migrated_template: str) -> None:
    async def ask() -> None:
        database = Database(migrated_template, 1, 5)
        await database.open()
        try:
            with pytest.raises(QueryTooSlow, match="The query ran longer than this service allows"):
                await database.fetch(b"select pg_sleep(20)", plan_by_values=True, seconds=1)
            assert await database.fetch(b"select pg_sleep(1.1), 1", plan_by_values=True)  # only that one
        finally:
            await database.close()

    asyncio.run(ask())
