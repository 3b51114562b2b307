"""The XML Schema of a collection's GML features (Simple Features Profile, OGC 10-100r3). Pure."""

from xml.sax.saxutils import escape, quoteattr

from server.catalogue import Collection, Language, Property
from server.formats.gml import SCHEMAS, namespace_of

TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "double",
    "boolean": "boolean",
    "date": "date",
    "datetime": "dateTime",
}
GEOMETRIES = {
    "Point": "PointPropertyType",
    "MultiPoint": "MultiPointPropertyType",
    "LineString": "CurvePropertyType",
    "MultiLineString": "MultiCurvePropertyType",
    "Polygon": "SurfacePropertyType",
    "MultiPolygon": "MultiSurfacePropertyType",
}
BEGIN = """<?xml version="1.0" encoding="UTF-8"?>
<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml/3.2"
 xmlns:gmlsf="http://www.opengis.net/gmlsf/2.0" xmlns:nrw={namespace} targetNamespace={namespace}
 elementFormDefault="qualified" version="1.0" xml:lang="{lang}">
<annotation>
<appinfo source="{schemas}/gmlsfProfile/2.0/gmlsfLevels.xsd">
<gmlsf:ComplianceLevel>{level}</gmlsf:ComplianceLevel>
</appinfo>
<documentation>{title}: {description}</documentation>
</annotation>
<import namespace="http://www.opengis.net/gml/3.2" schemaLocation="{schemas}/gml/3.2.1/gml.xsd"/>
<import namespace="http://www.opengis.net/gmlsf/2.0" schemaLocation="{schemas}/gmlsfProfile/2.0/gmlsfLevels.xsd"/>
<element name="{name}" type="nrw:{name}Type" substitutionGroup="gml:AbstractFeature"/>
<complexType name="{name}Type"><complexContent><extension base="gml:AbstractFeatureType"><sequence>
"""
END = "</sequence></extension></complexContent></complexType>\n</schema>\n"


def xml_schema(collection: Collection, lang: Language, level: int) -> bytes:
    """The document; every element but the id may be missing: a null is no element, and `properties` leaves some out."""
    begin = BEGIN.format(
        namespace=quoteattr(namespace_of(collection.id)),
        lang=lang,
        schemas=SCHEMAS,
        level=level,
        title=escape(collection.title.in_(lang)),
        description=escape(collection.description.in_(lang)),
        name=collection.id,
    )
    elements = [
        '<element name="id" type="string"/>\n',
        *(_element(prop, lang, level) for prop in collection.properties),
        '<element name="delivery" type="integer" minOccurs="0"/>\n',
        f'<element name="geom" type="gml:{GEOMETRIES[collection.geometry]}" minOccurs="0"/>\n',
    ]
    return "".join([begin, *elements, END]).encode()


def _element(prop: Property, lang: Language, level: int) -> str:
    several = prop.type.endswith("[]")
    kind = "string" if several and level == 0 else TYPES[prop.type.removesuffix("[]")]
    most = ' maxOccurs="unbounded" nillable="true"' if several and level == 2 else ""
    text = prop.title.in_(lang) + (f": {prop.description.in_(lang)}" if prop.description else "")
    return (
        f'<element name="{prop.name}" type="{kind}" minOccurs="0"{most}>'
        f"<annotation><documentation>{escape(text)}</documentation></annotation></element>\n"
    )
