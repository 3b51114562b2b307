"""The server's connections: a pool of read-only ones, driver errors translated to ours."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.string import TextBinaryLoader, TextLoader
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from server.crs import OFFERED
from server.errors import QueryTooSlow, Unavailable
from server.settings import Settings

READER = "opennrw_reader"
START_TIMEOUT = 20  # seconds
Connection = psycopg.AsyncConnection[TupleRow]
Parameters = Mapping[str, Any] | Sequence[Any] | None


class TextAsBytes(TextLoader):
    """Hands text on as the bytes that the response needs anyway."""

    def load(self, data: Any) -> Any:
        """The UTF-8 bytes of a text value."""
        return bytes(data)


class BinaryTextAsBytes(TextBinaryLoader):
    """The same for the binary format."""

    def load(self, data: Any) -> Any:
        """The UTF-8 bytes of a text value."""
        return bytes(data)


def reader_conninfo(settings: Settings, owner_url: str) -> str:
    """The connection string of the role that cannot write.

    Without a URL of its own the server connects by the owner's and takes on the reader's role at once. What the
    role's own settings say is repeated, because they hold only for a login as that role.
    """
    timeout = settings.statement_timeout * 1000
    options = {
        "default_transaction_read_only": "on",
        "statement_timeout": timeout,
        "idle_in_transaction_session_timeout": timeout,
        "lock_timeout": 5000,
        "jit": "off",
        # planning costs as much as a small page; see `Database.fetch` for the queries whose values decide the plan
        "plan_cache_mode": "force_generic_plan",
        "max_parallel_workers_per_gather": 0,
        "timezone": "UTC",
        "application_name": "opennrw-server",
    }
    url = settings.reader_database_url or owner_url
    if conninfo_to_dict(url).get("user") != READER:
        options["role"] = READER
    flags = " ".join(f"-c {name}={value}" for name, value in options.items())
    given = conninfo_to_dict(url).get("options")
    return make_conninfo(url, options=f"{given} {flags}" if given else flags, connect_timeout=5)


class Database:
    """Pool of read-only connections of one worker process."""

    def __init__(self, conninfo: str, size: int, timeout: float) -> None:
        self.conninfo = conninfo
        self._pool = AsyncConnectionPool(
            conninfo,
            min_size=min(2, size),
            max_size=size,
            timeout=timeout,
            open=False,
            kwargs={"autocommit": True, "prepare_threshold": 2},
            configure=_configure,
            reconnect_timeout=5,  # then the next request tries anew; its pauses double, so longer would wait longer
        )

    async def open(self) -> None:
        """Open the pool and wait for its first connections, longer than a request may: they warm up PROJ.

        Raises Unavailable.
        """
        try:
            await self._pool.open(wait=True, timeout=START_TIMEOUT)
        except PoolTimeout as error:
            raise Unavailable(f"The database gave no connection within {START_TIMEOUT} s. Is it running?") from error

    async def close(self) -> None:
        """Close the pool and its connections."""
        await self._pool.close()

    async def fetch(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False
    ) -> list[TupleRow]:
        """All rows of a query; text columns arrive as bytes.

        `plan_by_values`: the plan depends on how many rows the values select, so it is made anew each time.
        A connection that died in the pool is replaced once, unseen by the client.
        Raises Unavailable where none becomes free in time, QueryTooSlow at the statement timeout.
        """
        try:
            return await self._fetch(query, parameters, plan_by_values)
        except psycopg.errors.QueryCanceled as error:
            raise _too_slow() from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if isinstance(error, (PoolTimeout, psycopg.errors.LockNotAvailable)):
                raise _unavailable() from error
        await self._pool.check()
        try:
            return await self._fetch(query, parameters, plan_by_values)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise _unavailable() from error

    async def _fetch(self, query: bytes, parameters: Parameters, plan_by_values: bool) -> list[TupleRow]:
        async with self._pool.connection() as connection:
            if not plan_by_values:
                cursor = await connection.cursor(binary=True).execute(query, parameters)
                return await cursor.fetchall()
            async with connection.transaction():
                await connection.execute(b"set local plan_cache_mode = force_custom_plan")
                cursor = await connection.cursor(binary=True).execute(query, parameters)
                return await cursor.fetchall()

    async def fetch_one(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False
    ) -> TupleRow | None:
        """The first row of a query or None, see `fetch`."""
        rows = await self.fetch(query, parameters, plan_by_values=plan_by_values)
        return rows[0] if rows else None

    async def notifications(self, channel: bytes) -> AsyncIterator[str | None]:
        """Payloads sent to a channel, on a connection of its own; None when the connection (again) begins to listen.

        Ends only when it is cancelled: a lost connection is made anew, with a pause.
        """
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True) as connection:
                    await connection.execute(b"listen " + channel)
                    yield None
                    async for notice in connection.notifies():
                        yield notice.payload
            except psycopg.OperationalError:
                await asyncio.sleep(1)


def _unavailable() -> Unavailable:
    return Unavailable("The database did not become free in time. Send the request again in a moment.")


def _too_slow() -> QueryTooSlow:
    return QueryTooSlow(
        "The query ran longer than this service allows. Ask for a smaller area, add a filter or lower the limit."
    )


async def _configure(connection: Connection) -> None:
    """Bytes for text; and PROJ's first use of each CRS, some 40 ms, before a client waits for it."""
    connection.adapters.register_loader("text", TextAsBytes)
    connection.adapters.register_loader("text", BinaryTextAsBytes)
    point = "ST_SetSRID(ST_MakePoint(400000, 5700000), 25832)"
    warm = ", ".join(f"ST_Transform({point}, {srid})" for srid in sorted({crs.srid for crs in OFFERED}))
    await connection.execute(f"select {warm}".encode())
