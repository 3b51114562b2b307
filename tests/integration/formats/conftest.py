"""More features than one answer holds at once; the schemas that GML documents are validated against."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it brings no types)

# Points on a grid, in the order of an invented key; texts that no compression makes small, so that no buffer holds them
CROWD = """
truncate geobasis.{name};
insert into geobasis.{name} (fid, id, name, nummer, wert, aktiv, datum, notiz, delivery, digest, geom)
select i, '{name}' || i, 'Straße ' || i % 40, i % 25, i / 8.0, i % 3 = 0, date '2020-01-01' + i % 400,
  (select string_agg(md5(i::text || k), '') from generate_series(1, 4) k), 1, '\\x00',
  ST_SetSRID(ST_MakePoint(300000 + i % 1000 * 100, 5600000 + i / 1000 * 100), 25832)
from generate_series(1, {features}) i;
delete from provenance.collection where collection = '{name}';
insert into provenance.collection values ('{name}', 'probe', 2, 1, '2026-07-01 12:00:00.5+00', {features},
  array[300000, 5600000, 400000, 5603000], 0, 0, '2020-01-01', '2021-02-04');
analyze geobasis.{name}
"""
FEATURES = 14_000
BAD = 12_000
# beyond what PROJ can transform: the row of a feature that cannot be told in another CRS
BREAK = "update geobasis.messpunkt set geom = ST_SetSRID(ST_MakePoint(1e300, 1e12), 25832) where fid = %s"


@pytest.fixture(scope="session")
def fill_crowd() -> Callable[..., None]:
    """`fill_crowd(connection, collection, features)`: so many points instead of what it holds."""

    def fill(connection: psycopg.Connection[Any], name: str, features: int) -> None:
        connection.execute(CROWD.format(name=name, features=features).encode())

    return fill


@pytest.fixture(scope="package")
def crowd(
    cluster: Any, probe_template: str, fill_crowd: Callable[..., None], serve_probe: Callable[..., Any]
) -> Iterator[Any]:
    """A service whose collections `leer` and `messpunkt` have more features than an answer holds at once; the second
    has one in the midst that cannot be transformed.
    """
    url = cluster.create(probe_template)
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("leer", "messpunkt"):
            fill_crowd(connection, name, FEATURES)
        connection.execute(BREAK, [BAD])
    with serve_probe(url) as served:
        yield served
    cluster.drop(url)


class Mirror(etree.Resolver):
    """Schemas by their URL, out of a folder with the same names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        """None leaves the URL to the parser, which may not ask the network."""
        if system_url and "://" in system_url:
            return self.resolve_filename(str(self.folder / system_url.split("://", 1)[1]), context)
        return None


@pytest.fixture(scope="session")
def load_schema(standards: Path) -> Callable[..., etree.XMLSchema]:
    """`load_schema(document, *imports)`: an XML Schema with those that it refers to, and further ones by namespace and
    address, from copies of the standards' own.
    """
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Mirror(standards / "gml"))

    def load(own: bytes, *imports: tuple[str, str]) -> etree.XMLSchema:
        root = etree.fromstring(own, parser)
        for namespace, location in imports:
            given = {"namespace": namespace, "schemaLocation": location}
            root.insert(1, etree.Element("{http://www.w3.org/2001/XMLSchema}import", given))
        return etree.XMLSchema(root)

    return load


@pytest.fixture(scope="session")
def gml_schemas(standards: Path, load_schema: Callable[..., etree.XMLSchema]) -> Callable[[bytes], etree.XMLSchema]:
    """`gml_schemas(schema of a collection)`: it with the standards' ones, for collections and features."""
    if not (standards / "gml").is_dir():
        pytest.skip(f"{os.environ['OPENNRW_STANDARDS']} has no folder gml with the XML Schemas of GML 3.2")
    location = "http://schemas.opengis.net/ogcapi/features/part1/1.0/xml/core-sf.xsd"
    return lambda own: load_schema(own, ("http://www.opengis.net/ogcapi-features-1/1.0/sf", location))
