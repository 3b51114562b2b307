"""The services that are fuzzed: with a small budget the one that all tests share, with a large one every collection."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loaders.example.city import write_city
from loaders.example.options import ExampleOptions
from loaders.example.products import write_products
from loaders.example.region import make_region
from loaders.example.statistics import write_statistics
from loaders.example.write import write_cadastre
from loaders.run import LoadOptions, load_dataset
from server.catalogue import read_collections
from server.gazetteer import refresh
from server.settings import Settings

EXAMPLE = ExampleOptions(addresses=600)


@pytest.fixture
def fuzzed(request: pytest.FixtureRequest) -> str:
    """Base URL of the service."""
    return request.getfixturevalue("service_of_everything" if os.environ.get("FUZZ_SECONDS") else "live_server")


@pytest.fixture
def service_of_everything(
    example_database_url: str,
    tmp_path: Path,
    start_server: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Base URL of a service over every dataset that the example writes."""
    home, written = tmp_path / "home", tmp_path / "deliveries"
    monkeypatch.setenv("OPENNRW_HOME", str(home))
    folders = write_cadastre(written, EXAMPLE, 1) | write_city(written, EXAMPLE, 1) | write_products(written, EXAMPLE)
    folders |= write_statistics(written, make_region(EXAMPLE), EXAMPLE)
    for dataset, folder in folders.items():
        load_dataset(dataset, LoadOptions(example_database_url, home / "store", source=str(folder)))
    refresh(example_database_url, read_collections(*Settings().collection_folders))
    return start_server(example_database_url, OPENNRW_HOME=str(home)).url
