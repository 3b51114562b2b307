"""Tables of the statistical offices, as features: an area, a time, and the values of both."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from loaders.batch import Geometries, Sieve
from loaders.context import Area, Context
from loaders.errors import InvalidDelivery
from loaders.report import Check
from loaders.statistics.areas import IN_STATE, Areas, to_ags
from loaders.statistics.description import DIGITS, MARK, Level, Statistic, find_statistic
from loaders.statistics.genesis import Line, Sheet, Time, parse_time, read_sheet
from loaders.statistics.heads import Place, find_places
from loaders.statistics.numbers import Figure, parse_figure

ROWS = 500  # at once: each has the geometry of its area
TYPES = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32()}


@dataclass(frozen=True)
class Row:
    """What a line says of an area at a time; `fault` where it cannot be read."""

    sheet: Sheet
    line: Line
    key: str
    name: str | None
    time: Time | None
    categories: tuple[str, ...] = ()
    figures: dict[str, Figure] = field(default_factory=dict)
    fault: str | None = None

    @property
    def id(self) -> str:
        """The area's key, the time, and what else tells the row from others."""
        return "-".join((to_ags(self.key), str(self.time), *self.categories))

    @property
    def empty(self) -> bool:
        """Whether it has nothing but signs."""
        return all(figure.value is None for figure in self.figures.values())


def load(context: Context) -> None:
    """Stage the delivery's rows, level by level."""
    statistic = find_statistic(context.manifest.dataset)
    assert statistic  # noqa: S101 - its manifest was made of it
    tables = [(sheet, find_places(sheet, statistic)) for sheet in _read_sheets(context, statistic)]
    rows = [row for sheet, places in tables for row in _read_rows(sheet, places, statistic)]
    levels: dict[Level, Areas] = {level: Areas(level, context.read_areas(level)) for level in statistic.areas}
    for level, areas in levels.items():
        if not areas.known:
            raise InvalidDelivery(
                "join", f"{level} is not loaded, so no row has an area. Load it first: opennrw load dvg1"
            )
    taken: set[int] = set()
    for level, areas in levels.items():
        if (name := f"{statistic.dataset}_{level}") in context.wanted:
            taken |= _stage_level(context, statistic, name, areas, rows)
        else:
            taken |= {i for i, row in enumerate(rows) if areas.holds(row.key)}
    others = [row for i, row in enumerate(rows) if i not in taken]
    if faulty := [row for row in others if row.fault]:
        first = faulty[0]
        raise InvalidDelivery("lines", f"{first.sheet.path.name}, line {first.line.number}: {first.fault}.")
    context.checks.append(Check("", "levels", True, _describe(others)))


def _read_sheets(context: Context, statistic: Statistic) -> Iterator[Sheet]:
    for path in context.files.values():
        yield read_sheet(Path(path), statistic.columns)


def _read_rows(sheet: Sheet, places: list[Place], statistic: Statistic) -> Iterator[Row]:
    """Rows of the state; of a line one for each time that the head tells."""
    by_time: dict[Time | None, list[Place]] = {}
    for place in places:
        by_time.setdefault(place.time, []).append(place)
    of_title = _area_of_title(sheet, statistic)
    width = len(sheet.layout) + len(sheet.heads)
    for line in sheet.lines:
        key, name = _identify(sheet, line, of_title)
        own = _time_of_line(sheet, line)
        times = [None] if own else list(by_time)
        fault = _find_fault(sheet, line, key, width)
        for time in times:
            row = Row(sheet, line, key, name, own or time, fault=fault)
            chosen = places if own else by_time[time]
            yield row if fault else _read_figures(row, chosen, statistic)


def _read_figures(row: Row, places: list[Place], statistic: Statistic) -> Row:
    cells = row.line.cells
    categories = tuple(cells[row.sheet.layout.index(name)] for name in statistic.categories if name in row.sheet.layout)
    figures: dict[str, Figure] = {}
    for place in places:
        figure = parse_figure(cells[place.index], statistic.values[place.name].type)
        if figure is None:
            fault = (
                f"{place.name} is '{cells[place.index][:60]}', which is neither a number nor a sign of the statistics"
            )
            return Row(row.sheet, row.line, row.key, row.name, row.time, categories, fault=fault)
        figures[place.name] = figure
    return Row(row.sheet, row.line, row.key, row.name, row.time, categories, figures)


def _area_of_title(sheet: Sheet, statistic: Statistic) -> tuple[str, str] | None:
    """Key and name of the one area that the table is about, where no column holds keys."""
    if sheet.column("schluessel") is not None:
        return None
    named = [(key, name) for name, key in statistic.area_names.items() if name in sheet.title]
    if len(named) == 1:
        return named[0]
    raise InvalidDelivery(
        "join",
        f"{sheet.path.name} has no column of keys, and {len(named)} lines of its title are among the area_names of "
        f"{statistic.dataset}: {', '.join(statistic.area_names) or 'none'}. It reads: {' | '.join(sheet.title)}. "
        "Add the line that names the area, with its key, to area_names.",
    )


def _identify(sheet: Sheet, line: Line, of_title: tuple[str, str] | None) -> tuple[str, str | None]:
    if of_title:
        return of_title
    key, name = sheet.column("schluessel"), sheet.column("name")
    cells = [*line.cells, *[""] * len(sheet.layout)]
    return cells[key or 0], (cells[name] or None) if name is not None else None


def _time_of_line(sheet: Sheet, line: Line) -> Time | None:
    for role in ("jahr", "stichtag"):
        if (index := sheet.column(role)) is not None and index < len(line.cells):
            return parse_time(line.cells[index])
    return None


def _find_fault(sheet: Sheet, line: Line, key: str, width: int) -> str | None:
    if len(line.cells) != width:
        return f"the line has {len(line.cells)} cells, it must have {width}"
    dated = "jahr" in sheet.layout or "stichtag" in sheet.layout
    if dated and _time_of_line(sheet, line) is None:
        return f"'{line.cells[0][:40]}' is neither a year nor a day like 31.12.2014"
    if key.startswith("05") and not IN_STATE.fullmatch(key):
        return f"the key '{key}' has {len(key)} digits; keys have 2, 3, 5 or 8"
    return None


def _stage_level(context: Context, statistic: Statistic, name: str, areas: Areas, rows: list[Row]) -> set[int]:
    """Stage the rows of a level; gives their numbers. Former keys without any value say nothing: they are left out."""
    mine = {i for i, row in enumerate(rows) if areas.holds(row.key)}
    blank = {i for i in mine if rows[i].empty and not rows[i].fault and areas.is_former(rows[i].key)}
    wanted = iter([rows[i] for i in sorted(mine - blank)])
    context.staging.count(name, len(mine) - len(blank))
    while part := list(islice(wanted, ROWS)):
        _stage(context, statistic, name, areas, part)
    keys = sorted({rows[i].key for i in blank})
    told = f"{len(blank)} rows of keys that are no more, without any value, left out: {', '.join(keys)}"
    context.checks.append(Check(name, "former", True, told if blank else "no row is empty and of a former key"))
    return mine


def _stage(context: Context, statistic: Statistic, name: str, areas: Areas, rows: list[Row]) -> None:
    for path, part in _by_file(rows).items():
        sieve = Sieve(path, np.array([row.line.number for row in part], np.int64), partial(_raw, part))
        found = [areas.find(row.key) for row in part]
        faults = [row.fault for row in part]
        sieve.refuse(np.array([f is not None for f in faults]), lambda i, faults=faults: str(faults[i]))
        early = [row.time is not None and row.time.day.year < statistic.since for row in part]
        sieve.refuse(np.array(early), lambda i, part=part: f"{part[i].time} is before {statistic.since}", "date")
        lost = np.array([area is None for area in found])
        sieve.refuse(lost, lambda i, part=part: areas.explain(part[i].key), "join")
        ids = pa.array([row.id for row in part])
        columns = _to_columns(statistic, part, found)
        context.staging.write(name, sieve.batch(ids, columns, _to_geometries(found)), sieve.rejects(ids))


def _by_file(rows: list[Row]) -> dict[str, list[Row]]:
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.sheet.path.name, []).append(row)
    return parts


def _raw(rows: list[Row], index: int) -> str:
    return rows[index].line.text


def _to_columns(statistic: Statistic, rows: list[Row], areas: list[Area | None]) -> dict[str, pa.Array]:
    types = {name: TYPES[entry["type"]] for name, entry in statistic.properties.items()}
    columns: dict[str, list[object]] = {
        "ags": [to_ags(row.key) for row in rows],
        "name": [row.name or (area.name if area else None) for row, area in zip(rows, areas, strict=True)],
        "jahr": [row.time.day.year if row.time else None for row in rows],
        "stand": [row.time.day if row.time else None for row in rows],
        "gebiet": [area.key if area else None for area in areas],
        "gebietsstand": [area.stand if area else None for area in areas],
    }
    for number, name in enumerate(statistic.categories):
        columns[name] = [row.categories[number] if len(row.categories) > number else None for row in rows]
    for name in statistic.values:
        figures = [row.figures.get(name, Figure(None, None)) for row in rows]
        columns[name] = [figure.value for figure in figures]
        columns[name + MARK] = [figure.sign for figure in figures]
    return {name: pa.array(columns[name], kind) for name, kind in types.items()}


def _to_geometries(areas: list[Area | None]) -> Geometries:
    return Geometries(
        pa.array([area.ewkb if area else None for area in areas], pa.binary()),
        np.array([area.east if area else 0.0 for area in areas]),
        np.array([area.north if area else 0.0 for area in areas]),
        np.zeros(len(areas), np.bool_),
    )


def _describe(others: list[Row]) -> str:
    """What of the file is in no collection."""
    if not others:
        return "every row belongs to a level that is published"
    kinds = Counter(_kind(row.key) for row in others)
    return "not published: " + ", ".join(f"{count} rows of {kind}" for kind, count in kinds.items())


def _kind(key: str) -> str:
    if not key.startswith("05"):
        return "other states or all Germany"
    return next((level for level, digits in DIGITS.items() if digits == len(key)), f"keys of {len(key)} digits")
