"""GeoJSON (RFC 7946, Features Part 1) and GeoJSON Text Sequences (RFC 8142): PostGIS writes the features, which are
framed here and never parsed.
"""

from typing import Any

import orjson
from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import Collection
from server.crs import Crs
from server.formats.layer import EVERYTHING, About, Format, Layer, Selection, Text, declared, joined
from server.links import Link
from server.negotiation import GEOJSON

SEQUENCE = "application/geo+json-seq"


def feature_expression(collection: Collection, crs: Crs, selection: Selection = EVERYTHING) -> sql.Composable:
    """SQL for a GeoJSON feature of table alias t, as text; a simplified geometry needs the parameter `tolerance`."""
    return _feature(Layer(collection, crs, selection))


def _feature(layer: Layer) -> sql.Composable:
    return sql.SQL(
        """concat('{{"type":"Feature","id":', to_json(t.id), {geometry}, ',"properties":', {properties}, '}}')"""
    ).format(
        geometry=geometry_member("geometry", declared(layer) if layer.selection.geometry else None, layer.crs),
        properties=properties_expression(layer),
    )


def geometry_member(name: str, geometry: sql.Composable | None, crs: Crs) -> sql.Composable:
    """SQL of a member that is a geometry, as arguments of concat; None = null."""
    if geometry is None:
        return sql.Literal(f',"{name}":null')
    member, decimals = sql.Literal(f',"{name}":'), sql.Literal(crs.decimals)
    return sql.SQL("{}, coalesce(ST_AsGeoJSON({}, {}, 0), 'null')").format(member, geometry, decimals)


def properties_expression(layer: Layer) -> sql.Composable:
    """SQL for a JSON object of the attributes of table alias t."""
    columns = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in layer.names)
    return sql.SQL("(select row_to_json(p) from (select {columns}) p)").format(columns=columns)


def to_feature_collection(head: dict[str, Any], features: bytes | memoryview) -> bytes:
    """A FeatureCollection; `features` are GeoJSON texts joined by commas, `head` its other members."""
    return b"".join((to_head(head), features, b"]}"))


def to_head(members: dict[str, Any]) -> bytes:
    """All of a FeatureCollection that comes before its first feature."""
    return b'{"type":"FeatureCollection",' + orjson.dumps(members)[1:-1] + b',"features":['


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


def members_of(about: About) -> dict[str, Any]:
    """Members of a FeatureCollection that are known before its first feature."""
    members: dict[str, Any] = {}
    if about.written:
        members["timeStamp"] = f"{about.written.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    if about.matched is not None:
        members["numberMatched"] = about.matched
    if about.returned is not None:
        members["numberReturned"] = about.returned
    return members | {"links": about.links}


GEOJSON_FORMAT = Format(
    key="json",
    media_type=GEOJSON,
    extension="geojson",
    title="GeoJSON",
    columns=lambda layer: joined(_feature(layer), ","),
    encoder=lambda _, about: Text(to_head(members_of(about)), b",", b"]}"),
    profile="http://www.opengis.net/def/profile/OGC/0/rfc7946",
    variants=("jsonfg", "jsonfg-plus"),
    single=lambda _, about, row: to_feature(row[0], about.links),
)
SEQUENCE_FORMAT = Format(
    key="geojsonl",
    media_type=SEQUENCE,
    extension="geojsonl",
    title="GeoJSON Text Sequence",
    # a record separator before each feature, a line feed behind it
    columns=lambda layer: joined(sql.SQL("concat(chr(30), {}, chr(10))").format(_feature(layer)), ""),
    encoder=lambda _, __: Text(),
)
