"""Going live: at once or not at all, one load at a time, never less than before without a word."""

import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.checks import ROW_RULES
from loaders.errors import DeliveryRefused, LoadError
from loaders.progress import Quiet
from loaders.report import Counts, Report

Load = Callable[..., Report]
Write = Callable[..., Path]
Address = Callable[..., str]
Connection = psycopg.Connection[Any]
PUBLISHED = """
select (select count(*) from geobasis.adresse), (select count(*) from history.adresse),
  (select max(version) from provenance.collection), (select count(*) from provenance.delivery)
"""


class AtStep(Quiet):
    """Does something when a step begins; remembers the steps."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self.name = name
        self.action = action
        self.steps: list[str] = []

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self.steps.append(name)
        if name == self.name:
            self.action()


@pytest.fixture
def addresses(address: Address) -> list[str]:
    return [address(f"A{i}") for i in range(20)]


def test_servers_are_told(load: Load, connection: Connection, write_addresses: Write, addresses: list[str]) -> None:
    connection.execute("listen opennrw_publication")
    load("gebref", write_addresses(*addresses))
    load("gebref", write_addresses(*addresses, "falsch"))
    load("gebref", write_addresses(*addresses[1:]))
    events = [json.loads(event.payload) for event in connection.notifies(timeout=5, stop_after=2)]
    assert events == [{"collection": "adresse", "version": 1}, {"collection": "adresse", "version": 2}]
    assert list(connection.notifies(timeout=0.2)) == []


def test_provenance(load: Load, connection: Connection, write_addresses: Write, addresses: list[str]) -> None:
    folder = write_addresses(*addresses)
    report = load("gebref", folder)
    delivery = connection.execute(
        "select id, dataset, source, loader, status, refusal from provenance.delivery"
    ).fetchall()
    assert delivery == [(report.delivery, "gebref", str(folder), "gebref 1", "published", None)]
    files = connection.execute("select name, url, size, sha256 from provenance.file").fetchall()
    path = folder / "gebref.txt"
    assert files == [("gebref.txt", str(path), path.stat().st_size, report.files[0].sha256)]
    checks = connection.execute("select collection, rule, passed from provenance.checked").fetchall()
    rules = {"columns", *ROW_RULES, "usable", "rejected", "shrink", "ags"}
    assert sorted(checks) == sorted(
        [("", "members", True), ("adresse", "min", False), *(("adresse", rule, True) for rule in rules)]
    )
    state = connection.execute("select features, bbox, half_width, half_height from provenance.collection").fetchone()
    assert state == (20, [420565.275, 5673959.771, 420565.275, 5673959.771], 0, 0)


def test_raw_files_are_kept(load: Load, tmp_path: Path, write_addresses: Write, addresses: list[str]) -> None:
    folder = write_addresses(*addresses)
    sha256 = load("gebref", folder).files[0].sha256
    kept = tmp_path / "store" / "sha256" / sha256[:2] / sha256 / "gebref.txt"
    assert kept.read_bytes() == (folder / "gebref.txt").read_bytes()
    assert [path.name for path in (tmp_path / "store").glob("sha256/*/*/*")] == ["gebref.txt"]
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"sha256", "fetched", "incoming", "lock"}
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_zip(load: Load, tmp_path: Path, write_addresses: Write, addresses: list[str]) -> None:
    path = tmp_path / "gebref_EPSG25832_ASCII.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(write_addresses(*addresses) / "gebref.txt", "daten/gebref.txt")
        archive.writestr("lies_mich.pdf", b"%PDF")
    report = load("gebref", path)
    assert report.collections["adresse"] == Counts(read=20, inserted=20)
    assert [check.detail for check in report.checks if check.rule == "members"] == ["not loaded: lies_mich.pdf"]


def test_dry_run_changes_nothing(
    load: Load, connection: Connection, write_addresses: Write, addresses: list[str]
) -> None:
    load("gebref", write_addresses(*addresses))
    before = connection.execute(PUBLISHED).fetchone()
    report = load("gebref", write_addresses(*addresses[1:], "falsch"), dry_run=True)
    assert (report.status, report.delivery) == ("dry-run", None)
    assert report.collections["adresse"] == Counts(read=20, unchanged=19, rejected=1, deleted=1)
    assert report.first_rejects[0].reason == "the line has 1 fields, it must have 21"
    assert connection.execute(PUBLISHED).fetchone() == before
    assert connection.execute("select count(*) from provenance.reject").fetchone() == (0,)


def test_shrunk_delivery(load: Load, connection: Connection, write_addresses: Write, addresses: list[str]) -> None:
    load("gebref", write_addresses(*addresses))
    with pytest.raises(DeliveryRefused) as refused:
        load("gebref", write_addresses(*addresses[3:], "falsch"))
    assert "adresse: 17 features, 20 are live; a delivery must hold at least 90% of them." in str(refused.value)
    assert "load again with --accept-shrink" in str(refused.value)
    assert connection.execute("select count(*) from geobasis.adresse").fetchone() == (20,)
    recorded = connection.execute("select status, refusal from provenance.delivery where id = 2").fetchall()
    assert recorded[0][0] == "refused"
    assert recorded[0][1].startswith("adresse: 17 features")
    assert connection.execute("select delivery, line from provenance.reject").fetchall() == [(2, 18)]

    report = load("gebref", write_addresses(*addresses[3:], "falsch"), accept_shrink=True)
    assert report.collections["adresse"] == Counts(read=18, unchanged=17, rejected=1, deleted=3)


@pytest.mark.parametrize("step", ["stage", "compare", "publish"])
def test_lost_connection(
    load: Load, connection: Connection, write_addresses: Write, addresses: list[str], step: str
) -> None:
    load("gebref", write_addresses(*addresses))
    before = connection.execute(PUBLISHED).fetchone()
    end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'opennrw load gebref'"
    folder = write_addresses(*addresses[1:])
    with pytest.raises(
        LoadError, match=r"The database broke off the load: .*What was live is live still.*then run it again"
    ):
        load("gebref", folder, progress=AtStep(step, lambda: connection.execute(end).fetchall()))
    assert connection.execute(PUBLISHED).fetchone() == before
    assert load("gebref", folder).collections["adresse"] == Counts(read=19, unchanged=19, deleted=1)


def test_crash_amid_the_transaction(
    load: Load, connection: Connection, write_addresses: Write, addresses: list[str], address: Address
) -> None:
    load("gebref", write_addresses(*addresses))
    before = connection.execute(PUBLISHED).fetchone()
    connection.execute(
        """create function die() returns trigger language plpgsql as
           $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$"""
    )
    connection.execute("create trigger die before insert on geobasis.adresse for each row execute function die()")
    folder = write_addresses(*addresses[2:], address("B1"), address("B2"))
    with pytest.raises(LoadError, match=r"The database broke off the load"):
        load("gebref", folder)
    assert connection.execute(PUBLISHED).fetchone() == before
    connection.execute("drop trigger die on geobasis.adresse")
    assert load("gebref", folder).collections["adresse"] == Counts(read=20, inserted=2, unchanged=18, deleted=2)


def test_second_load_waits_for_the_first(load: Load, write_addresses: Write, addresses: list[str]) -> None:
    folder = write_addresses(*addresses)
    waiting = threading.Event()
    second = AtStep("wait for another load of gebref", waiting.set)
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(load("gebref", folder, progress=second)))

    def start_second() -> None:
        thread.start()
        assert waiting.wait(20)

    first = load("gebref", folder, progress=AtStep("publish", start_second))
    thread.join(20)
    assert first.status == "published"
    assert [report.status for report in reports] == ["unchanged"]


def test_collections_are_told_apart(load: Load, connection: Connection, example_deliveries: Path) -> None:
    load("dvg1", example_deliveries, only=("land", "kreis"))
    report = load("dvg1", example_deliveries)
    assert report.status == "published"
    assert report.collections["land"].unchanged == 1
    versions = connection.execute("select collection, version, delivery from provenance.collection").fetchall()
    assert sorted(versions) == [("gemeinde", 1, 2), ("kreis", 1, 1), ("land", 1, 1), ("regierungsbezirk", 1, 2)]


def test_unknown_names(load: Load, tmp_path: Path) -> None:
    with pytest.raises(
        LoadError, match=r"There is no dataset 'dvg3'\. Known datasets: alkis, .*dvg1, dvg2, gebref, .*hausumringe"
    ):
        load("dvg3", tmp_path)
    with pytest.raises(LoadError, match=r"The dataset gebref has no collection 'strasse'\. It has: adresse\."):
        load("gebref", tmp_path, only=("strasse",))
