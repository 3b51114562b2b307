"""Documents about files: the list of a collection's files, their checksums, and the status of a cut."""

from typing import Any

from server.catalogue import Collection
from server.enclosures import SUMS, enclosures, entries, file_name, to_enclosure
from server.exchange import Exchange
from server.exports.cuts import Cut
from server.exports.kinds import OFFERED
from server.exports.shelf import Offer
from server.links import Link, link
from server.negotiation import HTML, JSON

TEXT = "text/plain"


def downloads_document(exchange: Exchange, collection: Collection) -> dict[str, Any]:
    """/collections/{collectionId}/downloads"""
    at = exchange.href("collections", collection.id)
    sums = f"{exchange.base}/collections/{collection.id}/downloads/{SUMS}"
    return {
        "id": collection.id,
        "title": collection.title.in_(exchange.lang),
        "files": entries(exchange, collection),
        "links": [
            *exchange.links_self(),
            link("collection", at, JSON, collection.title.in_(exchange.lang)),
            *enclosures(exchange, collection),
            link("describedby", sums, TEXT, SUMS),
            _cut_template(exchange, collection),
        ],
    }


def _cut_template(exchange: Exchange, collection: Collection) -> Link:
    title = "Gemeinde oder Kreis" if exchange.lang == "de" else "Municipality or district"
    href = f"{exchange.base}/collections/{collection.id}/download?area={{area}}&f={{f}}"
    return {**link("related", href, None, title), "templated": True}


def sums_text(collection: Collection, offer: Offer) -> str:
    """What `sha256sum --check` reads."""
    return "".join(
        f"{offer.files[kind].sha256}  {file_name(collection, kind)}\n" for kind in OFFERED if kind in offer.files
    )


def to_status(exchange: Exchange, key: str, cut: Cut | None, standing: dict[str, Any] | None) -> dict[str, Any]:
    """The status of a cut; members are those of statusInfo (OGC API Processes Part 1, 7.12)."""
    collection = exchange.collection()
    found = standing or {}
    status = "successful" if cut else found.get("status", "accepted")
    document: dict[str, Any] = {
        "jobID": key,
        "type": "process",
        "status": status,
        "progress": 100 if cut else _percent(found),
        "created": found.get("created"),
        "updated": cut.stored.updated if cut else found.get("updated"),
        "message": found.get("message") if status == "failed" else None,
        "before": found.get("before") if status == "accepted" else None,
        "request": {**(cut.given if cut else found.get("parameters", {}))},
        "format": cut.stored.kind if cut else found.get("format"),
        "links": _status_links(exchange, collection, key, cut),
    }
    if cut:
        document |= {"expires": cut.expires, "numberOfFeatures": cut.stored.features, "published": cut.stored.published}
    return {name: value for name, value in document.items() if value is not None}


def _percent(found: dict[str, Any]) -> int:
    """Features written; the end, when the file is closed and read for its digest, is not counted."""
    if found.get("status") != "running" or not found.get("total"):
        return 0
    return min(99, 100 * (found.get("done") or 0) // found["total"])


def _status_links(exchange: Exchange, collection: Collection, key: str, cut: Cut | None) -> list[Link]:
    at = ("collections", collection.id)
    page = exchange.format == "html"
    links = [
        link("alternate" if page else "self", exchange.href(*at, "download", key, f="json"), JSON),
        link("self" if page else "alternate", exchange.href(*at, "download", key, f="html"), HTML),
        link("collection", exchange.href(*at), JSON, collection.title.in_(exchange.lang)),
    ]
    if cut:
        href = f"{exchange.base}/collections/{collection.id}/download/{key}/{cut.stored.name}"
        links.append(to_enclosure(href, cut.stored))
    return links
