"""Times in a query string -> dates and instants. Every rule of such a parameter is here, and its message."""

import re
from datetime import UTC, date, datetime, timedelta

from server.errors import InvalidParameter

FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
DATE_EXAMPLES = "Examples: 2026-07-01, 2026-07-01T00:00:00Z, 2026-01-01/2026-07-01, 2026-01-01/.., ../2026-07-01"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
INSTANT_EXAMPLE = "Give a date-time with zone that has passed, for example 2026-07-01T00:00:00Z"
CLOCKS = timedelta(minutes=1)  # by so much a client's clock may be fast


def parse_datetime(text: str | None) -> tuple[date | None, date | None]:
    """First and last day of an instant or interval (Features Part 1, /req/core/fc-time-definition)."""
    if text is None:
        return None, None
    parts = text.split("/") if len(text) <= 100 else []
    if len(parts) not in {1, 2}:
        raise InvalidParameter("datetime", text, "it is neither an instant nor an interval", DATE_EXAMPLES)
    days = [_day(text, part, open_allowed=len(parts) == 2) for part in parts]
    first, last = days[0], days[-1]
    if first is None and last is None:
        raise InvalidParameter("datetime", text, "an interval needs at least one end", DATE_EXAMPLES)
    if first and last and first > last:
        raise InvalidParameter("datetime", text, "the interval ends before it begins", DATE_EXAMPLES)
    return (first.date() if first else None), (last.date() if last else None)


def _day(text: str, part: str, *, open_allowed: bool) -> datetime | None:
    if open_allowed and part in {"", ".."}:
        return None
    try:
        if FULL_DATE.fullmatch(part):
            return datetime.fromisoformat(part).replace(tzinfo=UTC)
        if DATE_TIME.fullmatch(part):
            return datetime.fromisoformat(part.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidParameter(
        "datetime", text, f"'{part[:40]}' is no date or date-time with zone of RFC 3339", DATE_EXAMPLES
    )


def parse_as_of(text: str | None) -> datetime | None:
    """The instant. Raises InvalidParameter."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC) if INSTANT.fullmatch(text) else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        raise InvalidParameter("asOf", text, "it is no date-time with zone of RFC 3339", INSTANT_EXAMPLE)
    if instant > datetime.now(UTC) + CLOCKS:
        raise InvalidParameter("asOf", text, "it lies in the future", INSTANT_EXAMPLE)
    return instant
