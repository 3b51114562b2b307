"""Invented names of places and streets. No name of a municipality of North Rhine-Westphalia comes out."""

import functools
import itertools
from collections.abc import Iterator
from importlib import resources

import numpy as np
import yaml

COMPASS = ("Ost", "Nordost", "Nord", "Nordwest", "West", "Südwest", "Süd", "Südost")
MIDDLES = ("grund", "tal", "berg", "feld", "bach", "hain", "busch", "wiesen", "höhe", "mühlen", "brücken", "teich")
ENDINGS = ("weg", "straße", "allee", "pfad", "stieg", "kamp", "platz", "ring")


@functools.cache
def words() -> dict[str, list[str]]:
    text = resources.files("loaders.example").joinpath("words.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def place_names(rng: np.random.Generator) -> list[str]:
    """All invented place names in an order of the seed's own."""
    pairs = itertools.product(words()["place_stems"], words()["place_endings"])
    return _shuffled(rng, [stem + ending for stem, ending in pairs])


def toward(place: str) -> str:
    """The main road that leads to a place: Krähenfelde -> Krähenfelder Straße."""
    return (place if place.endswith("er") else place + ("r" if place.endswith("e") else "er")) + " Straße"


class StreetNames:
    """Hands out street names, none twice in a municipality. Kinds: main, core, works, home and honour."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._used: set[str] = set()
        names = {kind: _shuffled(rng, pool) for kind, pool in _pools().items()}
        self._pools: dict[str, Iterator[str]] = {kind: iter(pool) for kind, pool in names.items()}

    def claim(self, name: str) -> bool:
        """True if the name was still free; now it is not."""
        if name in self._used:
            return False
        self._used.add(name)
        return True

    def next(self, kind: str) -> str:
        """A free name that suits the kind of street, or a compound one when all of those are given away."""
        reserves = [] if kind == "honour" else [self._pools["home"], self._pools["compound"]]
        for name in itertools.chain(self._pools[kind], *reserves):
            if self.claim(name):
                return name
        raise RuntimeError(f"no street name is left after {len(self._used)}; extend the lists in words.yaml")


@functools.cache
def _pools() -> dict[str, list[str]]:
    lists = words()
    nature = lists["plants"] + lists["land"]
    home = [stem + ending for stem in nature for ending in ("straße", "weg")]
    home += [stem + "weg" for stem in lists["animals"]] + [stem + "straße" for stem in lists["people"]]
    home += [f"{before} {ground}" for ground in lists["grounds"] for before in ("Am", "Im", "Zum")]
    home += [stem + ending for stem in lists["land"][:20] for ending in ("ring", "pfad", "kamp")]
    people = itertools.product(lists["first_names"], lists["surnames"], ("Straße", "Weg", "Platz"))
    compound = itertools.product(nature + lists["animals"], MIDDLES, ENDINGS)
    return {
        "main": lists["main"],
        "core": lists["core"],
        "works": [stem + "straße" for stem in lists["makers"]],
        "home": home,
        "compound": ["".join(parts) for parts in compound],
        "honour": ["-".join(parts) for parts in people],
    }


def _shuffled(rng: np.random.Generator, names: list[str]) -> list[str]:
    unique = list(dict.fromkeys(names))
    return [unique[i] for i in rng.permutation(len(unique))]
