"""The road network of the invented region: its towns are the nodes, and state roads run from each to the next."""

from itertools import pairwise

import shapely

from loaders.example.layers import Archives, Layer, Write
from loaders.example.options import ExampleOptions
from loaders.example.region import Region

SHEET = 4507  # of the map 1:25,000
BRANCH = 40.0  # metres


def make_network(region: Region, options: ExampleOptions) -> Archives:
    """Three archives. A node has a zero point A and, some metres away, a B, with a branch between them."""
    day = options.date.strftime("%Y-%m-%d")
    seats = [municipality.seat for municipality in region.municipalities]
    names = [municipality.unit.name for municipality in region.municipalities]
    keys = [f"{SHEET}{number:03d}" for number in range(1, len(seats) + 1)]
    fields = {"NKNR": 7, "NKNAME": 60, "NKARTKNZ": 1, "NKART": 40, "NKPKTFKNZ": 2, "NETZSTAND": 10}
    nodes = [(key, name, "1", "plangleich (höhengleich)", "01", day) for key, name in zip(keys, names, strict=True)]
    yield _archive("Netzknoten", fields, [shapely.Point(*seat) for seat in seats], nodes)
    ends = [(seat[0] + BRANCH, seat[1]) for seat in seats]
    fields = {"NK": 8, "TKBLATTNR": 4, "NKNR": 3, "NPBUCHS": 1, "NKNAME": 60, "NPARTKNZ": 1, "NETZSTAND": 10}
    points = [
        (key + letter, key[:4], key[4:], letter, name, "2", day)
        for letter in "AB"
        for key, name in zip(keys, names, strict=True)
    ]
    yield _archive("Nullpunkte", fields, [shapely.Point(*place) for place in (*seats, *ends)], points)
    sections = [_section(f"{a}B{b}A", "Abschnitt", number, day) for number, (a, b) in enumerate(pairwise(keys), 1)]
    branches = [_section(f"{key}A{key}B", "Ast", number, day) for number, key in enumerate(keys, 1)]
    pairs = [(ends[i], seats[i + 1]) for i in range(len(seats) - 1)] + list(zip(seats, ends, strict=True))
    lines: list[shapely.Geometry] = [shapely.LineString(pair) for pair in pairs]
    rows = [
        (*row, str(round(shapely.length(line))), "0") for row, line in zip([*sections, *branches], lines, strict=True)
    ]
    fields = {"ABS": 16, "STRBEZ": 10, "STRKL": 1, "STRNR": 4, "ABSNR": 6, "ABSAST": 10, "VWBEZ": 40, "NETZSTAND": 10,
              "LAENGE": 8, "STATANF": 8}  # fmt: skip
    yield _archive("AbschnitteAeste", fields, lines, rows)


def _section(key: str, kind: str, number: int, day: str) -> tuple[str, ...]:
    road = str(500 + number // 4)
    return (key, f"L {road}", "L", road, str(number), kind, "Niederlassung", day)


def _archive(
    name: str, fields: dict[str, int], shapes: list[shapely.Geometry], rows: list[tuple[str, ...]]
) -> tuple[str, Write]:
    return f"{name}_EPSG25832_Shape.zip", Layer(name, fields, shapes, rows).write
