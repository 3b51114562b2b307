"""3D buildings as blocks (LoD1): one CityGML file for each square kilometre, made like those of LoD2."""

from loaders.context import Context
from loaders.lod2.load import load as load_tiles


def load(context: Context) -> None:
    """Stage the delivery's buildings."""
    load_tiles(context)
