"""Every href that the service emits."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0/"

Link = dict[str, Any]

# bytes; nginx and most clients take 8 KiB of head, some 16
MAX_LINK_HEADER = 6 << 10
# relations that no answer may be without
LEADING_ON = ("next", "prev", "profile")


def to_href(base: str, *segments: str, query: Mapping[str, Any] | None = None) -> str:
    """Absolute URL of a path's segments and, where given, a query; what a URI reserves is escaped."""
    path = "".join(map(_to_step, segments))
    pairs = [to_pair(name, value) for name, value in (query or {}).items() if value is not None]
    return f"{base}{path or '/'}" + (f"?{'&'.join(pairs)}" if pairs else "")


@lru_cache(maxsize=4096)
def _to_step(segment: str) -> str:
    return f"/{quote(segment, safe='')}"


@lru_cache(maxsize=4096)
def to_pair(name: str, value: Any) -> str:
    """A query parameter."""
    return f"{name}={to_value(value)}"


def to_value(value: Any) -> str:
    """Value of a query parameter; the commas of a box and the URI of a CRS stay readable."""
    return quote(str(value), safe=",:/")


def link(rel: str, href: str, media_type: str | None = None, title: str | None = None) -> Link:
    """A link object as Features Part 1 has it."""
    members = {"rel": rel, "href": href, "type": media_type, "title": title}
    return {name: value for name, value in members.items() if value is not None}


@lru_cache(maxsize=64)
def _quoted(text: str) -> str:
    """A quoted string; GML's media types hold quotes themselves."""
    return '"' + text.replace('"', '\\"') + '"'


def to_link_header(links: list[Link]) -> str:
    """Value of a Link header (RFC 8288), of the links that are to be followed by GET.

    With a long query they would make a head that clients and proxies refuse: then only those that lead on are in it.
    """
    found = [(x["rel"], _header_link(x)) for x in links if "method" not in x]
    text = ", ".join(text for _, text in found)
    if len(text) > MAX_LINK_HEADER:
        text = ", ".join(text for rel, text in found if rel in LEADING_ON)
    return text


def _header_link(found: Link) -> str:
    return f'<{found["href"]}>; rel="{found["rel"]}"' + (f"; type={_quoted(found['type'])}" if "type" in found else "")
