"""Settles a place: of all houses its plan has room for, those that clash go and the innermost stay."""

from dataclasses import dataclass

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
    reach = max(60.0, place.radius)
    for growth in (1.22, 1.6, 2.2):
        plan = make_plan(place, reach * growth, rng)
        settlement = _select(plan, place, wanted, ground, (warp, rng))
        if settlement.wanted >= wanted:
            break
    return settlement


def _select(
    plan: Plan, place: Place, wanted: int, ground: Ground, nature: tuple[Warp, np.random.Generator]
) -> Settlement:
    warp, rng = nature
    centre = np.array(place.centre)
    houses, outlines = _all_houses(plan, warp, centre, rng)
    rank = _rank(houses, plan, place, rng)
    mains = np.flatnonzero(outlines.main)  # one per house, in the order of the houses
    rank[~ground.holds(place.number, outlines.claim[mains])] = np.inf
    limit = np.sort(rank)[min(int(wanted * 1.45) + 30, rank.size - 1)]
    keep = np.isfinite(rank) & (rank <= limit)
    houses, outlines, rank = _reduced(houses, outlines, rank, keep)
    clear = _clear_of_streets(outlines, plan, warp, centre)
    clear &= outlines.main | ground.holds(place.number, outlines.claim)
    clear &= _clear_of_each_other(outlines, rank, clear)
    keep = np.zeros(rank.size, dtype=bool)
    keep[outlines.house[clear & outlines.main]] = True
    outlines = outlines.take(clear)
    houses, outlines, rank = _reduced(houses, outlines, rank, keep)
    order = np.argsort(rank, kind="stable")[: int(wanted * SURPLUS) + 3]
    chosen = np.zeros(rank.size, dtype=bool)
    chosen[order] = True
    houses, outlines, rank = _reduced(houses, outlines, rank, chosen)
    position = np.empty(rank.size, dtype=np.int64)
    order = np.argsort(rank, kind="stable")
    position[order] = np.arange(rank.size)
    outlines = Outlines(**{**vars(outlines), "house": position[outlines.house]})
    return Settlement(plan, houses.take(order), outlines, min(wanted, rank.size))


def _all_houses(plan: Plan, warp: Warp, centre: Floats, rng: np.random.Generator) -> tuple[Houses, Outlines]:
    houses, outlines = erect(plan, warp, centre, rng)
    if not plan.landmarks:
        return houses, outlines
    more, shapes = raise_landmarks(plan, warp, centre, int(outlines.group.max()) + 1, rng)
    shifted = Outlines(**{**vars(shapes), "house": shapes.house + houses.t.size})
    joined = [
        type(first)(**{name: np.concatenate([value, getattr(second, name)]) for name, value in vars(first).items()})
        for first, second in ((houses, more), (outlines, shifted))
    ]
    order = np.argsort(~joined[1].main, kind="stable")
    return joined[0], joined[1].take(order)


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
    farm = houses.kind == KIND["farm"]
    rank[farm] = np.where(rng.random(int(farm.sum())) < 0.45, 0.5, np.inf)
    landmark = houses.t.size - len(plan.landmarks)
    rank[landmark:] = np.minimum(rank[landmark:], 0.0)
    rank += np.arange(rank.size) * 1e-9
    return rank


def _reduced(houses: Houses, outlines: Outlines, rank: Floats, keep: Bools) -> tuple[Houses, Outlines, Floats]:
    number = np.cumsum(keep) - 1
    outlines = outlines.take(keep[outlines.house])
    return houses.take(keep), Outlines(**{**vars(outlines), "house": number[outlines.house]}), rank[keep]


def _clear_of_streets(outlines: Outlines, plan: Plan, warp: Warp, centre: Floats) -> Bools:
    start, end = plan.fronts[:, :2], plan.fronts[:, 2:]
    pieces = 1 + np.ceil(np.hypot(*(end - start).T) / 25).astype(np.int64)
    front = np.repeat(np.arange(pieces.size), pieces)
    turn = np.arange(front.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = (turn / (pieces[front] - 1))[:, None]
    points = warp.apply(start[front] + share * (end - start)[front] + centre)
    streets = shapely.STRtree(shapely.linestrings(points, indices=front))
    claims = shapely.polygons(outlines.claim)
    hit = streets.query(claims, predicate="dwithin", distance=STREET_CLEARANCE)[0]
    clear = np.ones(claims.size, dtype=bool)
    clear[hit] = False
    return clear


def _clear_of_each_other(outlines: Outlines, rank: Floats, candidates: Bools) -> Bools:
    """Of two claims of different groups that meet, the one of the better rank stays; a house outranks all annexes."""
    rows = np.flatnonzero(candidates)
    rows = rows[np.lexsort((rank[outlines.house[rows]], ~outlines.main[rows]))]
    claims = shapely.polygons(outlines.claim[rows])
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
