"""The server's connections: a pool of read-only ones, driver errors translated to ours."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.types.string import TextBinaryLoader, TextLoader
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from server.crs import OFFERED
from server.errors import QueryTooSlow, Unavailable
from server.prepared import PreparingConnection, can_prepare
from server.settings import Settings

READER = "opennrw_reader"
START_TIMEOUT = 20  # seconds
# A machine that vanished says nothing: after about so many seconds its connections count as dead
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
# Connections are renewed so often, s: reads return to a standby that came back
LIFETIME = 300
PRIMARY_CONNECT_TIMEOUT = 2  # seconds; there is a standby to go on with
PRIMARY_CONNECTIONS = 2
WARM_UP = tuple(
    b"select ST_Transform(ST_SetSRID(ST_MakePoint(400000, 5700000), 25832), %d)" % srid
    for srid in sorted({crs.srid for crs in OFFERED})
)
BY_VALUES = b"set local plan_cache_mode = force_custom_plan"
AT_HAND = 1.0  # seconds that connections are lent anew without the pool, which costs a tenth of a small page
POLL = 1  # seconds between looks at the states where no primary can be listened to
# A standby that replays changes ends the queries that stand in the way (40001, 40P01)
CONFLICTS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
Connection = PreparingConnection
Parameters = Mapping[str, Any] | Sequence[Any] | None
Result = TypeVar("Result")

# A standby that replayed all it received is as old as its primary, unless it lost it
STANDING = b"""
select pg_is_in_recovery(), case
  when not pg_is_in_recovery() then 0
  when exists (select from pg_stat_wal_receiver) and pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() then 0
  else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end::float8"""


class Reader(Protocol):
    """Answers queries: the whole pool, or one connection within a snapshot."""

    async def fetch(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False, seconds: int | None = None
    ) -> list[TupleRow]:
        """All rows, see `Database.fetch`."""
        ...

    async def fetch_one(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False, seconds: int | None = None
    ) -> TupleRow | None:
        """The first row or None."""
        ...


@dataclass(frozen=True)
class Standing:
    """Whether a standby answers, and how old its data are in seconds; None where it cannot say."""

    standby: bool
    lag: float | None


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
    alive = {name: value for name, value in KEEPALIVE.items() if name not in conninfo_to_dict(url)}
    return make_conninfo(url, options=f"{given} {flags}" if given else flags, connect_timeout=5, **alive)


def primary_conninfo(conninfo: str) -> str:
    """The same hosts, but only the one that is no standby; `read-write` would refuse the reader everywhere."""
    return make_conninfo(conninfo, target_session_attrs="primary", connect_timeout=PRIMARY_CONNECT_TIMEOUT)


class Database:
    """Pool of read-only connections of one worker process."""

    def __init__(self, conninfo: str, size: int, timeout: float) -> None:
        self.conninfo = conninfo
        self._pool: AsyncConnectionPool[PreparingConnection] = AsyncConnectionPool(
            conninfo,
            connection_class=PreparingConnection,
            min_size=min(2, size),
            max_size=size,
            timeout=timeout,
            open=False,
            # psycopg drops every statement of a connection, also ours, where it kept one and rolls back
            kwargs={"autocommit": True, "prepare_threshold": None},
            configure=self._configure,
            reconnect_timeout=5,  # then the next request tries anew; its pauses double, so longer would wait longer
            max_lifetime=LIFETIME,
        )
        self._at_hand: list[Connection] = []
        self._returning: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._keeper: asyncio.Task[None] | None = None
        self._primary = primary_conninfo(conninfo)
        self._primary_turns = asyncio.Semaphore(PRIMARY_CONNECTIONS)
        self._primary_failed = -math.inf

    async def open(self) -> None:
        """Open the pool and wait for its first connections, longer than a request may: they warm up PROJ.

        Raises Unavailable.
        """
        try:
            await self._pool.open(wait=True, timeout=START_TIMEOUT)
        except PoolTimeout as error:
            raise Unavailable(f"The database gave no connection within {START_TIMEOUT} s. Is it running?") from error
        self._keeper = asyncio.create_task(self._put_back_regularly())

    async def close(self) -> None:
        """Close the pool and its connections."""
        if self._keeper:
            self._keeper.cancel()
        await self._put_back()
        await self._pool.close()

    async def _configure(self, connection: Connection) -> None:
        """Bytes for text; and PROJ's first use of each CRS, some 40 ms, before a client waits for it.

        Not while one waits: after a crash all come at once for connections that are all new.
        """
        _take_text_as_bytes(connection)
        for statement in WARM_UP:
            if self._pool.get_stats()["requests_waiting"]:
                return
            await connection.execute(statement)

    async def fetch(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False, seconds: int | None = None
    ) -> list[TupleRow]:
        """All rows of a query; text columns arrive as bytes.

        `plan_by_values`: the plan depends on how many rows the values select, so it is made anew each time.
        `seconds`: until the statement timeout, where they are fewer than usual; only with `plan_by_values`.
        A connection that died is replaced and a query that a standby's recovery ended is sent again, unseen by the
        client. Raises Unavailable where that does not help, QueryTooSlow at the statement timeout.
        """

        async def ask(connection: Connection) -> list[TupleRow]:
            return await _rows(connection, query, parameters, plan_by_values, seconds)

        return await self._retried(ask)

    async def _retried(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        failures = 0
        while True:
            try:
                return await self._lend(work)
            except psycopg.errors.QueryCanceled as error:
                raise _too_slow() from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                failures += 1
                conflict = isinstance(error, CONFLICTS)
                final = isinstance(error, (PoolTimeout, psycopg.errors.LockNotAvailable))
                if final or failures > (1 if conflict else 2):
                    raise _unavailable() from error
                if not conflict:
                    await self._put_back()
                    await self._pool.check()

    async def _lend(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Let `work` have a connection: one at hand, or one of the pool, which serves those who wait in their order."""
        if self._at_hand:
            connection = self._at_hand.pop()
        else:
            self._waiting += 1
            try:
                connection = await self._pool.getconn()
            finally:
                self._waiting -= 1
        failed = True
        try:
            result = await work(connection)
            failed = False
        finally:
            if failed or self._waiting or connection.pgconn.transaction_status != TransactionStatus.IDLE:
                self._return(connection)
            else:
                self._at_hand.append(connection)
        return result

    def _return(self, connection: Connection) -> None:
        """To the pool, by a task of its own: a request that is cancelled meanwhile would lose it."""
        task = asyncio.create_task(self._pool.putconn(connection))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _put_back_regularly(self) -> None:
        """The pool renews its connections when they come back to it."""
        while True:
            await asyncio.sleep(AT_HAND)
            await self._put_back()

    async def _put_back(self) -> None:
        while self._at_hand:
            self._return(self._at_hand.pop())
        if self._returning:
            await asyncio.wait(self._returning)

    async def fetch_one(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False, seconds: int | None = None
    ) -> TupleRow | None:
        """The first row of a query or None, see `fetch`."""
        rows = await self.fetch(query, parameters, plan_by_values=plan_by_values, seconds=seconds)
        return rows[0] if rows else None

    async def snapshot(self, table: str, work: Callable[[Reader], Awaitable[Result]]) -> Result:
        """What `work` gives; all its queries see a table of `geobasis` and the states at one moment.

        Raises as `fetch` does.
        """

        async def look(connection: Connection) -> Result:
            return await _at_one_moment(connection, table, work)

        return await self._retried(look)

    async def snapshot_of_primary(self, table: str, work: Callable[[Reader], Awaitable[Result]]) -> Result:
        """The same on the primary, for the rare query that a standby is too old for. Raises as `fetch` does."""
        async with self._primary_turns:
            if time.monotonic() < self._primary_failed + POLL:
                raise _unavailable()  # whoever waits has waited for the one before already
            try:
                async with await PreparingConnection.connect(self._primary, autocommit=True) as connection:
                    _take_text_as_bytes(connection)
                    return await _at_one_moment(connection, table, work)
            except psycopg.errors.QueryCanceled as error:
                raise _too_slow() from error
            except psycopg.OperationalError as error:
                self._primary_failed = time.monotonic()
                raise _unavailable() from error

    async def standing(self) -> Standing:
        """Of the server that a connection of the pool leads to. Raises Unavailable."""
        row = await self.fetch_one(STANDING)
        assert row is not None  # noqa: S101 (a select without from always has a row)
        return Standing(row[0], row[1])

    async def notifications(self, channel: bytes, every: float) -> AsyncIterator[str | None]:
        """Payloads sent to a channel, on a connection of its own; None when it (again) begins to listen, and whenever
        nothing came for `every` seconds: a notification may have been lost.

        A standby cannot listen: where no primary can be reached, None comes once a second. Never ends by itself.
        """
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._primary, autocommit=True) as connection:
                    await connection.execute(b"listen " + channel)
                    while True:
                        yield None
                        async for notice in connection.notifies(timeout=every):
                            yield notice.payload
            except psycopg.Error:
                yield None
                await asyncio.sleep(POLL)


class _Connected:
    """A reader on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False, seconds: int | None = None
    ) -> list[TupleRow]:
        return await _rows(self._connection, query, parameters, plan_by_values, seconds)

    async def fetch_one(
        self, query: bytes, parameters: Parameters = None, *, plan_by_values: bool = False, seconds: int | None = None
    ) -> TupleRow | None:
        rows = await self.fetch(query, parameters, plan_by_values=plan_by_values, seconds=seconds)
        return rows[0] if rows else None


async def _rows(
    connection: Connection, query: bytes, parameters: Parameters, plan_by_values: bool, seconds: int | None
) -> list[TupleRow]:
    if not plan_by_values and can_prepare(parameters):
        return await connection.fetch_prepared(query, parameters)
    if not plan_by_values:
        cursor = await connection.cursor(binary=True).execute(query, parameters)
        return await cursor.fetchall()
    async with connection.transaction():
        limit = b"" if seconds is None else b"; set local statement_timeout = '%ds'" % seconds
        await connection.execute(BY_VALUES + limit)
        cursor = await connection.cursor(binary=True).execute(query, parameters)
        return await cursor.fetchall()


async def _at_one_moment(connection: Connection, table: str, work: Callable[[Reader], Awaitable[Result]]) -> Result:
    """The lock comes before the snapshot: a table that a load swaps in afterwards would look empty in an older one."""
    lock = sql.SQL("lock table {} in access share mode").format(sql.Identifier("geobasis", table))
    async with connection.transaction():
        await connection.execute(b"set transaction isolation level repeatable read, read only")
        await connection.execute(lock)
        return await work(_Connected(connection))


def _unavailable() -> Unavailable:
    return Unavailable("The database did not become free in time. Send the request again in a moment.")


def _too_slow() -> QueryTooSlow:
    return QueryTooSlow(
        "The query ran longer than this service allows. Ask for a smaller area, add a filter or lower the limit."
    )


def _take_text_as_bytes(connection: Connection) -> None:
    connection.adapters.register_loader("text", TextAsBytes)
    connection.adapters.register_loader("text", BinaryTextAsBytes)
