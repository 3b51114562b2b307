"""Layers that tiles of a collection have besides its features: points for names, lines of borders. Pure."""

from dataclasses import dataclass

from server.catalogue import Collection, Text


@dataclass(frozen=True)
class Beside:
    """Such a layer. properties: of the collection's, besides id and `rank`."""

    id: str
    title: Text
    note: Text
    dimension: int
    properties: tuple[str, ...] = ()
    ranks: tuple[str, ...] = ()


RANK = Text(de="Rang der Grenze", en="Rank of the border")
NAMES_NOTE = Text(
    de="Ein Punkt je Gebiet für seinen Namen, weit von den Grenzen; nur in Kacheln aller Objekte (MVT)",
    en="A point for each area's name, far from its borders; only in tiles of all features (MVT)",
)
BORDERS_NOTE = Text(
    de="Grenzen, jede einmal, mit ihrem höchsten Rang; nur in Kacheln aller Objekte (MVT)",
    en="Borders, each once, with its highest rank; only in tiles of all features (MVT)",
)


def layers_beside(collection: Collection) -> tuple[Beside, ...]:
    """Those of a collection."""
    tiles, title = collection.tiles, collection.title
    found = []
    if tiles.borders:
        name = Text(de=f"{title.de}: Grenzen", en=f"{title.en}: borders")
        found.append(Beside(f"{collection.id}.borders", name, BORDERS_NOTE, 1, ranks=tuple(tiles.borders.ranks)))
    if tiles.names:
        name = Text(de=f"{title.de}: Namen", en=f"{title.en}: names")
        found.append(Beside(f"{collection.id}.names", name, NAMES_NOTE, 0, properties=tiles.properties))
    return tuple(found)
