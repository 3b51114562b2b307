"""Prepared statements by libpq's own calls.

psycopg's cursors wait for each piece of an answer anew, some 35 times for a page of 1,000 features, and examine every
parameter at every call: 0.1 to 0.5 ms of a request. Here a statement is translated once, its answer is read by one
callback of the event loop, which stays from answer to answer, and psycopg does the rest: connecting, pooling, errors,
types of the columns.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, TypeGuard

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg.rows import TupleRow, tuple_row

PLACEHOLDER = re.compile(rb"%(?:\((\w+)\)s|%)")
KEPT = 200  # prepared statements of a connection
FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)
CANCEL_TIMEOUT = 2.0  # seconds
LOOK_AGAIN = 0.5  # seconds

# OIDs of PostgreSQL's types; 0 leaves the type to the statement, as psycopg does with text
TYPES: dict[type, int] = {bool: 16, int: 20, float: 701, date: 1082, str: 0, type(None): 0}


@lru_cache(maxsize=4096)
def to_numbered(text: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A statement with `$1`, `$2` … in place of `%(name)s`, and the names in this order."""
    names: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        name = found[1]
        return b"%" if name is None else b"$%d" % names.setdefault(name, len(names) + 1)

    return PLACEHOLDER.sub(number, text), tuple(name.decode() for name in names)


class PreparingConnection(psycopg.AsyncConnection[TupleRow]):
    """A connection for autocommit that keeps its statements prepared."""

    def __init__(self, pgconn: Any, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self._kept: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._counted = 0
        self._listener = _Listener(pgconn)

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        """As psycopg waits, with the socket for itself."""
        self._listener.stop()
        return await super().wait(*args, **kwargs)

    async def close(self) -> None:
        """Close the connection."""
        self._listener.stop()
        await super().close()

    async def fetch_prepared(self, text: bytes, parameters: Mapping[str, Any]) -> list[TupleRow]:
        """All rows of a statement, prepared when it is first met. `parameters`: see TYPES.

        Raises psycopg's errors. Where the task is cancelled, so is the statement, and the connection stays usable.
        """
        numbered, names = to_numbered(text)
        values = [parameters[name] for name in names]
        types = tuple([TYPES[type(value)] for value in values])
        texts = [_to_text(value) for value in values]
        try:
            result = await self._execute(numbered, types, texts)
        except errors.InvalidSqlStatementName:  # somebody deallocated all of the session's statements
            self._kept.clear()
            result = await self._execute(numbered, types, texts)
        self._transformer.set_pgresult(result)
        rows = self._transformer.load_rows(0, result.ntuples, tuple)
        self._transformer.set_pgresult(None)
        return rows

    @cached_property
    def _transformer(self) -> Any:
        """Made at the first statement, when the loaders of the types are known."""
        return Transformer(self)

    async def _execute(self, numbered: bytes, types: tuple[int, ...], texts: list[bytes | None]) -> pq.abc.PGresult:
        name = self._kept.get((numbered, types)) or await self._prepare(numbered, types)
        self.pgconn.send_query_prepared(name, texts, result_format=pq.Format.BINARY)
        return await self._answer()

    async def _prepare(self, numbered: bytes, types: tuple[int, ...]) -> bytes:
        if len(self._kept) >= KEPT:
            oldest = next(iter(self._kept))
            await self._run(b"deallocate " + self._kept.pop(oldest))
        self._counted += 1
        name = b"kept_%d" % self._counted
        self.pgconn.send_prepare(name, numbered, types)
        await self._answer()
        self._kept[numbered, types] = name
        return name

    async def _run(self, command: bytes) -> None:
        self.pgconn.send_query(command)
        await self._answer()

    async def _answer(self) -> pq.abc.PGresult:
        """The last result of what was sent. Raises where it is an error."""
        try:
            result = await self._listener.result()
        except asyncio.CancelledError:
            await self._abandon()
            raise
        if result is None:
            raise psycopg.InternalError("the server's answer holds no result")
        if result.status in FAILED:
            raise errors.error_from_result(result)
        return result

    async def _abandon(self) -> None:
        """Stop the statement that runs and take what is left of its answer; who does not obey is closed."""
        if self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
            return
        try:
            async with asyncio.timeout(CANCEL_TIMEOUT):
                await self.cancel_safe(timeout=CANCEL_TIMEOUT)
                await self._listener.result()
        except (psycopg.Error, TimeoutError, asyncio.CancelledError):
            self._listener.stop()
            self.pgconn.finish()


class _Listener:
    """Sends what is left to send and reads what comes, whenever the socket is ready.

    It listens between two answers, too: to begin and to end that costs as much as to read an answer.
    """

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._pgconn = pgconn
        self._socket = -1  # what is listened to: libpq forgets the number of a dead one
        self._done: asyncio.Future[pq.abc.PGresult | None] | None = None
        self._last: pq.abc.PGresult | None = None

    async def result(self) -> pq.abc.PGresult | None:
        """The last result of what was sent, when all has come; None where all had been taken before."""
        if self._socket < 0:
            self._start()
        self._done, self._last = self._loop.create_future(), None
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._guard, self._write)
        self._guard(self._take)
        return await self._done

    def stop(self) -> None:
        """Leave the socket to somebody else."""
        if self._socket < 0:
            return
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket = -1
        if self._done and not self._done.done():
            self._done.set_exception(psycopg.OperationalError("the connection was closed"))

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._guard, self._read)
        self._timer = self._loop.call_later(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        """Without an event: uvloop tells of none where the connection was reset (POLLERR) by a server that died."""
        self._timer = self._loop.call_later(LOOK_AGAIN, self._look_again)
        if self._done and not self._done.done():
            self._guard(self._read)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except psycopg.Error as error:
            if self._done and not self._done.done():
                self._done.set_exception(error)
            self.stop()

    def _write(self) -> None:
        if self._pgconn.flush() == 0:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        self._pgconn.consume_input()
        self._take()

    def _take(self) -> None:
        """The results that have come whole, if anybody waits for them."""
        pgconn, done = self._pgconn, self._done
        while done and not done.done() and not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                done.set_result(self._last)
            else:
                self._last = result


def can_prepare(parameters: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether all values are of types that need no adaptation."""
    return isinstance(parameters, dict) and all(type(value) in TYPES for value in parameters.values())


def _to_text(value: Any) -> bytes | None:
    """PostgreSQL's text of a value."""
    if value is None:
        return None
    if value is True or value is False:
        return b"t" if value else b"f"
    return str(value).encode()
