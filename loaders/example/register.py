"""The street register of a municipality: every inhabited street gets a name and a key, none twice."""

import numpy as np

from loaders.example.kinds import KINDS
from loaders.example.names import COMPASS, StreetNames, toward
from loaders.example.noise import Ints
from loaders.example.numbering import Texts
from loaders.example.streets import MARKET, RADIAL, RING, Street


class Register:
    """`destinations` are places that main roads may be named after."""

    def __init__(self, destinations: list[str], rng: np.random.Generator) -> None:
        self._destinations = destinations
        self._rng = rng
        self._names = StreetNames(rng)
        self._last_key = int(rng.integers(3, 400))
        self._step = int(rng.integers(3, 9))

    def enter(self, streets: list[Street], used: Ints, *, town: bool) -> tuple[Texts, Texts]:
        """Names and five-digit keys by the number of the street; "" where nobody lives."""
        titles = np.full(len(streets), "", dtype=object)
        keys = np.full(len(streets), "", dtype=object)
        for number in np.unique(used):
            titles[number] = self._name(streets[number], town)
            self._last_key += 1 + int(self._rng.integers(self._step))
            keys[number] = f"{self._last_key:05d}"
        return titles, keys

    def new_name(self) -> str:
        """A name for a street that is renamed; leaves the names of all others as they are."""
        return self._names.next("honour")

    def _name(self, street: Street, town: bool) -> str:
        for name in self._wishes(street, town):
            if self._names.claim(name):
                return name
        return self._names.next("main" if street.role == RADIAL else KINDS[street.kind].streets)

    def _wishes(self, street: Street, town: bool) -> tuple[str, ...]:
        if street.role == MARKET:
            return ("Markt",) if town else ("Dorfplatz", "Kirchplatz", "Am Anger")
        if street.role == RING:
            compass = COMPASS[round(street.heading / (np.pi / 4)) % 8]
            return (f"{compass}wall", f"{compass}ring", f"{compass}promenade")
        if street.role == RADIAL:
            destination = self._destinations[int(self._rng.integers(len(self._destinations)))]
            return ("Hauptstraße",) if self._rng.random() < 0.25 else (toward(destination),)
        return ()
