"""SQL of a feature's text."""

from psycopg import sql

from server.catalogue import Collection
from server.crs import Crs
from server.features.selection import EVERYTHING, Selection


def feature_expression(collection: Collection, crs: Crs, selection: Selection = EVERYTHING) -> sql.Composable:
    """SQL for a GeoJSON feature of table alias t, as text; a simplified geometry needs the parameter `tolerance`."""
    names: tuple[str, ...] = (*(p.name for p in collection.properties), "delivery")
    if selection.properties is not None:
        names = selection.properties
    columns = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in names)
    if not selection.geometry:
        return sql.SQL(
            """concat('{{"type":"Feature","id":', to_json(t.id), ',"geometry":null,"properties":',"""
            """ (select row_to_json(p) from (select {columns}) p), '}}')"""
        ).format(columns=columns)
    return sql.SQL(
        """concat('{{"type":"Feature","id":', to_json(t.id), ',"geometry":', ST_AsGeoJSON({geometry}, {decimals}, 0),"""
        """ ',"properties":', (select row_to_json(p) from (select {columns}) p), '}}')"""
    ).format(geometry=_geometry(collection, crs, selection), decimals=sql.Literal(crs.decimals), columns=columns)


def _geometry(collection: Collection, crs: Crs, selection: Selection) -> sql.Composable:
    geometry: sql.Composable = sql.SQL("t.geom")
    if selection.tolerance is not None:
        geometry = sql.SQL("ST_SimplifyPreserveTopology({}, %(tolerance)s)").format(geometry)
        if collection.geometry.startswith("Multi"):
            geometry = sql.SQL("ST_Multi({})").format(geometry)
    if crs.srid != collection.srid:
        geometry = sql.SQL("ST_Transform({}, {})").format(geometry, sql.Literal(crs.srid))
    if crs.northing_first:
        geometry = sql.SQL("ST_FlipCoordinates({})").format(geometry)
    return geometry
