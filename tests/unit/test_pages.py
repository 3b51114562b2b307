"""Pages render in both languages from whole and from sparse contexts, are well-formed and hold no text of their own."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from server.catalogue import LANGUAGES, Collection, Property, PropertyType, Service
from server.common.embed import Shown
from server.cql2.filter import parse_filter
from server.crs import ETRS89_UTM32
from server.features.sorting import SortKey
from server.palettes import read_palettes
from server.strict import Text
from server.styles.legend import legend_of
from server.ui.pages import Pages, example_query
from server.ui.texts import read_texts

UI = Path(__file__).resolve().parents[2] / "server" / "ui"
ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((UI / "templates").glob("*.html"))
SCRIPTS = [p for p in sorted((UI / "static").rglob("*.js")) if "vendor" not in p.parts]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
VOID_SVG = {"path", "circle", "rect"}

SERVICE = Service.model_validate(
    yaml.safe_load((UI.parents[1] / "config" / "service.yaml").read_text(encoding="utf-8"))
)


def text(de: str, en: str | None = None) -> dict[str, str]:
    return {"de": de, "en": en or de}


def make_collection(name: str, dataset: str, geometry: str, properties: dict[str, Any], **more: Any) -> Collection:
    return Collection.model_validate(
        {
            "id": name,
            "dataset": dataset,
            "title": text(name.title()),
            "description": text("Beschreibung", "Description"),
            "keywords": {"de": [], "en": []},
            "geometry": geometry,
            "properties": properties,
            "tiles": {"minzoom": 6, "maxzoom": 14, "properties": ()},
            **more,
        }
    )


KEY = {"kn": {"type": "string", "title": text("Schlüssel"), "queryable": True, "example": "05111000"}}
NAME = {"gn": {"type": "string", "title": text("Name"), "queryable": True, "example": "Köln & <Umland>"}}
DAY = {"stand": {"type": "date", "title": text("Stand"), "queryable": True}}
KIND = {"art": {"type": "string", "title": text("Art"), "queryable": True, "codes": {"G": text("Gemeinde")}}}
GEMEINDE = make_collection(
    "gemeinde", "dvg1", "MultiPolygon", {**NAME, **KEY, **KIND, **DAY}, label="gn", datetime="stand"
)
ADRESSE = make_collection(
    "adresse",
    "gebref",
    "Point",
    {
        "str": {"type": "string", "title": text("Straße"), "queryable": True},
        "hnr": {"type": "string", "title": text("Hausnummer")},
        "adz": {"type": "string", "title": text("Zusatz")},
        "ags": {"type": "string", "title": text("Gemeindeschlüssel"), "queryable": True},
        "hoehe": {"type": "number", "title": text("Höhe"), "unit": "m"},
        "viele": {"type": "string", "title": text("Viele"), "codes": {str(n): text(f"Wert {n}") for n in range(12)}},
    },
)
COLLECTIONS = [GEMEINDE, ADRESSE, make_collection("andere", "fremd", "LineString", {})]
BASE = "http://test/geo"
STATE = {
    "features": 12345,
    "published": "2026-07-02T12:00:00+00:00",
    "bbox": [6.8, 51.1, 7.1, 51.4],
    "dates": ["2026-01-01", "2026-07-01"],
    "delivery": 7,
}
STATES = {"gemeinde": STATE, "adresse": {**STATE, "features": 1, "dates": None}}
POINT = {
    "type": "Feature",
    "id": "DENW/1 ü",
    "geometry": {"type": "Point", "coordinates": [6.95, 51.2]},
    "properties": {"str": "Königsweg", "hnr": "2", "adz": "a", "ags": "05111000", "hoehe": 12.5, "viele": None},
}
AREA = {
    "type": "Feature",
    "id": "05111000",
    "geometry": {"type": "MultiPolygon", "coordinates": [[[[6.9, 51.2], [7, 51.2], [7, 51.3], [6.9, 51.2]]]]},
    "properties": {"gn": "</script><b>", "kn": "05111000", "art": "G", "stand": "2026-07-01", "delivery": 7},
}
LINKS = [{"rel": "next", "href": "http://test/geo/collections/adresse/items?cursor=x&f=json&limit=1"}]
DELIVERY = {
    "id": 7,
    "dataset": "dvg1",
    "status": "published",
    "source": "https://example.org/",
    "loader": "dvg1 1",
    "started": "2026-07-02T11:58:00+00:00",
    "finished": "2026-07-02T12:00:05+00:00",
    "files": [
        {
            "name": "a.zip",
            "url": "https://example.org/a.zip",
            "size": 96902046,
            "sha256": "0" * 64,
            "listed": None,
            "fetched": "2026-07-02T11:58:01+00:00",
        }
    ],
    "counts": dict.fromkeys(
        ("read", "inserted", "updated", "unchanged", "rejected", "duplicate", "deleted", "repaired", "handed_over"), 3
    ),
    "checks": [{"rule": "min", "passed": False, "detail": "3 < 396"}, {"rule": "key", "passed": True, "detail": ""}],
}
PUBLICATION = {"id": 7, "dataset": "dvg1", "published": "2026-07-02T12:00:05+00:00", "source": "x", "digest": "0"}
LATER = {"validFrom": "2026-07-02T12:00:05+00:00", "validTo": None, "delivery": PUBLICATION, "endedBy": None}
FORMER = {"validFrom": "2026-01-02T12:00:05+00:00", "validTo": "2026-07-02T12:00:05+00:00", "delivery": PUBLICATION}
VERSIONS = {
    "features": [
        {**AREA, **LATER, "restoredBy": PUBLICATION},
        {**AREA, **FORMER, "properties": {"gn": "<b>"}, "geometry": None, "endedBy": PUBLICATION, "restoredBy": None},
    ],
    "numberMatched": 2,
}
OPENAPI = {
    "openapi": "3.0.3",
    "tags": [{"name": "Data", "description": "Access"}],
    "paths": {
        "/collections": {"get": {"tags": ["Data"], "summary": "All", "responses": {"200": {"description": "Fine"}}}},
        "/collections/{collectionId}/items": {
            "get": {
                "summary": "Items",
                "description": "Features",
                "parameters": [{"$ref": "#/components/parameters/limit"}],
                "responses": {"400": {"$ref": "#/components/responses/bad"}},
            }
        },
    },
    "components": {
        "parameters": {
            "limit": {
                "name": "limit",
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 10, "enum": [1, 10]},
            }
        },
        "responses": {"bad": {"description": "Bad", "content": {"application/problem+json": {}}}},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "gn": {"type": "string"},
        "geom": {"format": "geometry-multipolygon"},
        "other": {"type": "integer", "title": "Other", "description": "Unknown to the catalogue"},
    },
}
TILESET = {
    "tileMatrixSetURI": "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad",
    "tileMatrixSetId": "WebMercatorQuad",
    "crs": "http://www.opengis.net/def/crs/EPSG/0/3857",
    "links": [],
}
LAYER = {
    "id": "gemeinde",
    "title": "Gemeinden",
    "minTileMatrix": "6",
    "maxTileMatrix": "14",
    "propertiesSchema": {"properties": {"id": {"type": "string"}, "gn": {"description": "Ab tileMatrix 8"}}},
}
LIMITS = [{"tileMatrix": "6"}, {"tileMatrix": "14"}]
UTM_TILESET = {
    "tileMatrixSetId": "AdV_25832",
    "crs": "http://www.opengis.net/def/crs/EPSG/0/25832",
    "links": [
        {"rel": "enclosure", "href": "/geo/downloads/map.pmtiles", "length": 1, "updated": "2026-01-02T03:04:05Z"}
    ],
    "tileMatrixSetLimits": LIMITS,
    "layers": [LAYER, {**LAYER, "id": "adresse"}],
    "tileLimits": {"description": "Höchstens <500 kB>"},
}
GRID = {
    "id": "AdV_25832",
    "crs": UTM_TILESET["crs"],
    "keywords": ["DE_EPSG_25832_ADV"],
    "tileMatrices": [
        {
            "id": "0",
            "scaleDenominator": 17471320.75,
            "cellSize": 4891.96981,
            "pointOfOrigin": [-46133.17, 6301219.54],
            "tileWidth": 256,
            "tileHeight": 256,
            "matrixWidth": 1,
            "matrixHeight": 1,
        }
    ],
}


def items(collection: Collection, features: list[Any], **more: Any) -> dict[str, Any]:
    document = {"features": features, "numberReturned": len(features), "links": LINKS}
    return {
        "collection": collection,
        "document": {**document, "numberMatched": 12345},
        "filters": {},
        "limit": 10,
        "bbox": None,
        "datetime": None,
        "query": {"limit": "10"},
        **more,
    }


def search_cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Answers, no answer, no question yet."""
    house = {"kind": "address", "label": "Hauptstr. 7, Essen", "exact": False, "distance": 12.3}
    answer = {
        "properties": house,
        "links": [{"rel": "item", "href": "http://localhost/geo/collections/adresse/items/a"}],
    }
    yield "search.html", "/search", {"document": {"features": [answer]}, "asked": "Hauptstr. 5"}
    yield "search.html", "/search", {"document": {"features": []}, "asked": "<b>"}
    yield "search.html", "/search", {"document": None, "asked": ""}


def tile_cases(ground: dict[str, Any], at: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Tilesets of one collection and of all, grids."""
    yield "tilesets.html", f"{at}/tiles", {"collection": GEMEINDE, "document": {"tilesets": [TILESET]}}
    tileset = {**ground, "collection": GEMEINDE, "document": TILESET}
    yield "tileset.html", f"{at}/tiles/WebMercatorQuad", tileset
    yield "tilesets.html", "/tiles", {"collection": None, "document": {"tilesets": [TILESET, UTM_TILESET]}}
    chosen = {"collections": COLLECTIONS, "states": STATES, "query": {"collections": "gemeinde,adresse"}}
    yield "tileset.html", "/tiles/AdV_25832", {**chosen, "collection": None, "document": UTM_TILESET}
    yield "matrixsets.html", "/tileMatrixSets", {"document": {"tileMatrixSets": [GRID, {"id": "WebMercatorQuad"}]}}
    yield "matrixset.html", "/tileMatrixSets/AdV_25832", {"document": GRID}


def style_cases(at: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Styles of all collections and of one, with their legends."""
    palette = read_palettes(ROOT / "config")["light"]
    document = {"id": "light", "title": "Hell", "description": "<Ruhig>"}
    style = {"palette": palette}
    legend = legend_of([GEMEINDE, ADRESSE], palette, "de")
    for own, above in ((None, ""), (GEMEINDE, at)):
        given = {"collection": own, "style": style, "legend": legend, "document": document}
        yield "styles.html", f"{above}/styles", {"collection": own, "document": {"styles": []}, "styles": [style]}
        yield "style.html", f"{above}/styles/light", given
        yield "legend.html", f"{above}/styles/light/legend", given


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(template, path, context): each template whole, and sparse where it may be."""
    ground = {"collections": COLLECTIONS, "states": STATES}
    yield "landing.html", "/", {**ground, "document": {}}
    yield "landing.html", "/", {"document": {}}
    yield "collections.html", "/collections", {**ground, "document": {}}
    at = "/collections/gemeinde"
    yield "collection.html", at, {**ground, "document": {}, "collection": GEMEINDE, "state": STATE}
    empty = {"features": 0, "published": None, "bbox": None, "dates": None, "delivery": None}
    yield "collection.html", "/collections/adresse", {"document": {}, "collection": ADRESSE, "state": empty}
    yield "items.html", f"{at}/items", {**ground, **items(GEMEINDE, [AREA])}
    yield "items.html", "/collections/adresse/items", {**ground, **items(ADRESSE, [POINT, POINT])}
    filtered = {"filters": {"gn": "<x>"}, "bbox": "1,2,3,4", "datetime": "2026-01-01", "query": {"gn": "<x>"}}
    yield "items.html", f"{at}/items", items(GEMEINDE, [], **filtered)
    yield "items.html", f"{at}/items", items(GEMEINDE, [])
    uncounted = {"features": [AREA], "numberReturned": 1, "links": []}
    yield "items.html", f"{at}/items", {**items(GEMEINDE, []), "document": uncounted, "lang_given": True}
    key = SortKey("gn", descending=True)
    moment = {"sort": (key,), "selected": ("gn", "art"), "as_of": "2026-07-01T00:00:00Z", "query": {"sortby": "-gn"}}
    yield "items.html", f"{at}/items", items(GEMEINDE, [AREA], **moment)
    utm = {"x": 345678.123, "y": 5678901.234, "bbox": [1.0, 2.0, 3.0, 4.0]}
    yield (
        "item.html",
        f"{at}/items/x",
        {**ground, "collection": GEMEINDE, "feature": AREA, "utm": utm},
    )
    yield "item.html", "/collections/adresse/items/x", {**ground, "collection": ADRESSE, "feature": POINT, "utm": utm}
    yield "item.html", "/collections/adresse/items/x", {"collection": ADRESSE, "feature": POINT, "utm": None}
    yield "queryables.html", f"{at}/queryables", {"collection": GEMEINDE, "document": SCHEMA}
    yield "queryables.html", f"{at}/schema", {"collection": GEMEINDE, "document": SCHEMA}
    live = {"examples": {"gn": "Essen", "stand": None}}
    yield "queryables.html", f"{at}/queryables", {"collection": GEMEINDE, "document": SCHEMA, **live}
    yield "queryables.html", f"{at}/sortables", {"collection": GEMEINDE, "document": SCHEMA}
    yield "versions.html", f"{at}/items/x/versions", {"collection": GEMEINDE, "document": VERSIONS, "feature_id": "x"}
    document = {"version": 3, "features": 12345, "deliveries": [DELIVERY]}
    yield "provenance.html", f"{at}/provenance", {"collection": GEMEINDE, "document": document}
    nothing = {"version": 0, "features": 0, "deliveries": []}
    yield "provenance.html", f"{at}/provenance", {"collection": GEMEINDE, "document": nothing}
    uris = ["http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core", "http://www.opengis.net/spec/new/1.0/conf/a"]
    yield "conformance.html", "/conformance", {"document": {"conformsTo": uris}}
    yield from search_cases()
    yield "api.html", "/api.html", {"document": OPENAPI}
    yield from tile_cases(ground, at)
    yield from style_cases(at)
    yield "map.html", "/map", ground
    yield from embed_cases(ground)
    problem = {
        "status": 400,
        "title": "Invalid parameter",
        "detail": "<x> is wrong",
        "parameter": "limit",
        "value": "<x>",
    }
    yield "problem.html", "/collections/x/items", {"problem": {**problem, "rule": "a", "remedy": "b"}}
    yield "problem.html", "/collections/x/items/y", {"problem": {"status": 404, "title": "Not found"}}
    yield "problem.html", "/x", {"problem": {"status": 418, "title": "Teapot", "allowed": ["a", "b"]}}
    yield from download_cases(at)
    yield "accessibility.html", "/accessibility", {}
    yield "privacy.html", "/privacy", {}


def embed_cases(ground: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is shown by a map in a frame, and the snippets for it."""
    area = Shown(("gemeinde", "adresse"), "grey", (6.9, 51.4, 7.1, 51.5))
    for template, path in (("embed.html", "/embed"), ("embedded.html", "/embed/map")):
        yield template, path, {**ground, "document": {}, "framed": area}
        yield template, path, {"document": {}, "framed": Shown((), None, None), "lang_given": True}


def download_cases(at: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    stored = {
        "kind": "gpkg",
        "name": "gemeinde_05111000.gpkg",
        "size": 4711,
        "sha256": "0a" * 32,
        "features": 3,
        "version": 2,
        "published": "2026-07-02T12:00:00+00:00",
        "updated": "2026-07-02T13:00:00+00:00",
        "crs": ETRS89_UTM32.uri,
    }
    known = {"format": "gpkg", "title": "GeoPackage", "type": "application/geopackage+sqlite3", "parts": True}
    file = {**known, **stored, "href": "http://test/geo/x", "length": 4711, "name": "gemeinde.gpkg"}
    files = [
        {**file, "current": True},
        {**file, "format": "fgb", "current": False},
        {**known, "missing": "not made yet"},
        {**known, "missing": "larger than <2> GB"},
    ]
    areas = {"gemeinde": [("05111000", "Köln & <Umland>")]}
    made = {"collection": GEMEINDE, "state": STATE, "files": files}
    yield "collection.html", at, {**made, "states": STATES, "document": {"links": []}, "areas": areas}
    yield "downloads.html", f"{at}/downloads", {**made, "areas": areas}
    yield "downloads.html", f"{at}/downloads", {**made, "files": files[2:]}
    status = {"status": "running", "progress": 40, "request": {"area": "05111000"}, "links": []}
    done = {**status, "status": "successful", "links": [{"rel": "enclosure", "href": f"{BASE}{at}/x", "title": "CSV"}]}
    cut = {"stored": stored, "expires": "2026-07-03T13:00:00+00:00"}
    for document, found in (
        (status, None),
        ({**status, "status": "accepted", "before": 2}, None),
        ({**status, "status": "failed", "message": "<no> room"}, None),
        (done, cut),
    ):
        yield "download.html", f"{at}/download/1", {"collection": GEMEINDE, "document": document, "cut": found}


CASES = list(cases())


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(SERVICE)


class Outline(HTMLParser):
    """Checks nesting; keeps ids, headings, links and attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._keep(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID | VOID_SVG, f"<{tag}/> is not closed by that in HTML"
        self._keep(tag, attrs)

    def _keep(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


def outline(page: bytes) -> Outline:
    parser = Outline()
    parser.feed(page.decode())
    parser.close()
    return parser


def render(pages: Pages, case: tuple[str, str, dict[str, Any]], lang: str) -> bytes:
    template, path, context = case
    return pages.render(template, lang, base="http://test/geo", path=path, **context)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}")
def test_page_is_well_formed(pages: Pages, case: tuple[str, str, dict[str, Any]], lang: str) -> None:
    page = render(pages, case, lang)
    found = outline(page)
    assert page.startswith(b"<!DOCTYPE html>")
    assert found.open == []
    assert len(found.ids) == len(set(found.ids)), "an id stands twice"
    assert found.headings.count(1) == 1, "one h1"
    steps = zip(found.headings, found.headings[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps), f"headings skip a level: {found.headings}"
    assert ("html", "lang", lang) in found.attributes


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}")
def test_page_keeps_the_security_policy(pages: Pages, case: tuple[str, str, dict[str, Any]]) -> None:
    """No inline style or handler, no inline script but JSON, nothing loaded from elsewhere."""
    page = render(pages, case, "de")
    for tag, name, value in outline(page).attributes:
        assert name != "style", f"<{tag} style>"
        assert not name.startswith("on"), f"<{tag} {name}>"
        if tag in {"script", "link", "img"} and name in {"src", "href"}:
            assert value.startswith("/geo/"), f"<{tag} {name}={value}> leaves the service"
    for script in re.findall(rb"<script([^>]*)>", page):
        assert b"src=" in script or b'type="application/json"' in script


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}")
def test_links_stay_below_the_base_path(pages: Pages, case: tuple[str, str, dict[str, Any]]) -> None:
    for tag, name, value in outline(render(pages, case, "en")).attributes:
        if tag in {"a", "form"} and name in {"href", "action"}:
            assert value.startswith(("/geo", "#", "https://", "mailto:")), f"<{tag} {name}={value}>"


def test_every_template_is_rendered() -> None:
    parts = {"base.html", "macros.html", "collection_table.html", "contact.html", "mark.svg.html", "use.html"}
    parts |= {"download_files.html", "snippets.html", "legend_parts.html"}
    assert {p.name for p in TEMPLATES} - parts == {template for template, _, _ in CASES}


def test_texts_of_the_data_are_escaped(pages: Pages) -> None:
    case = next(c for c in CASES if c[0] == "item.html" and c[2]["collection"] is GEMEINDE)
    page = render(pages, case, "de")
    assert b"<b>" not in page
    assert page.count(b"&lt;/script&gt;&lt;b&gt;") >= 2
    assert b'"gn":"\\u003c/script\\u003e\\u003cb\\u003e"' in page


def test_language_is_kept_only_where_it_was_asked_for(pages: Pages) -> None:
    asked = pages.render("privacy.html", "en", base="http://test", path="/privacy", lang_given=True)
    guessed = pages.render("privacy.html", "en", base="http://test", path="/privacy")
    assert b'href="/collections?lang=en"' in asked
    assert b'href="/collections"' in guessed
    assert b'href="/privacy?lang=de"' in guessed, "the switch to the other language always names it"


def test_next_link_is_a_page(pages: Pages) -> None:
    case = next(c for c in CASES if c[0] == "items.html" and c[2]["collection"] is ADRESSE)
    assert b'rel="next" href="/geo/collections/adresse/items?cursor=x&amp;limit=1"' in render(pages, case, "de")


def test_empty_result_names_its_conditions_and_how_to_drop_each(pages: Pages) -> None:
    case = next(c for c in CASES if c[2].get("filters") == {"gn": "<x>"})
    page = render(pages, case, "de").decode()
    assert "Keine Objekte gefunden" in page
    assert "gn = &lt;x&gt;" in page
    assert 'href="/geo/collections/gemeinde/items">ohne gn' in page


def test_static_url_changes_with_the_content(pages: Pages) -> None:
    assert re.fullmatch(r"/static/app\.css\?v=[0-9a-f]{12}", pages.static_url("app.css"))
    with pytest.raises(KeyError):
        pages.static_url("missing.css")


# the catalogue


def used_keys() -> tuple[set[str], set[str]]:
    """(keys named in templates, Python and scripts; prefixes to which a value is appended)"""
    keys, prefixes = set(), set()
    sources = [*TEMPLATES, *UI.glob("*.py")]
    for source in sources:
        for quoted, appended in re.findall(
            r"""(?<![\w.])(?:t|texts)\(\s*['"]([\w.]+)['"](\s*~)?""", source.read_text()
        ):
            (prefixes if appended else keys).add(quoted)
        # keys in lists and variables: ('/map', 'site.map'), key = 'problem.' ~ status, t(kind ~ '.title')
        for quoted in re.findall(r"""['"]([a-z]+\.[\w.]*)['"]""", source.read_text()):
            (prefixes if quoted.endswith(".") else keys).add(quoted)
        for pattern in re.findall(r"t\(kind ~ '(\.\w+)'", source.read_text()):
            keys |= {f"{kind}{pattern}" for kind in ("queryables", "sortables", "schema")}
    for script in SCRIPTS:
        body = script.read_text()
        keys |= {f"js.{key}" for key in re.findall(r"""(?:text|note)\(\s*"(\w+)\"""", body)}
        keys |= {f"js.{key}" for pair in re.findall(r'text\([^)"]*\? "(\w+)" : "(\w+)"\)', body) for key in pair}
    return keys, {p for p in prefixes if p}


def test_languages_have_the_same_messages() -> None:
    german, english = (read_texts(lang).messages for lang in LANGUAGES)
    assert german.keys() == english.keys()
    for key, message in german.items():
        other = english[key]
        names = [sorted(re.findall(r"{(\w+)}", str(m))) for m in (message, other)]
        assert set(names[0]) == set(names[1]), f"{key} has other placeholders in the other language"
        assert isinstance(message, str) == isinstance(other, str), f"{key} has plural forms in one language only"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_type_of_a_property_and_of_a_schema_has_a_name(lang: str) -> None:
    types = {*get_args(PropertyType), "array", "object"}
    assert read_texts(lang).under("type.").keys() == types


@pytest.mark.parametrize(
    ("type_", "live", "asked"),
    [
        ("string", "Köln", [("liste", "Köln")]),
        ("boolean", False, [("liste", "false")]),
        ("string[]", ["O'Hara", "b"], [("filter", "A_CONTAINS(liste,('O''Hara'))")]),
        ("number[]", [1.5], [("filter", "A_CONTAINS(liste,(1.5))")]),
        ("date[]", ["2026-01-01"], [("filter", "A_CONTAINS(liste,(DATE('2026-01-01')))")]),
        ("string[]", [], []),
        ("string", None, []),
    ],
)
def test_what_a_page_offers_to_try(type_: PropertyType, live: Any, asked: list[tuple[str, str]]) -> None:
    prop = Property(name="liste", type=type_, title=Text(de="Liste", en="List"), queryable=True)
    found = example_query(prop, {"liste": live})
    assert found == asked
    if asked and asked[0][0] == "filter":
        collection = make_collection("listen", "fremd", "Point", {"liste": prop.model_dump(exclude={"name"})})
        assert parse_filter(collection, dict(found)) is not None


def test_every_message_is_used() -> None:
    keys, prefixes = used_keys()
    unused = [k for k in read_texts("de").messages if k not in keys and not k.startswith(tuple(prefixes))]
    assert unused == []


def test_every_message_that_is_asked_for_exists() -> None:
    messages = read_texts("de").messages
    asked = set()
    for source in TEMPLATES:
        asked |= {k for k, more in re.findall(r"""\bt\(\s*'([\w.]+)'(\s*~)?""", source.read_text()) if not more}
    asked |= {k for k in used_keys()[0] if k.startswith("js.")}
    assert {k for k in asked if k not in messages} == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda p: p.name)
def test_template_has_no_text_of_its_own(template: Path) -> None:
    """Every word that a reader sees comes from the catalogue, also in attributes."""
    body = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", " ", template.read_text(), flags=re.DOTALL)
    for name, value in re.findall(r'\b(aria-label|title|alt|placeholder)="([^"]*)"', body):
        assert not re.search(r"[A-Za-z]{2}", value), f"{name}={value!r} stands in the template"
    visible = re.sub(r"<(code|svg)\b.*?</\1>|<[^>]*>", " ", body, flags=re.DOTALL)
    visible = re.sub(r'\b[\w-]+="[^"]*"', " ", visible)  # attributes that a block adds to a tag of the frame
    assert re.findall(r"[A-Za-zÄÖÜäöüß]{2,}", re.sub(r"&\w+;", " ", visible)) == []


def test_scripts_have_no_text_of_their_own() -> None:
    given = {script.name: re.findall(r'textContent = "([^"]+)"', script.read_text()) for script in SCRIPTS}
    assert {name: texts for name, texts in given.items() if texts} == {}, "these texts belong into the catalogue"
