"""GeoJSON (RFC 7946, Features Part 1): the database's text is framed, never parsed."""

from typing import Any

import orjson
from psycopg.rows import TupleRow

from server.links import Link


def to_feature_collection(head: dict[str, Any], features: bytes | memoryview) -> bytes:
    """A FeatureCollection; `features` are GeoJSON texts joined by commas, `head` its other members."""
    return b"".join((b'{"type":"FeatureCollection",', orjson.dumps(head)[1:-1], b',"features":[', features, b"]}"))


def to_feature(feature: bytes, links: list[Link]) -> bytes:
    """A feature with links of its own."""
    return feature[:-1] + b',"links":' + orjson.dumps(links) + b"}"


def to_version(row: TupleRow) -> bytes:
    """A version of a feature, a row of `versions_text`, with its validity and what made and ended it."""
    _, feature, valid_from, valid_to, made, restored, ended = row
    members = {
        "validFrom": valid_from,
        "validTo": valid_to,
        "delivery": orjson.loads(made),
        "restoredBy": orjson.loads(restored) if restored else None,
        "endedBy": orjson.loads(ended) if ended else None,
    }
    return feature[:-1] + b"," + orjson.dumps(members)[1:]
