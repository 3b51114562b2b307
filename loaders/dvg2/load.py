"""Digitale Verwaltungsgrenzen 2: the areas of DVG1 generalised, with about a tenth of their vertices."""

from loaders.boundaries import boundary_layer
from loaders.context import Context
from loaders.shapes import Field, stage_layers

ARTS = {
    "land_generalisiert": "L",
    "regierungsbezirk_generalisiert": "R",
    "kreis_generalisiert": "K",
    "gemeinde_generalisiert": "G",
}
# only editions until 2018 or so have them
GENERALISATION = (
    Field("KOORD_ORI", "koord_ori", "integer", required=False),
    Field("KOORD_GEN", "koord_gen", "integer", required=False),
    Field("LAENGE_ORI", "laenge_ori", "number", required=False),
    Field("LAENGE_GEN", "laenge_gen", "number", required=False),
)


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {name: boundary_layer(art, GENERALISATION) for name, art in ARTS.items()})
