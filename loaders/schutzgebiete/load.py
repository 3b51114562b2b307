"""Schutzgebiete of LINFOS: areas protected by law, an archive for each kind of them."""

from collections import Counter
from functools import partial
from pathlib import Path

import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.coded import find_texts
from loaders.context import Context
from loaders.packages import read_package
from loaders.recipe import Columns, Recipe, repeated, tell_apart
from loaders.shapes import stage_layers
from loaders.values import join_texts, to_mask

# what ids begin with: the publisher's numbers are unique within their kind
SHORT = {"Naturschutzgebiete": "NSG", "Landschaftsschutzgebiete": "LSG", "FFH-Gebiete": "FFH",
         "Vogelschutzgebiete": "VSG", "Nationalpark": "NLP", "Naturparke": "NP", "RAMSAR": "RAMSAR",
         "Wildnisgebiete": "WG"}  # fmt: skip


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {"schutzgebiet": Recipe(partial(_complete, context, Counter()))})


def _complete(context: Context, met: Counter[str], columns: Columns, sieve: Sieve, path: Path) -> Columns:
    package = read_package(path, context.manifest, context.origins)
    marks = columns["kennung"]
    sieve.refuse(to_mask(marks.is_null()), lambda _: "KENNUNG is empty, every area must have one", "key")
    kinds = repeated(package, sieve)
    # in force since: a year, which some tables hold as a number
    since = pc.coalesce(columns["inkraft"], columns["inkraft_seit"])
    return {
        **{name: column for name, column in columns.items() if name != "inkraft_seit"},
        "id": tell_apart(join_texts(repeated(f"{SHORT[package]}-", sieve), marks), met),
        "paket": kinds,
        "art": find_texts(kinds, "schutzgebietsart"),
        "inkraft": pc.replace_substring_regex(since, r"^([0-9]{4})\.0*$", r"\1"),
    }
