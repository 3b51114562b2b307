"""The place of a page: a key to go on from, bound to the query and to the state of the data that it belongs to."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from server.editions import NOTHING_YET, Edition
from server.errors import InvalidParameter

LAYOUT = struct.Struct(">?qIqq8s")
REMEDY = "Take the links next and prev as they are, or leave the parameter out to begin anew"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Cursor:
    """Go on upwards from the key `fid`, or downwards where `backward`; both include it.

    version: of the page that the cursor comes from; another server must not go on with an older one.
    edition: what the collection held then; the pages behind it hold the same, whatever was delivered since.
    values: of the sort keys, as PostgreSQL writes them.
    """

    fid: int
    backward: bool = False
    version: int = 0
    edition: Edition = NOTHING_YET
    values: tuple[str | None, ...] = ()


def to_token(cursor: Cursor, query: str) -> str:
    """Opaque text for a link; `query` identifies collection, filters, boxes, CRSs and order."""
    place = (cursor.backward, cursor.fid, cursor.version, cursor.edition.delivery, _micros(cursor.edition.published))
    values = orjson.dumps(cursor.values) if cursor.values else b""
    packed = LAYOUT.pack(*place, _checksum(place, values, query)) + values
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def parse_cursor(token: str, query: str) -> Cursor:
    """The cursor of a token. Raises InvalidParameter where it was altered or belongs to another query."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        packed = base64.b64decode(padded, altchars=b"-_", validate=True)
        *place, checksum = LAYOUT.unpack_from(packed)
    except (UnicodeEncodeError, binascii.Error, struct.error):
        raise InvalidParameter("cursor", token, "it is no cursor of this service", REMEDY) from None
    values = packed[LAYOUT.size :]
    if checksum != _checksum(tuple(place), values, query) or base64.urlsafe_b64encode(packed) != padded:
        raise InvalidParameter("cursor", token, "it was altered or belongs to another query", REMEDY)
    backward, fid, version, delivery, published = place
    edition = Edition(delivery, EPOCH + published * MICROSECOND)
    return Cursor(fid, backward, version, edition, tuple(orjson.loads(values)) if values else ())


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def _checksum(place: tuple[int, ...], values: bytes, query: str) -> bytes:
    return hashlib.blake2b(f"{place} {values} {query}".encode(), digest_size=8).digest()
