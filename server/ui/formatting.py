"""Numbers, dates and sizes as a reader of German or English expects them. Pure functions."""

from datetime import UTC, date, datetime
from typing import Any

NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "en": "January February March April May June July August September October November December",
}
UNITS = ("B", "kB", "MB", "GB", "TB")


def format_number(value: float, lang: str, digits: int | None = None) -> str:
    """1234.5 as '1.234,5' (de) or '1,234.5' (en); `digits` fixes the decimals, otherwise as many as the value has."""
    if digits is not None:
        text = f"{value:,.{digits}f}"
    elif isinstance(value, int) or float(value).is_integer():
        text = f"{int(value):,}"
    else:
        text = f"{value:,}"
    return text.translate(str.maketrans(",.", ".,")) if lang == "de" else text


def format_date(value: Any, lang: str) -> str:
    """A date, a datetime or its ISO text as '1. Juli 2026' or '1 July 2026'; other text unchanged."""
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
    except ValueError:
        return str(value)
    month = MONTHS[lang].split()[day.month - 1]
    dot = "." if lang == "de" else ""
    return f"{day.day}{dot}{NO_BREAK_SPACE}{month}{NO_BREAK_SPACE}{day.year}"


def format_timestamp(value: Any, lang: str) -> str:
    """An instant as date and time in UTC, to the minute: '1. Juli 2026, 14:05 UTC'."""
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC)
    return f"{format_date(instant, lang)}, {instant:%H:%M}{NO_BREAK_SPACE}UTC"


def format_duration(started: Any, finished: Any, lang: str) -> str | None:
    """Time between two instants as '2 min 5 s'; None where one of them is missing."""
    try:
        seconds = (datetime.fromisoformat(str(finished)) - datetime.fromisoformat(str(started))).total_seconds()
    except ValueError:
        return None
    if seconds < 60:
        return f"{format_number(seconds, lang, 1)}{NO_BREAK_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{NO_BREAK_SPACE}min {rest}{NO_BREAK_SPACE}s"


def format_bytes(size: int, lang: str) -> str:
    """A size in decimal units with three significant digits: '96,9 MB'."""
    value, unit = float(size), UNITS[0]
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 99.5 else 1
    return f"{format_number(value, lang, digits)}{NO_BREAK_SPACE}{unit}"


def format_extent(bbox: list[float], lang: str) -> str:
    """West, south, east, north in degrees as '6,86–7,02° O, 51,40–51,52° N'."""
    west, south, east, north = (format_number(v, lang, 2) for v in bbox)
    easting = "O" if lang == "de" else "E"
    return f"{west}–{east}°{NO_BREAK_SPACE}{easting}, {south}–{north}°{NO_BREAK_SPACE}N"
