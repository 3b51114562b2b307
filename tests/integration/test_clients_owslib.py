"""OWSLib, the client of Python programs: what its calls get from the server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from owslib.ogcapi.features import Features

COLLECTIONS = Path(__file__).resolve().parents[2] / "collections"
Query = Callable[[str], list[tuple[Any, ...]]]
UTM32 = "http://www.opengis.net/def/crs/EPSG/0/25832"


@pytest.fixture
def features(live_server: str) -> Any:
    # its annotations call every parameter a dict
    return Features(f"{live_server}/")


def test_collections(features: Any, published: Query) -> None:
    loaded = published("select collection from provenance.collection where version > 0")
    expected = {name for (name,) in loaded}
    assert {"adresse", "gemeinde", "hausumring"} <= expected < {path.stem for path in COLLECTIONS.glob("*.yaml")}
    assert set(features.feature_collections()) == expected
    assert {collection["id"] for collection in features.collections()["collections"]} == expected


def test_landing_page_and_conformance(features: Any) -> None:
    rels = {link["rel"] for link in features.links}
    assert {"self", "alternate", "service-desc", "service-doc", "conformance", "data"} <= rels
    classes = features.conformance()["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in classes


def test_api_definition(features: Any) -> None:
    definition = features.api()
    assert definition["openapi"].startswith("3.0.")
    assert "/collections/adresse/items" in definition["paths"]


def test_collection(features: Any, published: Query) -> None:
    collection = features.collection("adresse")
    [(count,)] = published("select count(*) from geobasis.adresse")
    assert (collection["id"], collection["itemCount"], collection["storageCrs"]) == ("adresse", count, UTM32)


def test_queryables(features: Any) -> None:
    properties = features.collection_queryables("adresse")["properties"]
    assert set(properties) == {"id", "oi", "qua", "ags", "gmd", "ott", "strschl", "str", "hnr", "datum", "geom"}
    assert properties["datum"]["format"] == "date"


def test_schema(features: Any) -> None:
    properties = features.collection_schema("hausumring")["properties"]
    assert properties["geom"]["format"] == "geometry-multipolygon"
    assert properties["aktualitaet"] == {**properties["aktualitaet"], "type": "string", "format": "date"}
    assert properties["id"]["x-ogc-role"] == "id"


def test_items(features: Any, published: Query) -> None:
    page = features.collection_items("adresse", limit=10)
    expected = [id_ for (id_,) in published("select id from geobasis.adresse order by fid limit 10")]
    assert [feature["id"] for feature in page["features"]] == expected
    assert (page["numberReturned"], page["numberMatched"]) == (
        10,
        published("select count(*) from geobasis.adresse")[0][0],
    )


def test_item(features: Any, published: Query) -> None:
    [(id_, street)] = published("select id, str from geobasis.adresse where str ~ '[äöüß]' order by fid limit 1")
    assert features.collection_item("adresse", id_)["properties"]["str"] == street


def test_items_in_a_box(features: Any, published: Query) -> None:
    box = [7.6, 51.4, 7.65, 51.45]
    found = features.collection_items("adresse", bbox=box, limit=10000)
    condition = f"ST_Intersects(ST_Transform(geom, 4326), ST_MakeEnvelope({','.join(map(str, box))}, 4326))"
    expected = [id_ for (id_,) in published(f"select id from geobasis.adresse where {condition} order by fid")]
    assert expected
    assert [feature["id"] for feature in found["features"]] == expected


def test_items_by_queryables_and_time(features: Any, published: Query) -> None:
    [(gmd, street)] = published("select gmd, str from geobasis.adresse where str ~ '[äöüß]' order by fid limit 1")
    found = features.collection_items("adresse", gmd=gmd, str=street, datetime_="2026-01-01/..", limit=1000)
    expected = published(f"select id from geobasis.adresse where (gmd, str) = ('{gmd}', '{street}') order by fid")
    assert [(feature["id"],) for feature in found["features"]] == expected
    assert features.collection_items("adresse", datetime_="../2000-01-01", limit=1000)["features"] == []


STREETS = {"op": "like", "args": [{"op": "casei", "args": [{"property": "str"}]}, {"op": "casei", "args": ["s%"]}]}


def test_items_by_a_filter(features: Any, published: Query) -> None:
    expected = published("select id from geobasis.adresse where str ilike 's%' order by fid")
    assert expected
    text = "CASEI(str) LIKE CASEI('s%')"
    found = features.collection_items("adresse", filter=text, limit=1000)["features"]
    assert [(feature["id"],) for feature in found] == expected


def test_items_by_a_filter_in_json_by_post(features: Any, published: Query, asked: Callable[[], list[str]]) -> None:
    expected = published("select id from geobasis.adresse where str ilike 's%' order by fid")
    found = features.collection_items("adresse", cql=STREETS, limit=1000)["features"]
    assert [(feature["id"],) for feature in found] == expected
    assert asked()[-1].startswith("POST /collections/adresse/items?limit=1000")


def test_sorted_items(features: Any, published: Query) -> None:
    found = features.collection_items("adresse", sortby=("str", "desc"), filter="str IS NOT NULL", limit=20)
    expected = published('select str from geobasis.adresse order by str collate "C" desc limit 20')
    assert [(feature["properties"]["str"],) for feature in found["features"]] == expected


def test_paging_by_the_links(features: Any, published: Query) -> None:
    """OWSLib follows no link by itself: its user passes the cursor of the link `next` on."""
    found, cursor = [], {}
    while True:
        page = features.collection_items("hausumring", limit=70, **cursor)
        found += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        cursor = {"cursor": following[0].partition("cursor=")[2].partition("&")[0]}
    assert found == [id_ for (id_,) in published("select id from geobasis.hausumring order by fid")]


def test_an_unknown_parameter_is_an_error_that_names_what_is_known(features: Any) -> None:
    with pytest.raises(RuntimeError, match=r"'offset' is not known here. Known parameters: ags, asOf, bbox"):
        features.collection_items("adresse", offset=10)
