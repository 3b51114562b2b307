"""Digitale Verwaltungsgrenzen 2: the areas of DVG1 generalised, with about a tenth of their vertices.

Only editions until 2018 or so tell the number of vertices and the length of the boundary before and after.
"""

from loaders.boundaries import require_art
from loaders.context import Context
from loaders.shapes import stage_layers

ARTS = {
    "land_generalisiert": "L",
    "regierungsbezirk_generalisiert": "R",
    "kreis_generalisiert": "K",
    "gemeinde_generalisiert": "G",
}


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {name: require_art(art) for name, art in ARTS.items()})
