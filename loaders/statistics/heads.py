"""Which value stands in which column of a table."""

from dataclasses import dataclass

from loaders.errors import InvalidDelivery
from loaders.statistics.description import Statistic, Value
from loaders.statistics.genesis import Sheet, Time, parse_time


@dataclass(frozen=True)
class Place:
    """A column with the values `name`, counted from the first cell of a line; `time` where the head tells it."""

    name: str
    index: int
    time: Time | None


def find_places(sheet: Sheet, statistic: Statistic) -> list[Place]:
    """Every column is one value of one time, or ignored. Raises InvalidDelivery for what is left open."""
    if sheet.code is not None and sheet.code != statistic.table:
        raise _refused(
            sheet, "table", f"it is the table {sheet.code}, but {statistic.dataset} is made of {statistic.table}"
        )
    places = []
    for index, head in enumerate(sheet.heads, start=len(sheet.layout)):
        texts, time = _split_time(head)
        if any(_is_within((ignored,), texts) for ignored in statistic.ignored):
            continue
        places.append(Place(_find_value(sheet, statistic, texts), index, time or _time_of_title(sheet)))
    _require_all(sheet, statistic, places)
    for name in statistic.values:
        _require_unit(sheet, statistic.values[name], next(p for p in places if p.name == name))
    return places


def _split_time(head: tuple[str, ...]) -> tuple[tuple[str, ...], Time | None]:
    times = [time for text in head if (time := parse_time(text))]
    return tuple(text for text in head if parse_time(text) is None), times[0] if times else None


def _time_of_title(sheet: Sheet) -> Time | None:
    times = [time for text in sheet.title if (time := parse_time(text))]
    return times[0] if len(times) == 1 else None


def _find_value(sheet: Sheet, statistic: Statistic, texts: tuple[str, ...]) -> str:
    found = [name for name, value in statistic.values.items() if _is_within(value.head, texts)]
    if len(found) == 1:
        return found[0]
    above = " | ".join(texts)
    if found:
        raise _refused(
            sheet, "columns", f"the column '{above}' fits {' and '.join(found)}. Give their `head` more of the texts"
        )
    raise _refused(
        sheet, "columns", f"the column '{above}' is none of {', '.join(statistic.values)}. Describe it under "
        "values, or name it under ignored"
    )  # fmt: skip


def _is_within(wanted: tuple[str, ...], texts: tuple[str, ...]) -> bool:
    """Whether all texts stand there, one below the other."""
    rest = iter(texts)
    return all(any(text == found for found in rest) for text in wanted)


def _require_all(sheet: Sheet, statistic: Statistic, places: list[Place]) -> None:
    dated = "jahr" in sheet.layout or "stichtag" in sheet.layout
    if not dated and any(place.time is None for place in places):
        raise _refused(sheet, "time", "neither a column nor the head nor the title tells the year or day of the values")
    seen: set[tuple[str, Time | None]] = set()
    for place in places:
        if (key := (place.name, None if dated else place.time)) in seen:
            raise _refused(
                sheet, "columns", f"two columns are {place.name}. Give its `head` more of the texts above them"
            )
        seen.add(key)
    if missing := [name for name in statistic.values if name not in {place.name for place in places}]:
        heads = " | ".join(statistic.values[missing[0]].head)
        raise _refused(
            sheet, "columns", f"no column has the head '{heads}' of {missing[0]}. Correct it in the description"
        )


def _require_unit(sheet: Sheet, value: Value, place: Place) -> None:
    """A unit that has changed would make all values wrong."""
    head = sheet.heads[place.index - len(sheet.layout)]
    unit = value.unit
    if unit is None or unit in head or any(f"({unit})" in text for text in (*head, *sheet.title)):
        return
    raise _refused(
        sheet, "unit", f"the unit of {place.name} is '{unit}' in the description, but the file has it not above the "
        f"column ('{' | '.join(head)}') nor in brackets in its title"
    )  # fmt: skip


def _refused(sheet: Sheet, rule: str, fault: str) -> InvalidDelivery:
    return InvalidDelivery(rule, f"{sheet.path.name}: {fault}.")
