"""Where the town, its quarters and the villages of a municipality lie, and how many addresses each gets."""

from dataclasses import dataclass

import numpy as np
import shapely

from loaders.example.noise import Floats
from loaders.example.region import Municipality

DENSITY = 10.5e-4  # addresses per square metre of built-up land
TOWN = 700  # addresses from which on a place has a ring road and an old core
LARGEST = 9_000


@dataclass(frozen=True)
class Place:
    """`approaches` are the directions (radians) in which main roads leave; `name` is empty for the seat itself."""

    number: int
    centre: tuple[float, float]
    addresses: int
    radius: float
    approaches: tuple[float, ...]
    name: str

    @property
    def town(self) -> bool:
        return self.addresses >= TOWN


def place_radius(addresses: float) -> float:
    return float(np.sqrt(addresses / DENSITY / np.pi))


def make_places(municipality: Municipality, names: list[str], rng: np.random.Generator) -> list[Place]:
    sizes = _sizes(municipality.addresses, rng)
    radii = [place_radius(size) for size in sizes]
    centres = _centres(municipality, radii, rng)
    return [
        Place(
            number,
            (float(x), float(y)),
            size,
            radius,
            _approaches(number, centres, 1.75 if size >= TOWN else 2.6, rng),
            names[number],
        )
        for number, ((x, y), size, radius) in enumerate(zip(centres, sizes, radii, strict=True))
    ]


def _sizes(total: int, rng: np.random.Generator) -> list[int]:
    """The seat first, then villages and quarters until everybody has a place to live."""
    sizes = [min(int(total * rng.uniform(0.52, 0.66)), LARGEST)]
    median = max(60.0, 0.25 * total**0.75)
    while (rest := total - sum(sizes)) > 0:
        size = int(np.clip(rng.lognormal(np.log(median), 0.6), 35, 0.8 * LARGEST))
        sizes.append(rest if rest < 1.4 * size else size)
    return [sizes[0], *sorted(sizes[1:], reverse=True)]


def _centres(municipality: Municipality, radii: list[float], rng: np.random.Generator) -> Floats:
    """Places with fields between them where there is room, side by side where there is not."""
    area = municipality.unit.geometry
    x0, y0, x1, y1 = shapely.bounds(area)
    candidates = rng.uniform((x0, y0), (x1, y1), (max(400, 30 * len(radii)), 2))
    candidates = np.concatenate([[municipality.seat], candidates])
    candidates = candidates[shapely.contains_xy(area, candidates)]
    inland = shapely.distance(shapely.points(candidates), shapely.boundary(area))
    chosen: list[int] = []
    clearance = np.full(len(candidates), np.inf)
    for radius in radii:
        room = np.minimum(inland - 0.9 * radius, 250.0) + np.minimum(clearance - 1.15 * radius, 450.0)
        if not chosen:
            room = inland - 0.25 * np.hypot(*(candidates - municipality.seat).T)
        else:
            room = room - 0.04 * np.hypot(*(candidates - candidates[chosen[0]]).T)
        best = int(np.argmax(room))
        chosen.append(best)
        distance = np.hypot(*(candidates - candidates[best]).T)
        clearance = np.minimum(clearance, distance - 1.15 * radius)
    return candidates[chosen]


def _approaches(number: int, centres: Floats, widest_gap: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Directions of the main roads: toward the nearest places first, then wherever a wide gap is left."""
    delta = np.delete(centres, number, axis=0) - centres[number]
    nearest = np.argsort(np.hypot(delta[:, 0], delta[:, 1]), kind="stable")[:5]
    wanted = [float(np.arctan2(delta[i, 1], delta[i, 0])) for i in nearest]
    angles: list[float] = []
    for angle in wanted or [float(rng.uniform(0, 2 * np.pi))]:
        if all(abs((angle - other + np.pi) % (2 * np.pi) - np.pi) > 0.75 for other in angles):
            angles.append(angle % (2 * np.pi))
    while True:
        angles.sort()
        gaps = np.diff([*angles, angles[0] + 2 * np.pi])
        widest = int(np.argmax(gaps))
        if gaps[widest] < widest_gap:
            return tuple(angles)
        angles.append(float((angles[widest] + gaps[widest] * rng.uniform(0.42, 0.58)) % (2 * np.pi)))
