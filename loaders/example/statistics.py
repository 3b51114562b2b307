"""Tables of the invented region's population and income, as GENESIS writes them."""

from pathlib import Path

import numpy as np

from loaders.example.options import ExampleOptions
from loaders.example.region import Region, Unit

YEARS = 4
NOTES = ("__________", '"Invented figures."', '"© OpenNRW Geo', 'Version 2.0."', "Stand: 01.07.2026 / 06:00:00")
INDENTS = {"L": 2, "R": 4, "K": 6, "G": 8}


def write_statistics(to: Path, region: Region, options: ExampleOptions) -> dict[str, Path]:
    """Writes both tables below `to`; gives the folder of each."""
    units = list_units(region)
    rng = np.random.default_rng(options.seed)
    years = [options.date.year - 2 - n for n in range(YEARS)]
    people = {key: rng.integers(2_000, 60_000, YEARS) for key, _, leaf in units if leaf}
    counts = {key: np.sum([n for leaf, n in people.items() if leaf.startswith(key)], axis=0) for key, _, _ in units}
    folders = {name: to / name for name in ("bevoelkerung", "einkommen")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    _write(folders["bevoelkerung"] / "12411-01-01-5.csv", _population(units, years, counts))
    income = {key: rng.integers(16_000, 36_000, YEARS) for key, _, _ in units}
    _write(folders["einkommen"] / "82411-01-03-4.csv", _income(units, years, counts, income))
    return folders


def list_units(region: Region) -> list[tuple[str, str, bool]]:
    """Key, name with the blanks of its level, and whether nothing is below it. A city that is a district of its own
    has five digits and no municipality below.
    """
    cities = {unit.key for unit in region.units["K"]} & {unit.key for unit in region.units["G"]}
    listed = [unit for art in "LRKG" for unit in region.units[art] if art != "G" or unit.key not in cities]
    digits = {"L": 2, "R": 3, "K": 5, "G": 8}
    return [
        (
            unit.key[: digits[unit.art]],
            " " * INDENTS[unit.art] + _name(unit, cities),
            unit.art == "G" or unit.key in cities,
        )
        for unit in sorted(listed, key=lambda unit: unit.key[: digits[unit.art]])
    ]


def _name(unit: Unit, cities: set[str]) -> str:
    kinds = {"L": "", "R": ", Regierungsbezirk", "K": ", Kreis", "G": ""}
    return unit.name + (", Kreisfreie Stadt" if unit.key in cities else kinds[unit.art])


def _population(units: list[tuple[str, str, bool]], years: list[int], counts: dict[str, np.ndarray]) -> list[str]:
    """Days and sexes stand above the columns, one line each."""
    days = [f"31.12.{year}" for year in years]
    lines = [
        "GENESIS-Tabelle: 12411-01-01-5", "Bevölkerungsstand: Bevölkerung nach Geschlecht", "- Stichtag 31.12. -",
        "Bevölkerungsstand (Anzahl)", ";;" + ";".join(day for day in days for _ in range(3)),
        ";;" + ";".join(["Insgesamt", "männlich", "weiblich"] * len(days)),
    ]  # fmt: skip
    for key, name, _ in units:
        figures = [(int(n), int(n) // 2, int(n) - int(n) // 2) for n in counts[key]]
        lines.append(";".join([key, name, *(str(figure) for year in figures for figure in year)]))
    return lines


def _income(
    units: list[tuple[str, str, bool]], years: list[int], counts: dict[str, np.ndarray], income: dict[str, np.ndarray]
) -> list[str]:
    """Districts and above; the year is a column. One figure is secret."""
    lines = [
        "GENESIS-Tabelle: 82411-01-03-4", "Verfügbares Einkommen der privaten Haushalte einschließlich",
        "privater Organisationen ohne Erwerbszweck", "- Jahressumme - regionale Tiefe: Kreise und krfr. Städte",
        ";;;verfügbares Einkommen der privaten Haushalte;verfüg. Einkommen der priv. Haushalte je Einwohner",
        ";;;Tsd. EUR;EUR",
    ]  # fmt: skip
    districts = [(key, name) for key, name, _ in units if len(key) <= 5]
    for number, year in enumerate(years):
        for key, name in districts:
            each, people = int(income[key][number]), int(counts[key][number])
            last = (key, year) == (districts[-1][0], years[-1])
            figures = ".;." if last else f"{each * people // 1000};{each}"
            lines.append(f"{year};{key};{name};{figures}")
    return lines


def _write(path: Path, lines: list[str]) -> None:
    path.write_bytes("".join(f"{line}\r\n" for line in (*lines, *NOTES)).encode("cp1252"))
