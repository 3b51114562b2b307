"""Codes and their texts, by columns."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from loaders.codes import read_codelist


def find_texts(codes: pa.Array, name: str) -> pa.Array:
    """The German text of each code; null where the list does not have it."""
    texts = {code: text["de"] for code, text in read_codelist(name).items()}
    return _looked_up(codes, texts)


def find_codes(texts: pa.Array, name: str) -> pa.Array:
    """The code of each German text; null where the list does not have it. Signs between words make no difference."""
    codes = {_bare(text["de"]): code for code, text in read_codelist(name).items()}
    bare = pc.replace_substring_regex(pc.utf8_lower(texts), r"[^\p{L}]+", " ")
    return _looked_up(bare, codes)


def _bare(text: str) -> str:
    return re.sub(r"[\W\d_]+", " ", text.lower())


def _looked_up(keys: pa.Array, values: dict[str, str]) -> pa.Array:
    positions = pc.index_in(keys, value_set=pa.array(values.keys(), pa.string()))
    return pa.array(values.values(), pa.string()).take(positions)
