"""The metadata documents as XML (Features Part 1, classes gmlsf0 and gmlsf2), of the same documents as
their JSON. Pure.

The schema is OGC's core.xsd; what it has no element for is left to the JSON.
"""

from typing import Any
from xml.etree import ElementTree as ET

CORE, ATOM = "http://www.opengis.net/ogcapi-features-1/1.0", "http://www.w3.org/2005/Atom"
SCHEMA = "http://schemas.opengis.net/ogcapi/features/part1/1.0/xml/core.xsd"
ATTRIBUTES = ("href", "rel", "type", "hreflang", "title", "length")

Document = dict[str, Any]


def landing_page_xml(document: Document) -> bytes:
    """/"""
    root = _root("LandingPage")
    _texts(root, {"Title": document["title"], "Description": document["description"]})
    _links(root, document["links"])
    return _written(root)


def conformance_xml(document: Document) -> bytes:
    """/conformance"""
    root = _root("ConformsTo")
    _links(root, [{"href": uri} for uri in document["conformsTo"]])
    return _written(root)


def collections_xml(document: Document) -> bytes:
    """/collections"""
    root = _root("Collections")
    _links(root, document["links"])
    for collection in document["collections"]:
        _collection(root, collection)
    return _written(root)


def collection_xml(document: Document) -> bytes:
    """/collections/{collectionId}: a list with one entry."""
    root = _root("Collections")
    _collection(root, document)
    return _written(root)


def _root(name: str) -> ET.Element:
    location = {"{http://www.w3.org/2001/XMLSchema-instance}schemaLocation": f"{CORE} {SCHEMA}"}
    return ET.Element(f"{{{CORE}}}{name}", {"service": "OGCAPI-Features", "version": "1.0.0", **location})


def _texts(parent: ET.Element, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, f"{{{CORE}}}{name}").text = text


def _links(parent: ET.Element, links: list[dict[str, Any]]) -> None:
    """Templates are no addresses and so left out."""
    for link in links:
        if not link.get("templated"):
            given = {name: str(link[name]) for name in ATTRIBUTES if name in link}
            ET.SubElement(parent, f"{{{ATOM}}}link", given)


def _collection(parent: ET.Element, document: Document) -> None:
    element = ET.SubElement(parent, f"{{{CORE}}}Collection")
    names = {"Id": "id", "ItemType": "itemType", "Title": "title", "Description": "description"}
    _texts(element, {name: document[member] for name, member in names.items()})
    _links(element, document["links"])
    extent = ET.SubElement(element, f"{{{CORE}}}Extent")
    west, south, east, north = document["extent"]["spatial"]["bbox"][0]
    spatial = ET.SubElement(extent, f"{{{CORE}}}Spatial", {"crs": document["extent"]["spatial"]["crs"]})
    _texts(spatial, {"LowerCorner": f"{west} {south}", "UpperCorner": f"{east} {north}"})
    if "temporal" in document["extent"]:
        begin, end = document["extent"]["temporal"]["interval"][0]
        _texts(ET.SubElement(extent, f"{{{CORE}}}Temporal"), {"begin": begin, "end": end})
    for crs in document["crs"]:
        _texts(element, {"Crs": crs})
    _texts(element, {"StorageCrs": document["storageCrs"]})


def _written(root: ET.Element) -> bytes:
    ET.register_namespace("core", CORE)
    ET.register_namespace("atom", ATOM)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)
