"""HTML pages: templates, texts and static files, ready to render."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from server.catalogue import LANGUAGES, Collection, Property, Service
from server.crs import BY_URI
from server.ui import apidoc, describe, formatting, maps
from server.ui.texts import read_texts

HERE = Path(__file__).parent
SNIPPETS = Environment(  # noqa: S701 (plain text)
    loader=PackageLoader("server.ui", "templates/snippets"), undefined=StrictUndefined, trim_blocks=True
)


class Pages:
    """Renders the templates in German and English; made once, at start."""

    static_dir = HERE / "static"

    def __init__(self, service: Service) -> None:
        self.service = service
        self._static = {
            path.relative_to(self.static_dir).as_posix(): _digest(path.read_bytes())
            for path in sorted(self.static_dir.rglob("*"))
            if path.is_file()
        }
        sources = [*HERE.glob("templates/**/*"), *HERE.glob("messages/*.yaml"), *HERE.glob("*.py")]
        parts = [path.read_bytes() for path in sorted(sources) if path.is_file()]
        self.version = _digest(b"".join(parts) + json.dumps(self._static).encode())
        """Changes with templates, texts and static files: part of an HTML answer's ETag."""
        self._texts = {lang: read_texts(lang) for lang in LANGUAGES}
        self._environment = self._make_environment()

    def shown_at_first(self, collections: Iterable[Collection]) -> list[Collection]:
        """Those that a map of all of them shows without being asked."""
        return [c for c in collections if maps.is_shown_at_first(c)]

    def static_url(self, name: str) -> str:
        """Path of a file of static/ that changes with its content. Raises KeyError for a file that is not there."""
        return f"/static/{name}?v={self._static[name]}"

    def render(self, template: str, lang: str, **context: Any) -> bytes:
        """Render a template ('items.html') in a language; the contract of each template is in its first comment."""
        texts = self._texts[lang]
        links = Links(context["base"], context["path"], lang if context.get("lang_given") else None)
        values: dict[str, Any] = {
            "collections": (),
            "states": {},
            "query": {},
            "datetime": None,
            "bbox": None,
            "sort": (),
            "selected": None,
            "as_of": None,
            "examples": None,
            "files": (),
            "areas": {},
            "area_name": None,
            "coordinates": None,
            "lang_given": False,
            **context,
            "lang": lang,
            "service": self.service,
            "t": texts,
            "url": links.url,
            "absolute": links.absolute,
            "here": links.here,
            "page_link": links.page_link,
            "static": lambda name: links.prefix + self.static_url(name),
            "map_modules": [f"{links.prefix}/static/{name}" for name in self._static if name.startswith("map/")],
        }
        return self._environment.get_template(template).render(values).encode()

    def _make_environment(self) -> Environment:
        environment = Environment(
            loader=PackageLoader("server.ui"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters |= FILTERS
        environment.globals |= {
            "columns": describe.columns,
            "lead_property": describe.lead_property,
            "in_groups": maps.in_groups,
            "shown_at_first": maps.GROUPS,
            "ground_of": maps.ground_of,
            "union_of": maps.union_of,
            "grouped_operations": apidoc.grouped_operations,
            "map_config": map_config,
            "snippet_text": snippet_text,
            "example_filter": example_filter,
            "example_query": example_query,
        }
        return environment


class Links:
    """Links of one page. They are relative to the host, so they hold whatever name the service is reached by."""

    def __init__(self, base: str, path: str, lang: str | None) -> None:
        self.base = base
        self.path = path
        self.prefix = urlsplit(base).path.rstrip("/")
        self._kept = {"lang": lang} if lang else {}

    def url(self, path: str, **query: Any) -> str:
        """Path of a page of this service, keeping the language that the reader asked for."""
        path, _, given = path.partition("?")
        pairs = {**dict(parse_qsl(given, keep_blank_values=True)), **query, **self._kept}
        return self.prefix + quote(path, safe="/{}~:@!$&'()*+,;=%") + (f"?{urlencode(pairs)}" if pairs else "")

    def absolute(self, path: str) -> str:
        """Full URL for people to copy."""
        return self.base + path

    def here(self, query: Mapping[str, Any], **changes: Any) -> str:
        """This page with some query parameters changed; None takes one away."""
        pairs = {k: v for k, v in {**query, **self._kept, **changes}.items() if v is not None}
        return self.prefix + quote(self.path) + (f"?{urlencode(pairs, doseq=True)}" if pairs else "")

    def page_link(self, href: str) -> str:
        """A link of a JSON document as link of a page: without host and format, with the reader's language."""
        parts = urlsplit(href)
        kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in {"f", "lang"}]
        query = urlencode([*kept, *self._kept.items()])
        return parts.path + (f"?{query}" if query else "")


def snippet_text(name: str, values: Mapping[str, Any]) -> str:
    """snippets/<name>.txt with its values: code, so nothing in it is escaped; the page that shows it does that."""
    return SNIPPETS.get_template(f"{name}.txt").render(values)


def example_filter(collection: Collection, examples: Mapping[str, Any] | None = None) -> tuple[str, str] | None:
    """A queryable with an example value for the snippets, the label first; None where no property has one."""
    found = {name: value for p in collection.queryables for name, value in example_query(p, examples) if name == p.name}
    name = collection.label if collection.label in found else next(iter(found), None)
    return (name, found[name]) if name else None


def example_query(prop: Property, examples: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The parameter, with its value, that asks for an example value; of a list, which is none itself, a filter."""
    value = example_value(prop, examples)
    if value is None:
        return []
    if not prop.type.endswith("[]"):
        return [(prop.name, value)]
    quoted = "'" + value.replace("'", "''") + "'"
    literal = {"string[]": quoted, "date[]": f"DATE({quoted})"}.get(prop.type, value)
    return [("filter", f"A_CONTAINS({prop.name},({literal}))")]


def example_value(prop: Property, examples: Mapping[str, Any] | None) -> str | None:
    """A value to try, of a list its first: of a live feature, so that it finds something; where none is given, the one
    of the YAML.
    """
    if examples is None:
        value = prop.example if prop.example is not None else next(iter(prop.codes), None)
    else:
        value = examples.get(prop.name)
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


@pass_context
def map_config(
    context: Context,
    kind: str,
    collection: Collection | None = None,
    feature: Mapping[str, Any] | None = None,
    bounds: list[float] | None = None,
) -> Markup:
    """JSON for the script of a map: 'overview', 'embedded', 'teaser', 'collection', 'items' or 'item'."""
    texts, states, collections = context["t"], context["states"], context["collections"]
    static, prefix = context["static"], urlsplit(context["base"]).path.rstrip("/")
    overview = kind in {"overview", "embedded"}
    shown = [c for c in collections if c.id in states] if overview else maps.ground_of(collection, collections)
    layers = maps.map_layers(shown, states, texts)
    asked = context.get("framed")
    if kind == "embedded" and asked is not None:
        layers = [{**layer, "visible": layer["id"] in asked.collections} for layer in layers]
    state = (context.get("state") or states.get(collection.id) or {}) if collection is not None else {}
    if collection is not None:
        layers.append({**maps.map_layer(collection, state, texts), "visible": True})
        shown, states = [*shown, collection], {**states, collection.id: state}
    publishers = maps.credits_of(shown, states, context["service"], texts)
    config = {
        "kind": kind,
        "lang": texts.lang,
        "langGiven": bool(context.get("lang_given")),
        "root": prefix,
        "maplibre": static("vendor/maplibre-gl/maplibre-gl.mjs"),
        "worker": static("vendor/maplibre-gl/maplibre-gl-worker.mjs"),
        "layers": [{**layer, "attribution": publishers[layer["id"]]} for layer in layers],
        "focus": collection.id if collection is not None else None,
        "feature": feature,
        "style": asked.style if asked is not None else None,
        "view": asked.bbox if asked is not None else None,
        "bounds": bounds or maps.union_of(layer["bounds"] for layer in layers),
        "texts": texts.under("js."),
    }
    return script_json(config)


def script_json(value: Any) -> Markup:
    """JSON that is safe inside <script type="application/json">: no '<' can end the element."""
    text = json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


@pass_context
def _number(context: Context, value: float, digits: int | None = None) -> str:
    return formatting.format_number(value, context["lang"], digits)


@pass_context
def _date(context: Context, value: Any) -> str:
    return formatting.format_date(value, context["lang"])


@pass_context
def _timestamp(context: Context, value: Any) -> str:
    return formatting.format_timestamp(value, context["lang"])


@pass_context
def _bytes(context: Context, value: int) -> str:
    return formatting.format_bytes(value, context["lang"])


@pass_context
def _extent(context: Context, value: list[float]) -> str:
    return formatting.format_extent(value, context["lang"])


@pass_context
def _duration(context: Context, started: Any, finished: Any) -> str | None:
    return formatting.format_duration(started, finished, context["lang"])


@pass_context
def _text(context: Context, value: Any) -> str:
    return value.in_(context["lang"])


@pass_context
def _value(context: Context, value: Any, prop: Any) -> str:
    return describe.value_text(prop, value, context["t"])


def _feature_title(feature: Mapping[str, Any], collection: Collection) -> str:
    return describe.feature_title(collection, feature)


@pass_context
def _neighbours(context: Context, feature: Mapping[str, Any], collection: Collection) -> list[describe.Neighbour]:
    return describe.neighbours(collection, feature, context["collections"])


def _state_box(name: str, states: Mapping[str, maps.State]) -> list[float] | None:
    return states[name]["bbox"] if name in states else None


def _crs_name(uri: str) -> str:
    return BY_URI[uri].name


def _iso(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


FILTERS = {
    "number": _number,
    "date": _date,
    "timestamp": _timestamp,
    "bytes": _bytes,
    "extent": _extent,
    "duration": _duration,
    "crs_name": _crs_name,
    "state_box": _state_box,
    "text": _text,
    "value": _value,
    "feature_title": _feature_title,
    "neighbours": _neighbours,
    "iso": _iso,
}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
