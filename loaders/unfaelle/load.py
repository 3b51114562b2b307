"""Unfallatlas: accidents with persons injured. One table per year for all of Germany; this state's are kept."""

import re
from calendar import monthrange
from collections import Counter
from datetime import date
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Geometries, Mask, Sieve
from loaders.coded import find_texts
from loaders.context import Context
from loaders.csv_table import TableRecipe, stage_table
from loaders.geometry import points
from loaders.recipe import Columns, repeated, tell_apart
from loaders.values import join_texts, pad_digits, parse_flags, to_mask

COLLECTION = "unfaelle"
STATE = "05"
ALIASES = {
    **dict.fromkeys(("objectid_1", "oid_", "fid"), "objectid"),
    **dict.fromkeys(("iststrassenzustand", "iststrasse", "ustrzustand"), "strzustand"),
    "istsonstig": "istsonstige",
    "licht": "ulichtverh",
}
# digits of the parts of the municipality's key, which some editions write as numbers
PARTS = {"uland": 2, "uregbez": 1, "ukreis": 2, "ugemeinde": 3}
FLAGS = ("istrad", "istpkw", "istfuss", "istkrad", "istgkfz", "istsonstige")
TEXTS = {
    "kategorie": ("ukategorie", "unfallkategorie"),
    "art": ("uart", "unfallart"),
    "typ": ("utyp1", "unfalltyp"),
    "licht": ("ulichtverh", "lichtverhaeltnisse"),
    "zustand": ("strzustand", "strassenzustand"),
}
KEPT = ("ukategorie", "ujahr", "umonat", "uwochentag", "ustunde", "uart", "utyp1", "ulichtverh", "strzustand",
        "uidentstlae", "plst")  # fmt: skip


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    recipe = TableRecipe(
        partial(_complete, Counter()),
        lambda columns, sieve: _places(context, columns, sieve),
        ALIASES,
        _is_here,
        "accidents in other states",
    )
    stage_table(context, COLLECTION, recipe)


def _is_here(columns: Columns) -> Mask:
    """A row without a state is looked at, too, and will be rejected."""
    states = pad_digits(columns["uland"], PARTS["uland"])
    return to_mask(pc.or_kleene(states.is_null(), pc.equal(states, pa.scalar(STATE))))


def _complete(met: Counter[str], columns: Columns, sieve: Sieve) -> Columns:
    ags = join_texts(*(pad_digits(columns[part], digits) for part, digits in PARTS.items()))
    in_state = to_mask(pc.match_substring_regex(ags, f"^{STATE}[0-9]{{6}}$"))
    sieve.refuse(~in_state, lambda i: f"the municipality's key is '{ags[i]}'; it must be eight digits", "key")
    texts = {name: find_texts(columns[code], codelist) for name, (code, codelist) in TEXTS.items()}
    unknown = to_mask(texts["kategorie"].is_null())
    sieve.refuse(unknown, lambda i: f"UKATEGORIE is '{columns['ukategorie'][i]}', it must be 1, 2 or 3")
    years, spans = columns["ujahr"], _months(columns, sieve)
    given = pc.coalesce(columns["uidentstlae"], columns["objectid"])
    sieve.refuse(to_mask(given.is_null()), lambda _: "the accident has neither UIDENTSTLAE nor OBJECTID", "key")
    return {
        **{name: columns[name] for name in KEPT},
        **texts,
        **{name: parse_flags(columns[name], name, sieve) for name in FLAGS},
        "id": tell_apart(join_texts(years, repeated("-", sieve), given), met),
        "ags": ags,
        **spans,
    }


def _months(columns: Columns, sieve: Sieve) -> Columns:
    """First and last day of each row's month."""
    years, months = columns["ujahr"], columns["umonat"]
    spans = [_month(*pair) for pair in zip(years.to_pylist(), months.to_pylist(), strict=True)]
    undated = np.array([span is None for span in spans], np.bool_)
    sieve.refuse(undated, lambda i: f"UJAHR is '{years[i]}' and UMONAT '{months[i]}', which is no month", "date")
    return {
        name: pa.array([span and span[end] for span in spans], pa.date32())
        for end, name in enumerate(("monat_von", "monat_bis"))
    }


@lru_cache(maxsize=512)
def _month(year: Any, month: Any) -> tuple[date, date] | None:
    if not re.fullmatch("20[0-9]{2}", year or "") or month not in range(1, 13):
        return None
    return date(int(year), month, 1), date(int(year), month, monthrange(int(year), month)[1])


def _places(context: Context, columns: Columns, sieve: Sieve) -> Geometries:
    east, north = (columns[name].to_numpy(zero_copy_only=False) for name in ("linrefx", "linrefy"))
    return points(east, north, context.manifest.area_of_use, sieve)
