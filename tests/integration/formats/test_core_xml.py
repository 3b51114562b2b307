"""The metadata documents as XML (Features Part 1, classes gmlsf0 and gmlsf2): valid, and the same as the JSON."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] (it brings no types)

CORE = "{http://www.opengis.net/ogcapi-features-1/1.0}"
LINK = "{http://www.w3.org/2005/Atom}link"
ROOTS = {
    "/": "LandingPage",
    "/conformance": "ConformsTo",
    "/collections": "Collections",
    "/collections/messpunkt": "Collections",
    "/collections/leer": "Collections",
}


@pytest.fixture(scope="module")
def core_schema(standards: Path, load_schema: Any) -> Any:
    path = standards / "gml" / "schemas.opengis.net" / "ogcapi" / "features" / "part1" / "1.0" / "xml" / "core.xsd"
    if not path.is_file():
        pytest.skip(f"{os.environ['OPENNRW_STANDARDS']} has no folder gml with core.xsd of Features Part 1")
    return load_schema(path.read_bytes())


@pytest.mark.parametrize("path", ROOTS)
def test_valid_against_the_schema_that_it_names(client: httpx.Client, core_schema: Any, path: str) -> None:
    root = etree.fromstring(client.get(path, params={"f": "xml"}).content)
    assert core_schema.validate(root), core_schema.error_log


@pytest.mark.parametrize("path", ROOTS)
def test_links_and_texts_are_those_of_the_json(client: httpx.Client, path: str) -> None:
    """gmlsf0/content: which element each resource is. Links name the other representations of it."""
    answer = client.get(path, params={"f": "xml"})
    assert answer.headers["Content-Type"] == "application/xml"
    assert client.get(path, headers={"Accept": "application/xml"}).content == client.get(f"{path}?f=xml").content
    root, document = etree.fromstring(answer.content), client.get(path, params={"f": "json"}).json()
    assert root.tag == CORE + ROOTS[path]
    if path == "/conformance":
        assert [link.get("href") for link in root.iter(LINK)] == document["conformsTo"]
        return
    documents = [document, *document.get("collections", [])]
    found = [(link.get("href"), link.get("rel")) for link in root.iter(LINK)]
    told = [(link["href"], link["rel"]) for d in documents for link in d["links"] if "{" not in link["href"]]
    assert [href for href, _ in found] == [href for href, _ in told]
    for own, other, f in ((found, told, "xml"), (told, found, "json")):
        selves = {href for href, rel in own if rel == "self"}
        assert all(f"f={f}" in href for href in selves)
        assert len(selves) == len(documents)
        assert selves <= {href for href, rel in other if rel == "alternate"}


def test_a_collection_tells_its_extent_and_systems(client: httpx.Client) -> None:
    document = client.get("/collections/messpunkt").json()
    root = etree.fromstring(client.get("/collections/messpunkt?f=xml").content)
    (collection,) = root.findall(f"{CORE}Collection")
    assert collection.findtext(f"{CORE}Id") == "messpunkt"
    assert collection.findtext(f"{CORE}ItemType") == "feature"
    assert [crs.text for crs in collection.findall(f"{CORE}Crs")] == document["crs"]
    assert collection.findtext(f"{CORE}StorageCrs") == document["storageCrs"]
    corners = [collection.findtext(f".//{CORE}{name}Corner").split() for name in ("Lower", "Upper")]
    assert [float(number) for corner in corners for number in corner] == document["extent"]["spatial"]["bbox"][0]
    interval = [collection.findtext(f".//{CORE}{name}") for name in ("begin", "end")]
    assert interval == document["extent"]["temporal"]["interval"][0]


def test_languages_and_copies(client: httpx.Client) -> None:
    titles = [
        etree.fromstring(client.get(f"/?f=xml&lang={lang}").content).findtext(f"{CORE}Title") for lang in ("de", "en")
    ]
    assert titles == [client.get(f"/?lang={lang}").json()["title"] for lang in ("de", "en")]
    answer = client.get("/collections?f=xml")
    assert client.get("/collections?f=xml", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert client.get("/collections?f=json").headers["ETag"] != answer.headers["ETag"]


def test_xml_is_said_to_be_there_and_only_where_it_is(client: httpx.Client) -> None:
    classes = client.get("/conformance").json()["conformsTo"]
    assert {f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/gmlsf{level}" for level in (0, 2)} <= set(classes)
    content = client.get("/api").json()["paths"]["/collections"]["get"]["responses"]["200"]["content"]
    assert "application/xml" in content
    problem = client.get("/collections/messpunkt/queryables?f=xml").json()
    assert (problem["status"], problem["parameter"], problem["remedy"]) == (400, "f", "Use one of: json, html")
    assert (
        "<!DOCTYPE html>"
        in client.get("/", headers={"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}).text
    )


def test_asking_for_xml_gives_features_as_gml(client: httpx.Client) -> None:
    """gmlsf0/headers: what GeoJSON tells of a page is in headers."""
    answer = client.get("/collections/messpunkt/items?limit=3", headers={"Accept": "application/xml"})
    assert answer.headers["Content-Type"].startswith("application/gml+xml;version=3.2;profile=")
    assert answer.headers["OGC-NumberReturned"] == "3"
    assert int(answer.headers["OGC-NumberMatched"]) > 3
    assert answer.headers["Date"]
    assert {"self", "next", "alternate", "collection"} <= set(answer.links)
