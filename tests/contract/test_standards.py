"""The documents of every collection against the standards' own schemas."""

from collections.abc import Callable
from typing import Any

import pytest

from server.catalogue import read_collections
from server.crs import CRS84, ETRS89_UTM32, OFFERED, WITH_HEIGHTS
from server.demo import DATASETS
from server.settings import Settings

FEATURES = "features/core/openapi/schemas"
TMS = "tms/schemas/tms/2.0/json"
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
COLLECTIONS = [collection.id for collection in read_collections(Settings().collections_dir)]
# those that the example fills
LOADED = [found.id for found in read_collections(Settings().collections_dir) if found.dataset in DATASETS]
each_collection = pytest.mark.parametrize("collection", COLLECTIONS)

Documents = Callable[..., Any]
Conforms = Callable[[Any, str], None]


def rels(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for link in document["links"]:
        found.setdefault(link["rel"], []).append(link)
    return found


@pytest.mark.parametrize("lang", ["de", "en"])
def test_fc_md_success(documents: Documents, conforms: Conforms, lang: str) -> None:
    listed = documents("/collections", lang=lang)
    conforms(listed, f"{FEATURES}/collections.yaml")
    assert [c["id"] for c in listed["collections"]] == LOADED
    assert listed["crs"][0] == CRS84.uri
    assert {"self", "alternate", "license"} <= rels(listed).keys()
    for collection in listed["collections"]:
        assert collection == documents(f"/collections/{collection['id']}", lang=lang), (
            "sfc-md-success: the same in both"
        )


@each_collection
def test_sfc_md_success(documents: Documents, conforms: Conforms, collection: str) -> None:
    found = documents(f"/collections/{collection}")
    conforms(found, f"{FEATURES}/collection.yaml")
    assert found["itemType"] == "feature"
    assert found["storageCrs"] == ETRS89_UTM32.uri
    assert found["crs"][: len(OFFERED)] == [crs.uri for crs in OFFERED]
    assert found["crs"][len(OFFERED) :] == ([WITH_HEIGHTS.uri] if collection.startswith("gebaeude_3d") else [])
    assert found["license"].startswith("https://")
    assert len(found["extent"]["spatial"]["bbox"][0]) == 4
    links = rels(found)
    assert links["items"][0]["type"] == "application/geo+json"
    for name in ("queryables", "schema"):
        assert links[OGC + name][0]["type"] == "application/schema+json"
    assert {"self", "alternate", "describedby", "provenance", "license", f"{OGC}tilesets-vector"} <= links.keys()


@pytest.mark.parametrize("collection", LOADED)
def test_fc_response_and_f_success(documents: Documents, conforms: Conforms, collection: str) -> None:
    page = documents(f"/collections/{collection}/items", limit="3")
    conforms(page, f"{FEATURES}/featureCollectionGeoJSON.yaml")
    id_ = page["features"][0]["id"]
    feature = documents(f"/collections/{collection}/items/{id_}")
    conforms(feature, f"{FEATURES}/featureGeoJSON.yaml")
    assert {k: feature[k] for k in page["features"][0]} == page["features"][0]
    assert isinstance(feature["properties"]["delivery"], int)


@each_collection
def test_queryables_geometry_is_known_to_qgis(documents: Documents, collection: str) -> None:
    queryables = documents(f"/collections/{collection}/queryables")["properties"]
    geometry = queryables.pop("geom")
    assert geometry["$ref"].startswith("https://geojson.org/schema/")
    assert geometry["format"].startswith("geometry-")
    assert "type" not in geometry
    assert queryables


@pytest.mark.parametrize("collection", LOADED)
def test_tileset_metadata(documents: Documents, conforms: Conforms, collection: str) -> None:
    tileset = documents(f"/collections/{collection}/tiles/WebMercatorQuad")
    conforms(tileset, f"{TMS}/tileSet.json")
    conforms(tileset, "tiles/openapi/schemas/tms/tileSet.yaml")
    assert tileset["dataType"] == "vector"
    assert tileset["tileMatrixSetLimits"]
    assert {f"{OGC}tiling-scheme", "item", "self"} <= rels(tileset).keys()
    listed = documents(f"/collections/{collection}/tiles")
    for entry in listed["tilesets"]:
        conforms(entry, "tiles/openapi/schemas/tms/tileSet-item.yaml")
    assert listed["tilesets"][0]["tileMatrixSetURI"] == tileset["tileMatrixSetURI"]


@each_collection
def test_tilejson(documents: Documents, conforms: Conforms, collection: str) -> None:
    tilejson = documents(f"/collections/{collection}/tiles/WebMercatorQuad/tilejson")
    conforms(tilejson, "tilejson/3.0.0.json")
    assert tilejson["attribution"]
    assert tilejson["tiles"][0].startswith("http")
