"""From settled places to the rows of the deliveries, one place at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from loaders.example.changes import Changed, change
from loaders.example.noise import Bools, Floats, Ints, Warp, make_warp
from loaders.example.numbering import Serials, Texts, number_houses
from loaders.example.options import ExampleOptions
from loaders.example.places import Place, make_places
from loaders.example.region import Municipality, Region
from loaders.example.register import Register
from loaders.example.settle import BORDER_CLEARANCE, Ground, Settlement, settle

Dates = npt.NDArray[np.datetime64]
FIRST_SURVEY, LAST_SURVEY = np.datetime64("2008-01-01"), np.datetime64("2025-12-31")
NO_QUARTER = ("0000", "")


@dataclass(frozen=True)
class AddressRows:
    """Columns of gebref that vary within a place; `number` 0 stands for an address without one.

    `house`: its number in the settlement.
    """

    house: Ints
    oid: Texts
    quality: Texts
    street_key: Texts
    street: Texts
    number: Ints
    suffix: Texts
    point: Floats


@dataclass(frozen=True)
class OutlineRows:
    """`ring` (n, k, 2) clockwise and open, of which the first `corners` points count.

    `house`: the one that it belongs to, by its number in the settlement; `main`: it is that house.
    """

    house: Ints
    main: Bools
    oid: Texts
    function: Ints
    surveyed: Dates
    ring: Floats
    corners: Ints


@dataclass(frozen=True)
class Batch:
    """One place of one municipality. `quarter` is the key and name of its Ortsteil, mostly ("0000", "")."""

    municipality: Municipality
    place: Place
    settlement: Settlement
    quarter: tuple[str, str]
    addresses: AddressRows
    outlines: OutlineRows


def make_batches(region: Region, options: ExampleOptions) -> Iterator[Batch]:
    """Place by place, so that memory holds one place at a time. Who finds no room moves on to the next place.

    The seat of a municipality comes last: it can grow the most.
    """
    warp = make_warp(np.random.default_rng([options.seed, 2]))
    serials = {unit.key[:5]: Serials(number) for number, unit in enumerate(region.units["K"], 1)}
    owed = 0
    for number, municipality in enumerate(region.municipalities):
        office = _Office(region, number, options, serials[municipality.unit.key[:5]])
        for place in [*office.places[1:], office.places[0]]:
            settlement = office.settle(place, place.addresses + owed, warp)
            owed += place.addresses - settlement.wanted
            yield office.record(place, settlement)
    if owed:
        raise RuntimeError(f"{owed} addresses found no room in the region; choose another seed")


class _Office:
    """Everything a municipality decides itself; its random numbers depend on no other municipality."""

    def __init__(self, region: Region, number: int, options: ExampleOptions, serials: Serials) -> None:
        self._municipality = municipality = region.municipalities[number]
        self._options = options
        self._serials = serials
        self._rng = np.random.default_rng([options.seed, 3, int(municipality.unit.key)])
        villages = self._rng.permutation(np.array(region.spare_names, dtype=object)).tolist()
        self.places = make_places(municipality, villages, self._rng)
        others = [other.unit.name for other in region.municipalities if other is not municipality]
        self._register = Register(others + [place.name for place in self.places[1:]], self._rng)
        self._has_quarters = int(municipality.unit.key) % 5 == 0
        area = shapely.buffer(municipality.unit.geometry, -BORDER_CLEARANCE)
        shapely.prepare(area)
        centres = np.array([place.centre for place in self.places])
        self._ground = Ground(area, centres, np.array([place.radius for place in self.places]))

    def settle(self, place: Place, wanted: int, warp: Warp) -> Settlement:
        return settle(place, wanted, self._ground, warp, self._rng)

    def record(self, place: Place, settlement: Settlement) -> Batch:
        houses, rng = settlement.houses, self._rng
        street = settlement.plan.line_street[houses.line]
        number, suffix = number_houses(street, houses.side, houses.t, rng)
        quality = rng.choice(np.array(["A", "B", "C"], dtype=object), houses.t.size, p=[0.96, 0.03, 0.01])
        number[(quality == "C") & (rng.random(number.size) < 0.2)] = 0
        suffix[number == 0] = ""
        names, keys = self._register.enter(settlement.plan.streets, street, town=place.town)
        span = int((LAST_SURVEY - FIRST_SURVEY).astype(int))
        surveyed = FIRST_SURVEY + rng.integers(0, span, settlement.outlines.house.size)
        changed = self._change(place, settlement, street)
        for renamed in changed.streets:
            names[renamed] = self._register.new_name()
        ids = self._house_ids(changed, settlement.wanted)
        order = np.flatnonzero(changed.standing)
        order = order[np.lexsort((suffix[order].astype(str), number[order], keys[street[order]].astype(str)))]
        street = street[order]
        addresses = AddressRows(
            order,
            ids[order],
            quality[order],
            keys[street],
            names[street],
            number[order],
            suffix[order],
            changed.entrance[order],
        )
        quarter = (f"{place.number:04d}", place.name) if self._has_quarters and place.number else NO_QUARTER
        outlines = self._outlines(settlement, changed, surveyed)
        return Batch(self._municipality, place, settlement, quarter, addresses, outlines)

    def _change(self, place: Place, settlement: Settlement, street: Ints) -> Changed:
        """Has random numbers of its own, so that what does not change stays as it is in the first delivery."""
        options = self._options
        key, date = int(self._municipality.unit.key), options.date.toordinal()
        rng = np.random.default_rng([options.seed, 4, key, place.number, date])
        return change(settlement, street, rng, options.changes)

    def _house_ids(self, changed: Changed, wanted: int) -> Texts:
        """Every house of the first delivery takes the id it has there, whether it still stands or not."""
        known = np.flatnonzero(changed.standing | (np.arange(changed.standing.size) < wanted))
        ids = np.empty(changed.standing.size, dtype=object)
        ids[known] = self._serials.ids("HK", known >= wanted)
        return ids

    def _outlines(self, settlement: Settlement, changed: Changed, surveyed: Dates) -> OutlineRows:
        outlines = settlement.outlines
        new = outlines.house >= settlement.wanted
        standing = changed.standing[outlines.house]
        ids = np.empty(new.size, dtype=object)
        known: Bools = ~new | standing
        ids[known] = self._serials.ids("AL", new[known])
        surveyed = np.where(changed.touched[outlines.house] | new, np.datetime64(self._options.date), surveyed)
        return OutlineRows(
            outlines.house[standing],
            outlines.main[standing],
            ids[standing],
            outlines.function[standing],
            surveyed[standing],
            outlines.ring[standing],
            outlines.corners[standing],
        )
