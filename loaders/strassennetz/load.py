"""Straßennetz of Straßen.NRW: sections and branches as lines, network nodes and zero points."""

from pathlib import Path

import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.coded import find_texts
from loaders.context import Context
from loaders.recipe import LINES, POINTS, Columns, Recipe
from loaders.shapes import stage_layers
from loaders.values import pad_digits, to_mask


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    recipes = {
        "strassenabschnitt": Recipe(_complete_section, LINES),
        "netzknoten": Recipe(_complete_node, POINTS),
        "nullpunkt": Recipe(_complete_zero_point, POINTS),
    }
    stage_layers(context, recipes)


def _complete_section(columns: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    _require(columns, "abs", "[0-9]{7}[A-Z][0-9]{7}[A-Z]", "two zero points such as 4507030A4507031O", sieve)
    return {**columns, "klasse": find_texts(columns["strkl"], "strassenklasse")}


def _complete_node(columns: Columns, sieve: Sieve, path: Path) -> Columns:
    """The codes' texts are the publisher's where it gives them."""
    del path
    columns = {
        **columns,
        "nknr": pad_digits(columns["nknr"], 7),
        "nkartknz": pad_digits(columns["nkartknz"], 1),
        "nkpktfknz": pad_digits(columns["nkpktfknz"], 2),
    }
    _require(columns, "nknr", "[0-9]{7}", "seven digits", sieve)
    lists = {"nkart": "netzknotenart", "nkpktf": "knotenpunktform", "asart": "anschlussart"}
    return {**columns, **_with_texts(columns, lists)}


def _complete_zero_point(columns: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    columns = {
        **columns,
        "nknr": pad_digits(columns["nknr"], 3),
        "tkblattnr": pad_digits(columns["tkblattnr"], 4),
        "npartknz": pad_digits(columns["npartknz"], 1),
    }
    _require(columns, "nk", "[0-9]{7}[A-Z]", "the number of a node and a letter, such as 4507030A", sieve)
    return {**columns, **_with_texts(columns, {"npart": "nullpunktart"})}


def _require(columns: Columns, name: str, pattern: str, what: str, sieve: Sieve) -> None:
    values = columns[name]
    fits = to_mask(pc.match_substring_regex(values, f"^{pattern}$"))
    sieve.refuse(~fits, lambda i: f"{name.upper()} is '{values[i]}', it must be {what}", "key")


def _with_texts(columns: Columns, lists: dict[str, str]) -> Columns:
    return {
        name: pc.coalesce(columns[name], find_texts(columns[f"{name}knz"], codelist))
        for name, codelist in lists.items()
    }
