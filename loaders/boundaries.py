"""What the two editions of the administrative boundaries share.

The publisher's key is (ART, KN): a city of its own is a Kreis and a Gemeinde with one KN. A layer holds one ART.
"""

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.shapes import Field, Layer
from loaders.values import to_mask

FIELDS = (Field("ART", "art"), Field("GN", "gn"), Field("KN", "kn"), Field("STAND", "stand", "date"))


def boundary_layer(art: str, more_fields: tuple[Field, ...] = ()) -> Layer:
    """A layer whose rows are all of one ART."""
    return Layer((*FIELDS, *more_fields), key="kn", rule=partial(_require_key, art))


def _require_key(art: str, attributes: dict[str, pa.Array], sieve: Sieve) -> None:
    kinds, keys = attributes["art"], attributes["kn"]
    other = ~to_mask(pc.equal(kinds, pa.scalar(art)))
    sieve.refuse(other, lambda i: f"ART is '{kinds[i]}', all rows of this layer must be '{art}'")
    valid = to_mask(pc.match_substring_regex(keys, r"^05[0-9]{6}$"))
    sieve.refuse(
        ~valid,
        lambda i: f"KN is '{keys[i]}', it must be a key of North Rhine-Westphalia: eight digits that begin with 05",
    )
    unnamed = to_mask(attributes["gn"].is_null())
    sieve.refuse(unnamed, lambda _: "GN is empty, every area must have a name")
