"""The landscape of the invented region: the themes of the Basis-DLM, and protected areas."""

from itertools import pairwise
from pathlib import Path

import shapely

from loaders.example.layers import Archives, Layer
from loaders.example.options import ExampleOptions
from loaders.example.region import Region

TOWN, FOREST, LAKE = 400.0, 300.0, 60.0  # metres
HEAD = {"LAND": 3, "MODELLART": 30, "OBJART": 5, "OBJART_TXT": 50, "OBJID": 16, "HDU_X": 4, "BEGINN": 20, "ENDE": 20}


def make_landscape(region: Region, options: ExampleOptions) -> Archives:
    """One archive with a layer of each theme that every delivery holds."""
    seats = [shapely.Point(*municipality.seat) for municipality in region.municipalities]
    names = [municipality.unit.name for municipality in region.municipalities]
    areas = [municipality.unit.geometry for municipality in region.municipalities]
    roads: list[shapely.Geometry] = [shapely.LineString(pair) for pair in pairwise(seats)]
    layers = [
        _layer("sie01_f", "52001", "AX_Ortslage", [seat.buffer(TOWN, 4) for seat in seats], {"NAM": names}, options),
        _layer("veg02_f", "43002", "AX_Wald", [_beside(seat, 900, FOREST) for seat in seats],
               {"VEG": ["1100"] * len(seats)}, options),
        _layer("gew01_f", "44006", "AX_StehendesGewaesser", [_beside(seat, -900, LAKE) for seat in seats],
               {"NAM": [f"{name}er See" for name in names], "HYD": [""] * len(seats)}, options),
        _layer("ver01_l", "42003", "AX_Strassenachse", roads,
               {"WDM": ["1305"] * len(roads), "BEZ": [f"L {500 + n // 4}" for n in range(1, len(roads) + 1)],
                "BRF": ["-9998.0"] * len(roads)}, options),
        _layer("geb03_f", "75003", "AX_KommunalesGebiet", areas, {"NAM": names}, options),
    ]  # fmt: skip

    def write(folder: Path, options: ExampleOptions) -> None:
        for layer in layers:
            layer.write(folder, options)

    yield "basis-dlm_EPSG25832_Shape.zip", write


def make_protected(region: Region, options: ExampleOptions) -> Archives:
    """Two kinds of areas, which overlap."""
    del options
    names = [municipality.unit.name for municipality in region.municipalities]
    for archive, short, size in (("Naturschutzgebiete", "NSG", LAKE), ("Landschaftsschutzgebiete", "LSG", FOREST)):
        rows = [
            (f"{short}-{number:03d}", f"{short} {name}", f"{short}, bestehend", "1992")
            for number, name in enumerate(names, 1)
        ]
        shapes = [_beside(shapely.Point(*m.seat), -900, size) for m in region.municipalities]
        fields = {"KENNUNG": 12, "GEBIETSNAM": 80, "SCHUTZ_AGG": 30, "INKRAFT": 8}
        yield f"{archive}_EPSG25832_Shape.zip", Layer(f"vw_{short.lower()}_polygon", fields, shapes, rows).write


def _beside(seat: shapely.Point, east: float, size: float) -> shapely.Geometry:
    return shapely.Point(seat.x + east, seat.y).buffer(size, 4)


def _layer(
    name: str,
    code: str,
    text: str,
    shapes: list[shapely.Geometry],
    columns: dict[str, list[str]],
    options: ExampleOptions,
) -> Layer:
    """An object's identifier begins with the state and the survey's two letters."""
    begin = f"{options.date.isoformat()}T08:00:00Z"
    rows = [
        ("NW", "Basis-DLM", code, text, f"DENWAT{code}{number:05d}", "0", begin, "", *values)
        for number, values in enumerate(zip(*columns.values(), strict=True), 1)
    ]
    return Layer(name, HEAD | dict.fromkeys(columns, 60), shapes, rows)
