"""Answers that were made and will be asked for again."""

from collections import OrderedDict

MAX_BYTES = 32 * 1024 * 1024


class Kept:
    """Contents by their ETag; those that were not asked for longest go when the memory is used up."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._max_bytes = max_bytes

    def get(self, etag: str) -> bytes | None:
        """The content, or None where it is not kept."""
        if etag in self._contents:
            self._contents.move_to_end(etag)
        return self._contents.get(etag)

    def put(self, etag: str, content: bytes) -> None:
        """Keep a content."""
        self._bytes += len(content) - len(self._contents.pop(etag, b""))
        self._contents[etag] = content
        while self._bytes > self._max_bytes:
            _, dropped = self._contents.popitem(last=False)
            self._bytes -= len(dropped)
