"""Products in packages: each replaces its own features; several publish into one collection at the same time."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import DeliveryRefused, SourceError
from loaders.manifest import Manifest, Packages, parse_manifest, read_manifest
from loaders.progress import Quiet
from loaders.report import Counts, Report
from loaders.run import LoadOptions, load_delivery

Address = Callable[..., str]
Connection = psycopg.Connection[Any]
LoadPackages = Callable[..., Report]
BY_PACKAGE = "select left(ags, 5), array_agg(id order by id) from geobasis.adresse group by 1 order by 1"


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """Addresses as one file per district."""
    changes = {"file": r"gebref_(?P<package>05[0-9]{3})\.txt", "packages": Packages(column="ags")}
    return read_manifest("gebref").model_copy(update=changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "packages").mkdir()
    return tmp_path / "packages"


@pytest.fixture
def write(folder: Path, address: Address) -> Callable[..., None]:
    """`write("05962", "A", range(3))`: a package with the rows A0, A1, A2; `ags` where the rows say another key."""

    def make(package: str, letter: str, numbers: range, ags: str = "", **columns: str) -> None:
        key = (ags or package) + "052"
        parts = {"regbezschl": key[2], "kreisschl": key[3:5], "gmdschl": key[5:]}
        lines = [address(f"{letter}{i}", **parts, **columns) for i in numbers]
        (folder / f"gebref_{package}.txt").write_text("".join(f"{line}\n" for line in lines))

    return make


@pytest.fixture
def load_packages(database_url: str, tmp_path: Path, folder: Path, manifest: Manifest) -> LoadPackages:
    def run(*packages: str, **options: Any) -> Report:
        given = LoadOptions(database_url, tmp_path / "store", str(folder), packages=packages, **options)
        return load_delivery(manifest, given)

    return run


def test_a_package_replaces_its_own_features(
    load_packages: LoadPackages, connection: Connection, write: Callable[..., None]
) -> None:
    write("05962", "A", range(20))
    write("05113", "B", range(20))
    report = load_packages()
    assert report.packages == ["05113", "05962"]
    assert report.collections["adresse"] == Counts(read=40, inserted=40)

    write("05962", "A", range(1, 21))
    report = load_packages("05962")
    assert report.collections["adresse"] == Counts(read=20, inserted=1, unchanged=19, deleted=1)
    rows = dict(connection.execute(BY_PACKAGE).fetchall())
    assert [len(rows["05113"]), len(rows["05962"])] == [20, 20]
    recorded = connection.execute("select packages from provenance.delivery order by id").fetchall()
    assert recorded == [(["05113", "05962"],), (["05962"],)]

    assert load_packages("05962").status == "unchanged"
    load_packages("05113")
    assert load_packages("05962").delivery is None  # known still: another package is no news of this one


def test_a_package_that_is_not_there_keeps_its_features(
    load_packages: LoadPackages, connection: Connection, write: Callable[..., None], folder: Path
) -> None:
    write("05962", "A", range(20))
    write("05113", "B", range(20))
    load_packages()
    (folder / "gebref_05113.txt").unlink()
    write("05962", "A", range(20), hnr="9")
    assert load_packages().collections["adresse"] == Counts(read=20, updated=20)
    assert len(dict(connection.execute(BY_PACKAGE).fetchall())["05113"]) == 20
    with pytest.raises(SourceError, match="05113"):
        load_packages("05113")


def test_each_package_is_held_to_its_own_number(
    load_packages: LoadPackages, connection: Connection, write: Callable[..., None]
) -> None:
    write("05962", "A", range(300))
    write("05113", "B", range(10))
    load_packages()
    write("05113", "B", range(8))
    with pytest.raises(DeliveryRefused, match=r"package 05113: 8 features, 10 are live; a package must hold .* 90%"):
        load_packages()
    assert connection.execute("select count(*) from geobasis.adresse").fetchone() == (310,)
    assert load_packages(accept_shrink=True).collections["adresse"].deleted == 2


def test_rows_of_another_package(
    load_packages: LoadPackages, connection: Connection, write: Callable[..., None], folder: Path
) -> None:
    write("05962", "A", range(20))
    load_packages()
    write("05113", "A", range(3), ags="05962")
    own = (folder / "gebref_05113.txt").read_text()
    write("05113", "B", range(5))
    with (folder / "gebref_05113.txt").open("a") as file:
        file.write(own)
    report = load_packages("05113")
    assert report.collections["adresse"] == Counts(read=8, inserted=5, rejected=3)
    assert report.first_rejects[0].reason == (
        "ags is '05962052', this delivery holds the packages 05113 only; the row belongs to another package"
    )
    assert connection.execute("select count(*) from geobasis.adresse").fetchone() == (25,)


def test_a_feature_that_moves_to_another_package(
    load_packages: LoadPackages, connection: Connection, write: Callable[..., None]
) -> None:
    write("05962", "A", range(20))
    write("05113", "B", range(20))
    load_packages()
    write("05113", "A", range(1))
    load_packages("05113", accept_shrink=True)
    write("05962", "A", range(1, 20))
    report = load_packages("05962")
    assert report.collections["adresse"] == Counts(read=19, unchanged=19)
    rows = dict(connection.execute(BY_PACKAGE).fetchall())
    assert rows["05113"] == ["A0"]


def test_packages_at_the_same_time(
    load_packages: LoadPackages, connection: Connection, write: Callable[..., None]
) -> None:
    """All rows lie at one place, so that both want the same keys."""
    keys = [f"0511{i}" for i in range(4)]
    for key in keys:
        write(key, key, range(50))
    together = threading.Barrier(len(keys))
    reports: dict[str, Report] = {}

    class Meet(Quiet):
        def step(self, name: str, total: int | None, unit: str = "") -> None:
            if name == "stage":
                together.wait(30)  # none has published when the last one begins to stage

    threads = [
        threading.Thread(target=lambda key=key: reports.update({key: load_packages(key, progress=Meet())}))
        for key in keys
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {key: reports[key].collections["adresse"].inserted for key in keys} == dict.fromkeys(keys, 50)
    state = connection.execute("select count(*), count(distinct fid), count(distinct fid >> 20) from geobasis.adresse")
    assert state.fetchone() == (200, 200, 1)
    assert connection.execute("select version, features from provenance.collection").fetchone() == (4, 200)


def test_files_and_manifest_must_fit(
    load_packages: LoadPackages, connection: Connection, folder: Path, address: Address, manifest: Manifest
) -> None:
    (folder / "adressen.txt").write_text(address("A1") + "\n")
    with pytest.raises(DeliveryRefused, match=r"adressen\.txt does not say which package it holds: the file's name"):
        load_packages()
    recorded = connection.execute("select status, packages, refusal from provenance.delivery").fetchall()
    assert [row[:2] for row in recorded] == [("refused", None)]
    assert "Give the file under the publisher's name" in recorded[0][2]
    text = f"dataset: a\nversion: 1\ntitle: A\nurl: https://a/\nfile: {manifest.file}\nreads: [.txt]\ncollections: {{}}"
    with pytest.raises(Exception, match="packages: where files are packages"):
        parse_manifest(
            text.replace("{}", "{a: {min: 1, key: oid, columns: {oid: text}}}")
            + "\narea: [280000, 5600000, 300000, 5700000]",
            "a.yaml",
        )
