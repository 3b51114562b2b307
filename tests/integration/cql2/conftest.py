"""Services to filter: the standard's own test data, the world in degrees, and a few rows made for hard cases."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pyogrio
import pytest
import yaml
from psycopg import sql

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
