"""The conformance classes that the service meets."""

SPEC = "http://www.opengis.net/spec"

CQL2 = (
    *("cql2-text", "cql2-json", "basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison"),
    *("accent-insensitive-comparison", "basic-spatial-functions", "basic-spatial-functions-plus", "spatial-functions"),
    *("temporal-functions", "array-functions", "property-property", "functions", "arithmetic"),
    "basic-spatial-operators",  # the draft's name of basic-spatial-functions, by which QGIS 3.32 to 3.42 look for it
)

CONFORMANCE: tuple[str, ...] = (
    *(f"{SPEC}/ogcapi-common-1/1.0/conf/{name}" for name in ("core", "landing-page", "html", "json", "oas30")),
    *(f"{SPEC}/ogcapi-common-2/1.0/conf/{name}" for name in ("collections", "html", "json")),
    # The approved Part 3 of Common and Part 5 of Features are one text; clients look for either.
    *(f"{SPEC}/ogcapi-common-3/1.0/conf/{name}" for name in ("schemas", "returnables-and-receivables", "queryables")),
    *(f"{SPEC}/ogcapi-common-3/1.0/conf/{name}" for name in ("sortables", "profile-parameter")),
    *(f"{SPEC}/json-fg-1/1.0/conf/{name}" for name in ("core", "types-schemas", "profiles", "api", "polyhedra")),
    *(f"{SPEC}/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "oas30", "html", "geojson", "gmlsf0", "gmlsf2")),
    f"{SPEC}/ogcapi-features-2/1.0/conf/crs",
    *(
        f"{SPEC}/ogcapi-features-3/1.0/conf/{name}"
        for name in ("queryables", "queryables-query-parameters", "filter", "features-filter")
    ),
    *(f"{SPEC}/cql2/1.0/conf/{name}" for name in CQL2),
    *(f"{SPEC}/ogcapi-features-5/1.0/conf/{name}" for name in ("schemas", "returnables-and-receivables", "queryables")),
    # Drafts: Part 6 property selection, Part 7 geometry simplification, Part 8 sorting. Not Part 9, text search,
    # whose /req/text-search/q-response, C, wants words side by side in the order given, in one property
    *(f"{SPEC}/ogcapi-features-6/1.0/conf/{name}" for name in ("properties", "properties-features")),
    *(f"{SPEC}/ogcapi-features-7/1.0/conf/{name}" for name in ("zoom-level", "zoom-level-features")),
    *(f"{SPEC}/ogcapi-features-8/1.0/conf/{name}" for name in ("sortables", "sorting", "features-sorting")),
    *(
        f"{SPEC}/ogcapi-tiles-1/1.0/conf/{name}"
        for name in (
            *("core", "tileset", "tilesets-list", "dataset-tilesets", "geodata-tilesets", "collections-selection"),
            *("datetime", "mvt", "geojson", "oas30"),
        )
    ),
    # The draft 20-009
    *(f"{SPEC}/ogcapi-styles-1/1.0/conf/{name}" for name in ("core", "mapbox-styles")),
    *(f"{SPEC}/tms/2.0/conf/{name}" for name in ("tilematrixset", "tilematrixsetlimits", "tilesetmetadata")),
)
