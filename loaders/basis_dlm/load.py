"""Digitales Basis-Landschaftsmodell: Shape files by theme and kind of geometry, attributes as AAA abbreviates them."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.coded import find_texts
from loaders.context import Context
from loaders.recipe import AREAS, LINES, POINTS, Columns, Recipe, repeated
from loaders.shapes import stage_layers
from loaders.values import join_texts, parse_dates, to_mask

KINDS = {"f": AREAS, "l": LINES, "p": POINTS}  # by the end of a layer's name
# the texts of a theme: from which column, by which list
TEXTS = {
    "dlm_verkehr": {
        "widmung": ("wdm", "basis_dlm_widmung"),
        "elektrifizierung": ("elk", "basis_dlm_elektrifizierung"),
        "spurweite": ("spw", "basis_dlm_spurweite"),
        "gleise": ("gls", "basis_dlm_gleise"),
    },
}
TRACK = "42008"  # Fahrwegachse


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    sources = context.manifest.collections
    stage_layers(
        context,
        {name: Recipe(partial(_complete, name), KINDS[str(sources[name].layer)[-1]]) for name in context.wanted},
    )


def _complete(collection: str, columns: Columns, sieve: Sieve, path: Path) -> Columns:
    del path
    for name in ("objid", "objart"):
        missing = to_mask(columns[name].is_null())
        sieve.refuse(missing, lambda _, name=name: f"{name.upper()} is empty, every object must have one", "key")
    # what has ended is not delivered, so ENDE is empty
    since = pc.replace_substring_regex(columns["beginn"], "T.*$", "")
    return {
        **{name: column for name, column in columns.items() if name != "ende"},
        "objektart": find_texts(columns["objart"], "basis_dlm_objektart"),
        "beginn": parse_dates(since, "beginn", 1900, sieve),
        **{name: find_texts(columns[code], codes) for name, (code, codes) in TEXTS.get(collection, {}).items()},
        **_by_type(collection, columns, sieve),
    }


def _by_type(collection: str, columns: Columns, sieve: Sieve) -> Columns:
    """Texts of codes whose meaning depends on the type of object."""
    if collection == "dlm_vegetation":
        codes = join_texts(columns["objart"], repeated("_", sieve), columns["veg"])
        return {"vegetation": find_texts(codes, "basis_dlm_vegetation")}
    if collection == "dlm_verkehr":
        of_track = pc.equal(columns["objart"], pa.scalar(TRACK))
        return {"funktion": find_texts(pc.if_else(of_track, columns["fkt"], None), "basis_dlm_weg")}
    return {}
