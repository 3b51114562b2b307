"""Numbers, dates and sizes in both languages; what features are called and whom they lie beside."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from server.catalogue import Collection
from server.ui import apidoc, describe, maps
from server.ui.formatting import (
    format_bytes,
    format_date,
    format_duration,
    format_extent,
    format_number,
    format_timestamp,
)
from server.ui.texts import read_texts


@pytest.mark.parametrize(
    ("value", "digits", "german", "english"),
    [
        (1234.5, None, "1.234,5", "1,234.5"),
        (20000, None, "20.000", "20,000"),
        (0.5, 2, "0,50", "0.50"),
        (3.0, None, "3", "3"),
    ],
)
def test_number(value: float, digits: int | None, german: str, english: str) -> None:
    assert format_number(value, "de", digits) == german
    assert format_number(value, "en", digits) == english


def test_date() -> None:
    assert format_date(date(2026, 7, 1), "de") == "1.\xa0Juli\xa02026"
    assert format_date("2026-07-01T12:00:00Z", "en") == "1\xa0July\xa02026"
    assert format_date("unknown", "en") == "unknown"


def test_timestamp_is_told_in_utc() -> None:
    assert format_timestamp("2026-07-01T01:30:00+02:00", "en") == "30\xa0June\xa02026, 23:30\xa0UTC"
    assert format_timestamp(datetime(2026, 7, 1, 12, tzinfo=UTC), "de") == "1.\xa0Juli\xa02026, 12:00\xa0UTC"
    assert format_timestamp("unknown", "de") == "unknown"


def test_duration() -> None:
    start = "2026-07-01T12:00:00+00:00"
    assert format_duration(start, "2026-07-01T12:00:01.26+00:00", "de") == "1,3\xa0s"
    assert format_duration(start, "2026-07-01T12:02:05+00:00", "en") == "2\xa0min 5\xa0s"
    assert format_duration(start, None, "en") is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0\xa0B"), (999, "999\xa0B"), (1000, "1.0\xa0kB"), (96_902_046, "96.9\xa0MB"), (999_600_000, "1.0\xa0GB")],
)
def test_bytes(size: int, text: str) -> None:
    assert format_bytes(size, "en") == text


def test_extent() -> None:
    assert format_extent([6.861, 51.4, 7.02, 51.523], "de") == "6,86–7,02°\xa0O, 51,40–51,52°\xa0N"


def test_placeholders_are_escaped_and_plurals_chosen() -> None:
    texts = read_texts("en")
    assert texts("items.title", title="<b>") == "&lt;b&gt;: features"
    assert texts("collection.features_n", n=1) == "1 feature"
    assert texts("collection.features_n", n=1200) == "1,200 features"


def make(name: str, dataset: str, *properties: str, label: str | None = None) -> Collection:
    text = {"de": name, "en": name}
    return Collection.model_validate(
        {
            "id": name,
            "dataset": dataset,
            "title": text,
            "description": text,
            "keywords": {"de": [], "en": []},
            "geometry": "Point" if name == "adresse" else "MultiPolygon",
            "label": label,
            "properties": {p: {"type": "string", "title": text, "queryable": True} for p in properties},
            "tiles": {"minzoom": 0, "maxzoom": 14},
        }
    )


LAND = make("land", "dvg1", "gn", "kn", label="gn")
KREIS = make("kreis", "dvg1", "gn", "kn", label="gn")
GEMEINDE = make("gemeinde", "dvg1", "gn", "kn", label="gn")
KREIS_2 = make("kreis_generalisiert", "dvg2", "gn", "kn", label="gn")
ADRESSE = make("adresse", "gebref", "str", "hnr", "adz", "ags", label="str")
OUTLINES = make("hausumring", "hausumringe", "oi", "ags")
ALL = [ADRESSE, GEMEINDE, OUTLINES, KREIS, KREIS_2, LAND]


def paths(collection: Collection, **values: Any) -> list[str]:
    return [n.path for n in describe.neighbours(collection, {"id": "x", "properties": values}, ALL)]


def test_title_of_an_address_is_its_street_and_number() -> None:
    feature = {"id": "x", "properties": {"str": "Weberweg", "hnr": "4", "adz": "a"}}
    assert describe.feature_title(ADRESSE, feature) == "Weberweg 4a"
    assert describe.feature_title(ADRESSE, {"id": "x", "properties": {"str": None}}) == "x"
    assert describe.feature_title(GEMEINDE, {"id": "x", "properties": {"gn": "Essen"}}) == "Essen"


def test_neighbours_by_official_key() -> None:
    assert paths(ADRESSE, ags="05158028") == [
        "/collections/gemeinde/items/05158028",
        "/collections/kreis/items/05158000",
        "/collections/land/items/05000000",
    ]
    assert paths(GEMEINDE, kn="05158028") == [
        "/collections/kreis/items/05158000",
        "/collections/land/items/05000000",
        "/collections/adresse/items?ags=05158028",
        "/collections/hausumring/items?ags=05158028",
    ]
    assert paths(LAND, kn="05000000") == []
    assert paths(KREIS_2, kn="05158000") == [], "generalised boundaries lie in generalised ones only"
    assert paths(ADRESSE) == []


def test_first_column_is_the_label_or_what_holds_the_id() -> None:
    lead = describe.lead_property(OUTLINES, [{"id": "DENW1", "properties": {"ags": "05", "oi": "DENW1"}}])
    assert lead is not None
    assert lead.name == "oi"
    assert describe.lead_property(OUTLINES, []) is None


def test_layers_stand_from_large_units_to_small_ones() -> None:
    groups = {group: [c.id for c in members] for group, members in maps.in_groups(ALL)}
    assert list(groups) == ["dvg1", "gebref", "hausumringe", "dvg2"]
    assert groups["dvg1"] == ["land", "kreis", "gemeinde"]


def test_ground_of_a_map_is_of_one_generalisation() -> None:
    assert {c.id for c in maps.ground_of(KREIS, ALL)} == {"land", "gemeinde", "hausumring"}
    assert maps.ground_of(KREIS_2, ALL) == []


def test_reference_inside_the_api_definition_is_followed() -> None:
    document = {"a": {"$ref": "#/b/c~1d"}, "b": {"c/d": {"$ref": "#/e"}}, "e": 5}
    assert apidoc.resolve(document, document["a"]) == 5


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 10000}, "integer, 1–10000"),
        ({"type": "string", "format": "date"}, "string (date)"),
        ({"type": "array", "items": {"type": "number"}}, "array of number"),
        ({"type": "integer", "minimum": 0}, "integer, ≥ 0"),
    ],
)
def test_schema_in_short(schema: dict[str, Any], text: str) -> None:
    assert apidoc.schema_text(schema) == text
