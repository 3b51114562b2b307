"""Hausumringe: one area per building, its outline on the ground without roofs and underground parts."""

from pathlib import Path

import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.context import Context
from loaders.recipe import Columns, Recipe
from loaders.shapes import stage_layers
from loaders.values import to_mask


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {"hausumring": Recipe(_require_keys)})


def _require_keys(attributes: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    keys = attributes["ags"]
    sieve.refuse(to_mask(attributes["oi"].is_null()), lambda _: "OI is empty, every outline must have one", "key")
    in_state = to_mask(pc.match_substring_regex(keys, "^05[0-9]{6}$"))
    sieve.refuse(~in_state, lambda i: f"AGS is '{keys[i]}', it must be eight digits that begin with 05", "key")
    return attributes
