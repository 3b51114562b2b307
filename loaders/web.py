"""HTTP for downloads: redirects within the allowed hosts, limits of time, what a bad answer means."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from loaders.errors import SourceError
from loaders.hosts import check_redirect
from loaders.retries import Again, FetchPolicy, parse_retry_after

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAY_PASS = frozenset({408, 425, 429}) | frozenset(range(500, 600))


class Web:
    """Connections of one thread. Another one may `end` whatever goes on there."""

    def __init__(self, hosts: frozenset[str], policy: FetchPolicy, context: ssl.SSLContext) -> None:
        self._hosts = hosts
        self._policy = policy
        self._sockets: list[socket.socket] = []
        self._ended = False
        self._client = httpx.Client(
            verify=context,
            timeout=httpx.Timeout(policy.stall, connect=policy.connect),
            # lengths and ranges are those of the file itself
            headers={"User-Agent": "OpenNRW-Geo", "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        self._client.close()

    def end(self) -> None:
        """No answer comes any more."""
        self._ended = True
        self._cut()

    def _cut(self) -> None:
        for opened in list(self._sockets):
            with suppress(OSError):
                # not the method of an SSL socket, which is not made for another thread's reading
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The answer (200, 206, 304 or 416), its body still to come. Raises SourceError; Again, also in the block."""
        with _explained(url):
            response = self._follow(url, headers)
            try:
                _check(url, response)
                yield response
            finally:
                response.close()

    def _follow(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        target = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(target, headers)
            if response.status_code not in REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            target = check_redirect(target, response.headers["Location"], self._hosts)
        raise SourceError(
            f"{url} redirects more than {MAX_REDIRECTS} times, at last to {target}. Check the address in a browser."
        )

    def _send(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        request = self._client.build_request("GET", url, headers=headers, extensions={"trace": self._notice})
        # the client's own limit counts from byte to byte: header fields that trickle would never end
        guard = threading.Timer(self._policy.answer, self._cut)
        guard.daemon = True
        guard.start()
        try:
            return self._client.send(request, stream=True)
        finally:
            guard.cancel()

    def _notice(self, event: str, info: Mapping[str, Any]) -> None:
        """Keeps the sockets that the client opens."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._sockets = [opened for opened in self._sockets if opened.fileno() != -1]
            self._sockets.append(info["return_value"].get_extra_info("socket"))
            if self._ended:
                self._cut()


def _check(url: str, response: httpx.Response) -> None:
    status = response.status_code
    if status in MAY_PASS:
        raise Again(f"the server answered {status}", parse_retry_after(response.headers.get("Retry-After")))
    if status not in {200, 206, 304, 416}:
        raise SourceError(
            f"{url} answered {status}. Check the address in a browser; load from a local copy with --from."
        )
    if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
        raise SourceError(
            f"{url} comes with the Content-Encoding {encoding}, though the file itself was asked for, so that its "
            "size cannot be checked. Download it by other means and load from a local copy with --from."
        )


@contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise SourceError(f"{url} cannot be fetched: {error}. Correct the address.") from error
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            raise SourceError(
                f"{url} cannot be fetched: its certificate is not trusted ({reason}). If your network replaces "
                "certificates, name your authority's in SSL_CERT_FILE; or load from a local copy with --from."
            ) from error
        if any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes):
            raise SourceError(
                f"{url} cannot be fetched: there is no such host ({reason}). Correct the address, or check the "
                "network; load from a local copy with --from."
            ) from error
        raise Again(_readable(error, reason)) from error


def _readable(error: httpx.TransportError, reason: str) -> str:
    if isinstance(error, httpx.ReadTimeout):
        return "the server fell silent"
    return f"the server does not answer ({reason})" if isinstance(error, httpx.TimeoutException) else reason


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
