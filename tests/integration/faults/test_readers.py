"""Loads while clients page, fetch tiles and single features: no failed request, no answer of two editions at once.

Every row changes with every edition: its street bears the edition's name.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import pytest

from loaders.rollback import RollbackOptions, roll_back
from loaders.run import LoadOptions, load_dataset

ITEMS = "/collections/adresse/items"


@dataclass
class Reader:
    """A client that repeats what it does until it is told to stop; what it saw and what failed."""

    act: Callable[[httpx.Client], str]
    seen: list[str] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def run(self, url: str, stop: threading.Event) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not stop.is_set():
                try:
                    self.seen.append(self.act(client))
                except Exception as error:  # whatever goes wrong is the finding
                    self.failures.append(error)
                    return


@contextmanager
def reading(url: str, readers: list[Reader]) -> Iterator[None]:
    """The readers at work; afterwards none of them failed, each saw the last edition."""
    stop = threading.Event()
    threads = [threading.Thread(target=reader.run, args=(url, stop)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        yield
        for reader in readers:  # one more answer of each
            wanted = len(reader.seen) + 2
            while len(reader.seen) < wanted and not reader.failures:
                stop.wait(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def only(streets: set[str]) -> str:
    """The edition that an answer is of."""
    assert len(streets) == 1, f"an answer of several editions: {streets}"
    return streets.pop()


def crawl(client: httpx.Client, limit: int, total: int) -> str:
    """All pages, one after the other: every feature once, all of one edition."""
    url, ids, streets = f"{ITEMS}?limit={limit}", [], set()
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        ids += [feature["id"] for feature in page["features"]]
        streets |= {feature["properties"]["str"] for feature in page["features"]}
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    assert sorted(ids) == sorted(f"A{n}" for n in range(total))
    return only(streets)


def page(client: httpx.Client, limit: int) -> str:
    answer = client.get(f"{ITEMS}?limit={limit}")
    assert answer.status_code == 200, answer.text
    return only({feature["properties"]["str"] for feature in answer.json()["features"]})


def feature(client: httpx.Client) -> str:
    answer = client.get(f"{ITEMS}/A7")
    assert answer.status_code == 200, answer.text
    return answer.json()["properties"]["str"]


def tile(client: httpx.Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    features = mapbox_vector_tile.decode(answer.content)["adresse"]["features"]
    return only({feature["properties"]["str"] for feature in features})


# with so many rows the table is made anew and swapped in
@pytest.mark.parametrize(("total", "later"), [(600, ["Zweite", "Dritte"]), (21_000, ["Zweite"])])
def test_readers_are_not_disturbed(
    database_url: str,
    loader: Any,
    start_server: Callable[..., Any],
    write_edition: Callable[[str, int], Path],
    total: int,
    later: list[str],
) -> None:
    editions = ["Erste", *later]
    load_dataset("gebref", LoadOptions(database_url, loader.store, str(write_edition("Erste", total))))
    server = start_server(database_url, OPENNRW_WORKERS="2")
    path = "/collections/adresse/tiles/WebMercatorQuad/15/10940/17099"
    readers = [
        Reader(lambda client: crawl(client, max(100, total // 10), total)),
        Reader(lambda client: page(client, 500)),
        Reader(lambda client: tile(client, path)),
        Reader(feature),
    ]
    with reading(server.url, readers):
        for street in later:
            replace(loader, source=write_edition(street, total)).start(database_url)
            assert loader.read()["status"] == "published"
        roll_back(len(editions), RollbackOptions(database_url))
    assert [failure for reader in readers for failure in reader.failures] == []
    for reader in readers:
        assert reader.seen[0] == "Erste"
        assert reader.seen[-1] == editions[-2]
