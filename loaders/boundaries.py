"""What the two editions of the administrative boundaries share.

The publisher's key is (ART, KN): a city of its own is a Kreis and a Gemeinde with one KN. A layer holds one ART.
"""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.recipe import Columns, Recipe
from loaders.values import to_mask


def require_art(art: str) -> Recipe:
    """A layer's rows must all be of one ART, and have a key and a name."""
    return Recipe(partial(_require, art))


def _require(art: str, attributes: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    kinds, keys = attributes["art"], attributes["kn"]
    other = ~to_mask(pc.equal(kinds, pa.scalar(art)))
    sieve.refuse(other, lambda i: f"ART is '{kinds[i]}', all rows of this layer must be '{art}'")
    valid = to_mask(pc.match_substring_regex(keys, r"^05[0-9]{6}$"))
    sieve.refuse(
        ~valid,
        lambda i: f"KN is '{keys[i]}', it must be a key of North Rhine-Westphalia: eight digits that begin with 05",
        "key",
    )
    unnamed = to_mask(attributes["gn"].is_null())
    sieve.refuse(unnamed, lambda _: "GN is empty, every area must have a name")
    return attributes
