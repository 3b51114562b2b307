"""Houses along the fronts of a plan: where they stand, their outlines, and what stands behind them.

A house is made in the frame of its group: x along the street, y into the block. Houses of a group share one frame, so
walls they share have the same coordinates to the last bit.
"""

from dataclasses import dataclass, fields

import numpy as np

from loaders.example.kinds import KIND, KINDS, column
from loaders.example.noise import Bools, Floats, Ints, Warp
from loaders.example.streets import Plan

CORNERS = 12  # the most an outline has; shorter ones repeat their last corner
CLEARANCE = 1.0  # metres kept free around every house


class Table:
    """Columns of equal length."""

    def take(self, rows: Ints | Bools):  # noqa: ANN201
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Houses(Table):
    """`t` is the distance along the street, `side` 1 left and 0 right, `entrance` the address point."""

    line: Ints
    t: Floats
    side: Ints
    kind: Ints
    quarter: Ints
    entrance: Floats


@dataclass(frozen=True)
class Outlines(Table):
    """`house` is the row of the house it belongs to; `claim` the four corners of the ground it needs."""

    house: Ints
    group: Ints
    function: Ints
    ring: Floats
    corners: Ints
    claim: Floats
    main: Bools


@dataclass(frozen=True)
class _Frames(Table):
    """One per group of houses: origin on the street, unit direction along it."""

    front: Ints
    origin: Floats
    along: Floats
    slot: Floats
    count: Ints
    width: Floats
    start: Floats
    setback: Floats
    t: Floats


@dataclass(frozen=True)
class _Boxes(Table):
    """Rectangles in the frame of their group."""

    group: Ints
    left: Floats
    right: Floats
    near: Floats
    far: Floats


def erect(plan: Plan, warp: Warp, centre: Floats, rng: np.random.Generator) -> tuple[Houses, Outlines]:
    frames = _frames(plan, warp, centre, rng)
    boxes, kind = _boxes(frames, plan, rng)
    line = plan.front_line[frames.front[boxes.group]]
    middle = (boxes.left + boxes.right) / 2
    door = middle + rng.uniform(-0.25, 0.25, middle.size) * (boxes.right - boxes.left)
    side, t = _along_street(plan, frames, boxes.group, middle)
    entrance = _to_world(frames, boxes.group, np.column_stack([door, boxes.near + 1.5])[:, None])[:, 0]
    houses = Houses(line, t, side, kind, plan.front_quarter[frames.front[boxes.group]], entrance)
    mains = _outlines(frames, boxes, np.arange(line.size), _functions(kind, rng), (_wings(boxes, kind, rng), True))
    return houses, _join(mains, *_annexes(frames, boxes, kind, rng))


def _frames(plan: Plan, warp: Warp, centre: Floats, rng: np.random.Generator) -> _Frames:
    """Divides every front into slots for groups of houses; lengths are measured after the warp."""
    kind = plan.front_kind
    start, end = plan.fronts[:, :2], plan.fronts[:, 2:]
    run = end - start
    length = np.hypot(run[:, 0], run[:, 1])
    along = run / length[:, None]
    middle = warp.frame((start + end) / 2 + centre, along)[2]
    count = _draw(rng, kind, "group", integer=True)
    width = _draw(rng, kind, "width")
    setback = _draw(rng, kind, "setback")
    depth = column("depth")[kind][:, 1]
    closed = column("closed")[kind]
    inset = _corner_space(setback, setback + depth, setback, plan.front_angles[:, 0])
    beyond = np.where(closed, column("setback")[kind][:, 1] + depth + 2.4, setback + 0.55 * depth)
    usable = length * middle - inset - _corner_space(setback, setback + depth, beyond, plan.front_angles[:, 1])
    slack = column("slack")[kind]
    count = np.minimum(count, np.floor(usable / width)).astype(np.int64)
    groups = np.where(count > 0, np.maximum(1, np.floor(usable / (count * width + slack))), 0).astype(np.int64)
    front = np.repeat(np.arange(length.size), groups)
    turn = np.arange(front.size) - np.repeat(np.cumsum(groups) - groups, groups)
    slot = usable[front] / groups[front]
    place = (inset[front] + (turn + 0.5) * slot) / middle[front]
    origin, direction, _ = warp.frame(start[front] + place[:, None] * along[front] + centre, along[front])
    slack = slack[front]
    closed = column("closed")[kind[front]]
    count = np.where(closed, np.maximum(1, np.round(slot / width[front])), count[front]).astype(np.int64)
    each = np.where(closed, (slot - 0.4) / count, np.minimum(_draw(rng, kind[front], "width"), (slot - 2) / count))
    spare = slot - each * count
    offset = -slot / 2 + spare * rng.uniform(0.2, 0.8, front.size)
    step_back = setback[front] + np.where(closed, 0, rng.uniform(-0.8, 0.8, front.size))
    return _Frames(front, origin, direction, slot, count, each, offset, step_back, place)


def _corner_space(near: Floats, far: Floats, wanted: Floats, angle: Floats) -> Floats:
    """How far from a corner a house between `near` and `far` is `wanted` metres away from the other street there."""
    sine = np.maximum(np.sin(angle), 0.15)
    spaces = [(wanted + distance * np.cos(angle)) / sine for distance in (near, far)]
    return np.clip(np.maximum(*spaces), 1.0, 150.0)


def _draw(rng: np.random.Generator, kind: Ints, attribute: str, *, integer: bool = False) -> Floats:
    """A random value within the range that each kind gives for the attribute."""
    low, high = column(attribute)[kind].T
    return rng.integers(low, high, endpoint=True) if integer else rng.uniform(low, high)


def _boxes(frames: _Frames, plan: Plan, rng: np.random.Generator) -> tuple[_Boxes, Ints]:
    group = np.repeat(np.arange(frames.count.size), frames.count)
    number = np.arange(group.size) - np.repeat(np.cumsum(frames.count) - frames.count, frames.count)
    kind = plan.front_kind[frames.front[group]]
    left = frames.start[group] + number * frames.width[group]
    right = frames.start[group] + (number + 1) * frames.width[group]
    near = frames.setback[group]
    return _Boxes(group, left, right, near, near + _draw(rng, kind, "depth")), kind


def _along_street(plan: Plan, frames: _Frames, group: Ints, middle: Floats) -> tuple[Ints, Floats]:
    front = frames.front[group]
    line = plan.lines[plan.front_line[front]]
    run = plan.fronts[front, 2:] - plan.fronts[front, :2]
    unit = run / np.hypot(run[:, 0], run[:, 1])[:, None]
    forward = (unit * line[:, 2:4]).sum(axis=1)
    foot = plan.fronts[front, :2] + unit * (frames.t[group] + middle)[:, None] - line[:, :2]
    return (forward > 0).astype(np.int64), (foot * line[:, 2:4]).sum(axis=1) + line[:, 4]


def _to_world(frames: _Frames, group: Ints, local: Floats) -> Floats:
    """(n, k, 2) in the frames of the groups -> EPSG:25832 in whole millimetres."""
    along = frames.along[group][:, None]
    inward = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    return np.round(frames.origin[group][:, None] + local[..., :1] * along + local[..., 1:] * inward, 3)


def _functions(kind: Ints, rng: np.random.Generator) -> Ints:
    """A Gebäudefunktion (GFK) that the kind of quarter knows."""
    widest = max(len(entry.functions) for entry in KINDS)
    table = np.array([[entry.functions[i % len(entry.functions)] for i in range(widest)] for entry in KINDS])
    sizes = np.array([len(entry.functions) for entry in KINDS])
    return table[kind, rng.integers(0, sizes[kind])]


def _wings(boxes: _Boxes, kind: Ints, rng: np.random.Generator) -> Floats:
    """Corners (n, CORNERS, 2) of plain, L-shaped and T-shaped houses, clockwise as shapefiles have them."""
    left, right, near, far = boxes.left, boxes.right, boxes.near, boxes.far
    width = right - left
    shape = np.where(rng.random(width.size) < column("wings")[kind], rng.integers(1, 4, width.size), 0)
    cut = near + (far - near) * rng.uniform(0.5, 0.75, width.size)
    a, b = left + width * rng.uniform(0.22, 0.34, width.size), right - width * rng.uniform(0.22, 0.42, width.size)
    plain = [(left, near), (left, far), (right, far), (right, near)]
    right_l = [(left, near), (left, far), (b, far), (b, cut), (right, cut), (right, near)]
    left_l = [(left, near), (left, cut), (a, cut), (a, far), (right, far), (right, near)]
    tee = [(left, near), (left, cut), (a, cut), (a, far), (b, far), (b, cut), (right, cut), (right, near)]
    forms = np.stack([_padded(form) for form in (plain, right_l, left_l, tee)])
    return forms[shape, np.arange(width.size)]


def _padded(form: list[tuple[Floats, Floats]]) -> Floats:
    corners = form + form[-1:] * (CORNERS - len(form))
    return np.stack([np.column_stack(corner) for corner in corners], axis=1)


def _outlines(frames: _Frames, boxes: _Boxes, house: Ints, function: Ints, form: tuple[Floats, bool]) -> Outlines:
    local, main = form
    margin = CLEARANCE if main else 0.2
    left, right, near, far = boxes.left - margin, boxes.right + margin, boxes.near - margin, boxes.far + margin
    claim = np.stack([np.column_stack(c) for c in ((left, near), (left, far), (right, far), (right, near))], axis=1)
    changed = (np.diff(local, axis=1) != 0).any(axis=2)
    return Outlines(
        house,
        boxes.group,
        function,
        _to_world(frames, boxes.group, local),
        1 + changed.sum(axis=1),
        _to_world(frames, boxes.group, claim),
        np.full(house.size, main),
    )


def _annexes(frames: _Frames, boxes: _Boxes, kind: Ints, rng: np.random.Generator) -> list[Outlines]:
    """Garages beside houses, then sheds, barns and workshops behind them."""
    room = frames.slot[boxes.group] / 2
    right_side = boxes.right + 3.2 < room
    left_side = (boxes.left - 3.2 > -room) & ~right_side
    outer_left = left_side & (boxes.left == frames.start[boxes.group])
    beside = (rng.random(kind.size) < column("garages")[kind]) & (right_side | outer_left)
    last = np.append(boxes.group[1:] != boxes.group[:-1], True)
    house = np.flatnonzero(beside & (outer_left | last))
    garage = boxes.take(house)
    onleft = outer_left[house]
    near = garage.near + rng.uniform(0.5, 4.0, house.size)
    left = np.where(onleft, garage.left - 3.0, garage.right)
    right = np.where(onleft, garage.left, garage.right + 3.0)
    garage = _Boxes(garage.group, left, right, near, near + 6.5)
    made = [_outlines(frames, garage, house, np.full(house.size, 2463), (_plain(garage), False))]
    for number, entry in enumerate(KINDS):
        if entry.rear is None:
            continue
        house = np.flatnonzero((kind == number) & (rng.random(kind.size) < entry.rear.share))
        front = boxes.take(house)
        width = np.minimum(rng.uniform(*entry.rear.width, house.size), front.right - front.left)
        if number == KIND["farm"]:
            width = rng.uniform(*entry.rear.width, house.size)
        left = front.left + rng.random(house.size) * (front.right - front.left - width)
        near = front.far + rng.uniform(*entry.rear.gap, house.size)
        rear = _Boxes(front.group, left, left + width, near, near + rng.uniform(*entry.rear.depth, house.size))
        function = np.array(entry.rear.functions)[rng.integers(0, len(entry.rear.functions), house.size)]
        made.append(_outlines(frames, rear, house, function, (_plain(rear), False)))
    return made


def _plain(boxes: _Boxes) -> Floats:
    left, right, near, far = boxes.left, boxes.right, boxes.near, boxes.far
    return _padded([(left, near), (left, far), (right, far), (right, near)])


def _join(*tables: Outlines) -> Outlines:
    return Outlines(**{f.name: np.concatenate([getattr(table, f.name) for table in tables]) for f in fields(Outlines)})
