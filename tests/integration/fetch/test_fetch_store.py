"""`opennrw store list|prune|verify` over a database that names the store's files."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from loaders.errors import LoadError
from loaders.inventory import Pruned, prune
from loaders.progress import Quiet
from loaders.run import LoadOptions, load_dataset
from loaders.store import in_use
from server.cli import app

ROOT = Path(__file__).resolve().parents[3]
Fetching = Any
Publisher = Any
Faults = Any
Connection = psycopg.Connection[Any]
Run = Callable[..., Result]
Deliver = Callable[..., int]

DELIVERY = """
insert into provenance.delivery (dataset, digest, source, loader, status, started, refusal, packages, rollback_of)
values (%(dataset)s, %(digest)s, 'x', 'gebref 1', %(status)s, now(), %(refusal)s, %(packages)s, %(rollback_of)s)
returning id
"""
FILE = """
insert into provenance.file (delivery, name, url, size, sha256, listed, fetched)
values (%s, %s, %s, %s, %s, %s, '2026-07-01 08:00+00')
"""


@pytest.fixture
def deliver(fetching: Fetching, publisher: Publisher, connection: Connection) -> Deliver:
    """Fetches a file with this content and records a delivery made of it; its number."""

    def record(content: bytes, dataset: str = "gebref", **values: Any) -> int:
        publisher.put(content, timestamp=f"t{len(publisher.asked)}")
        (file,) = fetching()
        given = {"status": "published", "refusal": None, "packages": None, "rollback_of": None, **values}
        collections = given.pop("collections", ["adresse"])
        digest = None if given["rollback_of"] else file.record.sha256
        row = connection.execute(DELIVERY, {"dataset": dataset, "digest": digest, **given}).fetchone()
        assert row
        if not given["rollback_of"]:
            r = file.record
            connection.execute(FILE, [row[0], r.name, r.url, r.size, r.sha256, r.listed])
        for collection in collections:
            connection.execute(
                "insert into provenance.load values (%s, %s, 0, 0, 0, 0, 0, 0, 0, 0)", [row[0], collection]
            )
        return row[0]

    return record


@pytest.fixture
def home(fetching: Fetching, database_url: str) -> dict[str, str]:
    """The environment in which the commands find the test's store and database."""
    folder = fetching.store.parent / "home"
    fetching.store = folder / "deliveries"
    return {"DATABASE_URL": database_url, "OPENNRW_HOME": str(folder)}


@pytest.fixture
def run(home: dict[str, str]) -> Run:
    """`opennrw store …` within this process, which is quicker."""
    return lambda *arguments: CliRunner().invoke(app, ["store", *arguments], env=home)


def kept(fetching: Fetching) -> list[bytes]:
    return sorted(path.read_bytes() for path in fetching.store.glob("sha256/*/*/*"))


def test_list(run: Run, deliver: Deliver, fetching: Fetching, publisher: Publisher) -> None:
    assert "No files are kept in" in run("list").stderr
    numbers = [deliver(b"a" * 1_500_000), deliver(b"a" * 1_500_000, status="unchanged")]
    publisher.put(b"new")
    (new,) = fetching()
    entries = json.loads(run("list", "--json").stdout)
    assert [(e["name"], e["dataset"], e["size"], e["deliveries"]) for e in entries] == [
        ("gebref_EPSG25832_ASCII.zip", "gebref", 1_500_000, numbers),
        ("gebref_EPSG25832_ASCII.zip", None, 3, []),
    ]
    assert entries[0]["fetched"] == "2026-07-01T08:00:00+00:00"
    assert entries[1]["sha256"] == new.record.sha256
    assert entries[1]["path"] == str(new.path)
    lines = run("list").stdout.splitlines()
    sha256 = entries[0]["sha256"][:16]
    used = f"{numbers[0]}, {numbers[1]}"
    assert lines[0] == f"gebref\tgebref_EPSG25832_ASCII.zip\t1.5 MB\t{sha256}\t2026-07-01 08:00\t{used}"
    assert lines[1].startswith("not loaded\t")
    assert lines[1].endswith("\tnone")


def test_prune(run: Run, deliver: Deliver, fetching: Fetching, publisher: Publisher) -> None:
    deliver(b"one" * 1_000_000)
    deliver(b"refused", status="refused", refusal="too few")
    deliver(b"two")
    deliver(b"three")
    publisher.put(b"never loaded")
    fetching()
    dry = run("prune", "--dry-run").stdout
    assert len(kept(fetching)) == 5
    assert "gebref_EPSG25832_ASCII.zip (3.0 MB, deliveries 1): " in dry
    assert "(12 bytes, never loaded): " in dry
    assert dry.splitlines()[-1] == "3 files would be removed, 3.0 MB would be free."
    assert run("prune").stdout.splitlines()[-1] == "3 files were removed, 3.0 MB are free."
    assert kept(fetching) == [b"three", b"two"]
    assert len(list(fetching.store.glob("fetched/*"))) == 2
    assert len(list(fetching.store.glob("sha256/*"))) == 2
    assert run("prune", "--keep", "1").exit_code == 0
    assert kept(fetching) == [b"three"]
    assert run("prune").stdout == "0 files were removed, 0 bytes are free.\n"
    assert run("prune", "--keep", "0").exit_code == 2


def test_prune_counts_what_a_delivery_brought(fetching: Fetching, deliver: Deliver, connection: Connection) -> None:
    """A package supersedes only that package, a part of the collections only that part, another dataset nothing."""
    deliver(b"whole", collections=["adresse", "b"])
    deliver(b"Bonn 1", packages=["05314000"])
    deliver(b"Essen 1", packages=["05113000"])
    deliver(b"Bonn 2", packages=["05314000"])
    deliver(b"other", dataset="dvg1")
    assert removed(fetching, connection) == [b"Bonn 1"]
    deliver(b"part", collections=["adresse"])
    assert removed(fetching, connection) == [b"Bonn 1", b"Bonn 2", b"Essen 1"]
    deliver(b"all", collections=["adresse", "b"])
    assert removed(fetching, connection) == [b"Bonn 1", b"Bonn 2", b"Essen 1", b"part", b"whole"]


def test_prune_keeps_what_a_rollback_returned_to(fetching: Fetching, deliver: Deliver, connection: Connection) -> None:
    deliver(b"one")
    second = deliver(b"two")
    assert removed(fetching, connection) == [b"one"]
    deliver(b"two", rollback_of=second)
    assert removed(fetching, connection) == []


def removed(fetching: Fetching, connection: Connection) -> list[bytes]:
    """What prune would remove that keeps one delivery of each kind."""
    return sorted(entry.path.read_bytes() for entry in prune(fetching.store, connection, 1, dry_run=True).files)


def test_prune_leaves_a_file_its_other_names(
    fetching: Fetching, deliver: Deliver, connection: Connection, tmp_path: Path
) -> None:
    deliver(b"the same")
    other = tmp_path / "other.zip"
    other.write_bytes(b"the same")
    fetching(other)
    pruned = prune(fetching.store, connection, 2, dry_run=False)
    assert ([entry.name for entry in pruned.files], pruned.freed) == (["other.zip"], 0)
    assert kept(fetching) == [b"the same"]


def test_prune_removes_what_interrupted_loads_left(
    fetching: Fetching, publisher: Publisher, faults: Faults, connection: Connection
) -> None:
    content = bytes(50_000)
    path = publisher.put(content)
    publisher.fail(path, *[faults.truncate(10_000)] * 3)
    with pytest.raises(LoadError):
        fetching()
    unpacked = fetching.store / "load-x1" / "gebref.txt"
    unpacked.parent.mkdir()
    unpacked.write_bytes(bytes(1000))
    copy = fetching.store / "incoming" / "1234.copy"
    copy.write_bytes(bytes(500))
    pruned = prune(fetching.store, connection, 2, dry_run=False)
    assert pruned == Pruned([], [copy, unpacked.parent], 1500)
    assert not copy.exists()
    assert not unpacked.parent.exists()
    assert fetching.parts() == [30_000]
    week_ago = time.time() - 8 * 24 * 3600
    for part in fetching.store.glob("incoming/*"):
        os.utime(part, (week_ago, week_ago))
    assert len(prune(fetching.store, connection, 2, dry_run=False).remains) == 2
    assert fetching.parts() == []


def test_nothing_is_removed_while_a_load_runs(
    home: dict[str, str], deliver: Deliver, fetching: Fetching, connection: Connection
) -> None:
    deliver(b"one")
    deliver(b"two")
    command = [sys.executable, "-m", "server", "store", "prune", "--keep", "1"]
    with in_use(fetching.store):
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **home}, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "deliveries is in use: a load runs, or the files are being verified. Nothing was removed." in done.stderr
    assert kept(fetching) == [b"one", b"two"]
    prune(fetching.store, connection, 1, dry_run=False)
    assert kept(fetching) == [b"two"]


class Pruning(Quiet):
    """Tries to prune at every step of a load."""

    def __init__(self, store: Path, connection: Connection) -> None:
        self.store, self.connection = store, connection
        self.refused: list[str] = []

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        with pytest.raises(LoadError, match="is in use: a load runs"):
            prune(self.store, self.connection, 1, dry_run=False)
        self.refused.append(name)


def test_a_load_holds_the_store_to_its_end(
    tmp_path: Path, database_url: str, connection: Connection, example_deliveries: Path
) -> None:
    pruning = Pruning(tmp_path / "store", connection)
    options = LoadOptions(database_url, pruning.store, str(example_deliveries), progress=pruning, accept_shrink=True)
    assert load_dataset("dvg1", options).status == "published"
    assert {"fetch", "unpack", "stage", "publish"} <= set(pruning.refused)
    assert prune(pruning.store, connection, 1, dry_run=False) == Pruned([], [], 0)


def test_verify(run: Run, deliver: Deliver, fetching: Fetching) -> None:
    deliver(b"one")
    deliver(b"two")
    deliver(b"three")
    assert run("prune").exit_code == 0
    sound = run("verify")
    assert (sound.exit_code, sound.stdout.splitlines()) == (
        0,
        [
            "not kept: gebref_EPSG25832_ASCII.zip of delivery 1 of gebref",
            "2 files were read, 0 are damaged, 1 are not kept.",
        ],
    )
    (file,) = fetching()
    file.path.write_bytes(b"thr3e")
    damaged = run("verify")
    assert damaged.exit_code == 1
    assert damaged.stdout.splitlines()[0] == (
        f"damaged: {file.path}: its content differs from its SHA-256. The next load of its delivery fetches it anew."
    )
    assert "2 files were read, 1 are damaged" in damaged.stdout
    assert fetching()[0].path.read_bytes() == b"three"
    assert run("verify").exit_code == 0
