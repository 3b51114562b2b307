"""GML 3.2, Simple Features Profile (OGC 10-100r3), levels 0 and 2, as Features Part 1 wants it: one element for each
feature, in a namespace of the collection whose schema is published. Coordinates are in the order that the CRS declares.

Level 2 repeats the element of a list for each of its values, with `xsi:nil` where one is null, so that lists that
belong together stay so; level 0 knows no lists and has them as JSON.
"""

from dataclasses import replace
from typing import LiteralString
from xml.sax.saxutils import escape, quoteattr

from psycopg import sql
from psycopg.rows import TupleRow

from server.catalogue import PropertyType
from server.formats.layer import About, Format, Layer, Text, declared, joined

MEDIA_TYPE = 'application/gml+xml;version=3.2;profile="http://www.opengis.net/def/profile/ogc/2.0/gml-sf{}"'
PROFILE = "http://www.opengis.net/def/profile/ogc/2.0/gml-sf"
SCHEMAS = "http://schemas.opengis.net"
SF = "http://www.opengis.net/ogcapi-features-1/1.0/sf"
NAMESPACES = {
    "gml": "http://www.opengis.net/gml/3.2",
    "sf": SF,
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
# Keys of the published schemas, values of f at /collections/{collectionId}/schema
SCHEMA_KEYS = {"xsd": 0, "xsdsf2": 2}
MEMBER = ("<sf:featureMember>", "</sf:featureMember>")
# What XML 1.0 has no place for, even escaped: shown as U+FFFD
UNSPEAKABLE = "".join(map(chr, (*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))
# of each geometry: its element, and the elements of its parts
PARTS = {
    "MultiPoint": ("MultiPoint", "pointMember"),
    "MultiLineString": ("MultiCurve", "curveMember"),
    "MultiPolygon": ("MultiSurface", "surfaceMember"),
}
NO_SRS_DIMENSION, LINE_STRINGS = 2, 4
TEXTS: dict[PropertyType, LiteralString] = {
    "integer": "{}::text",
    "number": "replace({}::text, 'Infinity', 'INF')",
    "boolean": "{}::text",
    "date": "{}::text",
    "datetime": "to_json({}) #>> '{{}}'",
}


def namespace_of(collection: str) -> str:
    """Namespace of a collection's elements: the same wherever the service runs."""
    return f"urn:x-opennrw-geo:{collection}"


def _escaped(text: sql.Composable) -> sql.Composable:
    """SQL of a text as XML has it. Looking for what it has no place for is quick, replacing it is not."""
    instead = "\N{REPLACEMENT CHARACTER}" * len(UNSPEAKABLE)
    speakable = sql.SQL("case when {0} ~ {1} then translate({0}, {2}, {3}) else {0} end").format(
        text, *map(sql.Literal, (f"[{UNSPEAKABLE}]", UNSPEAKABLE, instead))
    )
    return sql.SQL(
        "replace(replace(replace(replace({}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), chr(13), '&#13;')"
    ).format(speakable)


def _element(name: str, text: sql.Composable) -> sql.Composable:
    """SQL of an element; null where its text is."""
    return sql.SQL("{} || {} || {}").format(sql.Literal(f"<nrw:{name}>"), text, sql.Literal(f"</nrw:{name}>"))


def _attribute(name: str, kind: PropertyType, level: int) -> sql.Composable:
    column: sql.Composable = sql.SQL("t.{}").format(sql.Identifier(name))
    if kind.endswith("[]") and level == 2:
        value = _value(sql.SQL("v"), _item_type(kind))
        items, nothing = _element(name, value), sql.Literal(f'<nrw:{name} xsi:nil="true"/>')
        return sql.SQL("(select string_agg(coalesce({}, {}), '') from unnest({}) v)").format(items, nothing, column)
    return _element(name, _value(column, kind))


def _item_type(kind: PropertyType) -> PropertyType:
    items: dict[str, PropertyType] = {"string[]": "string", "integer[]": "integer", "number[]": "number"}
    return items.get(kind, "date")


def _value(column: sql.Composable, kind: PropertyType) -> sql.Composable:
    if kind in TEXTS:
        return sql.SQL(TEXTS[kind]).format(column)
    return _escaped(column if kind == "string" else sql.SQL("to_json({})::text").format(column))


def _id() -> sql.Composable:
    """SQL of a feature's gml:id: its id where XML allows it; with _ before it where it begins with a digit; otherwise
    its bytes in hexadecimal digits.
    """
    return sql.SQL(
        "case when t.id ~ '^[A-Za-z][A-Za-z0-9_.-]*$' then t.id "
        "when t.id ~ '^[0-9.-][A-Za-z0-9_.-]*$' then '_' || t.id "
        "else '_x' || encode(convert_to(t.id, 'UTF8'), 'hex') end"
    )


def _geometry(layer: Layer) -> sql.Composable:
    """SQL of the geometry, whose parts need ids of their own and get its CRS."""
    kind, crs = layer.collection.geometry, quoteattr(layer.crs.uri)
    whole = sql.SQL("ST_SetSRID({}, 0)").format(declared(layer))
    options = sql.Literal(LINE_STRINGS if layer.crs.heights else NO_SRS_DIMENSION | LINE_STRINGS)
    decimals = sql.Literal(layer.crs.decimals)
    if kind not in PARTS:
        one = sql.SQL("ST_AsGML(3, {}, {}, {}, 'gml', g.id || '.geom')").format(whole, decimals, options)
        named = sql.Literal(f" srsName={crs} gml:id=")
        return _element("geom", sql.SQL("replace({}, ' gml:id=', {})").format(one, named))
    element, member = PARTS[kind]
    parts = sql.SQL(
        "(select string_agg({} || ST_AsGML(3, d.geom, {}, {}, 'gml', g.id || '.geom.' || d.path[1]) || {}, '' "
        "order by d.path) from ST_Dump({}) d)"
    ).format(sql.Literal(f"<gml:{member}>"), decimals, options, sql.Literal(f"</gml:{member}>"), whole)
    begin = sql.SQL("{} || g.id || {}").format(
        sql.Literal(f'<gml:{element} srsName={crs} gml:id="'), sql.Literal('.geom">')
    )
    return _element("geom", sql.SQL("{} || {} || {}").format(begin, parts, sql.Literal(f"</gml:{element}>")))


def _feature(layer: Layer, level: int) -> sql.Composable:
    types: dict[str, PropertyType] = {"delivery": "integer"}
    types.update({p.name: p.type for p in layer.collection.properties})
    name = layer.collection.id
    parts = [
        sql.Literal(f'{MEMBER[0]}<nrw:{name} gml:id="'),
        sql.SQL("g.id"),
        sql.Literal('">'),
        _attribute("id", "string", level),
        *(_attribute(column, types[column], level) for column in layer.names),
        *([_geometry(layer)] if layer.selection.geometry else []),
        sql.Literal(f"</nrw:{name}>{MEMBER[1]}"),
    ]
    return sql.SQL("(select concat({}) from (select {} as id) g)").format(sql.SQL(", ").join(parts), _id())


def _root_attributes(layer: Layer, about: About, level: int) -> str:
    own = namespace_of(layer.collection.id)
    locations = [SF, f"{SCHEMAS}/ogcapi/features/part1/1.0/xml/core-sf.xsd"]
    if about.base:
        key = next(key for key, value in SCHEMA_KEYS.items() if value == level)
        locations += [own, f"{about.base}/collections/{layer.collection.id}/schema?f={key}"]
    spaces = {**NAMESPACES, "nrw": own}
    declared_spaces = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in spaces.items())
    return f"{declared_spaces} xsi:schemaLocation={quoteattr(' '.join(locations))}"


def _encoder(layer: Layer, about: About, level: int) -> Text:
    said = f"Coordinates: {about.coordinates.sentence}" if about.coordinates else ""
    description = f"<gml:description>{escape(said)}</gml:description>" if said else ""
    begin = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sf:FeatureCollection{_root_attributes(layer, about, level)} '
        f'gml:id="_{layer.collection.id}">{description}'
    )
    return Text(begin.encode(), after=b"</sf:FeatureCollection>\n")


def _single(layer: Layer, about: About, row: TupleRow, level: int) -> bytes:
    """The feature's element is the root, and so it holds the namespaces."""
    element = f"<nrw:{layer.collection.id}"
    rest = row[0].decode().removeprefix(MEMBER[0] + element).removesuffix(MEMBER[1])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{element}{_root_attributes(layer, about, level)}{rest}\n'.encode()


def _format(key: str, level: int) -> Format:
    return Format(
        key=key,
        media_type=MEDIA_TYPE.format(level),
        extension="gml",
        title=f"GML 3.2 SF{level}",
        columns=lambda layer: joined(_feature(layer, level), ""),
        encoder=lambda layer, about: _encoder(layer, about, level),
        profile=f"{PROFILE}{level}",
        single=lambda layer, about, row: _single(layer, about, row, level),
        files=False,
    )


GML_SF2 = _format("gmlsf2", 2)
GML_SF0 = replace(_format("gml", 0), variants=("gmlsf2",))
