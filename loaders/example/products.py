"""The products of the state's other publishers, of the invented region: archives in the official layouts."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import shapely

from loaders.example.districts import make_lists
from loaders.example.landscape import make_landscape, make_protected
from loaders.example.layers import Archives, Layer
from loaders.example.network import make_network
from loaders.example.options import ExampleOptions
from loaders.example.region import Region, make_region
from loaders.example.write import file_index, pack, write_index

ZONE = 1_500.0  # metres
LAND_VALUES = {"W": (180, 420), "MI": (150, 300), "GE": (40, 110), "LF": (2, 9)}

ACCIDENT_COLUMNS = (
    "UIDENTSTLAE", "ULAND", "UREGBEZ", "UKREIS", "UGEMEINDE", "UJAHR", "UMONAT", "USTUNDE", "UWOCHENTAG", "UKATEGORIE",
    "UART", "UTYP1", "ULICHTVERH", "IstStrassenzustand", "IstRad", "IstPKW", "IstFuss", "IstKrad", "IstGkfz",
    "IstSonstige", "LINREFX", "LINREFY", "XGCSWGS84", "YGCSWGS84", "PLST",
)  # fmt: skip


def write_products(to: Path, options: ExampleOptions) -> dict[str, Path]:
    """Writes them below `to`; the folder of each dataset."""
    region = make_region(options)
    folders = {}
    for dataset, (title, make) in PRODUCTS.items():
        folder = folders[dataset] = to / dataset
        folder.mkdir(parents=True, exist_ok=True)
        files: list[Path] = []
        for archive, write in make(region, options):
            with tempfile.TemporaryDirectory(dir=to) as scratch:
                write(Path(scratch), options)
                if archive.endswith(".zip"):
                    pack(Path(scratch), folder / archive, options)
                else:
                    (Path(scratch) / archive).replace(folder / archive)
            files.append(folder / archive)
        write_index(folder / "index.json", file_index(title, sorted(files), options))
    return folders


def _land_values(region: Region, options: ExampleOptions) -> Archives:
    """The current year, whose archive does not bear it, and the one before."""
    year = options.date.year
    yield f"BRW_{year - 1}_EPSG25832_Shape.zip", _zones(region, year - 1, options).write
    yield "BRW_EPSG25832_Shape.zip", _zones(region, year, options).write


def _zones(region: Region, year: int, options: ExampleOptions) -> Layer:
    rng = np.random.default_rng([options.seed, 8])
    shapes: list[shapely.Geometry] = []
    rows: list[tuple[str, ...]] = []
    for number, municipality in enumerate(region.municipalities):
        own = municipality.unit
        squares = _cut(own.geometry)
        uses = [str(use) for use in rng.choice(["W", "W", "W", "MI", "GE"], len(squares))]
        # farmland lies below all of them
        for place, (use, shape) in enumerate([*zip(uses, squares, strict=True), ("LF", own.geometry)], 1):
            low, high = LAND_VALUES[use]
            value = float(rng.uniform(low, high)) * (1 + 0.04 * (year - options.date.year))
            text = f"{value:.1f}".replace(".", ",") if use == "LF" else f"{value:.0f}"
            entw, nuta = ("LF", "L") if use == "LF" else ("B", use)
            key = own.key
            rows.append(
                (text, f"{year}-01-01", str(place), str(3000 + number), entw, nuta, "EFH" if use == "W" else "", "o",
                 "I-II", key, own.name, own.name, own.name, f"Zone {place}")
            )  # fmt: skip
            shapes.append(shape)
    fields = {"BRW": 20, "STAG": 10, "BRWZNR": 8, "GENU": 4, "ENTW": 2, "NUTA": 4, "ERGNUTA": 4, "BAUW": 2, "GEZ": 10,
              "GESL": 8, "GEMA": 60, "GENA": 60, "ORTST": 60, "BRZNAME": 20}  # fmt: skip
    return Layer(f"BRW_{year}_Polygon", fields, shapes, rows)


def _accidents(region: Region, options: ExampleOptions) -> Archives:
    """Two years in the layout of 2025."""
    for year in (options.date.year - 2, options.date.year - 1):
        rows = [ACCIDENT_COLUMNS, *_accident_rows(region, year, options)]
        content = "".join(";".join(row) + "\r\n" for row in rows).encode("utf-8-sig")

        def write(folder: Path, options: ExampleOptions, name: str = f"Unfallorte_{year}_LR_BasisDLM.csv",
                  content: bytes = content) -> None:  # fmt: skip
            del options
            (folder / name).write_bytes(content)

        yield f"Unfallorte{year}_EPSG25832_CSV.zip", write


def _accident_rows(region: Region, year: int, options: ExampleOptions) -> Iterator[tuple[str, ...]]:
    rng = np.random.default_rng([options.seed, 9, year])
    number = 0
    for municipality in region.municipalities:
        key = municipality.unit.key
        for place in rng.normal(municipality.seat, 300, (12, 2)):
            if not shapely.contains_xy(municipality.unit.geometry, *place):
                continue
            number += 1
            east, north = (f"{value:.9f}".replace(".", ",") for value in place)
            month, hour, weekday = rng.integers([1, 0, 1], [13, 24, 8])
            category = str(rng.choice(["1", "2", "3"], p=[0.01, 0.19, 0.8]))
            kind, type_, light, state = (str(n) for n in rng.integers([0, 1, 0, 0], [10, 8, 3, 3]))
            involved = [str(n) for n in rng.integers(0, 2, 6)]
            yield (
                f"05{number:06d}{year}", key[:2], key[2], key[3:5], key[5:], str(year), f"{month:02d}", f"{hour:02d}",
                str(weekday), category, kind, type_, light, state, *involved, east, north, "", "", "1",
            )  # fmt: skip


def _schools(region: Region, options: ExampleOptions) -> Archives:
    """A few in every municipality."""
    rng = np.random.default_rng([options.seed, 10])
    fields = {"SCHULNUMME": 6, "SCHULFORM": 40, "NAME": 120, "KURZNAME": 40, "ADRESSE": 60, "POSTLEITZA": 5, "ORT": 60,
              "SCHUELER": 6, "RUFNUMMER": 20, "EMAIL": 60}  # fmt: skip
    shapes: list[shapely.Geometry] = []
    rows: list[tuple[str, ...]] = []
    for place, municipality in enumerate(region.municipalities):
        town, digits = municipality.unit.name, f"{40_000 + place:05d}"
        for form in ("Grundschule", "Gesamtschule", "Gymnasium"):
            number = f"{100_000 + len(rows):06d}"
            shapes.append(shapely.Point(*rng.normal(municipality.seat, 150)))
            rows.append(
                (number, form, f"{form} {town}", f"{form[:2]} {town}"[:20], f"Schulstr. {len(rows) % 90 + 1}", digits,
                 town, str(rng.integers(80, 1400)), f"02000/{number}", f"{number}@schule.example")
            )  # fmt: skip
    yield "SchulenNRW_EPSG25832_Shape.zip", Layer("SchulenNRW", fields, shapes, rows).write


def _cut(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """The squares of a grid, as far as they lie in the shape."""
    west, south, east, north = shapely.bounds(shape).tolist()
    corners = [(x, y) for x in np.arange(west, east, ZONE) for y in np.arange(south, north, ZONE)]
    squares = [shapely.box(x, y, x + ZONE, y + ZONE) for x, y in corners]
    parts = shapely.get_parts(shapely.intersection(squares, shape))
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 1]


PRODUCTS: dict[str, tuple[str, Callable[[Region, ExampleOptions], Archives]]] = {
    "basis_dlm": ("Digitales Basis-Landschaftsmodell", make_landscape),
    "bodenrichtwert": ("Bodenrichtwerte", _land_values),
    "gemarkung": ("Katasterämter, Gemarkungen und Fluren", make_lists),
    "schulen": ("Schulen in Nordrhein-Westfalen", _schools),
    "schutzgebiete": ("Landschaftsinformationssammlung LINFOS", make_protected),
    "strassennetz": ("Straßennetz Straßen.NRW", make_network),
    "unfaelle": ("Unfallatlas", _accidents),
}
