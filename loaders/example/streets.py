"""The plan of a place: main roads and ring roads first, then each quarter cut into blocks by its streets.

All blocks are convex and counter-clockwise, so the block lies to the left of each of its edges. Coordinates are metres
from the centre of the place, before the warp that bends them.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from loaders.example.kinds import KIND, KINDS
from loaders.example.noise import Bools, Floats, Ints
from loaders.example.places import Place

Point = tuple[float, float]
CHURCH = 150  # addresses from which on a place has a church
OPEN, NEW = -1, -2  # edges of a block: on no street, and on the street that is being cut
MARKET, RADIAL, RING, LANE = range(4)


@dataclass(frozen=True)
class Street:
    """`role` MARKET, RADIAL, RING or LANE; `heading` in radians tells Nordwall from Südwall."""

    role: int
    kind: int
    heading: float


@dataclass(frozen=True)
class Block:
    corners: list[Point]
    lines: list[int]
    kind: int
    quarter: int


@dataclass(frozen=True)
class Plan:
    """`lines`: x, y, ux, uy, offset of each straight piece of a street; `line_street` is the street it belongs to.

    `fronts`: ax, ay, bx, by of block edges on a street; beside them the angles of the block at both ends, line, kind
    and quarter.
    `landmarks`: blocks given to a church or a school.
    """

    streets: list[Street]
    lines: Floats
    line_street: Ints
    fronts: Floats
    front_angles: Floats
    front_line: Ints
    front_kind: Ints
    front_quarter: Ints
    landmarks: list[tuple[Block, str]]

    @property
    def main_line(self) -> Bools:
        roles = np.array([street.role for street in self.streets])
        return roles[self.line_street] == RADIAL


@dataclass
class _Draft:
    rng: np.random.Generator
    streets: list[Street] = field(default_factory=list)
    lines: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    line_street: list[int] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def street(self, role: int, kind: int, heading: float = 0.0) -> int:
        self.streets.append(Street(role, kind, heading))
        return len(self.streets) - 1

    def line(self, street: int, start: Point, end: Point, offset: float = 0.0) -> int:
        """House numbers rise from start to end; `offset` continues those of the piece before."""
        run = np.hypot(end[0] - start[0], end[1] - start[1])
        self.lines.append((*start, (end[0] - start[0]) / run, (end[1] - start[1]) / run, offset))
        self.line_street.append(street)
        return len(self.lines) - 1


def make_plan(place: Place, reach: float, rng: np.random.Generator) -> Plan:
    """Plan out to about `reach` metres from the centre."""
    draft = _Draft(rng)
    farms = _lay_out(draft, place, reach)
    landmarks = _landmarks(draft, place)
    fronts = [
        (
            *block.corners[i],
            *block.corners[(i + 1) % len(angles)],
            angles[i],
            angles[(i + 1) % len(angles)],
            line,
            *tail,
        )
        for block in draft.blocks
        for angles, tail in [(_angles(block.corners), (block.kind, block.quarter))]
        for i, line in enumerate(block.lines)
        if line != OPEN
    ]
    table = np.array(fronts + farms)
    numbers = table[:, 6:].astype(np.int64)
    return Plan(
        draft.streets,
        np.array(draft.lines),
        np.array(draft.line_street),
        table[:, :4],
        table[:, 4:6],
        numbers[:, 0],
        numbers[:, 1],
        numbers[:, 2],
        landmarks,
    )


def _angles(corners: list[Point]) -> list[float]:
    """Inner angle of a convex block at each corner, radians."""
    angles = []
    for (x0, y0), (x, y), (x1, y1) in zip(corners[-1:] + corners, corners, corners[1:] + corners[:1], strict=False):
        ax, ay, bx, by = x1 - x, y1 - y, x0 - x, y0 - y
        angles.append(math.atan2(ax * by - ay * bx, ax * bx + ay * by))
    return angles


def _lay_out(draft: _Draft, place: Place, reach: float) -> list[tuple[float, ...]]:
    """Quarters between main roads and rings, each cut into blocks; returns the fronts of farms beyond the edge."""
    rng, angles = draft.rng, np.array(place.approaches)
    radii = _ring_radii(place, reach)
    spokes = [
        [_polar(radius * rng.uniform(0.9, 1.12), angle + rng.uniform(-0.1, 0.1)) for angle in angles]
        for radius in radii
    ]
    roads = [draft.street(RADIAL, KIND["detached"], float(angle)) for angle in angles]
    road_lines = [_road(draft, road, [ring[i] for ring in spokes]) for i, road in enumerate(roads)]
    market = draft.street(MARKET, KIND["core"])
    count, quarter, works = len(angles), 0, _works_quarters(place, len(angles), rng)
    inner = [draft.line(market, spokes[0][i], spokes[0][(i + 1) % count]) for i in range(count)]
    for belt in range(len(radii) - 1):
        last = belt == len(radii) - 2
        outer = [OPEN] * count if last else [_ring(draft, spokes[belt + 1], i) for i in range(count)]
        for i in range(count):
            j = (i + 1) % count
            corners = [spokes[belt][i], spokes[belt + 1][i], spokes[belt + 1][j], spokes[belt][j]]
            lines = [road_lines[i][belt], outer[i], road_lines[j][belt], inner[i]]
            kind = KIND["works"] if last and i in works else _quarter_kind(place, belt, rng)
            _cut(draft, Block(corners, lines, kind, quarter))
            quarter += 1
        inner = outer
    return [
        front for i, road in enumerate(roads) for front in _country_road(draft, road, [r[i] for r in spokes], quarter)
    ]


def _ring_radii(place: Place, reach: float) -> list[float]:
    """Market, ring around the old core, then a ring road each time the radius doubles or so, and the outer edge."""
    if not place.town:
        return [min(18.0, 0.2 * reach), reach]
    radii = [38.0, float(np.clip(0.26 * place.radius, 95, 330))]
    while radii[-1] * 2.1 < 0.8 * place.radius:
        radii.append(radii[-1] * 2.1)
    return [*radii, reach]


def _road(draft: _Draft, street: int, points: list[Point]) -> list[int]:
    lines, offset = [], 0.0
    for start, end in pairwise(points):
        lines.append(draft.line(street, start, end, offset))
        offset += float(np.hypot(end[0] - start[0], end[1] - start[1]))
    return lines


def _ring(draft: _Draft, corners: list[Point], i: int) -> int:
    start, end = corners[i], corners[(i + 1) % len(corners)]
    heading = float(np.arctan2(start[1] + end[1], start[0] + end[0]))
    return draft.line(draft.street(RING, KIND["perimeter"], heading), start, end)


def _country_road(draft: _Draft, street: int, spoke: list[Point], quarter: int) -> list[tuple[float, ...]]:
    """Both sides of a main road beyond the edge of the place, where single farms stand."""
    end = spoke[-1]
    length = float(np.hypot(*end))
    offset = sum(float(np.hypot(b[0] - a[0], b[1] - a[1])) for a, b in pairwise(spoke))
    far = (end[0] * (1 + 1300 / length), end[1] * (1 + 1300 / length))
    line = draft.line(street, end, far, offset)
    tail = (np.pi / 2, np.pi / 2, line, KIND["farm"], quarter)
    return [(*end, *far, *tail), (*far, *end, *tail)]


def _works_quarters(place: Place, count: int, rng: np.random.Generator) -> set[int]:
    """Industry takes one or two neighbouring outer quarters of a town."""
    if not place.town:
        return set()
    first = int(rng.integers(count))
    return {first, (first + 1) % count} if place.addresses > 2500 and count > 4 else {first}


def _quarter_kind(place: Place, belt: int, rng: np.random.Generator) -> int:
    if not place.town:
        return KIND["village"] if place.addresses < 250 or rng.random() < 0.4 else KIND["detached"]
    if belt == 0:
        return KIND["core"]
    if belt == 1 and place.addresses > 2000 and rng.random() < 0.75:
        return KIND["perimeter"]
    return KIND[str(rng.choice(["detached", "semi", "row", "flats"], p=[0.5, 0.2, 0.17, 0.13]))]


def _polar(radius: float, angle: float) -> Point:
    return float(radius * np.cos(angle)), float(radius * np.sin(angle))


def _cut(draft: _Draft, block: Block) -> None:
    """Halves a quarter, or a part of it, by a new street until it has the size of a block."""
    depth, length = KINDS[block.kind].block
    ux, uy = _longest_way(block.corners)
    long_way = [x * ux + y * uy for x, y in block.corners]
    short_way = [y * ux - x * uy for x, y in block.corners]
    too_long = (max(long_way) - min(long_way)) / length
    too_deep = (max(short_way) - min(short_way)) / depth
    if max(too_long, too_deep) < 1.45:
        draft.blocks.append(block)
        return
    (nx, ny), excess = ((ux, uy), too_long) if too_long > too_deep else ((-uy, ux), too_deep)
    pieces = max(2, round(excess))
    share = (pieces // 2) / pieces + float(draft.rng.uniform(-0.06, 0.06))
    skew = float(draft.rng.normal(0, KINDS[block.kind].skew))
    nx, ny = nx - skew * ny, ny + skew * nx
    height = [x * nx + y * ny for x, y in block.corners]
    level = min(height) + share * (max(height) - min(height))
    _halve(draft, block, [value - level for value in height])


def _longest_way(corners: list[Point]) -> Point:
    """Unit direction of the longest edge."""
    runs = [(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True)]
    x, y = max(runs, key=lambda run: run[0] * run[0] + run[1] * run[1])
    size = math.hypot(x, y)
    return x / size, y / size


def _halve(draft: _Draft, block: Block, height: list[float]) -> None:
    """Cuts where `height` (one per corner) changes its sign; the cut becomes a street that runs outward."""
    parts: list[tuple[list[Point], list[int]]] = [([], []), ([], [])]
    cuts: list[Point] = []
    count = len(block.corners)
    for i, (corner, line) in enumerate(zip(block.corners, block.lines, strict=True)):
        here, there = height[i], height[(i + 1) % count]
        corners, lines = parts[here >= 0]
        corners.append(corner)
        lines.append(line)
        if (here >= 0) != (there >= 0):
            x, y = block.corners[(i + 1) % count]
            share = here / (here - there)
            cut = (corner[0] + share * (x - corner[0]), corner[1] + share * (y - corner[1]))
            cuts.append(cut)
            corners.append(cut)
            lines.append(NEW)
            corners, lines = parts[here < 0]
            corners.append(cut)
            lines.append(line)
    start, end = sorted(cuts, key=lambda point: math.hypot(*point))
    new = draft.line(draft.street(LANE, block.kind), start, end)
    for corners, lines in parts:
        _cut(draft, Block(corners, [new if line == NEW else line for line in lines], block.kind, block.quarter))


def _landmarks(draft: _Draft, place: Place) -> list[tuple[Block, str]]:
    """Takes blocks with room for the church beside the market and, in towns, for schools and more churches."""
    wanted: list[tuple[str, float, float]] = []  # what, distance from the market, room it needs around its middle
    if place.addresses >= CHURCH:
        wanted = [
            ("church", turn * 0.35 * place.radius, 20.0 if place.town else 14.0)
            for turn in range(1 + place.addresses // 3500)
        ]
    if place.town:
        count = 1 + place.addresses // 2500
        wanted += [("school", (0.45 + 0.4 * turn / count) * place.radius, 25.0) for turn in range(count)]
    middles = np.array([np.mean(block.corners, axis=0) for block in draft.blocks])
    away = np.hypot(middles[:, 0], middles[:, 1])
    radii = np.array([0.0 if block.kind == KIND["works"] else inner_radius(block) for block in draft.blocks])
    chosen: dict[int, str] = {}
    for what, distance, room in wanted:
        fitness = np.where(radii >= room, np.abs(away - distance), np.inf)
        best = int(np.argmin(fitness))
        if np.isfinite(fitness[best]):
            chosen[best] = what
            radii[best] = 0
    landmarks = [(draft.blocks[number], what) for number, what in chosen.items()]
    draft.blocks = [block for number, block in enumerate(draft.blocks) if number not in chosen]
    return landmarks


def inner_radius(block: Block) -> float:
    """Distance from the middle of a block to its nearest edge; 0 for a block on no street."""
    if all(line == OPEN for line in block.lines):
        return 0.0
    corners = np.array(block.corners)
    run = np.roll(corners, -1, axis=0) - corners
    to_middle = corners.mean(axis=0) - corners
    return float(np.min((run[:, 0] * to_middle[:, 1] - run[:, 1] * to_middle[:, 0]) / np.hypot(run[:, 0], run[:, 1])))
