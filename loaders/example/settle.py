"""Settles a place: of all houses its plan has room for, those that clash go and the innermost stay."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import shapely

from loaders.example.buildings import Houses, Outlines, erect
from loaders.example.kinds import KIND
from loaders.example.landmarks import raise_landmarks
from loaders.example.noise import Bools, Floats, Ints, Warp, waves
from loaders.example.places import Place
from loaders.example.streets import Plan, make_plan

STREET_CLEARANCE = 2.2  # metres between the middle of a street and the ground a house claims
BORDER_CLEARANCE = 8.0  # metres between houses and the border of their municipality
SURPLUS = 1.12  # houses beyond the wanted number, from which later deliveries take new ones


@dataclass(frozen=True)
class Ground:
    """The land a place may use: its municipality, less a strip at the border, and nearer to it than to other places."""

    area: shapely.Geometry
    centres: Floats
    radii: Floats

    def holds(self, place: int, claims: Floats) -> Bools:
        """True where all corners of a claim (n, k, 2) lie on the land of the place."""
        corners = claims.reshape(-1, 2)
        power = ((corners[:, None] - self.centres[None]) ** 2).sum(axis=2) - self.radii**2
        good = (power.argmin(axis=1) == place) & shapely.contains_xy(self.area, corners)
        return good.reshape(claims.shape[:2]).all(axis=1)


@dataclass(frozen=True)
class Settlement:
    """`wanted` houses come first in the order of their rank; those behind them are not built yet."""

    plan: Plan
    houses: Houses
    outlines: Outlines
    wanted: int


def settle(place: Place, wanted: int, ground: Ground, warp: Warp, rng: np.random.Generator) -> Settlement:
    """Up to `wanted` houses: fewer only where the municipality has no room."""
    gaps = np.diff([*place.approaches, place.approaches[0] + 2 * np.pi])
    reach = max(60.0, place.radius) * np.sqrt(2 * np.pi / np.sin(gaps).sum())  # a polygon as large as the circle
    for growth in (1.3, 1.75, 2.4):
        plan = make_plan(place, reach * growth, rng)
        settlement = _select(plan, place, wanted, ground, (warp, rng))
        if settlement.wanted >= wanted:
            break
    return settlement


def _select(
    plan: Plan, place: Place, wanted: int, ground: Ground, nature: tuple[Warp, np.random.Generator]
) -> Settlement:
    warp, rng = nature
    houses, outlines = _all_houses(plan, warp, np.array(place.centre), rng)
    rank = _rank(houses, plan, place, rng)
    rank[~ground.holds(place.number, outlines.claim[outlines.main])] = np.inf
    limit = np.sort(rank)[min(int(wanted * 1.45) + 30, rank.size - 1)]
    candidates = _Candidates(houses, outlines, rank).only(np.isfinite(rank) & (rank <= limit))
    outlines = candidates.outlines
    clear = _clear_of_streets(outlines, plan, warp, np.array(place.centre))
    clear &= outlines.main | ground.holds(place.number, outlines.claim)
    clear &= _clear_of_each_other(outlines, candidates.rank, clear)
    standing = np.zeros(candidates.rank.size, dtype=bool)
    standing[outlines.house[clear & outlines.main]] = True
    candidates = replace(candidates, outlines=outlines.take(clear)).only(standing)
    best = np.argsort(candidates.rank, kind="stable")[: int(wanted * SURPLUS) + 3]
    position = np.full(candidates.rank.size, -1, dtype=np.int64)
    position[best] = np.arange(best.size)
    outlines = candidates.outlines.take(position[candidates.outlines.house] >= 0)
    outlines = replace(outlines, house=position[outlines.house])
    return Settlement(plan, candidates.houses.take(best), outlines, min(wanted, best.size))


@dataclass(frozen=True)
class _Candidates:
    houses: Houses
    outlines: Outlines
    rank: Floats

    def only(self, keep: Bools) -> Self:
        """The houses to keep and the outlines that belong to them."""
        outlines = self.outlines.take(keep[self.outlines.house])
        outlines = replace(outlines, house=(np.cumsum(keep) - 1)[outlines.house])
        return type(self)(self.houses.take(keep), outlines, self.rank[keep])


def _all_houses(plan: Plan, warp: Warp, centre: Floats, rng: np.random.Generator) -> tuple[Houses, Outlines]:
    """Landmarks are the last houses; outlines with an address come first, in the order of the houses."""
    houses, outlines = erect(plan, warp, centre, rng)
    if plan.landmarks:
        more, shapes = raise_landmarks(plan, warp, centre, int(outlines.group.max()) + 1, rng)
        outlines = outlines.join(replace(shapes, house=shapes.house + houses.t.size))
        houses = houses.join(more)
    return houses, outlines.take(np.argsort(~outlines.main, kind="stable"))


def _rank(houses: Houses, plan: Plan, place: Place, rng: np.random.Generator) -> Floats:
    """Places grow from the middle outward, faster along main roads and in some quarters; farms stand apart."""
    distance = np.hypot(*(houses.entrance - place.centre).T) / place.radius
    along_road = np.where(plan.main_line[houses.line], 0.8 if place.town else 0.42, 1.0)
    quarters = rng.uniform(-0.14, 0.14, int(houses.quarter.max()) + 1)
    fringe = waves(rng, (260.0, 390.0, 700.0), 0.0015)
    rank = (
        distance * along_road
        + quarters[houses.quarter]
        + fringe.at(houses.entrance)
        + rng.uniform(0, 0.1, distance.size)
    )
    rank[houses.kind == KIND["works"]] -= 0.15  # or towns would have no industry at their edge
    farm = houses.kind == KIND["farm"]
    rank[farm] = np.where(rng.random(int(farm.sum())) < 0.45, 0.5, np.inf)
    landmark = houses.t.size - len(plan.landmarks)
    rank[landmark:] = np.minimum(rank[landmark:], 0.0)
    rank += np.arange(rank.size) * 1e-9
    return rank


def _clear_of_streets(outlines: Outlines, plan: Plan, warp: Warp, centre: Floats) -> Bools:
    start, end = plan.fronts[:, :2], plan.fronts[:, 2:]
    pieces = 1 + np.ceil(np.hypot(*(end - start).T) / 25).astype(np.int64)
    front = np.repeat(np.arange(pieces.size), pieces)
    turn = np.arange(front.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = (turn / (pieces[front] - 1))[:, None]
    points = warp.apply(start[front] + share * (end - start)[front] + centre)
    streets = np.asarray(shapely.linestrings(points, indices=front))
    claims = shapely.STRtree(np.asarray(shapely.polygons(outlines.claim)))
    hit = claims.query(streets, predicate="dwithin", distance=STREET_CLEARANCE)[1]
    clear = np.ones(outlines.main.size, dtype=bool)
    clear[hit] = False
    return clear


def _clear_of_each_other(outlines: Outlines, rank: Floats, candidates: Bools) -> Bools:
    """Of two claims of different groups that meet, the one of the better rank stays; a house outranks all annexes."""
    rows = np.flatnonzero(candidates)
    rows = rows[np.lexsort((rank[outlines.house[rows]], ~outlines.main[rows]))]
    claims = np.asarray(shapely.polygons(outlines.claim[rows]))
    later, earlier = shapely.STRtree(claims).query(claims, predicate="intersects")
    group = outlines.group[rows]
    conflict = (earlier < later) & (group[later] != group[earlier])
    later, earlier = later[conflict], earlier[conflict]
    order = np.lexsort((earlier, later))
    main = outlines.main[rows]
    lost = np.zeros(rows.size, dtype=bool)
    _lose(lost, later, earlier, order[main[later[order]]])
    standing = np.zeros(rank.size, dtype=bool)
    standing[outlines.house[rows[main & ~lost]]] = True
    lost |= ~main & ~standing[outlines.house[rows]]
    _lose(lost, later, earlier, order[~main[later[order]]])
    clear = np.zeros(candidates.size, dtype=bool)
    clear[rows[~lost]] = True
    return clear


def _lose(lost: Bools, later: Ints, earlier: Ints, order: Ints) -> None:
    for loser, winner in zip(later[order].tolist(), earlier[order].tolist(), strict=True):
        if not lost[winner]:
            lost[loser] = True
