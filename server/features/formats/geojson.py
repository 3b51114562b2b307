"""GeoJSON (RFC 7946, Features Part 1): the database's text is framed, never parsed."""

from typing import Any

import orjson

from server.links import Link


def to_feature_collection(head: dict[str, Any], features: bytes | memoryview) -> bytes:
    """A FeatureCollection; `features` are GeoJSON texts joined by commas, `head` its other members."""
    return b"".join((b'{"type":"FeatureCollection",', orjson.dumps(head)[1:-1], b',"features":[', features, b"]}"))


def to_feature(feature: bytes, links: list[Link]) -> bytes:
    """A feature with links of its own."""
    return feature[:-1] + b',"links":' + orjson.dumps(links) + b"}"
