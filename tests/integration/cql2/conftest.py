"""Services to filter: the standard's own test data, the world in degrees, and a few rows made for hard cases."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pyogrio
import pytest
import shapely
import yaml
from psycopg import sql

from loaders.spatial_key import hilbert_codes

KINDS: list[tuple[Callable[[pa.DataType], bool], str, str]] = [
    (pa.types.is_boolean, "boolean", "boolean"),
    (pa.types.is_integer, "integer", "bigint"),
    (pa.types.is_floating, "number", "double precision"),
    (pa.types.is_date, "date", "date"),
    (pa.types.is_timestamp, "datetime", "timestamptz"),
    (pa.types.is_string, "string", 'text collate "C"'),
]
# name -> type in the catalogue, type in the table
WERTE = {
    "text": ("string", 'text collate "C"'),
    "zahl": ("integer", "bigint"),
    "wert": ("number", "double precision"),
    "tag": ("date", "date"),
    "beginn": ("datetime", "timestamptz"),
    "ende": ("datetime", "timestamptz"),
    "aktiv": ("boolean", "boolean"),
    "liste": ("string[]", "text[]"),
    "zahlen": ("integer[]", "bigint[]"),
}

Columns = Mapping[str, tuple[str, str]]


def to_yaml(collection: str, columns: Columns, geometry: str, srid: int) -> str:
    """A collection's file; every property can be filtered by, texts without case."""
    text = {"de": "Für Prüfungen", "en": "For tests"}
    properties = {
        name: {"type": type_, "title": {"de": name, "en": name}, "queryable": True, "caseless": type_ == "string"}
        for name, (type_, _) in columns.items()
    }
    document = {
        "id": collection,
        "dataset": "filters",
        "title": text,
        "description": text,
        "keywords": {"de": ["Prüfung"], "en": ["test"]},
        "geometry": geometry,
        "srid": srid,
        "properties": properties,
        "tiles": {"minzoom": 5, "maxzoom": 16, "properties": []},
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)


def create_table(connection: psycopg.Connection[Any], collection: str, columns: Columns, geometry: str) -> None:
    """A table with an index for each property; `geometry` is a type with its SRID."""
    attributes = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))  # type: ignore[arg-type]
        for name, (_, type_) in columns.items()
    )
    table = sql.Identifier("geobasis", collection)
    connection.execute(
        sql.SQL(
            "create table {} (fid bigint primary key, id text not null unique, {}, delivery bigint not null default 1, "
            "digest bytea not null default '', geom geometry({}))"
        ).format(table, attributes, sql.SQL(geometry))  # type: ignore[arg-type]
    )
    connection.execute(sql.SQL("create index on {} using gist (geom)").format(table))
    for name, (type_, _) in columns.items():
        column = sql.Identifier(name)
        connection.execute(sql.SQL("create index on {} ({}, fid)").format(table, column))
        if type_ == "string":
            index = 'create index on {} ((geobasis.caseless({}) collate "C"), fid)'
            connection.execute(sql.SQL(index).format(table, column))  # type: ignore[arg-type]


def insert(connection: psycopg.Connection[Any], collection: str, rows: list[dict[str, Any]]) -> None:
    """Rows; `geom` is hexadecimal EWKB or null."""
    for row in rows:
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier("geobasis", collection),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        connection.execute(statement, list(row.values()))


PUBLISH = """
insert into provenance.delivery (dataset, digest, source, loader, status, started)
  select 'filters', 'x', 'x', 'x', 'published', now() where not exists (select from provenance.delivery);
insert into provenance.collection
  select '{0}', 'filters', 1, 1, now(), count(*),
    array[min(ST_XMin(geom)), min(ST_YMin(geom)), max(ST_XMax(geom)), max(ST_YMax(geom))],
    max(ST_XMax(geom) - ST_XMin(geom)) / 2, max(ST_YMax(geom) - ST_YMin(geom)) / 2, null, null
  from geobasis.{0}
"""


def load_layer(connection: psycopg.Connection[Any], source: Path, layer: str) -> str:
    """One layer of the test data as a table, in degrees; its YAML."""
    meta, table = pyogrio.read_arrow(source, layer=layer)
    geometry = {"MultiPolygon": "MultiPolygon", "Point": "Point", "LineString": "LineString"}[meta["geometry_type"]]
    columns: dict[str, tuple[str, str]] = {}
    for field in table.schema:
        found = [(ours, theirs) for test, ours, theirs in KINDS if test(field.type)]
        if found:
            columns[field.name] = found[0]
    create_table(connection, layer, columns, f"{geometry}, 4326")
    geometries = pa.chunked_array(table[meta["geometry_name"] or "wkb_geometry"])
    shapes: list[Any] = geometries.to_pylist()
    rows = [
        {"fid": number, "id": str(number), **{name: row[name] for name in columns}, "geom": shape.hex()}
        for number, (row, shape) in enumerate(zip(table.to_pylist(), shapes, strict=True), start=1)
    ]
    insert(connection, layer, rows)
    connection.execute(PUBLISH.format(layer).encode())
    return to_yaml(layer, columns, geometry, 4326)


@pytest.fixture(scope="session")
def natural_earth(
    cluster: Any, migrated_template: str, serve_probe: Callable[..., Any], standards: Path, tmp_path_factory: Any
) -> Iterator[httpx.Client]:
    """HTTP to a service with the standard's test data."""
    source = standards / "cql2" / "ne110m4cql2.gpkg"
    folder = tmp_path_factory.mktemp("natural_earth")
    url = cluster.create(migrated_template)
    with psycopg.connect(url, autocommit=True) as connection:
        for layer, _ in pyogrio.list_layers(source):
            (folder / f"{layer}.yaml").write_text(load_layer(connection, source, layer), "utf-8")
        connection.execute("analyze")
    with serve_probe(url, OPENNRW_COLLECTIONS_DIR=str(folder)) as served, httpx.Client(base_url=served.url) as client:
        yield client
    cluster.drop(url)


@pytest.fixture(scope="session")
def found(natural_earth: httpx.Client) -> Callable[..., int]:
    """How many features of a layer match: `found(layer, filter, **parameters)`; the filter may be CQL2 JSON."""

    def ask(layer: str, condition: str | dict[str, Any] | bool, **parameters: str) -> int:
        if not isinstance(condition, str):
            parameters["filter-lang"] = "cql2-json"
            condition = json.dumps(condition)
        answer = natural_earth.get(
            f"/collections/{layer}/items", params={"filter": condition, "limit": "1000", **parameters}
        )
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert document["numberMatched"] == document["numberReturned"] == len(document["features"])
        return document["numberMatched"]

    return ask


def utm(east: float, north: float) -> str:
    """A point in EPSG:25832 as hexadecimal EWKB."""
    return shapely.to_wkb(shapely.set_srid(shapely.Point(east, north), 25832), hex=True, include_srid=True)


# Each row for something that goes wrong easily. The points are 100 m apart, the first in Duisburg
ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "Hauptstraße", "zahl": 1, "wert": 0.5, "tag": "2026-01-01", "aktiv": True},
    {"id": "b", "text": "HAUPTSTRASSE", "zahl": 2, "wert": -0.5, "tag": "2026-07-01", "aktiv": False},
    {"id": "c", "text": "Große Öde", "zahl": 3, "wert": 0.0, "tag": "2026-12-31"},
    {"id": "d", "text": "100% \\ O'Hara_x", "zahl": 0, "wert": 1e300},
    {"id": "e", "text": "", "zahl": 2**63 - 1, "wert": 2.5, "liste": ["a", "b"], "zahlen": [1, 2]},
    {"id": "f", "text": "'; DROP TABLE geobasis.werte; --", "zahl": 2**53 + 1, "liste": ["b", "c"], "zahlen": [3]},
    {"id": "g", "beginn": "2026-01-01T00:00:00Z", "ende": "2026-06-30T23:59:59.5Z", "liste": [], "zahlen": []},
    {"id": "h", "beginn": "2026-07-01T12:00:00Z", "ende": "2026-07-02T12:00:00Z", "zahl": -7},
    {"id": "i", "text": "Ωμέγα ΟΔΟΣ", "zahl": -3},
    {"id": "j"},
]


@pytest.fixture(scope="session")
def werte(
    cluster: Any, migrated_template: str, serve_probe: Callable[..., Any], tmp_path_factory: Any
) -> Iterator[httpx.Client]:
    """HTTP to a service with the collection `werte`: the rows above, in EPSG:25832."""
    folder = tmp_path_factory.mktemp("werte")
    url = cluster.create(migrated_template)
    (folder / "werte.yaml").write_text(to_yaml("werte", WERTE, "Point", 25832), "utf-8")
    east = 345_000 + 100 * np.arange(1, len(ROWS) + 1)
    keys = hilbert_codes(east.astype(float), np.full(len(ROWS), 5_700_000.0)).tolist()
    rows = [
        {"fid": key << 20, "geom": utm(float(x), 5_700_000), **row}
        for key, x, row in zip(keys, east, ROWS, strict=True)
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        create_table(connection, "werte", WERTE, "Point, 25832")
        insert(connection, "werte", rows)
        connection.execute(PUBLISH.format("werte").encode())
        connection.execute("analyze")
    settings = {"OPENNRW_COLLECTIONS_DIR": str(folder)}
    with serve_probe(url, **settings) as served, httpx.Client(base_url=served.url, timeout=30) as client:
        yield client
    cluster.drop(url)


@pytest.fixture(scope="session")
def ids(werte: httpx.Client) -> Callable[..., str]:
    """The ids of the rows that match, as one word; None is a filter in CQL2 JSON."""

    def ask(condition: str | dict[str, Any] | bool, **parameters: str) -> str:
        if not isinstance(condition, str):
            parameters["filter-lang"] = "cql2-json"
            condition = json.dumps(condition)
        answer = werte.get("/collections/werte/items", params={"filter": condition, **parameters})
        assert answer.status_code == 200, (condition, answer.text)
        return "".join(sorted(feature["id"] for feature in answer.json()["features"]))

    return ask


@pytest.fixture(scope="session")
def refused(werte: httpx.Client) -> Callable[..., str]:
    """The detail of the 400 that a filter gets; the service must answer its next request."""

    def ask(condition: str | dict[str, Any] | bool, **parameters: str) -> str:
        if not isinstance(condition, str):
            parameters["filter-lang"] = "cql2-json"
            condition = json.dumps(condition)
        answer = werte.get("/collections/werte/items", params={"filter": condition, **parameters})
        assert answer.status_code == 400, (condition, answer.text)
        assert werte.get("/collections/werte/items?limit=1").status_code == 200
        problem = answer.json()
        assert problem["parameter"].startswith("filter")
        assert problem["rule"]
        assert problem["remedy"]
        return problem["detail"]

    return ask
