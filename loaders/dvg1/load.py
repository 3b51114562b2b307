"""Digitale Verwaltungsgrenzen 1: areas of the state and its districts, accurate to about 3 m."""

from loaders.boundaries import require_art
from loaders.context import Context
from loaders.shapes import stage_layers

ARTS = {"land": "L", "regierungsbezirk": "R", "kreis": "K", "gemeinde": "G"}


def load(context: Context) -> None:
    """Stage the delivery's rows."""
    stage_layers(context, {name: require_art(art) for name, art in ARTS.items()})
