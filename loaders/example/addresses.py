"""From settled places to the rows of the deliveries: street names and keys, house numbers, object ids."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from loaders.example import names
from loaders.example.changes import Changed, change
from loaders.example.kinds import KINDS
from loaders.example.names import StreetNames
from loaders.example.noise import Bools, Floats, Ints, make_warp
from loaders.example.options import ExampleOptions
from loaders.example.places import Place, make_places
from loaders.example.region import Municipality, Region
from loaders.example.settle import BORDER_CLEARANCE, Ground, Settlement, settle
from loaders.example.streets import MARKET, RADIAL, RING, Street

Texts = npt.NDArray[np.object_]
BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype="S1")
FIRST_SURVEY, LAST_SURVEY = np.datetime64("2008-01-01"), np.datetime64("2025-12-31")
NEW_OBJECTS = 62**5  # serial numbers of objects that only later deliveries know start here


@dataclass(frozen=True)
class AddressRows:
    """Columns of gebref that vary within a place; `number` 0 stands for an address without one."""

    oid: Texts
    quality: Texts
    street_key: Texts
    street: Texts
    number: Ints
    suffix: Texts
    point: Floats


@dataclass(frozen=True)
class OutlineRows:
    """`ring` (n, CORNERS, 2) clockwise and open, of which the first `corners` count."""

    oid: Texts
    function: Ints
    surveyed: npt.NDArray[np.datetime64]
    ring: Floats
    corners: Ints


@dataclass(frozen=True)
class Batch:
    """One place of one municipality. `quarter` is the key and name of its Ortsteil, mostly ("0000", "")."""

    municipality: Municipality
    quarter: tuple[str, str]
    addresses: AddressRows
    outlines: OutlineRows


def make_batches(region: Region, options: ExampleOptions) -> Iterator[Batch]:
    """Place by place, so that memory holds one place at a time. What finds no room moves on to the next place."""
    warp = make_warp(np.random.default_rng([options.seed, 2]))
    authorities = {unit.key[:5]: number for number, unit in enumerate(region.units["K"], 1)}
    serials: dict[int, Serials] = {}
    owed = 0
    for number, municipality in enumerate(region.municipalities):
        rng = np.random.default_rng([options.seed, 3, int(municipality.unit.key)])
        spare = region.spare_names[number % 97 :: 97] * 40
        places = make_places(municipality, spare, rng)
        centres, radii = np.array([place.centre for place in places]), np.array([place.radius for place in places])
        ground = Ground(municipality.unit.geometry.buffer(-BORDER_CLEARANCE), centres, radii)
        shapely.prepare(ground.area)
        authority = authorities[municipality.unit.key[:5]]
        register = Register(municipality, options, rng, serials.setdefault(authority, Serials(authority)))
        for place in places:
            settlement = settle(place, place.addresses + owed, ground, warp, rng)
            owed += place.addresses - settlement.wanted
            yield register.enter(place, settlement)
    if owed:
        raise RuntimeError(f"{owed} addresses found no room in the region; choose another seed")


class Serials:
    """Object ids of one Katasterbehörde, like those of the genuine files: DENW08HK0000ChHB."""

    def __init__(self, authority: int) -> None:
        self._authority = authority
        self._next = {("HK", False): 1, ("HK", True): NEW_OBJECTS, ("AL", False): 1, ("AL", True): NEW_OBJECTS}

    def ids(self, family: str, new: Bools) -> Texts:
        """Ids of objects in their order; `new` ones count from another start, so that they never shift the old ones."""
        serial = np.empty(new.size, dtype=np.int64)
        for is_new in (False, True):
            rows = new == is_new
            first = self._next[family, is_new]
            serial[rows] = first + np.arange(rows.sum())
            self._next[family, is_new] = first + int(rows.sum())
        digits = BASE62[(serial[:, None] * 37 // 62 ** np.arange(7, -1, -1)) % 62]
        tails = np.ascontiguousarray(digits).view("S8")[:, 0].astype("U8")
        return np.char.add(f"DENW{self._authority:02d}{family}", tails).astype(object)


class Register:
    """The land registry of a municipality: names its streets and numbers its houses."""

    def __init__(
        self, municipality: Municipality, options: ExampleOptions, rng: np.random.Generator, serials: Serials
    ) -> None:
        self._municipality = municipality
        self._options = options
        self._rng = rng
        self._serials = serials
        self._names = StreetNames(rng)
        self._last_key = int(rng.integers(3, 400))
        self._step = int(rng.integers(3, 9))
        self._has_quarters = int(municipality.unit.key) % 5 == 0

    def enter(self, place: Place, settlement: Settlement) -> Batch:
        houses, outlines, rng = settlement.houses, settlement.outlines, self._rng
        street = settlement.plan.line_street[houses.line]
        number, suffix = number_houses(street, houses.side, houses.t, rng)
        quality = rng.choice(np.array(["A", "B", "C"], dtype=object), houses.t.size, p=[0.96, 0.03, 0.01])
        number[(houses.quarter == 0) & (rng.random(number.size) < 0.004)] = 0
        suffix[number == 0] = ""
        street_names, street_keys = self._name_streets(place, settlement.plan.streets, street)
        span = int((LAST_SURVEY - FIRST_SURVEY).astype(int))
        surveyed = FIRST_SURVEY + rng.integers(0, span, outlines.house.size)
        changed = change(settlement, street, self._change_rng(place), self._options.changes)
        for renamed in changed.streets:
            street_names[renamed] = self._names.next("home")
        order = np.flatnonzero(changed.standing)
        order = order[np.lexsort((houses.side[order], number[order], street_keys[street[order]].astype(str)))]
        addresses = AddressRows(
            self._stable_ids("HK", changed.standing, order, settlement.wanted),
            quality[order],
            street_keys[street[order]],
            street_names[street[order]],
            number[order],
            suffix[order],
            changed.entrance[order],
        )
        quarter = (f"{place.number:04d}", place.name) if self._has_quarters and place.number else ("0000", "")
        return Batch(self._municipality, quarter, addresses, self._outline_rows(settlement, changed, surveyed))

    def _stable_ids(self, family: str, standing: Bools, order: Ints, wanted: int) -> Texts:
        """Every object of the first delivery gets the id it would have there, whether it still stands or not."""
        relevant = standing.copy()
        relevant[:wanted] = True
        ids = np.empty(standing.size, dtype=object)
        ids[relevant] = self._serials.ids(family, np.flatnonzero(relevant) >= wanted)
        return ids[order]

    def _outline_rows(
        self, settlement: Settlement, changed: Changed, surveyed: npt.NDArray[np.datetime64]
    ) -> OutlineRows:
        outlines = settlement.outlines
        old = outlines.house < settlement.wanted
        standing = changed.standing[outlines.house]
        relevant = np.flatnonzero(old | standing)
        relevant = relevant[np.argsort(~old[relevant], kind="stable")]
        ids = self._serials.ids("AL", ~old[relevant])
        rows, ids = relevant[standing[relevant]], ids[standing[relevant]]
        surveyed = np.where(changed.touched[outlines.house] | ~old, np.datetime64(self._options.date), surveyed)
        return OutlineRows(ids, outlines.function[rows], surveyed[rows], outlines.ring[rows], outlines.corners[rows])

    def _change_rng(self, place: Place) -> np.random.Generator:
        date = self._options.date.toordinal()
        return np.random.default_rng([self._options.seed, 4, int(self._municipality.unit.key), place.number, date])

    def _name_streets(self, place: Place, streets: list[Street], used: Ints) -> tuple[Texts, Texts]:
        """Name and five-digit key of every street of the plan on which somebody lives."""
        titles = np.full(len(streets), "", dtype=object)
        keys = np.full(len(streets), "", dtype=object)
        for number in np.unique(used):
            titles[number] = self._street_name(place, streets[number])
            self._last_key += 1 + int(self._rng.integers(self._step))
            keys[number] = f"{self._last_key:05d}"
        return titles, keys

    def _street_name(self, place: Place, street: Street) -> str:
        compass = names.COMPASS[round(street.heading / (np.pi / 4)) % 8]
        wanted = {
            MARKET: ("Markt", "Kirchplatz", f"Am Dorfplatz {place.name}"),
            RADIAL: ("Hauptstraße",) if self._rng.random() < 0.3 else (names.toward(place.name),),
            RING: (f"{compass}wall", f"{compass}ring", f"{compass}promenade"),
        }.get(street.role, ())
        for name in wanted:
            if free := self._names.claim(name):
                return free
        return self._names.next("main" if street.role == RADIAL else KINDS[street.kind].streets)


def number_houses(street: Ints, side: Ints, t: Floats, rng: np.random.Generator) -> tuple[Ints, Texts]:
    """Odd numbers on the left, even ones on the right, rising along the street; some houses share one and add a letter."""
    order = np.lexsort((t, side, street))
    strand = street[order] * 2 + side[order]
    first = np.append(True, strand[1:] != strand[:-1])
    letter = (rng.random(t.size) < 0.045) & ~first
    letter &= ~(np.append(False, letter[:-1]) & np.append([False, False], letter[:-2]))
    steps = np.where(letter, 0, 1 + (rng.random(t.size) < 0.03))
    steps[first] = 1
    total = np.cumsum(steps)
    begin = np.flatnonzero(first)
    rank = total - np.repeat(total[begin], np.diff(np.append(begin, t.size)))
    second = letter & np.append(False, letter[:-1])
    number = np.empty(t.size, dtype=np.int64)
    suffix = np.full(t.size, "", dtype=object)
    number[order] = 2 * rank + np.where(side[order] == 1, 1, 2)
    suffix[order] = np.where(second, "b", np.where(letter, "a", ""))
    return number, suffix
