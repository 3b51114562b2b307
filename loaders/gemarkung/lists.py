"""The lists as JSON: Ämter by their keys, and Gemarkungen with their Fluren by the Ämter's names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loaders.errors import InvalidDelivery
from loaders.gemarkung.rows import KEYS, Row, Rows, to_district

MAX_SIZE = 64 << 20  # bytes; the genuine one has less than half a million
MAX_RAW = 120


def read_lists(paths: list[Path]) -> Rows:
    """The rows of all lists. Raises InvalidDelivery for what is no list, and where one is missing."""
    rows: Rows = {name: [] for name in KEYS}
    contents = {path: _read(path) for path in paths}
    keys: dict[str, str] = {}
    for path, content in contents.items():
        if _lists_offices(content):
            rows["katasteramt"] += (office := list(_read_offices(path.name, content)))
            keys |= {row.values["name"]: row.key for row in office if row.key}
    for path, content in contents.items():
        if not _lists_offices(content):
            for collection, row in _read_districts(path.name, content, keys):
                rows[collection].append(row)
    if paths and not (rows["katasteramt"] and rows["gemarkung"]):
        missing = "Gemarkungen and Fluren" if rows["katasteramt"] else "Ämter, by their keys,"
        raise InvalidDelivery(
            "files",
            f"The list of {missing} is missing: the delivery holds {', '.join(path.name for path in paths)} only. "
            "Give both, katasteraemter.json and katasteraemter-gemarkungen-fluren-nrw.json.",
        )
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_SIZE:
            raise ValueError(f"it has more than {MAX_SIZE >> 20} MiB")
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _no_list(path, str(error)) from error
    if not isinstance(content, dict) or not content:
        raise _no_list(path, "it must be an object with members")
    return content


def _no_list(path: Path, why: str) -> InvalidDelivery:
    return InvalidDelivery("files", f"{path.name} is no list of Ämter or Gemarkungen: {why}. Fetch it again.")


def _lists_offices(content: dict[str, Any]) -> bool:
    return all(isinstance(value, str) for value in content.values())


def _read_offices(file: str, content: dict[str, str]) -> Iterator[Row]:
    """Keys have lost their first zero."""
    for line, (number, name) in enumerate(content.items(), 1):
        key = number.zfill(KEYS["katasteramt"])
        fault = None
        if not re.fullmatch("05[0-9]{3}", key):
            fault = f"the key of the Amt {name[:60]} is '{number[:20]}'; it must be five digits that begin with 05"
        yield Row(file, line, _shown(number, name), key, {"schluessel": key, "name": name.strip()}, fault=fault)


def _read_districts(file: str, content: dict[str, Any], keys: dict[str, str]) -> Iterator[tuple[str, Row]]:
    """Gemarkungen, each followed by its Fluren. Entries are counted as they come."""
    line = 0
    for office, districts in content.items():
        if not isinstance(districts, dict):
            line += 1
            fault = f"{office[:60]} is no object of Gemarkungen"
            yield "gemarkung", Row(file, line, _shown(office, districts), None, fault=fault)
            continue
        for label, district in districts.items():
            line += 1
            row = _read_district(file, line, label, district, {"amt": office, "amtschl": keys.get(office)})
            yield "gemarkung", row
            for flur in [] if row.fault else district["fluren"]:
                line += 1
                yield "flur", _read_flur(file, line, flur, row)


def _read_district(file: str, line: int, label: str, district: Any, office: dict[str, str | None]) -> Row:
    number = district.get("schluessel") if isinstance(district, dict) else None
    raw = _shown(f"{office['amt']}: {label}", number)
    if not isinstance(number, str) or not re.fullmatch("[0-9]{4}", number):
        return Row(file, line, raw, None, fault=f"{label[:60]}: schluessel is '{number}', it must be four digits")
    if not isinstance(district.get("fluren"), list):
        return Row(file, line, raw, None, fault=f"{label[:60]}: fluren is no list")
    if office["amtschl"] is None:
        return Row(file, line, raw, None, fault=f"the list of Ämter does not hold '{office['amt']}'")
    key = to_district(number)
    values = {"schluessel": key, "nummer": number, "name": label.removesuffix(f"({number})").strip(), **office}
    return Row(file, line, raw, key, values)


def _read_flur(file: str, line: int, flur: Any, district: Row) -> Row:
    own = district.values
    raw = _shown(f"{own['amt']}: {own['name']} ({own['nummer']})", flur)
    if not isinstance(flur, str) or not re.fullmatch("[1-9][0-9]{0,2}", flur):
        fault = f"a Flur of {own['name'][:60]} is {str(flur)[:20]!r}; it must be a number from 1 to 999, as text"
        return Row(file, line, raw, None, fault=fault)
    key = to_district(own["nummer"], flur)
    values = {name: own[name] for name in ("amt", "amtschl")}
    return Row(
        file, line, raw, key,
        {"schluessel": key, "flur": flur, "gemaschl": own["schluessel"], "gemarkung": own["name"], **values},
    )  # fmt: skip


def _shown(name: str, value: Any) -> str:
    return f"{name[:MAX_RAW]}: {str(value)[:MAX_RAW]}"
