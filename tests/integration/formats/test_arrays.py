"""Properties that hold lists, in every format: order, missing values, empty lists, and what needs escaping."""

import csv
import html
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow.parquet as pq
import pyogrio
import pytest
import yaml
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it brings no types)

from server.formats.table import OF_ITEMS

ITEMS = "/collections/parzelle/items"
OWN = "{urn:x-opennrw-geo:parzelle}"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
TYPES = {"nutzungen": "string[]", "flaechen": "number[]", "stufen": "integer[]", "tage": "date[]"}
# As uses and areas of parcels are: the second use has no area
LISTS = [
    (["Wald", "=1+1", 'Größe "a\\b" <c> & d'], [37576.0, None, 0.25], [2**53 + 1], [date(2024, 2, 29), None]),
    ([], [], [], []),
    (None, None, None, None),
]
TABLE = """
create table geobasis.parzelle (
  fid bigint primary key, id text collate "C" not null unique, name text collate "C", nutzungen text[] collate "C",
  flaechen double precision[], stufen bigint[], tage date[], delivery bigint not null, digest bytea not null,
  geom geometry(Point, 25832) not null);
create index on geobasis.parzelle using gist (geom);
insert into provenance.collection values ('parzelle', 'probe', 1, 1, '2026-07-01 12:00:00.5+00', 3,
  array[360000, 5700000, 360002, 5700000], 0, 0, null, null)
"""


@pytest.fixture(scope="module")
def http(
    cluster: Any, probe_template: str, collections_dir: Path, serve_probe: Callable[..., Any], tmp_path_factory: Any
) -> Iterator[httpx.Client]:
    """A service with one collection, whose properties are lists."""
    folder = tmp_path_factory.mktemp("lists")
    collection = yaml.safe_load((collections_dir / "messpunkt.yaml").read_text("utf-8"))
    title = {"de": "Liste", "en": "List"}
    properties = {name: {"type": kind, "title": title} for name, kind in {"name": "string", **TYPES}.items()}
    collection |= {"id": "parzelle", "label": "name", "properties": properties}
    collection["tiles"]["properties"] = ["name"]
    del collection["datetime"]
    (folder / "parzelle.yaml").write_text(yaml.safe_dump(collection, allow_unicode=True), "utf-8")
    url = cluster.create(probe_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        insert = (
            "insert into geobasis.parzelle values (%s, %s, 'a', %s, %s, %s, %s, 1, '', "
            "ST_SetSRID(ST_MakePoint(360000 + %s, 5700000), 25832))"
        )
        for number, lists in enumerate(LISTS):
            connection.execute(insert, [number, f"p{number}", *lists, number])
    given = {"OPENNRW_COLLECTIONS_DIR": str(folder)}
    with serve_probe(url, **given) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        yield client
    cluster.drop(url)


def as_json(lists: tuple[Any, ...]) -> tuple[Any, ...]:
    """With dates as texts."""
    days = lists[3]
    return (*lists[:3], None if days is None else [day and day.isoformat() for day in days])


@pytest.fixture
def saved(http: httpx.Client, tmp_path: Path) -> Callable[[str], Path]:
    def save(f: str) -> Path:
        answer = http.get(ITEMS, params={"f": f})
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, OF_ITEMS[f].split(";")[0])
        path = tmp_path / f"lists.{f}"
        path.write_bytes(answer.content)
        return path

    return save


@pytest.mark.parametrize("f", ["json", "jsonfg", "geojsonl"])
def test_json_has_arrays(saved: Callable[[str], Path], f: str) -> None:
    content = saved(f).read_bytes()
    features = content.split(b"\x1e")[1:] if f == "geojsonl" else json.loads(content)["features"]
    found = [json.loads(one) if isinstance(one, bytes) else one for one in features]
    assert [tuple(one["properties"][name] for name in TYPES) for one in found] == [as_json(x) for x in LISTS]


def test_csv_has_json_that_is_no_formula(saved: Callable[[str], Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(saved("csv").read_text("utf-8"))))
    found = [tuple(json.loads(row[name]) if row[name] else None for name in TYPES) for row in rows]
    assert found == [as_json(lists) for lists in LISTS]


def test_gml_of_level_2_has_an_element_for_each_value(
    http: httpx.Client, saved: Callable[[str], Path], gml_schemas: Callable[[bytes], Any]
) -> None:
    """A missing value keeps its place, so that uses and areas stay side by side; an empty list is no element."""
    root = etree.parse(saved("gmlsf2")).getroot()
    schema = gml_schemas(http.get("/collections/parzelle/schema?f=xsdsf2").content)
    assert schema.validate(root), schema.error_log
    first, *others = root.iter(f"{OWN}parzelle")
    texts = [[None if x.get(NIL) == "true" else x.text for x in first.findall(OWN + name)] for name in TYPES]
    assert texts[0] == LISTS[0][0]
    assert [None if x is None else float(x) for x in texts[1]] == LISTS[0][1]
    assert texts[2:] == [[str(2**53 + 1)], ["2024-02-29", None]]
    assert not any(other.findall(OWN + name) for other in others for name in TYPES)


def test_gml_of_level_0_has_json(
    http: httpx.Client, saved: Callable[[str], Path], gml_schemas: Callable[[bytes], Any]
) -> None:
    root = etree.parse(saved("gml")).getroot()
    schema = gml_schemas(http.get("/collections/parzelle/schema?f=xsd").content)
    assert schema.validate(root), schema.error_log
    texts = [[one.findtext(OWN + name) for name in TYPES] for one in root.iter(f"{OWN}parzelle")]
    found = [tuple(json.loads(text) if text else None for text in one) for one in texts]
    assert found == [as_json(lists) for lists in LISTS]


def test_parquet_has_lists(saved: Callable[[str], Path]) -> None:
    table = pq.read_table(saved("parquet"))
    assert list(zip(*(table[name].to_pylist() for name in TYPES), strict=True)) == LISTS


@pytest.mark.parametrize("f", ["fgb", "gpkg"])
def test_flatgeobuf_and_geopackage_have_json(saved: Callable[[str], Path], f: str) -> None:
    found = pyogrio.read_dataframe(saved(f))
    columns = [[json.loads(x) if isinstance(x, str) else None for x in found[name].astype(object)] for name in TYPES]
    assert list(zip(*columns, strict=True)) == [as_json(lists) for lists in LISTS]
    assert np.array_equal(found.geometry.x.round(1), found.geometry.x.round(1).sort_values())


def test_pages_show_lists(http: httpx.Client) -> None:
    for path in (f"{ITEMS}?f=html&properties=nutzungen,flaechen", f"{ITEMS}/p0?f=html"):
        page = html.unescape(http.get(path, headers={"Accept-Language": "de"}).text)
        assert 'Wald; =1+1; Größe "a\\b" <c> & d' in page
        assert "37.576; –; 0,25" in page
