"""What a later delivery changes: houses demolished, built and moved, streets renamed."""

from dataclasses import dataclass

import numpy as np

from loaders.example.noise import Bools, Floats, Ints
from loaders.example.settle import Settlement

FARTHER_IN = 0.3  # a moved address point goes this part of the way toward the middle of its house


@dataclass(frozen=True)
class Changed:
    """`standing` and `touched` by house, `streets` that get new names, address points after the moves."""

    standing: Bools
    touched: Bools
    streets: list[int]
    entrance: Floats


def change(settlement: Settlement, street: Ints, rng: np.random.Generator, share: float) -> Changed:
    """A quarter of the changed addresses each is removed, added, moved and renamed; share 0 changes nothing."""
    wanted, total = settlement.wanted, settlement.houses.t.size
    quota = int(wanted * share / 4 + rng.random()) if share else 0
    order = rng.permutation(wanted)
    built = min(quota, total - wanted)  # as many houses go as there is room for new ones
    removed, moved = order[:built], order[quota : 2 * quota]
    standing = np.arange(total) < wanted
    standing[removed] = False
    standing[wanted : wanted + built] = True
    touched = np.zeros(total, dtype=bool)
    touched[moved] = True
    entrance = settlement.houses.entrance.copy()
    entrance[moved] = _toward_middle(settlement, moved, entrance)
    return Changed(standing, touched, _renamed(street[:wanted], quota, rng), entrance)


def _toward_middle(settlement: Settlement, moved: Ints, entrance: Floats) -> Floats:
    outlines = settlement.outlines
    mains = np.flatnonzero(outlines.main)
    by_house = mains[np.argsort(outlines.house[mains], kind="stable")]
    front = outlines.claim[by_house[moved]]
    return np.round(entrance[moved] + FARTHER_IN * (front.mean(axis=1) - entrance[moved]), 3)


def _renamed(street: Ints, quota: int, rng: np.random.Generator) -> list[int]:
    """Streets in a random order until `quota` addresses lie on them; the last one by lot, so that the mean is right."""
    numbers, sizes = np.unique(street, return_counts=True)
    renamed: list[int] = []
    for i in rng.permutation(numbers.size):
        if quota <= 0:
            break
        if rng.random() * sizes[i] < quota:
            renamed.append(int(numbers[i]))
        quota -= int(sizes[i])
    return renamed
