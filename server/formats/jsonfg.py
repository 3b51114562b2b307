"""JSON-FG 1.0 (OGC 21-045r1): official coordinates unconverted in `place`, GeoJSON's ones beside them in `geometry`.

Profile jsonfg: a place leaves `geometry` null. Profile jsonfg-plus: `geometry` has the same in CRS84, for readers of
GeoJSON.
"""

from dataclasses import replace
from typing import Any

import orjson
from psycopg import sql
from psycopg.rows import TupleRow

from server.crs import CRS84
from server.formats.geojson import geometry_member, members_of, properties_expression, to_head
from server.formats.layer import About, Format, Layer, Text, declared, joined

MEDIA_TYPE = "application/fg+json"
PROFILE = "http://www.opengis.net/def/profile/OGC/0/"
CONFORMANCE = [f"http://www.opengis.net/spec/json-fg-1/1.0/conf/{name}" for name in ("core", "types-schemas")]
POLYHEDRA = "http://www.opengis.net/spec/json-fg-1/1.0/conf/polyhedra"
DIMENSION = {"Point": 0, "LineString": 1, "Polygon": 2}


def _feature(layer: Layer, *, plus: bool) -> sql.Composable:
    geometries: dict[str, sql.Composable | None] = {"place": None, "geometry": None}
    if layer.crs.heights:
        return _solid_feature(layer, plus=plus)
    if layer.selection.geometry and layer.crs != CRS84:
        geometries["place"] = declared(layer)
    if layer.selection.geometry and (plus or layer.crs == CRS84):
        geometries["geometry"] = declared(replace(layer, crs=CRS84))
    members = [
        geometry_member(name, value, layer.crs if name == "place" else CRS84) for name, value in geometries.items()
    ]
    return _with_members(layer, members)


def _solid_feature(layer: Layer, *, plus: bool) -> sql.Composable:
    """A feature with its solids in `place`, and what they cover on the ground in `geometry`."""
    wanted = layer.selection.geometry
    ground = declared(replace(layer, crs=CRS84)) if wanted and plus else None
    place = sql.SQL("""',"place":', {}""").format(_polyhedra(layer)) if wanted else sql.Literal(',"place":null')
    return _with_members(layer, [place, geometry_member("geometry", ground, CRS84)])


def _polyhedra(layer: Layer) -> sql.Composable:
    """SQL of a Polyhedron, or of a MultiPolyhedron where there are several solids, each with its outer shell."""
    shell = sql.SQL(
        "(ST_AsGeoJSON((select ST_Collect(d.geom order by d.path) from ST_Dump(s.solid) d), {}, 0)::json "
        "-> 'coordinates')::text"
    ).format(sql.Literal(layer.crs.decimals))
    return sql.SQL(
        """(select case when count(*) = 1 then concat('{{"type":"Polyhedron","coordinates":[', min(s.shell), ']}}')
          else concat('{{"type":"MultiPolyhedron","coordinates":[[', string_agg(s.shell, '],[' order by n), ']]}}') end
        from (select n, {} as shell from (select n, ST_GeometryN(t.solids, n) as solid
          from generate_series(1, ST_NumGeometries(t.solids)) n) s) s)"""
    ).format(shell)


def _with_members(layer: Layer, members: list[sql.Composable]) -> sql.Composable:
    return sql.SQL(
        """concat('{{"type":"Feature","id":', to_json(t.id), ',"time":', {time}, {members}, ',"properties":',"""
        """ {properties}, '}}')"""
    ).format(time=_time(layer), members=sql.SQL(", ").join(members), properties=properties_expression(layer))


def _time(layer: Layer) -> sql.Composable:
    if layer.collection.datetime is None:
        return sql.SQL("'null'")
    days = [sql.SQL("t.{}").format(sql.Identifier(name)) for name in layer.collection.days]
    if len(days) == 1:
        return sql.SQL("""coalesce('{{"date":"' || {} || '"}}', 'null')""").format(*days)
    return sql.SQL(
        """concat('{{"interval":["', coalesce({}::text, '..'), '","', coalesce({}::text, '..'), '"]}}')"""
    ).format(*days)


def _root(layer: Layer, about: About) -> dict[str, Any]:
    """Members of a root object besides those of GeoJSON."""
    conformance = [*CONFORMANCE, POLYHEDRA] if layer.crs.heights else CONFORMANCE
    members: dict[str, Any] = {"conformsTo": conformance, "featureType": layer.collection.id}
    if about.base:
        members["featureSchema"] = f"{about.base}/collections/{layer.collection.id}/schema"
    if layer.crs != CRS84 and layer.selection.geometry:
        members["coordRefSys"] = layer.crs.uri
    if about.coordinates:
        members["coordinates"] = about.coordinates.document
    return members


def _encoder(layer: Layer, about: About) -> Text:
    flat = DIMENSION[layer.collection.geometry.removeprefix("Multi")]
    dimension = {"geometryDimension": 3 if layer.crs.heights else flat}
    return Text(to_head({**_root(layer, about), **dimension, **members_of(about)}), b",", b"]}")


def _single(layer: Layer, about: About, row: TupleRow) -> bytes:
    root = orjson.dumps({**_root(layer, about), "links": about.links})
    return root[:-1] + b"," + row[0][1:]


JSONFG = Format(
    key="jsonfg",
    media_type=MEDIA_TYPE,
    extension="fg.json",
    title="JSON-FG",
    columns=lambda layer: joined(_feature(layer, plus=False), ","),
    encoder=_encoder,
    profile=f"{PROFILE}jsonfg",
    variants=("jsonfg-plus",),
    single=_single,
)
JSONFG_PLUS = replace(
    JSONFG,
    key="jsonfg-plus",
    columns=lambda layer: joined(_feature(layer, plus=True), ","),
    profile=f"{PROFILE}jsonfg-plus",
    variants=(),
    items=False,
    files=False,
)
