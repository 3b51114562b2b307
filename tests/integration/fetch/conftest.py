"""A publisher's download server that does what servers do on bad days, and fetching from it."""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from loaders.fetch import fetch
from loaders.manifest import Manifest, read_manifest
from loaders.progress import Quiet
from loaders.retries import FetchPolicy
from loaders.store import StoredFile

NAME = "gebref_EPSG25832_ASCII.zip"
# waits as a test does; the limits that a slow machine could reach are short only where a test is about them
POLICY = FetchPolicy(tries=3, first_wait=0.01, longest_wait=0.02, save_every=0)


@dataclass
class Resource:
    """A file on the server; `etag` and `modified` are sent where they are given."""

    content: bytes
    etag: str | None = '"1"'
    modified: str | None = formatdate(1_780_000_000, usegmt=True)


class Handler(BaseHTTPRequestHandler):
    """Answers like a static file server, with ranges and conditions, unless a fault is planned for the path."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Publisher"  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's name

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.server.asked.append((path, dict(self.headers)))
        faults = self.server.faults[path]
        if faults:
            self.close_connection = True
            faults.popleft()(self)
        elif path in self.server.files:
            self.send_file(self.server.files[path])
        else:
            self.answer(404)

    def send_file(self, resource: Resource) -> None:
        start = self.start_of(resource)
        if self.headers["If-None-Match"] == resource.etag != None:  # noqa: E711 - a chain
            return self.answer(304)
        if self.headers["If-Modified-Since"] == resource.modified != None:  # noqa: E711
            return self.answer(304)
        size = len(resource.content)
        if start and start >= size:
            return self.answer(416, {"Content-Range": f"bytes */{size}"})
        extra = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        self.answer(206 if start else 200, {**self.names(resource), **extra}, resource.content[start:])
        return None

    def start_of(self, resource: Resource) -> int:
        """Where the range begins that is asked for; 0 for the whole file."""
        if (wanted := self.headers["Range"]) is None:
            return 0
        if self.headers["If-Range"] not in {None, resource.etag, resource.modified}:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def names(self, resource: Resource) -> dict[str, str]:
        named = {"ETag": resource.etag, "Last-Modified": resource.modified}
        return {name: value for name, value in named.items() if value}

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        """`Content-Length` is that of the body unless `headers` say otherwise; "" leaves it out."""
        self.send_response(status)
        length = {} if status == 304 else {"Content-Length": str(len(body))}
        for name, value in {**length, **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def wait(self, seconds: float = 30) -> None:
        """Until the test is over, at most so long."""
        self.server.over.wait(seconds)

    def resource(self) -> Resource:
        return self.server.files[unquote(self.path)]


Fault = Callable[[Handler], None]


class Publisher(ThreadingHTTPServer):
    """Files by path, what is to go wrong at the next requests of a path, and what was asked: path and header fields."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Resource] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None: ...  # clients that go away are what is tested

    def put(self, content: bytes, name: str = NAME, **listed: Any) -> str:
        """A file in the folder /lk/ and in its listing, whose entry `listed` changes. The file's path."""
        path = f"/lk/{name}"
        self.files[path] = replace(self.files.get(path, Resource(b"")), content=content)
        entry = {"name": name, "size": str(len(content)), "timestamp": "2026-07-01T06:00:00.123", **listed}
        listing = self.files.setdefault("/lk/index.json", Resource(b'{"datasets": [{"name": "lk", "files": []}]}'))
        document = json.loads(listing.content)
        files = document["datasets"][0]["files"]
        files[:] = [*(other for other in files if other["name"] != name), entry]
        listing.content = json.dumps(document, ensure_ascii=False).encode()
        return path

    def fail(self, path: str, *faults: Fault) -> None:
        self.faults[path].extend(faults)

    def requests(self, path: str) -> list[dict[str, str]]:
        """Header fields of the requests for a path so far."""
        return [headers for asked, headers in self.asked if asked == path]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield server
        server.over.set()
        server.shutdown()


@dataclass
class Faults:
    """What can go wrong with an answer: each is made for one request."""

    def truncate(self, after: int) -> Fault:
        """The connection ends amid the body."""

        def fault(handler: Handler) -> None:
            content = handler.resource().content
            start = handler.start_of(handler.resource())
            size = len(content)
            headers = {**handler.names(handler.resource()), "Content-Length": str(size - start)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            handler.answer(206 if start else 200, headers, content[start : start + after])

        return fault

    def stall(self, after: int) -> Fault:
        """Nothing more comes, and the connection stays open."""

        def fault(handler: Handler) -> None:
            self.truncate(after)(handler)
            handler.wait()

        return fault

    def trickle(self, pause: float) -> Fault:
        """A byte now and then, for ever."""

        def fault(handler: Handler) -> None:
            handler.answer(200, {"Content-Length": "100000"})
            while not handler.server.over.wait(pause):
                handler.wfile.write(b".")

        return fault

    def trickle_head(self, pause: float) -> Fault:
        """A header field that never ends."""

        def fault(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not handler.server.over.wait(pause):
                handler.wfile.write(b".")

        return fault

    def answer(self, status: int, body: bytes = b"", **headers: str) -> Fault:
        return lambda handler: handler.answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, body)

    def hang_up(self) -> Fault:
        return lambda handler: handler.connection.close()

    def change(self, resource: Resource, then: Fault) -> Fault:
        """The file is another one once this answer is over."""

        def fault(handler: Handler) -> None:
            then(handler)
            handler.server.files[unquote(handler.path)] = resource

        return fault


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def resource() -> type[Resource]:
    return Resource


class Heard(Quiet):
    """Remembers what is told of a fetch: notes, and the bytes of each step."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: dict[str, list[int | None]] = {}

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self.steps[name] = [total, 0]

    def advance(self, n: int) -> None:
        last = self.steps[next(reversed(self.steps))]
        last[1] = (last[1] or 0) + n

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Fetching:
    """Fetches addresses: `fetching("lk/")`."""

    publisher: Publisher
    store: Path
    manifest: Manifest
    heard: Heard = field(default_factory=Heard)

    def __call__(self, source: str | Path = "lk/", **policy: Any) -> list[StoredFile]:
        """From a URL, a path on the publisher's server, or a local one."""
        self.heard = Heard()
        remote = isinstance(source, str) and "://" not in source
        given = self.publisher.url + quote(str(source)) if remote else str(source)
        return fetch(given, self.manifest, self.store, self.heard, replace(POLICY, **policy))

    def kept(self) -> list[str]:
        """Names of the whole files in the store."""
        return sorted(path.name for path in self.store.glob("sha256/*/*/*"))

    def parts(self) -> list[int]:
        """Sizes of what is not complete."""
        return [path.stat().st_size for path in self.store.glob("incoming/*.part")]


@pytest.fixture
def fetching(publisher: Publisher, tmp_path: Path) -> Fetching:
    return Fetching(publisher, tmp_path / "store", read_manifest("gebref"))


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits for what another process does."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it did not happen within 30 s"
            time.sleep(0.02)

    return wait
