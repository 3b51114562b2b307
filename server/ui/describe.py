"""What a feature is called, how its values read, and which features are its neighbours. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from server.catalogue import Collection, Property
from server.ui.formatting import format_date, format_number
from server.ui.texts import Texts

# Digits of the official key (AGS) that name an administrative unit; the rest is zero-filled to eight
UNITS = {"land": 2, "regierungsbezirk": 3, "kreis": 5, "gemeinde": 8}


@dataclass(frozen=True)
class Neighbour:
    """A link from a feature to features that share its official key; `path` is relative to the service."""

    collection: Collection
    key: str
    path: str
    several: bool


def feature_title(collection: Collection, feature: Mapping[str, Any]) -> str:
    """What people call the feature: street and number, its label, or its id."""
    values = feature.get("properties") or {}
    if values.get("str"):
        return f"{values['str']} {values.get('hnr') or ''}{values.get('adz') or ''}".strip()
    label = values.get(collection.label) if collection.label else None
    return str(label or feature.get("id", ""))


def value_text(prop: Property, value: Any, texts: Texts) -> str:
    """A value as text: code with its meaning, number with unit, date spelled out, missing as a dash; of a list each."""
    if isinstance(value, list):
        return "; ".join(_item_text(prop, item, texts) for item in value) or "–"
    return _item_text(prop, value, texts)


def _item_text(prop: Property, value: Any, texts: Texts) -> str:
    if value is None:
        return "–"
    if code := prop.codes.get(str(value)):
        return f"{code.in_(texts.lang)} ({value})"
    if isinstance(value, bool):
        return str(texts("value.yes") if value else texts("value.no"))
    if prop.type in {"date", "date[]"}:
        return format_date(value, texts.lang)
    if isinstance(value, int | float):
        return format_number(value, texts.lang) + (f"\N{NO-BREAK SPACE}{prop.unit}" if prop.unit else "")
    return str(value)


def columns(collection: Collection) -> list[Property]:
    """Properties that the table of features shows: those that tell features apart and those to filter by."""
    shown = {collection.label, collection.datetime, *collection.tiles.properties}
    return [p for p in collection.properties if p.queryable or p.name in shown]


def lead_property(collection: Collection, features: Sequence[Mapping[str, Any]]) -> Property | None:
    """The property that the first column shows: the label, or else the one that holds the features' id."""
    name = collection.label
    if name is None and features:
        first = features[0]
        name = next((n for n, value in (first.get("properties") or {}).items() if value == first.get("id")), None)
    return next((p for p in collection.properties if p.name == name), None)


def neighbours(collection: Collection, feature: Mapping[str, Any], others: Iterable[Collection]) -> list[Neighbour]:
    """Links by official key (AGS): up to the units that a feature lies in, down to what lies in a municipality."""
    values = feature.get("properties") or {}
    family = collection.dataset if collection.dataset.startswith("dvg") else "dvg1"
    rank = collection.id.split("_")[0]
    key = values.get("kn") if rank in UNITS else values.get("ags")
    if not key:
        return []
    below = UNITS.get(rank, 9)
    found = []
    for other in others:
        other_rank = other.id.split("_")[0]
        if other.dataset == family and UNITS.get(other_rank, 99) < below:
            unit = key[: UNITS[other_rank]].ljust(8, "0")
            found.append(Neighbour(other, unit, f"/collections/{other.id}/items/{quote(unit)}", several=False))
        elif rank == "gemeinde" and any(p.name == "ags" for p in other.queryables):
            found.append(
                Neighbour(other, key, f"/collections/{other.id}/items?{urlencode({'ags': key})}", several=True)
            )
    return sorted(found, key=lambda n: -UNITS.get(n.collection.id.split("_")[0], 0))
