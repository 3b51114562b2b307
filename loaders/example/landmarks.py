"""Churches and schools in the blocks a plan keeps for them."""

import numpy as np

from loaders.example.buildings import CLEARANCE, CORNERS, Houses, Outlines
from loaders.example.kinds import KIND
from loaders.example.noise import Floats, Warp
from loaders.example.streets import OPEN, Block, Plan, inner_radius

SCHOOL = ((0, 0), (0, 34), (12, 34), (12, 12), (36, 12), (36, 34), (48, 34), (48, 0))
GYM = ((56, 2), (56, 34), (74, 34), (74, 2))


def _church(length: float) -> tuple[tuple[float, float], ...]:
    """A cross, its nave toward the west, clockwise."""
    w, t = 0.15 * length, 0.28 * length
    a, b = 0.25 * length, 0.25 * length - 2 * w
    half = 0.5 * length
    return (
        (-half, -w), (-half, w), (b, w), (b, t), (a, t), (a, w),
        (half, w), (half, -w), (a, -w), (a, -t), (b, -t), (b, -w),
    )  # fmt: skip


def raise_landmarks(
    plan: Plan, warp: Warp, centre: Floats, first_group: int, rng: np.random.Generator
) -> tuple[Houses, Outlines]:
    """One house with an address per landmark; rows of `Outlines.house` count from 0."""
    rows = [_place(block, what, plan, rng) for block, what in plan.landmarks]
    lines, ts, sides, angles, middles = (np.array(values) for values in zip(*(row[:5] for row in rows), strict=True))
    world, along, _ = warp.frame(middles + centre, np.column_stack([np.cos(angles), np.sin(angles)]))
    shapes = [(number, shape, function) for number, row in enumerate(rows) for shape, function in row[5]]
    house = np.array([number for number, _, _ in shapes])
    local = np.stack([_centred(shape) for _, shape, _ in shapes])
    low, high = local.min(axis=1) - CLEARANCE, local.max(axis=1) + CLEARANCE
    claim = np.stack(
        [low, np.column_stack([low[:, 0], high[:, 1]]), high, np.column_stack([high[:, 0], low[:, 1]])], axis=1
    )
    ring = _turned(local, world[house], along[house])
    main = np.append(True, house[1:] != house[:-1])
    entrance = np.round((ring[main][:, 0] + ring[main][:, 2]) / 2, 3)
    houses = Houses(lines, ts, sides, np.full(lines.size, KIND["core"]), np.zeros(lines.size, dtype=np.int64), entrance)
    corners = np.array([len(shape) for _, shape, _ in shapes])
    functions = np.array([function for _, _, function in shapes])
    claims = _turned(claim, world[house], along[house])
    return houses, Outlines(house, first_group + house, functions, ring, corners, claims, main)


def _place(block: Block, what: str, plan: Plan, rng: np.random.Generator):
    """Line, t, side, angle, middle and shapes of one landmark; its address is on the longest street of its block."""
    corners = np.array(block.corners)
    runs = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(runs[:, 0], runs[:, 1])
    longest = int(np.argmax(np.where(np.array(block.lines) == OPEN, 0, lengths)))
    line = block.lines[longest]
    x, y, ux, uy, offset = plan.lines[line]
    middle = corners.mean(axis=0)
    t = (middle[0] - x) * ux + (middle[1] - y) * uy + offset
    side = int(runs[longest] @ (ux, uy) > 0)
    if what == "church":
        length = float(np.clip(1.7 * (inner_radius(block) - 4.5), 15, 48))
        return line, t, side, rng.normal(0, 0.12), middle, [(_church(length), 3041)]
    angle = float(np.arctan2(runs[longest, 1], runs[longest, 0]))
    return line, t, side, angle, middle, [(SCHOOL, 3021), (GYM, 3221)]


def _centred(shape: tuple[tuple[float, float], ...]) -> Floats:
    corners = np.array(shape, dtype=float)
    if shape in (SCHOOL, GYM):
        corners = corners - (37, 17)
    return np.concatenate([corners, np.repeat(corners[-1:], CORNERS - len(corners), axis=0)])


def _turned(local: Floats, origin: Floats, along: Floats) -> Floats:
    inward = np.column_stack([-along[:, 1], along[:, 0]])
    return np.round(origin[:, None] + local[..., :1] * along[:, None] + local[..., 1:] * inward[:, None], 3)
