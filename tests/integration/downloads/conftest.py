"""The example with its files made, served over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from loaders.progress import Quiet
from server.catalogue import read_collections, read_service
from server.exports.shelf import Shelf
from server.exports.whole import Files, Result
from server.settings import ROOT, Settings

COLLECTIONS = {c.id: c for c in read_collections(ROOT / "collections")}


@dataclass(frozen=True)
class Maker:
    """Makes files of a database into a folder, as a job does."""

    database_url: str
    home: Path

    @property
    def settings(self) -> Settings:
        return Settings(database_url=self.database_url, OPENNRW_HOME=self.home)  # pyright: ignore

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.home / "downloads")

    def make(self, collection: str, give_way: Callable[[], bool] = lambda: False) -> Result:
        files = Files(self.settings, read_service(ROOT / "config"), Quiet(), give_way)
        return files.make(COLLECTIONS[collection])


@pytest.fixture
def maker(example_database_url: str, tmp_path: Path) -> Maker:
    """Makes files of a database of the test's own."""
    return Maker(example_database_url, tmp_path / "home")


@dataclass(frozen=True)
class Offered:
    """A service with the files of `adresse`, `hausumring`, `gemeinde` and `kreis` made."""

    url: str
    maker: Maker


@pytest.fixture(scope="session")
def offered(
    cluster: Any, example_template: str, serve_files: Callable[[Maker], Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Offered]:
    """For tests that change nothing but cuts."""
    database_url = cluster.create(example_template)
    maker = Maker(database_url, tmp_path_factory.mktemp("files"))
    for collection in ("adresse", "hausumring", "gemeinde", "kreis"):
        assert maker.make(collection).outcome == "made"
    with serve_files(maker) as served:
        yield Offered(served.url, maker)
    cluster.drop(database_url)


@pytest.fixture(scope="session")
def serve_files(serve_probe: Callable[..., Any]) -> Callable[[Maker], Any]:
    """`with serve_files(maker) as served`: a service over the maker's database and files."""

    def serve(maker: Maker, **environment: str) -> Any:
        given = {"OPENNRW_HOME": str(maker.home), "OPENNRW_COLLECTIONS_DIR": str(ROOT / "collections"), **environment}
        return serve_probe(maker.database_url, **given)

    return serve


@pytest.fixture(scope="session")
def web(offered: Offered) -> Iterator[httpx.Client]:
    """HTTP to the service with files."""
    with httpx.Client(base_url=offered.url, timeout=60) as client:
        yield client
