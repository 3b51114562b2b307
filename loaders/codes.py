"""Official code lists: loaders/codelists/<name>.yaml, a code to its German and English text."""

from functools import cache
from importlib import resources

import yaml

Codelist = dict[str, dict[str, str]]


@cache
def read_codelist(name: str) -> Codelist:
    """A list by its name. Raises FileNotFoundError for one that does not exist."""
    source = resources.files("loaders") / "codelists" / f"{name}.yaml"
    return yaml.safe_load(source.read_text("utf-8"))
