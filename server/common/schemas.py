"""JSON Schemas of a collection: the schema of Part 5, its queryables, and the GeoJSON feature that GDAL reads."""

from typing import Any

from server.catalogue import Collection, Language, Property

DRAFT = "https://json-schema.org/draft/2020-12/schema"
DELIVERY = {
    "de": ("Lieferung", "Nummer der Lieferung, aus der das Objekt stammt; siehe Herkunft der Sammlung"),
    "en": ("Delivery", "Number of the delivery that the feature came with; see the collection's provenance"),
}


def collection_schema(collection: Collection, lang: Language, uri: str) -> dict[str, Any]:
    """/collections/{collectionId}/schema (Common Part 3, Features Part 5)."""
    members = {"id": {"type": "string", "title": "Id", "x-ogc-role": "id", "x-ogc-propertySeq": 1, "readOnly": True}}
    for number, prop in enumerate(collection.properties, start=2):
        members[prop.name] = {**property_schema(prop, lang), **_role(collection, prop), "x-ogc-propertySeq": number}
    members["delivery"] = {**delivery_schema(lang), "x-ogc-propertySeq": len(members) + 1}
    members["geom"] = {"title": "Geometrie" if lang == "de" else "Geometry", **_geometry(collection)}
    return _object(collection, lang, uri, members)


def queryables_schema(collection: Collection, lang: Language, uri: str) -> dict[str, Any]:
    """/collections/{collectionId}/queryables (Features Part 3, /req/queryables/get-queryables-response).

    QGIS knows a geometry by `$ref` only, the standard by `format`: both are given.
    """
    geometry = {"$ref": f"https://geojson.org/schema/{collection.geometry}.json", **_geometry(collection)}
    members = {prop.name: {**property_schema(prop, lang), **_role(collection, prop)} for prop in collection.queryables}
    identifier = {"type": "string", "title": "Id", "x-ogc-role": "id"}
    return _object(collection, lang, uri, {"id": identifier, **members, "geom": geometry})


def sortables_schema(collection: Collection, lang: Language, uri: str) -> dict[str, Any]:
    """/collections/{collectionId}/sortables (Features Part 8, /req/sortables/get-sortables-success)."""
    by_name = {p.name: property_schema(p, lang) for p in collection.properties}
    members = {name: by_name.get(name) or {"type": "string", "title": "Id"} for name in collection.sortables}
    return _object(collection, lang, uri, members)


def feature_schema(collection: Collection, lang: Language, uri: str) -> dict[str, Any]:
    """The schema of the collection's GeoJSON features for GDAL and its like. A null says that there is no value; types
    are those of values, because GDAL and QGIS take a property with a list of types for text.
    """
    members = {prop.name: property_schema(prop, lang) for prop in collection.properties}
    members["delivery"] = delivery_schema(lang)
    feature = {
        "type": {"type": "string", "const": "Feature"},
        "id": {"type": "string"},
        "geometry": {"$ref": f"https://geojson.org/schema/{collection.geometry}.json"},
        "properties": {"type": "object", "properties": members, "additionalProperties": False},
    }
    # a feature on its own has links, too
    return {**_object(collection, lang, uri, feature), "additionalProperties": True}


def strict_schema(collection: Collection, lang: Language, uri: str) -> dict[str, Any]:
    """The same, exactly as the features are written: every property is there, and may be null."""
    schema = feature_schema(collection, lang, uri)
    members = schema["properties"]["properties"]["properties"]
    nullable = {name: _nullable(member) for name, member in members.items() if name != "delivery"}
    schema["properties"]["properties"] |= {"properties": members | nullable, "required": list(members)}
    return {**schema, "required": ["type", "id", "geometry", "properties"]}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    codes = {"oneOf": [*schema["oneOf"], {"const": None}]} if "oneOf" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **codes}


def property_schema(prop: Property, lang: Language) -> dict[str, Any]:
    """Schema of one attribute: type, texts, unit, codes."""
    schema = json_type(prop.type)
    schema["title"] = prop.title.in_(lang)
    if prop.description:
        schema["description"] = prop.description.in_(lang)
    if prop.unit:
        schema["x-ogc-unit"] = prop.unit
    if prop.example is not None:
        schema["examples"] = [prop.example]
    if prop.codes:
        schema["oneOf"] = [{"const": code, "title": text.in_(lang)} for code, text in prop.codes.items()]
    return schema


def json_type(type_: str) -> dict[str, Any]:
    """The JSON Schema of a type of the catalogue."""
    if type_.endswith("[]"):
        return {"type": "array", "items": json_type(type_.removesuffix("[]"))}
    formats = {"date": "date", "datetime": "date-time"}
    return {"type": "string", "format": formats[type_]} if type_ in formats else {"type": type_}


def delivery_schema(lang: Language) -> dict[str, Any]:
    """Schema of the attribute that names the delivery of each feature."""
    title, description = DELIVERY[lang]
    return {"type": "integer", "title": title, "description": description}


def _geometry(collection: Collection) -> dict[str, Any]:
    return {"format": f"geometry-{collection.geometry.lower()}", "x-ogc-role": "primary-geometry"}


def _role(collection: Collection, prop: Property) -> dict[str, str]:
    if prop.name not in collection.days:
        return {}
    if collection.datetime_end is None:
        return {"x-ogc-role": "primary-instant"}
    return {"x-ogc-role": f"primary-interval-{'start' if prop.name == collection.datetime else 'end'}"}


def _object(collection: Collection, lang: Language, uri: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": DRAFT,
        "$id": uri,
        "type": "object",
        "title": collection.title.in_(lang),
        "description": collection.description.in_(lang),
        "properties": properties,
        "additionalProperties": False,
    }
