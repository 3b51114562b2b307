"""Looks in YAML: what is refused and how it is said, and what MapLibre and QGIS get of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from server.catalogue import Collection, read_collections
from server.errors import ConfigurationError, NotFound
from server.looks import Label, Look
from server.palettes import check_colours, read_palettes
from server.styles.fonts import glyphs
from server.styles.picture import dashes
from server.styles.qml import condition_of, expression_of
from server.styles.sheet import filter_of, layers_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = {"de": "Halt", "en": "Stop"}
STOP: dict[str, Any] = {
    "id": "halt",
    "dataset": "verkehr",
    "title": TEXT,
    "description": TEXT,
    "keywords": {"de": [], "en": []},
    "geometry": "Point",
    "label": "name",
    "properties": {"name": {"type": "string", "title": TEXT}, "art": {"type": "string", "title": TEXT}},
    "tiles": {"minzoom": 8, "maxzoom": 16, "properties": {"name": 12, "art": 8}},
}


def read(folder: Path, **changes: Any) -> Collection:
    """The collection with some keys changed, read from a file."""
    (folder / "halt.yaml").write_text(yaml.safe_dump({**STOP, **changes}), "utf-8")
    (collection,) = read_collections(folder)
    return collection


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ({"symbols": [{"fill": "land"}]}, "a Point has no fill"),
        ({"symbols": [{"radius": 3}]}, "a symbol needs a colour: fill, line or circle"),
        ({"symbols": [{"circle": "accent", "values": ["Bus"]}]}, "need by: the property whose values are meant"),
        ({"symbols": [{"circle": "accent", "size": 3}]}, "symbols.0.size: unknown key"),
        ({"symbols": [{"circle": "accent", "from": 12, "to": 12}]}, "from 12 is not below to 12"),
        ({"symbols": [{"circle": "accent"}], "labels": [{"text": "Halt"}]}, "names no property in braces"),
        ({"symbols": [{"circle": "accent"}], "labels": [{"text": "{name}"}]}, "from level 0 on, but tiles have it fr"),
        ({"symbols": [{"circle": "accent"}], "labels": [{"text": "{typ}"}]}, "names 'typ', which is not among tiles."),
    ],
)
def test_a_look_that_does_not_fit_is_refused(tmp_path: Path, style: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, style=style)
    assert message in str(caught.value)
    assert "halt.yaml, line" in str(caught.value)


def test_a_colour_that_a_style_lacks_is_named(tmp_path: Path) -> None:
    collection = read(tmp_path, style={"symbols": [{"circle": "mauve"}]})
    with pytest.raises(ConfigurationError, match=r"light\.yaml has no colour 'mauve', which the collection"):
        check_colours(read_palettes(ROOT / "config").values(), [collection])
    check_colours(read_palettes(ROOT / "config").values(), [read(tmp_path, style={"symbols": [{"circle": "#aa00aa"}]})])


def test_a_style_bears_the_name_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "styles").mkdir()
    with pytest.raises(ConfigurationError, match="a service needs at least one style"):
        read_palettes(tmp_path)
    read_palettes.cache_clear()
    light = (ROOT / "config" / "styles" / "light.yaml").read_text("utf-8")
    (tmp_path / "styles" / "day.yaml").write_text(light, "utf-8")
    with pytest.raises(ConfigurationError, match="id is 'light', but a style's file bears its id"):
        read_palettes(tmp_path)


def test_a_collection_without_a_look_gets_one_by_its_geometry(tmp_path: Path) -> None:
    palette = read_palettes(ROOT / "config")["light"]
    kinds = {}
    for geometry in ("Point", "MultiLineString", "MultiPolygon"):
        layers = layers_of([read(tmp_path, geometry=geometry)], palette, set())
        kinds[geometry] = [(layer["type"], layer.get("minzoom")) for layer in layers]
    assert kinds == {
        "Point": [("background", None), ("circle", 8), ("symbol", 14)],
        "MultiLineString": [("background", None), ("line", 8), ("symbol", 14)],
        "MultiPolygon": [("background", None), ("fill", 8), ("line", 8), ("symbol", 14)],
    }


def test_symbols_by_value(tmp_path: Path) -> None:
    symbols = [
        {"values": ["Bus", "Bahn's"], "circle": "accent"},
        {"between": ["M", "N"], "circle": "text"},
        {"others": True, "circle": "halo"},
        {"circle": "text", "from": 16},
    ]
    look = read(tmp_path, style={"by": "art", "symbols": symbols}).look
    between = ["all", [">=", "art", "M"], ["<", "art", "N"]]
    assert [filter_of(look, symbol) for symbol in look.symbols] == [
        ["in", "art", "Bus", "Bahn's"],
        between,
        ["any", ["!has", "art"], ["none", ["in", "art", "Bus", "Bahn's"], between]],
        None,
    ]
    assert [condition_of(look, symbol) for symbol in look.symbols] == [
        "\"art\" IN ('Bus', 'Bahn''s')",
        "\"art\" >= 'M' AND \"art\" < 'N'",
        "NOT coalesce((\"art\" IN ('Bus', 'Bahn''s')) OR (\"art\" >= 'M' AND \"art\" < 'N'), false)",
        None,
    ]


def test_a_part_of_a_label_stands_only_with_its_value() -> None:
    assert expression_of(Label(text="{zaehler}[/{nenner}]")) == 'concat("zaehler", \'/\' || "nenner")'
    collections = [c for c in read_collections(ROOT / "collections") if c.id in {"flurstueck", "adresse"}]
    layers = layers_of(collections, read_palettes(ROOT / "config")["light"], set())
    texts = {x["id"]: (x["layout"]["text-field"], x.get("filter")) for x in layers if x["type"] == "symbol"}
    assert texts == {
        "adresse:label0": ("{hnr}{adz}", None),
        "flurstueck:label0": ("{zaehler}/{nenner}", ["all", ["has", "nenner"]]),
        "flurstueck:label0short": ("{zaehler}", ["none", ["all", ["has", "nenner"]]]),
    }


def test_the_example_of_the_documentation_is_a_look() -> None:
    page = (ROOT / "docs" / "styles.md").read_text("utf-8")
    given = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["style"]
    look = Look.model_validate(given)
    assert [symbol.chosen for symbol in look.symbols] == [True, True, True, False]
    palette = read_palettes(ROOT / "config")["light"]
    assert all(palette.colour(name).startswith("#") for name in look.colours)


def test_dashes_fill_a_line() -> None:
    assert dashes(10, [4, 2]) == [(0, 4), (6, 10)]
    assert dashes(10, []) == [(0, 10)]


def test_glyphs_of_all_that_german_is_written_with() -> None:
    assert len(glyphs("Arial, Open Sans Bold", "0-255")) > 50_000
    assert len(glyphs("Open Sans Regular", "1536-1791")) < 50, "a range without a glyph is a valid one without"
    with pytest.raises(NotFound, match=r"There is no font 'Arial'\. Available: Open Sans Bold, Open Sans Regular"):
        glyphs("Arial", "0-255")
    with pytest.raises(NotFound, match="There is no range '1-256': ranges are 0-255, 256-511"):
        glyphs("Open Sans Bold", "1-256")


def test_each_border_is_drawn_by_the_collection_of_its_rank() -> None:
    collections = {c.id: c for c in read_collections(ROOT / "collections")}
    palette = read_palettes(ROOT / "config")["light"]
    chosen = [collections[name] for name in ("gemeinde", "kreis", "land", "gemeinde_generalisiert")]
    layers = {layer["id"]: layer for layer in layers_of(chosen, palette, set())}
    line = layers["gemeinde:line0"]
    assert line["source-layer"] == "gemeinde.borders"
    assert line["filter"] == ["!in", "rank", "kreis", "land"]
    assert line["metadata"] == {"opennrw:left-to": {"kreis": "kreis", "land": "land"}}
    assert layers["kreis:line0"]["filter"] == ["!in", "rank", "land"]
    for name in ("land:line1", "gemeinde_generalisiert:line0"):
        assert "filter" not in layers[name]
    assert layers["land:fill0"]["source-layer"] == "land"
    assert layers["kreis:label0"]["source-layer"] == "kreis.names"
    assert layers["kreis:label0"]["layout"]["text-padding"] == 2
