"""A file over HTTP: whole or in parts, never changed on its way, resumed only if it is still the same."""

import base64
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import BinaryIO

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.downloads.ranges import Range, parse_ranges
from server.errors import PreconditionFailed
from server.exchange import METADATA_CACHE, Exchange, Validators, respond_unchanged
from server.exports.kinds import OFFERED
from server.exports.shelf import Stored
from server.links import Link, to_link_header

CHUNK = 256 * 1024

Part = tuple[bytes, Range]
"""What stands before a part of a file, and the part."""


@dataclass(frozen=True)
class Sent:
    """An open file and what is known of it."""

    stored: Stored
    file: BinaryIO


def answer_file(exchange: Exchange, sent: Sent, links: list[Link]) -> Response:
    """200, 206, or 304; the file is closed when it has been sent. Raises PreconditionFailed, RangeNotSatisfiable.

    The ETag names the content (SHA-256), so that it is strong: `If-Range` and `If-Match` hold across servers.
    """
    request, stored = exchange.request, sent.stored
    try:
        marks = Validators(f'"{stored.sha256}"', stored.updated)
        headers = _headers(stored, marks, links)
        _check_still_the_same(request, marks)
        if marks.unchanged(request):
            sent.file.close()
            return respond_unchanged(marks, {"Vary": "Accept"})
        ranges = None
        if request.method == "GET" and _is_continued(request, marks):
            ranges = parse_ranges(request.headers.get("range"), stored.size)
    except BaseException:
        sent.file.close()
        raise
    return FileAnswer(sent, headers, ranges)


def _headers(stored: Stored, marks: Validators, links: list[Link]) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(stored.sha256)).decode()
    return {
        "Content-Type": OFFERED[stored.kind].media_type,
        "Content-Disposition": f'attachment; filename="{stored.name}"',
        "Content-Crs": f"<{stored.crs}>",
        "Accept-Ranges": "bytes",
        "Vary": "Accept",
        "Cache-Control": METADATA_CACHE,
        "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
        "OGC-NumberReturned": str(stored.features),
        "Link": to_link_header(links),
        **marks.headers,
    }


def _check_still_the_same(request: Request, marks: Validators) -> None:
    """If-Match and If-Unmodified-Since (RFC 9110, 13.1.1 and 13.1.4). Raises PreconditionFailed."""
    if (tags := request.headers.get("if-match")) is not None:
        same = tags.strip() == "*" or marks.etag in {tag.strip() for tag in tags.split(",")}
    else:
        since = _moment(request.headers.get("if-unmodified-since"))
        same = since is None or marks.modified is None or marks.modified.timestamp() < since + 1
    if not same:
        raise PreconditionFailed(
            f"The file has changed: its ETag is {marks.etag} now. Begin the download again without a condition.",
        )


def _is_continued(request: Request, marks: Validators) -> bool:
    """Whether a range fits what the client has (If-Range; RFC 9110, 13.1.5)."""
    given = request.headers.get("if-range")
    return given is None or given.strip() in {marks.etag, marks.headers.get("Last-Modified")}


def _moment(header: str | None) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


class FileAnswer(Response):
    """Sends a file or parts of it in pieces; the client's pace is kept, nothing is held in memory."""

    def __init__(self, sent: Sent, headers: dict[str, str], ranges: Sequence[Range] | None) -> None:
        """`ranges` None: all of it."""
        self._file = sent.file
        size = sent.stored.size
        closing = b""
        parts: list[Part] = [(b"", (0, size - 1))]
        if ranges is not None and len(ranges) == 1:
            parts = [(b"", ranges[0])]
            headers["Content-Range"] = _content_range(ranges[0], size)
        elif ranges is not None:
            boundary = secrets.token_hex(16)
            kind = headers["Content-Type"]
            parts = [(_part_head(boundary, kind, part, size), part) for part in ranges]
            closing = f"\r\n--{boundary}--\r\n".encode()
            headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        self._parts, self._closing = parts, closing
        length = sum(len(head) + last - first + 1 for head, (first, last) in parts) + len(closing)
        super().__init__(status_code=200 if ranges is None else 206, headers={**headers, "Content-Length": str(length)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and body; of a HEAD request the head."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                async for piece in self._pieces():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._file.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for head, (first, last) in self._parts:
            if head:
                yield head
            place = first
            while place <= last:
                piece = await anyio.to_thread.run_sync(_read, self._file.fileno(), min(CHUNK, last + 1 - place), place)
                place += len(piece)
                yield piece
        if self._closing:
            yield self._closing


def _read(descriptor: int, size: int, place: int) -> bytes:
    if not (piece := os.pread(descriptor, size, place)):
        raise OSError("the file is shorter than it was when it was finished")
    return piece


def _content_range(part: Range, size: int) -> str:
    return f"bytes {part[0]}-{part[1]}/{size}"


def _part_head(boundary: str, kind: str, part: Range, size: int) -> bytes:
    return f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {_content_range(part, size)}\r\n\r\n".encode()
