"""The place of a page: a key to go on from, bound to the query that it belongs to."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from server.errors import InvalidParameter

LAYOUT = struct.Struct(">?qI8s")
REMEDY = "Take the links next and prev as they are, or leave the parameter out to begin anew"


@dataclass(frozen=True)
class Cursor:
    """Go on upwards from the key `fid`, or downwards where `backward`; both include it.

    version: of the page that the cursor comes from; another server must not go on with an older one.
    """

    fid: int
    backward: bool = False
    version: int = 0


def to_token(cursor: Cursor, query: str) -> str:
    """Opaque text for a link; `query` identifies collection, filters, boxes and CRSs."""
    packed = LAYOUT.pack(cursor.backward, cursor.fid, cursor.version, _checksum(cursor, query))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def parse_cursor(token: str, query: str) -> Cursor:
    """The cursor of a token. Raises InvalidParameter where it was altered or belongs to another query."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        backward, fid, version, checksum = LAYOUT.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, struct.error):
        raise InvalidParameter("cursor", token, "it is no cursor of this service", REMEDY) from None
    cursor = Cursor(fid, backward, version)
    if checksum != _checksum(cursor, query):
        raise InvalidParameter("cursor", token, "it was altered or belongs to another query", REMEDY)
    return cursor


def _checksum(cursor: Cursor, query: str) -> bytes:
    return hashlib.blake2b(f"{cursor.fid} {cursor.backward} {cursor.version} {query}".encode(), digest_size=8).digest()
