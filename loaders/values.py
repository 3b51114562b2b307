"""Values that deliveries hold as text. What does not parse is rejected by the sieve; empty is null."""

from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Mask, Sieve

EMPTY = pa.scalar("")
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%Y%m%d", "%Y-%m-%dZ")
NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)?$"


def parse_texts(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """Bytes that claim to be UTF-8 as trimmed text; PostgreSQL's text also holds no zero byte."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        column = _only_valid(column, name, sieve)
    sieve.refuse(to_mask(pc.match_substring(column, "\0")), lambda _: f"{name} holds a zero byte; text must not")
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, EMPTY), None, trimmed)


def _only_valid(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    faults: dict[int, str] = {}
    texts: list[str | None] = []
    for index, content in enumerate(column.cast(pa.binary()).to_pylist()):
        try:
            texts.append(None if content is None else content.decode())
        except UnicodeDecodeError as error:
            texts.append(None)
            faults[index] = describe_bytes(error)
    sieve.refuse(np.isin(np.arange(len(column)), list(faults)), lambda i: f"{name}: {faults[i]}")
    return pa.array(texts, pa.string())


def describe_bytes(error: UnicodeDecodeError) -> str:
    """Why bytes are not UTF-8, with a guess at what they were meant to be."""
    content = error.object
    meant = content.decode("cp1252", "replace")[max(0, error.start - 20) : error.start + 20].strip()
    return (
        f"byte 0x{content[error.start]:02x} at position {error.start + 1} is not UTF-8; "
        f"in cp1252 it reads '{meant}': the row must be UTF-8"
    )


def parse_dates(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """Text, or dates already, as dates. A file holds few different dates, so each is parsed once."""
    if pa.types.is_date(column.type):
        return column
    encoded = column.dictionary_encode()
    dates = pa.array([_parse_date(text) for text in encoded.dictionary.to_pylist()], pa.date32()).take(encoded.indices)
    bad = to_mask(pc.and_(dates.is_null(), column.is_valid()))
    sieve.refuse(bad, lambda i: f"{name} '{column[i]}' is no date; it must look like 2026-07-01")
    return dates


def _parse_date(text: str | None) -> date | None:
    for form in DATE_FORMATS:
        try:
            return datetime.strptime(text or "", form).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    return None


def parse_numbers(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """Text, or numbers already, as float64; decimal point or comma."""
    if not pa.types.is_string(column.type):
        return column.cast(pa.float64())
    matching = pc.match_substring_regex(column, NUMBER)
    bad = to_mask(pc.and_(pc.invert(matching), column.is_valid()))
    sieve.refuse(bad, lambda i: f"{name} '{column[i]}' is no number; it must look like 349925.060 or 349925,060")
    return pc.replace_substring(pc.if_else(matching, column, None), ",", ".").cast(pa.float64())


def join_texts(*columns: pa.Array) -> pa.Array:
    """The columns' texts run together, row by row; null where one of them is."""
    parts: list[Any] = [*columns, EMPTY]
    return pc.binary_join_element_wise(*parts)


def to_mask(condition: pa.Array) -> Mask:
    """A condition as a numpy mask; unknown counts as false."""
    return condition.fill_null(False).to_numpy(zero_copy_only=False)
