"""HTTP/1.1 of one connection: uvicorn's protocol on httptools, with what it lacks against hostile or vanished clients.

A head has a greatest length and must be complete in time; a request that is no HTTP gets a problem document; whoever
leaves has his request cancelled, and with it the query in the database; an answer that fails halfway ends in a reset,
because a mere end of the connection could be taken for the end of the answer.
"""

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

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
    _refusal = b""
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
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"The request line and headers have more than {MAX_HEAD} bytes, the most that is read. "
                    "Send a shorter request.",
                )
                return
        super().data_received(data)
        if self._in_head and self._head and self._timer is None:
            self._expect_head()

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
            self._begin()

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

    def _begin(self) -> None:
        """As uvicorn does it, but for what we don't use."""
        parser: Any = self.parser
        version = parser.get_http_version()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope.update(
            method=parser.get_method().decode("ascii"),
            http_version=version,
            path=unquote(path) if "%" in path else path,
            raw_path=url.path,
            query_string=url.query or b"",
        )
        app: Any = self.app
        before = self.cycle
        self.cycle = cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._task = task = self.loop.create_task(cycle.run_asgi(app))
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
        """Answer, after the requests before this one, and take nothing more from this client."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._forget_timer()
        if not self._in_head:
            self._drop_unfinished()
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
        content = orjson.dumps(problem)
        head = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (PROBLEM.encode(), len(content))
        self._refusal = STATUS_LINE[status] + head + content
        if self.cycle is None or self.cycle.response_complete:
            self._write_refusal()

    def _drop_unfinished(self) -> None:
        """End the request whose body is at fault; one that is partly answered ends in a reset."""
        if self.pipeline:
            self.pipeline.popleft()
        elif self.cycle and not self.cycle.response_complete:
            cycle: Any = self.cycle
            cycle.give_way()
            if self._task:
                self._task.cancel()

    def _write_refusal(self) -> None:
        if not self._refusal or self.transport.is_closing():
            return
        self.transport.write(self._refusal)
        self._refusal = b""
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER, self.transport.close)

    def on_response_complete(self) -> None:
        """The next request that waits, or the refusal of what came after the last."""
        if self._refused and not self.pipeline:
            self._write_refusal()
        else:
            super().on_response_complete()


class Cycle(RequestResponseCycle):
    """One request and its answer, whose head is sent with the first of its body: one call of the system, one packet."""

    _head: bytes = b""
    _open_ended = False

    async def run_asgi(self, app: Any) -> None:
        """Run the application; a request that was cancelled because its client left is no failure."""
        try:
            await app(self.scope, self.receive, self.send)
            if not self.response_complete and not self.disconnected:
                raise RuntimeError("the application returned before its answer was complete")
        except asyncio.CancelledError:
            if not self.disconnected:
                self._break_off()
                raise
        except Exception as error:
            self.logger.error("Exception in ASGI application\n", exc_info=error)
            await self._fail()
        finally:
            self.on_response = _nothing

    def give_way(self) -> None:
        """Send nothing more: a refusal answers this request."""
        if self.response_started and not self._head:
            self._break_off()
        self.disconnected = self.response_complete = True
        self.message_event.set()

    async def _fail(self) -> None:
        if self.response_complete:
            return
        if self.response_started and not self._head:
            self._break_off()
        else:
            self.response_started, self.chunked_encoding = False, None
            await self.send_500_response()

    def _break_off(self) -> None:
        """Reset the connection, so that nobody takes a part of an answer for the whole."""
        if linger := self.transport.get_extra_info("socket"):
            linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def send(self, message: Any) -> None:
        """Take a part of the answer (ASGI)."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message)
        elif self.response_complete:
            raise RuntimeError(f"The answer was complete, then came '{message['type']}'.")
        else:
            self._go_on(message.get("body", b""), message.get("more_body", False))

    def _begin(self, message: Any) -> None:
        self.response_started, self.waiting_for_100_continue = True, False
        status = message["status"]
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *message.get("headers", ())):
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in {204, 304}:
            # HTTP/1.0 knows no chunks: there the end of the connection, which is not kept, is the end of the answer
            self.chunked_encoding = self.scope["http_version"] != "1.0"
            self._open_ended = not self.chunked_encoding
            lines += [b"transfer-encoding: chunked\r\n"] if self.chunked_encoding else []
        self._head = b"".join(lines)
        if self._head.count(b"\n") != len(lines) or self._head.count(b"\r") != len(lines) or b"\0" in self._head:
            raise RuntimeError("A header of the answer holds a character that would end it.")
        self._head += b"\r\n"

    def _go_on(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length, body = 0, b""
        elif self.chunked_encoding:
            body = b"%b%b" % (b"%x\r\n%b\r\n" % (len(body), body) if body else b"", b"" if more else b"0\r\n\r\n")
        elif not self._open_ended:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("The answer's length is not what its Content-Length says.")
        head, self._head = self._head, b""
        if head and body:
            self.transport.writelines([head, body])
        elif head or body:
            self.transport.write(head or body)
        if not more:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _nothing() -> None:
    """What is left to do when an answer is complete twice."""
