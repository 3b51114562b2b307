"""ALKIS in the AdV's simplified schema (Vereinfachtes Datenaustauschschema): one GeoPackage per district."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from loaders.batch import Sieve
from loaders.coded import find_codes
from loaders.context import Context
from loaders.geopackage import stage_geopackages
from loaders.packages import read_package
from loaders.parcels import parse_marks, split_marks, split_uses
from loaders.recipe import POINTS, Columns, Recipe, repeated
from loaders.values import to_mask

WIDTH = 254  # bytes of the schema's text fields
IN_STATE = "^05[0-9]{6}$"

Own = Callable[[Columns, Sieve], Columns]


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    packages = {path: read_package(path, context.manifest, context.origins) for path in context.files.values()}

    def recipe(own: Own) -> Recipe:
        def complete(columns: Columns, sieve: Sieve, path: Path) -> Columns:
            return {**_identify(columns, sieve), **own(columns, sieve), "paket": repeated(packages[path], sieve)}

        return Recipe(complete, cut_at=WIDTH)

    stage_geopackages(
        context,
        {
            "flurstueck": recipe(_parcel_with_uses),
            "flurstueck_punkt": replace(recipe(_parcel), kind=POINTS),
            "gebaeude_bauwerk": recipe(_nothing),
            "katasterbezirk": recipe(_require_key("schluessel")),
            "nutzung": recipe(_use),
            "nutzung_flurstueck": recipe(_use_of_parcel),
            "verwaltungseinheit": recipe(_nothing),
        },
    )


def _identify(columns: Columns, sieve: Sieve) -> Columns:
    """All columns as they are but the publisher's id, whose name PostgreSQL uses itself."""
    ids = columns["oid"]
    sieve.refuse(to_mask(ids.is_null()), lambda _: "oid is empty, every object must have one", "key")
    return {**{name: column for name, column in columns.items() if name != "oid"}, "oi": ids}


def _nothing(columns: Columns, sieve: Sieve) -> Columns:
    del columns, sieve
    return {}


def _require_key(name: str) -> Own:
    def require(columns: Columns, sieve: Sieve) -> Columns:
        sieve.refuse(to_mask(columns[name].is_null()), lambda _: f"{name} is empty, every object must have one", "key")
        return {}

    return require


def _parcel(columns: Columns, sieve: Sieve) -> Columns:
    keys = columns["gmdschl"]
    in_state = to_mask(pc.match_substring_regex(keys, IN_STATE))
    sieve.refuse(~in_state, lambda i: f"gmdschl is '{keys[i]}', it must be eight digits that begin with 05", "key")
    marks = parse_marks(columns["flstkennz"], "flstkennz", sieve)
    return {"flstkennz": marks, **split_marks(marks)}


def _parcel_with_uses(columns: Columns, sieve: Sieve) -> Columns:
    names, areas = split_uses(columns["tntxt"], WIDTH, sieve)
    return {**_parcel(columns, sieve), "nutzungen": names, "nutzflaechen": areas}


def _use(columns: Columns, sieve: Sieve) -> Columns:
    del sieve
    return {"objektart": find_codes(columns["nutzart"], "objektart")}


def _use_of_parcel(columns: Columns, sieve: Sieve) -> Columns:
    return {**_use(columns, sieve), "flstkennz": parse_marks(columns["flstkennz"], "flstkennz", sieve)}
