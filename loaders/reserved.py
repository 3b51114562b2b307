"""Names that mean something else in a query string or a feature and so cannot be a property's."""

RESERVED = frozenset(
    {
        *("f", "lang", "bbox", "bbox-crs", "crs", "datetime", "limit", "cursor", "sortby", "resultType", "asOf"),
        *("properties", "exclude-properties", "skipGeometry", "zoom-level", "q", "profile"),
        *("filter", "filter-lang", "filter-crs"),
        *("fid", "id", "geom", "oid", "delivery", "digest", "solids", "model", "valid_from", "valid_to", "ended_by"),
    }
)
