"""Answers that are made while they are sent: nobody waits for their end, and no more than a piece is in memory.

Whoever reads slowly is waited for. Where making the answer fails midway, its end is missing: the error goes on to the
protocol, which cuts the connection, so that a part cannot pass for the whole.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.formats.layer import Encoder

CHUNK = 256 * 1024  # bytes of a file that are sent at once
Piece = bytes | Path
Result = TypeVar("Result")


class Streamed(Response):
    """Status and headers of `head`, and pieces of its body. A piece that is a file is sent whole."""

    def __init__(self, head: Response, pieces: AsyncGenerator[Piece, None]) -> None:
        self.status_code = head.status_code
        self.raw_headers = [pair for pair in head.raw_headers if pair[0] != b"content-length"]
        self.background = None
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; the body only where it is asked for."""
        async with aclosing(self._pieces) as pieces:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                async for piece in pieces:
                    async for chunk in _chunks(piece):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def _chunks(piece: Piece) -> AsyncIterator[bytes]:
    if isinstance(piece, bytes):
        if piece:
            yield piece
        return
    with piece.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


async def deliver(head: Callable[[bytes], Response], pieces: AsyncGenerator[Piece, None], *, at_once: bool) -> Response:
    """The answer whose headers `head` makes: whole, or as soon as its first piece is there.

    What fails before gets a status of its own. Of a file the length is known, too.
    """
    try:
        content = b""
        async for piece in pieces:
            if isinstance(piece, Path):
                answer = Streamed(head(b""), _from(piece, pieces))
                answer.raw_headers.append((b"content-length", str(piece.stat().st_size).encode()))
                return answer
            content += piece
            if content and not at_once:
                return Streamed(head(b""), _from(content, pieces))
    except BaseException:
        await pieces.aclose()
        raise
    return head(content)


async def _from(first: Piece, pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def encoded(
    encoder: Encoder, rows: AsyncGenerator[Any, None], *, threaded: bool = False
) -> AsyncGenerator[Piece, None]:
    """The pieces that an encoder makes of rows."""
    run = _in_thread if threaded else _at_once
    try:
        async with aclosing(rows):
            yield await run(encoder.begin)
            async for row in rows:
                yield await run(encoder.batch, row)
            yield await run(encoder.end)
    finally:
        encoder.close()


async def _at_once(work: Callable[..., Result], *arguments: Any) -> Result:
    return work(*arguments)


async def _in_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """Waits for the thread even where the request was cancelled: what it works on is tidied up next."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
