"""HTTP/1.1 of one connection: uvicorn's protocol on httptools, with what it lacks against hostile or vanished clients.

A head has a greatest length and must be complete in time; a request that is no HTTP gets a problem document; whoever
leaves has his request cancelled, and with it the query in the database.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from server.negotiation import PROBLEM

MAX_HEAD = 256 * 1024  # bytes: request line and headers
MAX_HEADERS = 128
HEAD_TIMEOUT = 30.0  # seconds
LINGER = 2.0  # seconds; closing at once would reset the connection of a client that still sends, and the answer with it


class Protocol(HttpToolsProtocol):
    """One connection of a client."""

    head_timeout = HEAD_TIMEOUT
    _task: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _refused = False
    _head = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first head is due from now on; later ones from their first byte."""
        super().connection_made(transport)  # pyright: ignore[reportArgumentType] (TCP, so a Transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request in work: nobody waits for its answer."""
        self._forget_timer()
        super().connection_lost(exc)
        if self._task and not self._task.done() and not self.cycle.response_complete:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Count a head's bytes before they are parsed; the parser keeps what it has not understood."""
        if self._refused:
            return
        if self._in_head:
            if self._timer is None:
                self._expect_head()
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"The request line and headers have more than {MAX_HEAD} bytes, the most that is read. "
                    "Send a shorter request.",
                )
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._forget_timer()
        if len(self.headers) > MAX_HEADERS:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request has {len(self.headers)} headers; {MAX_HEADERS} are read. Send fewer.",
            )
        elif not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next head may begin."""
        if self._refused:
            return
        super().on_message_complete()
        self._in_head = True
        self._head = 0

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser does not understand."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"{msg} Send a request as RFC 9112 describes it.")

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._task = task = self.loop.create_task(cycle.run_asgi(_until_left(cycle, app)))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self.head_timeout, self._give_up)

    def _forget_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._head:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The request's headers were not complete after {self.head_timeout:g} seconds. Send it at once.",
            )
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer, and take nothing more from this client."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
        content = orjson.dumps(problem)
        head = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (PROBLEM.encode(), len(content))
        self.transport.write(STATUS_LINE[status] + head + content)
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER, self.transport.close)


def _until_left(cycle: Any, app: Any) -> Any:
    """The application; a request that was cancelled because its client left is no failure."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                raise

    return run
