"""What a collection offers for download, as links and as a list."""

from typing import Any

from server.catalogue import Collection
from server.exchange import Exchange
from server.exports.kinds import KINDS, OFFERED, TILES, kinds_of
from server.exports.shelf import MAP, Offer, Stored
from server.links import Link, link

SUMS = "SHA256SUMS"
MAP_FILE = f"map.{TILES.extension}"


def offer_of(exchange: Exchange, collection: Collection) -> Offer:
    """The files of a collection."""
    return exchange.context.place.shelf.offer(collection.id)


def offers_stamp(exchange: Exchange) -> str:
    """Changes with the files of any collection."""
    return " ".join(
        offer_of(exchange, collection).stamp for collection in exchange.context.registry.collections.values()
    )


def file_name(collection: Collection, kind: str) -> str:
    """Name of a collection's file in its address, which never changes."""
    return f"{collection.id}.{OFFERED[kind].extension}"


def enclosures(exchange: Exchange, collection: Collection) -> list[Link]:
    """Links to the files (Features Part 1, 7.13.2; `length` and `updated` as in OGC API Records)."""
    files = offer_of(exchange, collection).files
    return [to_enclosure(_href(exchange, collection, kind), files[kind]) for kind in OFFERED if kind in files]


def to_enclosure(href: str, stored: Stored) -> Link:
    """The link to a file."""
    kind = OFFERED[stored.kind]
    return link("enclosure", href, kind.media_type, kind.title) | {
        "length": stored.size,
        "updated": stored.updated.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "sha256": stored.sha256,
    }


def map_enclosures(exchange: Exchange) -> list[Link]:
    """The link to the archive of the whole map, where it is made."""
    stored = exchange.context.place.shelf.offer(MAP).files.get(TILES.key)
    return [to_enclosure(f"{exchange.base}/downloads/{MAP_FILE}", stored)] if stored else []


def map_stamp(exchange: Exchange) -> str:
    """Changes with that archive."""
    return exchange.context.place.shelf.offer(MAP).stamp


def entries(exchange: Exchange, collection: Collection) -> list[dict[str, Any]]:
    """All formats of a collection's files: what there is of each, or why there is none, and whether it is made of parts
    of the collection, too.
    """
    offer, known = offer_of(exchange, collection), kinds_of(collection)
    return [_entry(exchange, collection, offer, kind) for kind in OFFERED if kind in known or kind in offer.files]


def _entry(exchange: Exchange, collection: Collection, offer: Offer, kind: str) -> dict[str, Any]:
    known = {"format": kind, "title": OFFERED[kind].title, "type": OFFERED[kind].media_type, "parts": kind in KINDS}
    if (stored := offer.files.get(kind)) is None:
        omitted = offer.omitted.get(kind)
        return {**known, "missing": omitted.why if omitted else "not made yet"}
    return {
        **known,
        "href": _href(exchange, collection, kind),
        "name": file_name(collection, kind),
        "length": stored.size,
        "sha256": stored.sha256,
        "updated": stored.updated,
        "numberOfFeatures": stored.features,
        "crs": stored.crs,
        "version": stored.version,
        "published": stored.published,
        "current": stored.mark == exchange.state(collection).mark,
    }


def _href(exchange: Exchange, collection: Collection, kind: str) -> str:
    """Without the language: it is the same file in each."""
    return f"{exchange.base}/collections/{collection.id}/downloads/{file_name(collection, kind)}"
