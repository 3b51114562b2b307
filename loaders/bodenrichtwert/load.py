"""Bodenrichtwerte: zones with the value of land at 1 January, one Shape file per year since 2011."""

from collections import Counter
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.coded import find_texts
from loaders.context import Context
from loaders.packages import read_package
from loaders.recipe import Columns, Recipe, repeated, tell_apart
from loaders.shapes import stage_layers
from loaders.values import join_texts, pad_digits, read_numbers, to_mask

TEXTS = {
    "entwicklungszustand": ("entw", "entwicklungszustand"),
    "nutzung": ("nuta", "bodennutzung"),
    "ergaenzung": ("ergnuta", "bodennutzung_ergaenzung"),
    "bauweise": ("bauw", "bauweise_bodenrichtwert"),
}


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {"bodenrichtwert": Recipe(partial(_complete, context, Counter()))})


def _complete(context: Context, met: Counter[str], columns: Columns, sieve: Sieve, path: Path) -> Columns:
    year = read_package(path, context.manifest, context.origins)
    district, number = (pad_digits(columns[name], 4) for name in ("genu", "brwznr"))
    zones = join_texts(district, number)
    unknown = ~to_mask(pc.match_substring_regex(zones, "^[0-9]{8,}$"))
    sieve.refuse(
        unknown,
        lambda i: f"GENU is '{columns['genu'][i]}' and BRWZNR '{columns['brwznr'][i]}', both must be numbers",
        "key",
    )
    texts = {name: find_texts(columns[code], codelist) for name, (code, codelist) in TEXTS.items()}
    return {
        **columns,
        **texts,
        # a zone may have several areas, or uses
        "id": tell_apart(join_texts(repeated(f"{year}-", sieve), zones), met),
        "jahr": repeated(year, sieve),
        "gilt_bis": pa.array([date(int(year), 12, 31)] * len(zones), pa.date32()),
        "bodenrichtwert": read_numbers(columns["brw"]),
        "zone": zones,
        "genu": district,
        "gesl": pad_digits(columns["gesl"], 8),
        "plz": pad_digits(columns["plz"], 5),
    }
