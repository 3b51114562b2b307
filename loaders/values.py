"""Values that deliveries hold as text. What does not parse is rejected by the sieve; empty is null."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Mask, Sieve

EMPTY = pa.scalar("")
# with [0-9], because \d matches the digits of every script
DATE_FORMS = (
    re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})Z?"),
    re.compile(r"(?P<day>[0-9]{2})\.(?P<month>[0-9]{2})\.(?P<year>[0-9]{4})"),
    re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"),
)
NUMBER = r"^[+-]?[0-9]{1,30}([.,][0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$"
MAX_INT32 = 2.0**31 - 1


def parse_texts(column: pa.Array, name: str, sieve: Sieve, cut_at: int | None = None) -> pa.Array:
    """Bytes that claim to be UTF-8 as trimmed text; PostgreSQL's text also holds no zero byte.

    `cut_at`: how many bytes the publisher cuts texts down to; one as long that ends within a character is mended.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        column = _only_valid(column, name, sieve, cut_at)
    zero = to_mask(pc.match_substring(column, "\0"))
    sieve.refuse(zero, lambda _: f"{name} holds a zero byte; text must not", "encoding")
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, EMPTY), None, trimmed)


def _only_valid(column: pa.Array, name: str, sieve: Sieve, cut_at: int | None) -> pa.Array:
    faults: dict[int, str] = {}
    texts: list[str | None] = []
    for index, content in enumerate(column.cast(pa.binary()).to_pylist()):
        if content is None:
            texts.append(None)
            continue
        try:
            texts.append(content.decode())
        except UnicodeDecodeError as error:
            if len(content) == cut_at and error.end == cut_at and error.reason == "unexpected end of data":
                texts.append(content[: error.start].decode())
                sieve.note_repair(index, f"{name} was cut within a character", content, "encoding")
                continue
            texts.append(None)
            faults[index] = describe_bytes(error)
    sieve.refuse(np.isin(np.arange(len(column)), list(faults)), lambda i: f"{name}: {faults[i]}", "encoding")
    return pa.array(texts, pa.string())


def describe_bytes(error: UnicodeDecodeError) -> str:
    """Why bytes are not UTF-8, with a guess at what they were meant to be."""
    content = error.object
    meant = content.decode("cp1252", "replace")[max(0, error.start - 20) : error.start + 20].strip()
    return (
        f"byte 0x{content[error.start]:02x} at position {error.start + 1} is not UTF-8; "
        f"in cp1252 it reads '{meant}': the row must be UTF-8"
    )


def parse_dates(column: pa.Array, name: str, since: int, sieve: Sieve) -> pa.Array:
    """Text as dates from the year `since` until today. A delivery holds few different dates: each is parsed once."""
    encoded = column.dictionary_encode()
    dates = pa.array([_parse_date(text) for text in encoded.dictionary.to_pylist()], pa.date32()).take(encoded.indices)
    bad = to_mask(pc.and_(dates.is_null(), column.is_valid()))
    sieve.refuse(bad, lambda i: f"{name} {_shown(column[i])} is no date; it must look like 2026-07-01", "date")
    early = to_mask(pc.less(dates, pa.scalar(date(since, 1, 1))))
    sieve.refuse(early, lambda i: f"{name} {_shown(column[i])} is before {since}; correct it at the source", "date")
    # a day on top, for the publisher's clock and ours need not agree
    late = to_mask(pc.greater(dates, pa.scalar(datetime.now(UTC).date() + timedelta(days=1))))
    sieve.refuse(late, lambda i: f"{name} {_shown(column[i])} lies in the future; correct it at the source", "date")
    return dates


@lru_cache(maxsize=1 << 16)
def _parse_date(text: str | None) -> date | None:
    for form in DATE_FORMS:
        if match := form.fullmatch(text or ""):
            try:
                return date(**{part: int(digits) for part, digits in match.groupdict().items()})
            except ValueError:
                return None
    return None


def parse_numbers(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """Text as float64; decimal point or comma, no thousands separators."""
    matching = pc.match_substring_regex(column, NUMBER)
    bad = to_mask(pc.and_(pc.invert(matching), column.is_valid()))
    sieve.refuse(bad, lambda i: f"{name} {_shown(column[i])} is no number; it must look like 349925.060 or 349925,060")
    numbers = pc.replace_substring(pc.if_else(matching, column, None), ",", ".").cast(pa.float64())
    sieve.refuse(to_mask(pc.is_inf(numbers)), lambda i: f"{name} {_shown(column[i])} is too large a number")
    return numbers


def parse_integers(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """Text as int32; also where a table writes it with decimals that are all zero."""
    numbers = parse_numbers(column, name, sieve)
    values = numbers.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        whole = (values == np.floor(values)) & (np.abs(values) <= MAX_INT32)
    bad = ~whole & ~np.isnan(values)
    sieve.refuse(bad, lambda i: f"{name} {_shown(column[i])} is no integer of 32 bits")
    return pa.array(np.where(whole, values, 0).astype(np.int32), mask=~whole)


def _shown(value: pa.Scalar) -> str:
    text = str(value)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:60]}…' ({len(text)} characters)"


def join_texts(*columns: pa.Array) -> pa.Array:
    """The columns' texts run together, row by row; null where one of them is."""
    parts: list[Any] = [*columns, EMPTY]
    return pc.binary_join_element_wise(*parts)


def to_mask(condition: pa.Array) -> Mask:
    """A condition as a numpy mask; unknown counts as false."""
    return condition.fill_null(False).to_numpy(zero_copy_only=False)


def read_numbers(column: pa.Array) -> pa.Array:
    """Text as people write it (1.250,00 or 0,8) as float64; null where it is no number, which is no fault."""
    grouped = pc.match_substring_regex(column, r"^[0-9]{1,3}(\.[0-9]{3})+(,[0-9]{1,30})?$")
    plain: Any = pc.if_else(grouped, pc.replace_substring(column, ".", ""), column)
    plain = pc.replace_substring(plain, ",", ".")
    return pc.if_else(pc.match_substring_regex(plain, r"^[0-9]{1,30}(\.[0-9]{1,30})?$"), plain, None).cast(pa.float64())


def pad_digits(column: pa.Array, width: int) -> pa.Array:
    """Keys of digits with the zeros before them that a table of numbers has lost; other text stays as it is."""
    whole = pc.replace_substring_regex(column, r"^([0-9]+)\.0*$", r"\1")
    return pc.if_else(pc.match_substring_regex(whole, "^[0-9]+$"), pc.utf8_lpad(whole, width, "0"), whole)


def parse_flags(column: pa.Array, name: str, sieve: Sieve) -> pa.Array:
    """0 and 1 as booleans."""
    yes, no = (pc.equal(column, pa.scalar(digit)) for digit in "10")
    bad = to_mask(pc.and_(pc.invert(pc.or_(yes, no)), column.is_valid()))
    sieve.refuse(bad, lambda i: f"{name} {_shown(column[i])} is neither 0 nor 1")
    return yes
