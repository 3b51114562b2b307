"""What the scripts of a map need to know: layers in drawing order, words, extent. Pure functions."""

from collections.abc import Iterable, Mapping
from typing import Any

from server.catalogue import Collection, Service
from server.ui.formatting import format_date
from server.ui.texts import Texts

# Groups of the layer list, and whether their layers are shown at first
GROUPS = {"dvg1": True, "gebref": True, "hausumringe": True, "alkis": True, "alkis_nas": False, "dvg2": False}
# What lies below a collection's own features
GROUND = frozenset({"dvg1", "hausumringe"})
RANKS = ("land", "regierungsbezirk", "kreis", "gemeinde")
State = Mapping[str, Any]


def group_of(collection: Collection) -> str:
    """The heading of the layer list below which a collection stands."""
    return collection.dataset if collection.dataset in GROUPS else "other"


def in_groups(collections: Iterable[Collection]) -> list[tuple[str, list[Collection]]]:
    """Collections below their headings, boundaries from large units to small ones."""
    collections = list(collections)
    found = []
    for group in (*GROUPS, "other"):
        members = [c for c in collections if group_of(c) == group]
        if members:
            found.append((group, sorted(members, key=_rank)))
    return found


def is_shown_at_first(collection: Collection) -> bool:
    """Whether a map of several collections shows it without being asked."""
    return GROUPS.get(collection.dataset, True) and not collection.tiles.separate


def map_layers(collections: Iterable[Collection], states: Mapping[str, State], texts: Texts) -> list[dict[str, Any]]:
    """Layers of a map as JSON for its script, grouped as in the layer list."""
    return [
        map_layer(collection, states.get(collection.id) or {}, texts)
        for _, members in in_groups(collections)
        for collection in members
    ]


def map_layer(collection: Collection, state: State, texts: Texts) -> dict[str, Any]:
    """One layer: where its tiles are, what its attributes are called, whether it is shown at first."""
    lang = texts.lang
    shown = set(collection.tiles.properties)
    # of what stands once for each year, the newest: all of them would lie over each other
    newest = state["dates"][1] if collection.datetime_end and state.get("dates") else None
    return {
        "id": collection.id,
        "dataset": collection.dataset,
        "title": collection.title.in_(lang),
        "geometry": collection.geometry,
        "tiles": f"/collections/{collection.id}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
        + (f"?datetime={newest}" if newest else ""),
        "minzoom": collection.tiles.minzoom,
        "maxzoom": collection.tiles.maxzoom,
        "bounds": state.get("bbox"),
        "label": collection.label,
        "visible": is_shown_at_first(collection),
        "properties": [
            {
                "name": p.name,
                "title": p.title.in_(lang),
                "type": p.type,
                "unit": p.unit,
                "codes": {code: text.in_(lang) for code, text in p.codes.items()},
            }
            for p in collection.properties
            if p.name in shown
        ],
    }


def credits_of(
    collections: Iterable[Collection], states: Mapping[str, State], service: Service, texts: Texts
) -> dict[str, dict[str, str]]:
    """By collection: its publisher with the latest day of what is shown of theirs, and the licence's URL."""
    collections = list(collections)
    found = {}
    for collection in collections:
        rights = service.rights_of(collection)
        theirs = (states.get(c.id) or {} for c in collections if service.rights_of(c) == rights)
        text, day = rights.attribution.in_(texts.lang), latest_date(theirs)
        if day is not None:
            text += str(texts("map.attribution_state", date=format_date(day, texts.lang)))  # unmarked: JSON, not HTML
        found[collection.id] = {"text": text, "licence": rights.licence.url}
    return found


def ground_of(collection: Collection | None, collections: Iterable[Collection]) -> list[Collection]:
    """Collections that lie below a collection's own features: boundaries, and outlines below addresses.

    Boundaries of one generalisation only: a line of DVG2 beside the same line of DVG1 confuses.
    """
    if collection is not None and collection.dataset == "dvg2":
        return [c for c in collections if c.dataset == "dvg2" and c.id != collection.id]
    own = collection.id if collection is not None else None
    return [c for c in collections if c.dataset in GROUND and c.id != own]


def union_of(boxes: Iterable[list[float] | None]) -> list[float] | None:
    """Box (west, south, east, north) around boxes; None where there is none."""
    known = [box for box in boxes if box]
    if not known:
        return None
    return [min(b[0] for b in known), min(b[1] for b in known), max(b[2] for b in known), max(b[3] for b in known)]


def latest_date(states: Iterable[State]) -> str | None:
    """The latest day (ISO) that states name as theirs; None where none does."""
    days = [str(state["dates"][1]) for state in states if state.get("dates")]
    return max(days, default=None)


def _rank(collection: Collection) -> tuple[int, str]:
    name = collection.id.split("_")[0]
    return (RANKS.index(name) if name in RANKS else len(RANKS), collection.id)
