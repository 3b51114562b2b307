"""Styles over HTTP: documents, what they name and whether tiles hold it, legends, glyphs, caching."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import mapbox_vector_tile
import pytest
from shapely.geometry import shape

STYLES = ("light", "dark", "grey")
MAPLIBRE = "application/vnd.mapbox.style+json"
REL = "http://www.opengis.net/def/rel/ogc/1.0"


@pytest.fixture(scope="module")
def service(live_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_server, timeout=30) as opened:
        yield opened


def linked(document: dict[str, Any], rel: str) -> list[str]:
    return [link["href"] for link in document["links"] if link["rel"] == rel]


@pytest.mark.parametrize("above", ["/", "/collections/adresse"])
def test_styles_lead_to_stylesheets_metadata_and_legends(service: httpx.Client, above: str) -> None:
    [href] = linked(service.get(above, params={"f": "json"}).json(), f"{REL}/styles")
    styles = service.get(href).json()
    assert styles["default"] == "light"
    assert [style["id"] for style in styles["styles"]] == ["light", "dark", "grey"]
    for style in styles["styles"]:
        for link in style["links"]:
            answer = service.get(link["href"])
            assert answer.status_code == 200, link
            assert answer.headers["content-type"].partition(";")[0] == link["type"].partition(";")[0]
        [metadata] = linked(style, "describedby")
        described = service.get(metadata).json()
        assert described["id"] == style["id"]
        assert described["scope"] == "style"
        types = [sheet["link"]["type"] for sheet in described["stylesheets"]]
        assert types == ([MAPLIBRE] if above == "/" else [MAPLIBRE, "application/vnd.qgis.qml+xml"])


def test_tilesets_lead_to_their_styles(service: httpx.Client, live_server: str) -> None:
    for above in ("", "/collections/adresse"):
        tileset = service.get(f"{above}/tiles/WebMercatorQuad", params={"f": "json"}).json()
        assert linked(tileset, f"{REL}/styles") == [f"{live_server}{above}/styles"]


def names_of(layer: dict[str, Any]) -> set[str]:
    """The attributes that a layer of a stylesheet uses."""
    found = set()

    def walk(node: Any) -> None:
        if isinstance(node, list) and node and node[0] in {"in", ">=", "<", "has", "!has"}:
            found.add(node[1])
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(layer.get("filter", []))
    text = layer["layout"].get("text-field", "")
    return found | {part.split("}")[0] for part in text.split("{")[1:]}


@pytest.mark.parametrize("style", STYLES)
def test_tiles_have_what_each_layer_uses(service: httpx.Client, live_server: str, style: str) -> None:
    """At its first level: each attribute is one of the tiles' own, and layers are there."""
    sheet = service.get(f"/styles/{style}").json()
    assert sheet["version"] == 8
    assert sheet["glyphs"] == f"{live_server}/fonts/{{fontstack}}/{{range}}.pbf"
    assert set(sheet["sources"]) == {x["source"] for x in sheet["layers"] if "source" in x}
    collections = service.get("/collections", params={"f": "json"}).json()["collections"]
    loaded = {c["id"] for c in collections if c["itemCount"]}
    assert set(sheet["sources"]) == loaded
    checked = 0
    for layer in sheet["layers"][1:]:
        source = sheet["sources"][layer["source"]]
        level = max(layer["minzoom"], source["minzoom"])
        used = names_of(layer)
        tilejson = service.get(f"/collections/{layer['source']}/tiles/WebMercatorQuad/tilejson").json()
        [described] = [x for x in tilejson["vector_layers"] if x["id"] == layer["source-layer"]]
        assert used <= set(described["fields"])
        assert level <= source["maxzoom"] or layer["type"] in {"symbol", "circle"}
        if style == "light" and used - {"adz", "nenner"}:
            tile = tile_of(service, source, min(max(level, 8), source["maxzoom"]))
            features = tile[layer["source-layer"]]["features"]
            assert any(used - {"adz", "nenner"} <= set(feature["properties"]) for feature in features), layer["id"]
            checked += 1
    assert checked or style != "light"


def tile_of(service: httpx.Client, source: dict[str, Any], level: int) -> dict[str, Any]:
    """A tile of a level with something in it."""
    collection = source["tiles"][0].split("/collections/")[1].split("/")[0]
    tileset = service.get(f"/collections/{collection}/tiles/WebMercatorQuad", params={"f": "json"}).json()
    [limits] = [x for x in tileset["tileMatrixSetLimits"] if x["tileMatrix"] == str(level)]
    feature = service.get(f"/collections/{collection}/items", params={"f": "json", "limit": 1}).json()["features"][0]
    within = shape(feature["geometry"]).point_on_surface()  # where the name of an area stands, or near to it
    place = within.x, within.y
    import morecantile  # noqa: PLC0415

    found = morecantile.tms.get("WebMercatorQuad").tile(place[0], place[1], level)
    assert limits["minTileCol"] <= found.x <= limits["maxTileCol"]
    url = source["tiles"][0].format(z=level, x=found.x, y=found.y)
    return mapbox_vector_tile.decode(service.get(url).raise_for_status().content)


def test_collections_are_chosen_and_then_shown(service: httpx.Client) -> None:
    whole = service.get("/styles/light").json()
    hidden = {x["source"] for x in whole["layers"] if x.get("layout", {}).get("visibility") == "none"}
    assert {"gemeinde_generalisiert", "kreis_generalisiert"} <= hidden
    assert "gemeinde" not in hidden
    chosen = service.get("/styles/light", params={"collections": "adresse,gemeinde_generalisiert"}).json()
    assert set(chosen["sources"]) == {"adresse", "gemeinde_generalisiert"}
    assert not any(x.get("layout", {}).get("visibility") == "none" for x in chosen["layers"])
    problem = service.get("/styles/light", params={"collections": "adresse,strasse"})
    assert problem.status_code == 400
    assert "there is no collection 'strasse'" in problem.json()["detail"]


def test_styles_differ_in_colours_alone(service: httpx.Client) -> None:
    sheets = [service.get(f"/styles/{style}").json() for style in STYLES]
    assert len({tuple(x["id"] for x in sheet["layers"]) for sheet in sheets}) == 1
    assert len({sheet["layers"][0]["paint"]["background-color"] for sheet in sheets}) == 3


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        ("/styles/light", "*/*", MAPLIBRE),
        ("/styles/light", "application/json", MAPLIBRE),
        ("/styles/light", "text/html", "text/html; charset=utf-8"),
        ("/styles/light/legend", "image/png", "image/png"),
        ("/collections/gemeinde/styles/dark", "application/vnd.qgis.qml+xml", "application/vnd.qgis.qml+xml"),
        ("/fonts/Open Sans Regular/0-255.pbf", "*/*", "application/x-protobuf"),
    ],
)
def test_representations_and_validators(service: httpx.Client, path: str, accept: str, content_type: str) -> None:
    answer = service.get(path, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert "max-age" in answer.headers["cache-control"]
    etag = answer.headers["etag"]
    again = service.get(path, headers={"Accept": accept, "If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    head = service.head(path, headers={"Accept": accept})
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
    refused = service.get(path, headers={"Accept": "video/mp4"})
    assert refused.status_code == 406
    assert "No representation fits 'Accept: video/mp4'" in refused.json()["detail"]


def test_what_is_not_there_is_said(service: httpx.Client) -> None:
    missing = service.get("/styles/neon")
    assert missing.status_code == 404
    assert missing.json()["detail"] == "There is no style 'neon'. Styles: light, dark, grey."
    font = service.get("/fonts/Comic Sans/0-255.pbf")
    assert font.status_code == 404
    assert "There is no font 'Comic Sans'" in unquote(font.json()["detail"])
    assert service.get("/styles/light", params={"f": "qml"}).status_code == 400


def test_legends_show_each_symbol(service: httpx.Client) -> None:
    page = service.get("/collections/hausumring/styles/light/legend", params={"lang": "en"}).text
    for title in ("Public building", "Trade and business", "Homes and others", "Outline"):
        assert title in page
    assert page.count('<svg class="swatch"') == 5
    picture = service.get("/collections/hausumring/styles/light/legend", params={"f": "png"}).content
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) > 2000


def test_addresses_of_the_documentation_answer(service: httpx.Client) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "styles.md").read_text("utf-8")
    found = set(re.findall(r"`(/[^`\s]*)`|localhost:8080(/[^`\s\"]*)", page))
    fill = {"id": "hausumring", "fontstack": "Open Sans Bold", "range": "0-255", "z": 8, "x": 133, "y": 85}
    paths = {(first or second).format(**fill) for first, second in found}
    assert len(paths) >= 10
    assert {path: service.get(path).status_code for path in paths if "/tiles/" not in path} == dict.fromkeys(
        (path for path in paths if "/tiles/" not in path), 200
    )
