"""Values of any file as those of properties. What does not fit a property's type is rejected; empty is null."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.tables import PropertyType
from loaders.values import parse_texts

ARROW: dict[PropertyType, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
}
GERMAN = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
WHOLE = re.compile(r"([+-]?[0-9]+)(\.0*)?")
BOOLEANS = {"true": True, "false": False, "wahr": True, "falsch": False, "1": True, "0": False}
FORMS: dict[PropertyType, str] = {
    "integer": "a whole number of 64 bits such as 42",
    "number": "a number such as 42.5 or 42,5",
    "date": "a day such as 2024-12-31 or 31.12.2024",
    "datetime": "a time such as 2024-12-31T12:00:00Z",
    "boolean": "true or false",
}


def convert(column: pa.Array, kind: PropertyType, name: str, sieve: Sieve, comma: bool = False) -> pa.Array:
    """A column as its property's type; `comma`: texts have a decimal comma, and points between thousands."""
    if kind == "number" and pa.types.is_floating(column.type):
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        sieve.refuse(np.isinf(values), lambda i: f"{name} is {column[i]}, which is no number")
        return pa.array(values, pa.float64(), mask=np.isnan(values))
    if pa.types.is_timestamp(column.type) and kind == "datetime":
        return _to_utc(column)
    if column.type == ARROW[kind] and kind != "string":
        return column
    texts = parse_texts(to_texts(column), name, sieve)
    return texts if kind == "string" else _parse(texts, kind, name, sieve, comma)


def to_texts(column: pa.Array) -> pa.Array:
    """As people write the values: whole numbers without decimals, lists and objects as JSON."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return to_texts(column.cast(kind.value_type))
    if pa.types.is_string(kind):
        return column
    if pa.types.is_nested(kind):
        values = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist()]
        return pa.array(values, pa.string())
    if pa.types.is_floating(kind):
        values = [None if v is None or math.isnan(v) else repr(v).removesuffix(".0") for v in column.to_pylist()]
        return pa.array(values, pa.string())
    if pa.types.is_timestamp(kind):
        moments: list[Any] = column.cast(pa.timestamp("us", kind.tz)).to_pylist()
        values = [None if v is None else v.isoformat() for v in moments]
        return pa.array(values, pa.string())
    return column.cast(pa.string())


def pad(column: pa.Array, digits: int | None) -> pa.Array:
    """Keys with the zeros that a spreadsheet took from them."""
    if not digits:
        return column
    return pc.if_else(pc.match_substring_regex(column, "^[0-9]+$"), pc.utf8_lpad(column, digits, "0"), column)


def _to_utc(column: pa.Array) -> pa.Array:
    """A time without a zone counts as UTC."""
    micro: Any = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return micro.cast(ARROW["datetime"]) if column.type.tz else pc.assume_timezone(micro, "UTC")


def _parse(texts: pa.Array, kind: PropertyType, name: str, sieve: Sieve, comma: bool) -> pa.Array:
    """Each different text is parsed once."""
    encoded = texts.dictionary_encode()
    values, faulty = [], []
    different: list[Any] = encoded.dictionary.to_pylist()
    for text in different:
        try:
            values.append(PARSERS[kind](_point(text) if comma else text))
            faulty.append(False)
        except (ValueError, OverflowError, KeyError):
            values.append(None)
            faulty.append(True)
    indices = encoded.indices
    bad = pa.array(faulty, pa.bool_()).take(indices).fill_null(False).to_numpy(zero_copy_only=False)
    sieve.refuse(bad, lambda i: f"{name} is '{str(texts[i])[:60]}'; it must be {FORMS[kind]}")
    return pa.array(values, ARROW[kind]).take(indices)


def _point(text: str) -> str:
    return text.replace(".", "").replace(",", ".")


def _integer(text: str) -> int:
    found = WHOLE.fullmatch(text)
    value = int(found[1]) if found else 2**63
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _number(text: str) -> float:
    value = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(text)
    return value


def _date(text: str) -> date:
    if found := GERMAN.fullmatch(text):
        day, month, year = map(int, found.groups())
        return date(year, month, day)
    if re.fullmatch(r"[0-9]{8}", text):
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    return date.fromisoformat(text.partition("T")[0].partition(" ")[0].replace("/", "-"))


def _datetime(text: str) -> datetime:
    day, _, rest = text.partition(" ")
    if GERMAN.fullmatch(day):
        text = f"{_date(day).isoformat()}T{rest}" if rest else _date(day).isoformat()
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


PARSERS: dict[PropertyType, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "boolean": lambda text: BOOLEANS[text.lower()],
}
