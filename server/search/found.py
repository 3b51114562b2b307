"""What was found, as GeoJSON features."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from server.catalogue import Collection, Found
from server.exchange import Exchange
from server.links import Link, link
from server.negotiation import GEOJSON, JSON


@dataclass(frozen=True)
class Hit:
    """One answer. key: properties and values by which its features are found; feature: the id of an address.

    around: part of the municipality and municipality, from small to large. bbox in the order of the CRS's axes.
    """

    kind: str
    collection: Collection
    found: Found
    name: str
    around: tuple[str, ...]
    score: float
    geometry: bytes
    key: dict[str, Any] = field(default_factory=dict)
    bbox: list[float] | None = None
    features: int = 1
    feature: str | None = None
    number: str | None = None
    exact: bool = True
    distance: float | None = None
    title: str | None = None

    @property
    def label(self) -> str:
        """As a person would write it."""
        name = f"{self.name} {self.number}" if self.number else self.name
        if self.title:
            name = f"{name} ({self.title})"
        return ", ".join(dict.fromkeys((name, *self.around)))

    @property
    def id(self) -> str:
        """Unlike that of any other answer."""
        own = self.feature or ".".join(str(value) for value in self.key.values())
        return f"{self.collection.id}/{self.kind}/{own}"


def told_apart(hits: Sequence[Hit]) -> list[Hit]:
    """The hits; places with the same label say what they are, such as `Unna (Kreis)`."""
    labels = Counter(hit.label for hit in hits)
    return [
        replace(hit, title=hit.found.words[0].title()) if labels[hit.label] > 1 and hit.found.words else hit
        for hit in hits
    ]


def to_document(exchange: Exchange, hits: list[Hit]) -> dict[str, Any]:
    """GeoJSON, the best first."""
    return {
        "type": "FeatureCollection",
        "numberReturned": len(hits),
        "features": [_to_feature(exchange, hit) for hit in hits],
        "links": exchange.links_self(),
    }


def _to_feature(exchange: Exchange, hit: Hit) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "kind": hit.kind,
        "label": hit.label,
        "score": round(hit.score, 3),
        "collection": hit.collection.id,
        "name": hit.name,
    }
    if hit.kind == "address":
        properties |= {"number": hit.number, "exact": hit.exact}
    else:
        properties["features"] = hit.features
    if hit.distance is not None:
        properties["distance"] = round(hit.distance, 1)
    feature = {
        "type": "Feature",
        "id": hit.id,
        "geometry": orjson.loads(hit.geometry),
        "properties": properties,
        "links": _links(exchange, hit),
    }
    return {**feature, "bbox": hit.bbox} if hit.bbox else feature


def _links(exchange: Exchange, hit: Hit) -> list[Link]:
    at = ("collections", hit.collection.id)
    title = hit.collection.title.in_(exchange.lang)
    if hit.feature is not None:
        own = link("item", exchange.href(*at, "items", hit.feature), GEOJSON, hit.label)
    else:
        names = {p.name for p in hit.collection.parameters}
        query = {name: value for name, value in hit.key.items() if name in names and value is not None}
        own = link("items", exchange.href(*at, "items", **query), GEOJSON, title)
    return [own, link("collection", exchange.href(*at), JSON, title)]
