"""How each kind of quarter is built: depth of blocks, plots, houses, what stands behind them."""

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Annexe:
    """A building without an address that belongs to a house. `gap` is its distance behind the house, metres."""

    share: float
    width: Range
    depth: Range
    gap: Range
    functions: tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """Metres throughout. Houses stand in groups: `group` houses (from the first number to below
    the second) share walls, `slack` is left free per group."""

    name: str
    block: tuple[float, float]
    skew: float
    group: Range
    width: Range
    depth: Range
    slack: float
    setback: Range
    functions: tuple[int, ...]
    wings: float
    garages: float = 0.0
    rear: Annexe | None = None
    streets: str = "home"
    closed: bool = False


HOMES = (1010, 1010, 1010, 1010, 1000)
SHEDS = (1313, 2723)

KINDS = (
    Kind(
        "core",
        (56, 88),
        0.16,
        (3, 8),
        (7.5, 12),
        (9, 13),
        0.8,
        (4.2, 5.0),
        (1123, 1120, 1010, 1100, 2010, 2081),
        0.5,
        rear=Annexe(0.45, (4, 8), (5, 9), (0.0, 3.0), (2120, 2723, 2000)),
        streets="core",
        closed=True,
    ),
    Kind(
        "perimeter",
        (78, 135),
        0.05,
        (3, 7),
        (11, 17),
        (10, 13),
        1.5,
        (6.5, 8.0),
        (1010, 1010, 1123, 1120),
        0.45,
        rear=Annexe(0.3, (6, 11), (6, 10), (6, 10), (2463, 2120, 2723)),
        closed=True,
    ),
    Kind(
        "detached",
        (66, 185),
        0.04,
        (1, 2),
        (9, 13.5),
        (8.5, 12),
        8.5,
        (8.5, 12),
        HOMES,
        0.35,
        garages=0.72,
        rear=Annexe(0.3, (2.4, 4), (2.2, 3.5), (5, 11), SHEDS),
    ),
    Kind(
        "semi",
        (64, 190),
        0.03,
        (2, 3),
        (7, 9),
        (9.5, 12),
        8.0,
        (8, 10),
        HOMES,
        0.15,
        garages=0.65,
        rear=Annexe(0.35, (2.2, 3.2), (2, 3), (6, 11), SHEDS),
    ),
    Kind(
        "row",
        (60, 180),
        0.02,
        (4, 8),
        (5.6, 6.8),
        (10, 12.5),
        5.0,
        (8, 10),
        (1010,),
        0.0,
        rear=Annexe(0.4, (2, 2.8), (2, 2.6), (7, 11), SHEDS),
    ),
    Kind(
        "flats",
        (92, 170),
        0.02,
        (2, 4),
        (15, 20),
        (11.5, 13),
        17.0,
        (11, 15),
        (1010, 1010, 1000),
        0.1,
        rear=Annexe(0.25, (12, 15), (5.8, 6.2), (12, 16), (2463,)),
    ),
    Kind(
        "works",
        (170, 290),
        0.02,
        (1, 2),
        (34, 85),
        (28, 62),
        18.0,
        (13, 22),
        (2100, 2111, 2143, 2143, 2120, 2020),
        0.45,
        rear=Annexe(0.5, (12, 26), (8, 14), (2, 6), (2143, 2723)),
        streets="works",
    ),
    Kind(
        "village",
        (82, 260),
        0.12,
        (1, 2),
        (9.5, 15),
        (9, 13),
        10.0,
        (6, 14),
        (1010, 1010, 1221, 1010, 1220),
        0.45,
        garages=0.35,
        rear=Annexe(0.55, (8, 14), (6, 10), (6, 13), (2723, 2721, 2724)),
    ),
    Kind(
        "farm",
        (400, 400),
        0.0,
        (1, 2),
        (13, 20),
        (11, 14),
        230.0,
        (25, 60),
        (1221, 1220),
        0.3,
        rear=Annexe(1.0, (13, 18), (24, 36), (9, 16), (2721, 2724)),
    ),
)
KIND = {kind.name: number for number, kind in enumerate(KINDS)}


def column(attribute: str) -> np.ndarray:
    """One attribute of all kinds as an array, to be indexed by the number of a kind."""
    return np.array([getattr(kind, attribute) for kind in KINDS])
