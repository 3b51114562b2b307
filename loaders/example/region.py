"""The invented Land: municipalities that tile it, Kreise and Regierungsbezirke made of whole municipalities."""

from dataclasses import dataclass

import numpy as np
import shapely

from loaders.example import tiling
from loaders.example.names import place_names, words
from loaders.example.noise import Floats, Ints
from loaders.example.options import ExampleOptions

CENTRE = (406_000.0, 5_699_000.0)  # EPSG:25832, the middle of North Rhine-Westphalia
LAND_NAME = "Nordrhein-Westfalen"
CELLS_PER_MUNICIPALITY = 120
BEZIRK_DIGITS = (6, 8, 4, 2)  # the real Regierungsbezirke bear 1, 3, 5, 7 and 9
FIRST_CITY_KEY, FIRST_KREIS_KEY, KEY_STEP = 11, 54, 4


@dataclass(frozen=True)
class Unit:
    """One administrative unit; `art` is L, R, K or G as in the official files, `key` the 8-digit AGS."""

    art: str
    name: str
    key: str
    geometry: shapely.Geometry


@dataclass(frozen=True)
class Municipality:
    unit: Unit
    bezirk: str
    kreis: str
    addresses: int
    seat: tuple[float, float]


@dataclass(frozen=True)
class Region:
    """Units by ART; `municipalities` in the order of their keys, `spare_names` for villages."""

    units: dict[str, list[Unit]]
    municipalities: list[Municipality]
    spare_names: list[str]


@dataclass(frozen=True)
class _Draft:
    """Municipalities before they have names and keys: index 0 is the largest."""

    shapes: list[shapely.Geometry]
    seats: Floats
    addresses: Ints
    neighbours: list[set[int]]


def make_region(options: ExampleOptions) -> Region:
    rng = np.random.default_rng([options.seed, 1])
    draft = _draft(options, rng)
    cities = _cities(draft)
    kreis = _districts(draft, cities)
    return _named(draft, cities, kreis, rng)


def _draft(options: ExampleOptions, rng: np.random.Generator) -> _Draft:
    scale = options.addresses / 20_000
    count = max(12, round(16 * scale**0.55))
    area = 150e6 * scale**0.95
    spacing = float(np.sqrt(area / count / CELLS_PER_MUNICIPALITY))
    mesh = tiling.make_mesh(rng, CENTRE, area, spacing)
    addresses = _shares(options.addresses, count, rng)
    starts = _starts(mesh, count, rng)
    owner = tiling.grow(mesh, starts, (addresses / addresses.mean()) ** 0.28, rng)
    shapes = tiling.dissolve(mesh, owner, spacing, rng)
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for cells in mesh.edges.values():
        owners = {int(owner[cell]) for cell in cells}
        for one in owners:
            neighbours[one] |= owners - {one}
    return _Draft(shapes, mesh.sites[starts], addresses, neighbours)


def _shares(total: int, count: int, rng: np.random.Generator) -> Ints:
    """Addresses per municipality, largest first: a rank-size rule like that of real towns."""
    weight = np.arange(1, count + 1) ** -(0.6 + 5 / count) * rng.uniform(0.85, 1.15, count)
    weight = np.sort(weight)[::-1]
    shares = np.floor(weight / weight.sum() * total).astype(np.int64)
    shares[0] += total - shares.sum()
    return shares


def _starts(mesh: tiling.Mesh, count: int, rng: np.random.Generator) -> list[int]:
    """Cells far from one another; the first is the one nearest to the middle of the region."""
    starts = [int(np.argmin(np.hypot(*(mesh.sites - CENTRE).T)))]
    clearance = np.hypot(*(mesh.sites - mesh.sites[starts[0]]).T)
    while len(starts) < count:
        candidates = rng.integers(0, len(mesh.rings), 14)
        best = int(candidates[np.argmax(clearance[candidates])])
        starts.append(best)
        clearance = np.minimum(clearance, np.hypot(*(mesh.sites - mesh.sites[best]).T))
    return starts


def _cities(draft: _Draft) -> list[int]:
    """The kreisfreie Städte: the largest municipalities, about one in forty."""
    return list(range(max(1, round(len(draft.shapes) / 40))))


def _districts(draft: _Draft, cities: list[int]) -> Ints:
    """Kreis of every municipality (cities have their own numbers, after the Kreise), grown from far-apart seats."""
    count = max(2, round(len(draft.shapes) / 7))
    rest = [i for i in range(len(draft.shapes)) if i not in cities]
    distance = np.hypot(*(draft.seats[:, None] - draft.seats[None]).transpose(2, 0, 1))
    seats = [rest[int(np.argmax(distance[0, rest]))]]
    while len(seats) < count:
        seats.append(rest[int(np.argmax(distance[np.ix_(seats, rest)].min(axis=0)))])
    kreis = np.full(len(draft.shapes), -1, dtype=np.int64)
    kreis[seats] = np.arange(count)
    kreis[cities] = count + np.arange(len(cities))
    size = np.ones(count)
    while (open_ := _frontier(draft, kreis, count)) or (kreis < 0).any():
        if not open_:  # enclosed by cities alone
            lost = int(np.flatnonzero(kreis < 0)[0])
            open_ = [(int(kreis[min(seats, key=lambda seat: distance[seat, lost])]), lost)]
        number, joining = min(open_, key=lambda pair: (size[pair[0]], distance[seats[pair[0]], pair[1]], pair[1]))
        kreis[joining] = number
        size[number] += 1
    return kreis


def _frontier(draft: _Draft, kreis: Ints, count: int) -> list[tuple[int, int]]:
    """(Kreis, municipality without a Kreis beside it)"""
    return sorted(
        {
            (int(kreis[one]), other)
            for one, others in enumerate(draft.neighbours)
            if 0 <= kreis[one] < count
            for other in others
            if kreis[other] < 0
        }
    )


def _named(draft: _Draft, cities: list[int], kreis: Ints, rng: np.random.Generator) -> Region:
    names = place_names(rng)
    count = len(draft.shapes)
    bezirk = _bezirke(draft, kreis)
    units: dict[str, list[Unit]] = {"L": [Unit("L", LAND_NAME, "05000000", _union(draft, np.arange(count)))]}
    units |= {"R": [], "K": [], "G": []}
    municipalities: list[Municipality] = []
    for number, (order, key) in sorted(_kreis_keys(bezirk, len(cities)).items(), key=lambda item: item[1][1]):
        inside = np.flatnonzero(kreis == number)
        title = names[inside[0]] if int(inside[0]) in cities else _kreis_name(number, names[inside[0]])
        units["K"].append(Unit("K", title, key + "000", _union(draft, inside)))
        seat = names[int(np.flatnonzero(bezirk[kreis] == order)[0])]
        for place, last in zip(sorted(inside, key=lambda i: names[i]), _last_digits(inside, cities), strict=True):
            unit = Unit("G", names[place], f"{key}{last:03d}", draft.shapes[place])
            x, y = draft.seats[place]
            municipalities.append(Municipality(unit, seat, title, int(draft.addresses[place]), (float(x), float(y))))
    for order in np.unique(bezirk):
        inside = np.flatnonzero(bezirk[kreis] == order)
        units["R"].append(Unit("R", names[inside[0]], f"05{BEZIRK_DIGITS[order]}00000", _union(draft, inside)))
    units["G"] = [municipality.unit for municipality in municipalities]
    units["R"].sort(key=lambda unit: unit.key)
    return Region(units, municipalities, names[count:])


def _kreis_keys(bezirk: Ints, cities: int) -> dict[int, tuple[int, str]]:
    """Regierungsbezirk and five-digit key of every Kreis: cities from 11 on, the others from 54 on."""
    keys: dict[int, tuple[int, str]] = {}
    for order in range(int(bezirk.max()) + 1):
        members = np.flatnonzero(bezirk == order)
        is_city = members >= bezirk.size - cities
        tails = np.where(is_city, FIRST_CITY_KEY + np.cumsum(is_city), FIRST_KREIS_KEY + np.cumsum(~is_city)) - 1
        for number, tail in zip(members.tolist(), tails.tolist(), strict=True):
            keys[number] = (order, f"05{BEZIRK_DIGITS[order]}{tail:02d}")
    return keys


def _last_digits(inside: Ints, cities: list[int]) -> list[int]:
    """000 for an independent city, otherwise 004, 008 and so on."""
    return [0] if int(inside[0]) in cities else [KEY_STEP * (1 + turn) for turn in range(inside.size)]


def _kreis_name(number: int, seat: str) -> str:
    landscapes = words()["landscapes"]
    return f"Kreis {landscapes[number]}" if number % 2 and number < len(landscapes) else seat


def _bezirke(draft: _Draft, kreis: Ints) -> Ints:
    """Regierungsbezirk of every Kreis: two halves in a small Land, four quarters in a large one."""
    middles = np.array([draft.seats[kreis == number].mean(axis=0) for number in range(int(kreis.max()) + 1)])
    east = middles[:, 0] > np.median(middles[:, 0])
    if len(draft.shapes) < 100:
        return east.astype(np.int64)
    north = middles[:, 1] > np.median(middles[:, 1])
    return east.astype(np.int64) * 2 + north


def _union(draft: _Draft, members: Ints) -> shapely.Geometry:
    return shapely.coverage_union_all([draft.shapes[i] for i in members])
