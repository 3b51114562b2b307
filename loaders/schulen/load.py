"""Schulen: public and private schools as points."""

from pathlib import Path

import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.context import Context
from loaders.recipe import POINTS, Columns, Recipe
from loaders.shapes import stage_layers
from loaders.values import pad_digits, to_mask


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {"schulen": Recipe(_complete, POINTS)})


def _complete(columns: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    numbers = pad_digits(columns["schulnummer"], 6)
    official = to_mask(pc.match_substring_regex(numbers, "^[0-9]{6}$"))
    sieve.refuse(~official, lambda i: f"SCHULNUMME is '{numbers[i]}', it must be six digits", "key")
    unnamed = to_mask(columns["name"].is_null())
    sieve.refuse(unnamed, lambda _: "NAME is empty, every school must have one")
    return {**columns, "schulnummer": numbers, "postleitzahl": pad_digits(columns["postleitzahl"], 5)}
