"""HTTP connections, over real sockets: what is refused, what is waited for, and what a client that leaves ends."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from server.protocol import MAX_HEAD, MAX_HEADERS, Protocol

HEAD_TIMEOUT = 0.4


class Impatient(Protocol):
    """The protocol with a short patience."""

    head_timeout = HEAD_TIMEOUT


class Application:
    """Answers with the path; `/slow` waits until it is cancelled, `/soon` a moment, `/half` after half its answer."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            self.waiting.set()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if scope["path"] == "/soon":
            await asyncio.sleep(0.2)
        content = scope["path"].encode()
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/half":
            await send({"type": "http.response.body", "body": content[:3], "more_body": True})
            await asyncio.sleep(30)
        await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


@pytest.fixture(scope="module")
def address(application: Application) -> Iterator[tuple[str, int]]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(
        application,
        http=Impatient,
        ws="none",
        lifespan="off",
        loop="uvloop",
        log_config=None,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()
    server.should_exit = True
    thread.join(10)


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=5)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    content = b""
    while chunk := connection.recv(65536):
        content += chunk
    return content


def problem_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    return json.loads(body)


def test_one_connection_answers_many_requests_also_sent_at_once(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        request = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sendall(request % b"one" + request % b"two")
        connection.sendall(b"GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = read_all(connection)
    assert [answer.count(path) for path in (b"/one", b"/two", b"/three")] == [1, 1, 1]


@pytest.mark.parametrize("piece", [b"X-A: " + b"a" * 8000 + b"\r\n", b"a" * 8000], ids=["lines", "one endless line"])
def test_a_head_without_end_is_refused(address: tuple[str, int], piece: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ")
        sent = 0
        while sent <= MAX_HEAD:
            sent += connection.send(piece)
        answer = read_all(connection)
    problem = problem_of(answer)
    assert problem["status"] == 431
    assert problem["detail"].startswith(f"The request line and headers have more than {MAX_HEAD} bytes")


def test_a_client_that_goes_on_sending_still_gets_its_answer(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (4 * MAX_HEAD) + b"\r\n\r\n")
        assert problem_of(read_all(connection))["status"] == 431


def test_too_many_headers_are_refused(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * 1000 + b"\r\n")
        problem = problem_of(read_all(connection))
    assert problem["detail"] == f"The request has 1001 headers; {MAX_HEADERS} are read. Send fewer."


def test_what_is_no_http_is_refused(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        problem = problem_of(read_all(connection))
    assert problem["status"] == 400
    assert "RFC 9112" in problem["detail"]


def test_what_is_refused_waits_for_the_answers_before_it(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with connect(address) as connection:
        request = b"GET /soon HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sendall(request + request + b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        answer = read_all(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"400"]
    assert answer.count(b"/soonHTTP/1.1 ") == 2
    assert not caplog.records


def test_a_body_at_fault_ends_its_request(
    address: tuple[str, int], application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    application.waiting.clear()
    application.cancelled.clear()
    with connect(address) as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert application.waiting.wait(5)
        connection.sendall(b"zz\r\n")
        assert problem_of(read_all(connection))["status"] == 400
    assert application.cancelled.wait(5)
    assert not caplog.records


def test_a_body_at_fault_resets_an_answer_that_has_begun(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(b"POST /half HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.recv(65536).endswith(b"/ha")
        connection.sendall(b"zz\r\n")
        with pytest.raises(ConnectionResetError):
            read_all(connection)


def test_a_head_that_trickles_in_is_given_up(address: tuple[str, int]) -> None:
    began = time.monotonic()
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        problem = problem_of(read_all(connection))
    assert problem["status"] == 408
    assert "not complete after 0.4 seconds" in problem["detail"]
    assert time.monotonic() - began >= HEAD_TIMEOUT * 0.9


def test_a_connection_without_a_request_is_closed(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        assert read_all(connection) == b""


def test_the_time_counts_for_each_head_and_not_between_them(address: tuple[str, int]) -> None:
    with connect(address) as connection:
        connection.sendall(b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).endswith(b"/one")
        time.sleep(HEAD_TIMEOUT * 1.5)
        connection.sendall(b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).endswith(b"/two")
        connection.sendall(b"GET /three HTTP/1.1\r\n")
        assert problem_of(read_all(connection))["status"] == 408


def test_a_client_that_leaves_ends_its_request(address: tuple[str, int], application: Application) -> None:
    application.waiting.clear()
    application.cancelled.clear()
    with connect(address) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert application.waiting.wait(5)
        assert not application.cancelled.is_set()
    assert application.cancelled.wait(5)
