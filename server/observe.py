"""What every request gets: an id, a line in the log, a place in the metrics, the headers of a safe answer."""

import logging
import os
import re
import secrets
import sys
import time
from functools import lru_cache

import orjson
import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.database import Database
from server.errors import ServiceError

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
ROUTE = "opennrw.route"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

CSP = b"content-security-policy"


def policy(ancestors: str = "'none'", frame: str = "'none'") -> dict[str, str]:
    """The header that says what a page may load; `ancestors`: which pages may frame it, `frame`: what it may frame."""
    rules = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    )
    return {"Content-Security-Policy": f"{rules}frame-src {frame}; frame-ancestors {ancestors}"}


SAFE_HEADERS = (
    (CSP, policy()["Content-Security-Policy"].encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)
# Any page may read the data, which are public: no cookie and no key is involved
EXPOSED = (
    "Accept-Ranges, Content-Crs, Content-Disposition, Content-Range, ETag, Link, Location, Memento-Datetime, "
    "OGC-NumberMatched, OGC-NumberReturned, OpenNRW-Coordinates, OpenNRW-Left-Out, Retry-After, X-Request-ID"
)
OPEN_HEADERS = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED.encode()))
HEADERS = (*SAFE_HEADERS, *OPEN_HEADERS)
# Of an answer that would have been compressed for another client
PLAIN_HEADERS = (*HEADERS, (b"vary", b"Accept-Encoding"))
CLIENT_LEFT = 499  # as other servers log a request whose client did not wait for the answer

DATABASE_UP = b"""\
# HELP opennrw_database_up Whether the database answers
# TYPE opennrw_database_up gauge
opennrw_database_up %d
"""
DATABASE_STANDING = b"""\
# HELP opennrw_database_in_recovery Whether the database server that is read from is a standby
# TYPE opennrw_database_in_recovery gauge
opennrw_database_in_recovery %d
# HELP opennrw_database_replay_lag_seconds Age of a standby's data, not a number where it cannot say
# TYPE opennrw_database_replay_lag_seconds gauge
opennrw_database_replay_lag_seconds %.3f
"""

log = structlog.get_logger()


def configure_logging(level: str) -> None:
    """One JSON object a line on standard output; addresses of clients are not among its members."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )


class Metrics:
    """Counters of one process; several processes share them through PROMETHEUS_MULTIPROC_DIR."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("route", "method", "status")
        self.requests = Counter("opennrw_requests", "Requests answered", labels, registry=registry)
        self.seconds = Histogram(
            "opennrw_request_seconds",
            "Time from the request to the end of its answer",
            ("route",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.bytes = Counter("opennrw_response_bytes", "Bytes of answers sent", ("route",), registry=registry)
        self._registry = registry
        self._count = lru_cache(maxsize=1024)(self.requests.labels)
        self._sums = lru_cache(maxsize=256)(lambda route: (self.seconds.labels(route), self.bytes.labels(route)))

    def record(self, route: str, method: str, status: int, seconds: float, size: int) -> None:
        """Count an answer. Finding a counter by its labels costs more than counting, so the found are kept."""
        self._count(route, method, status).inc()
        timing, sizes = self._sums(route)
        timing.observe(seconds)
        sizes.inc(size)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)
        return generate_latest(everyone)


async def get_metrics(request: Request) -> Response:
    """/metrics"""
    content = request.app.state.metrics.text() + await _database_text(request.app.state.context.database)
    return Response(content, headers={"Content-Type": METRICS_TYPE, "Cache-Control": "no-store"})


async def _database_text(database: Database) -> bytes:
    """What the database server that a connection leads to says now; only `up` where none answers."""
    try:
        standing = await database.standing()
    except ServiceError:
        return DATABASE_UP % 0
    lag = float("nan") if standing.lag is None else standing.lag
    return DATABASE_UP % 1 + DATABASE_STANDING % (standing.standby, lag)


class Observe:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, logs: bool) -> None:
        self.app = app
        self.metrics = metrics
        self.logs = logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, then count and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        common = ((b"x-request-id", request_id.encode()), *(HEADERS if accepts_coding(scope) else PLAIN_HEADERS))
        seen = {"status": CLIENT_LEFT, "bytes": 0}

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                headers = message["headers"]
                message["headers"] = [*headers, *(_without_policy(common) if CSP in dict(headers) else common)]
            elif message["type"] == "http.response.body":
                seen["bytes"] += len(message.get("body", b""))
            await send(message)

        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        try:
            await self.app(scope, receive, observed)
        finally:
            self._record(scope, request_id, seen, time.perf_counter() - began)

    def _record(self, scope: Scope, request_id: str, seen: dict[str, int], seconds: float) -> None:
        self.metrics.record(scope.get(ROUTE, "none"), scope["method"], seen["status"], seconds, seen["bytes"])
        if self.logs:
            log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                path=scope["path"][:500],
                query=scope["query_string"][:2000].decode("latin-1"),
                status=seen["status"],
                bytes=seen["bytes"],
                ms=round(seconds * 1000, 2),
            )


def _without_policy(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """Of an answer that has its own."""
    return [pair for pair in headers if pair[0] != CSP]


def accepts_coding(scope: Scope) -> bool:
    """Whether the client says which content codings it takes."""
    return b"accept-encoding" in dict(scope["headers"])


def _request_id(scope: Scope) -> str:
    """The id that a proxy gave, where it is a plain one; otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode()
    return secrets.token_hex(8)


def make_metrics() -> Metrics:
    """Metrics of this process; with a registry of their own, so that a second application in one process works."""
    return Metrics(REGISTRY if "PROMETHEUS_MULTIPROC_DIR" in os.environ else CollectorRegistry())
