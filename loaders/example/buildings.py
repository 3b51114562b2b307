"""Houses along the fronts of a plan: where they stand, their outlines, and what stands behind them.

A house is made in the frame of its group: x along the street, y into the block. Houses of a group share one frame, so
walls they share have the same coordinates to the last bit.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from loaders.example.kinds import KIND, KINDS, column
from loaders.example.noise import Bools, Floats, Ints, Warp
from loaders.example.streets import Plan

CORNERS = 12  # the most an outline has; shorter ones repeat their last corner
GARAGE = (3.0, 6.5)  # width and depth in metres
CLEARANCE = 1.0  # metres kept free around every house


@dataclass(frozen=True)
class Table:
    """Columns of equal length."""

    def take(self, rows: Ints | Bools) -> Self:
        return type(self)(**{name: values[rows] for name, values in vars(self).items()})

    def join(self, *others: Self) -> Self:
        tables = (self, *others)
        return type(self)(**{name: np.concatenate([vars(table)[name] for table in tables]) for name in vars(self)})


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
    return houses, mains.join(*_annexes(frames, boxes, kind, rng))


def _frames(plan: Plan, warp: Warp, centre: Floats, rng: np.random.Generator) -> _Frames:
    """Divides every front into slots for groups of houses; lengths are measured after the warp."""
    kind, start = plan.front_kind, plan.fronts[:, :2]
    run = plan.fronts[:, 2:] - start
    length = np.hypot(run[:, 0], run[:, 1])
    along = run / length[:, None]
    stretch = warp.frame(start + run / 2 + centre, along)[2]
    count, width, setback = (_draw(rng, kind, attribute) for attribute in ("group", "width", "setback"))
    begin, usable = _usable(plan, length * stretch, setback)
    count = np.minimum(np.floor(count), np.floor(usable / width))
    slots = np.where(count > 0, np.maximum(1, np.floor(usable / (count * width + column("slack")[kind]))), 0)
    slots = slots.astype(np.int64)
    front = np.repeat(np.arange(length.size), slots)
    turn = np.arange(front.size) - np.repeat(np.cumsum(slots) - slots, slots)
    slot = usable[front] / slots[front]
    t = (begin[front] + (turn + 0.5) * slot) / stretch[front]
    origin, direction, _ = warp.frame(start[front] + t[:, None] * along[front] + centre, along[front])
    closed = column("closed")[kind[front]]
    count = np.where(closed, np.maximum(1, np.round(slot / width[front])), count[front])
    narrow = np.minimum(_draw(rng, kind[front], "width"), (slot - 2) / count)
    width = np.where(closed, (slot - 0.4) / count, narrow)
    offset = -slot / 2 + (slot - width * count) * rng.uniform(0.2, 0.8, front.size)
    setback = setback[front] + np.where(closed, 0, rng.uniform(-0.8, 0.8, front.size))
    return _Frames(front, origin, direction, slot, count.astype(np.int64), width, offset, setback, t)


def _usable(plan: Plan, length: Floats, setback: Floats) -> tuple[Floats, Floats]:
    """Where along a front its houses begin, and for how many metres there is room before those of the next street."""
    kind = plan.front_kind
    far = setback + column("depth")[kind][:, 1]
    begin = _corner_space(setback, far, setback, plan.front_angles[:, 0])
    deepest = column("setback")[kind][:, 1] + column("depth")[kind][:, 1] + 2.4
    loose = setback + 0.55 * column("depth")[kind][:, 1]
    end = _corner_space(setback, far, np.where(column("closed")[kind], deepest, loose), plan.front_angles[:, 1])
    return begin, length - begin - end


def _corner_space(near: Floats, far: Floats, wanted: Floats, angle: Floats) -> Floats:
    """How far from a corner a house between `near` and `far` is `wanted` metres away from the other street there."""
    sine = np.maximum(np.sin(angle), 0.15)
    spaces = [(wanted + distance * np.cos(angle)) / sine for distance in (near, far)]
    return np.clip(np.maximum(*spaces), 1.0, 150.0)


def _draw(rng: np.random.Generator, kind: Ints, attribute: str) -> Floats:
    """A random value within the range that each kind gives for the attribute."""
    low, high = column(attribute)[kind].T
    return rng.uniform(low, high)


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
    made = [_garages(frames, boxes, kind, rng)]
    for number, entry in enumerate(KINDS):
        if entry.rear is None:
            continue
        house = np.flatnonzero((kind == number) & (rng.random(kind.size) < entry.rear.share))
        front = boxes.take(house)
        width = rng.uniform(*entry.rear.width, house.size)
        if number != KIND["farm"]:
            width = np.minimum(width, front.right - front.left)
        left = front.left + rng.random(house.size) * (front.right - front.left - width)
        near = front.far + rng.uniform(*entry.rear.gap, house.size)
        rear = _Boxes(front.group, left, left + width, near, near + rng.uniform(*entry.rear.depth, house.size))
        function = np.array(entry.rear.functions)[rng.integers(0, len(entry.rear.functions), house.size)]
        made.append(_outlines(frames, rear, house, function, (_plain(rear), False)))
    return made


def _garages(frames: _Frames, boxes: _Boxes, kind: Ints, rng: np.random.Generator) -> Outlines:
    """They share a wall with the house, to its right or else its left, where the slot of its group has room."""
    room = frames.slot[boxes.group] / 2
    last = np.append(boxes.group[1:] != boxes.group[:-1], True)
    on_right = last & (boxes.right + GARAGE[0] < room)
    first = boxes.left == frames.start[boxes.group]
    on_left = first & ~on_right & (boxes.left - GARAGE[0] > -room)
    house = np.flatnonzero((on_right | on_left) & (rng.random(kind.size) < column("garages")[kind]))
    box = boxes.take(house)
    left = np.where(on_left[house], box.left - GARAGE[0], box.right)
    right = np.where(on_left[house], box.left, box.right + GARAGE[0])
    near = box.near + rng.uniform(0.5, 4.0, house.size)
    garage = _Boxes(box.group, left, right, near, near + GARAGE[1])
    return _outlines(frames, garage, house, np.full(house.size, 2463), (_plain(garage), False))


def _plain(boxes: _Boxes) -> Floats:
    left, right, near, far = boxes.left, boxes.right, boxes.near, boxes.far
    return _padded([(left, near), (left, far), (right, far), (right, near)])
