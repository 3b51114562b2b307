"""config/styles/*.yaml: the styles of the whole map, each with its colours."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from server.catalogue import IDENTIFIER, Collection
from server.errors import ConfigurationError
from server.strict import Strict, Text, read_yaml

# What every style must have: for what no collection names
NEEDED = ("background", "text", "halo", "accent")


class Palette(Strict):
    """A style. `default`: what is shown where none is chosen; of several the first by id."""

    id: str = Field(pattern=IDENTIFIER)
    title: Text
    description: Text
    default: bool = False
    colours: dict[str, str]

    def colour(self, name: str) -> str:
        """#rrggbb of a name, or what is given as such itself."""
        return name if name.startswith("#") else self.colours[name]


@lru_cache(maxsize=8)
def read_palettes(config_dir: Path) -> Mapping[str, Palette]:
    """All styles by id, the default one first. Raises ConfigurationError that names file and line."""
    folder = config_dir / "styles"
    found = []
    for path in sorted(folder.glob("*.yaml")):
        palette = read_yaml(path, Palette)
        if palette.id != path.stem:
            raise ConfigurationError(f"{path}: id is '{palette.id}', but a style's file bears its id: rename one.")
        found.append(palette)
    if not found:
        raise ConfigurationError(f"{folder} holds no *.yaml file: a service needs at least one style.")
    return {palette.id: palette for palette in sorted(found, key=lambda p: not p.default)}


def check_colours(palettes: Iterable[Palette], collections: Iterable[Collection]) -> None:
    """Raise ConfigurationError where a style lacks a colour that a collection names."""
    named = [(name, "every map") for name in NEEDED]
    named += [(name, f"the collection '{c.id}'") for c in collections for name in c.look.colours]
    for palette in palettes:
        for name, user in named:
            if not name.startswith("#") and name not in palette.colours:
                raise ConfigurationError(
                    f"config/styles/{palette.id}.yaml has no colour '{name}', which {user} needs: add it to colours, "
                    "or give the collection another."
                )
