"""Records that are known by their bytes: what a delivery does must not depend on whether any are."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
import shapely

from loaders.manifest import Manifest, read_manifest
from loaders.report import Counts, Report
from loaders.rollback import RollbackOptions, roll_back
from loaders.run import LoadOptions, load_dataset, load_delivery

Write = Callable[..., Path]
Address = Callable[..., str]
Square = Callable[..., shapely.Polygon]
Connection = psycopg.Connection[Any]
Columns = dict[str, Sequence[str | None]]
# all but times
STATE = {
    "live": "select * from geobasis.{} order by fid",
    "history": "select h.*, null as valid_from, null as valid_to from history.{} h order by ended_by, id",
    "loads": "select * from provenance.load order by delivery, collection",
    "checks": "select * from provenance.checked order by delivery, collection, rule",
    "rejects": "select delivery, file, line, reason, raw, rule, feature from provenance.reject order by delivery, line",
    "repairs": "select delivery, feature, line, reason, original from provenance.repair order by delivery, line",
    "collection": "select collection, version, delivery, features, bbox, first_date from provenance.collection",
    "deliveries": "select id, status, loader, rollback_of from provenance.delivery order by id",
}


class Both:
    """Loads into two databases: in one of them nothing is ever known. They must not differ."""

    def __init__(self, urls: tuple[str, str], store: Path, dataset: str, collection: str) -> None:
        self.urls = urls
        self.store = store
        self.manifest = read_manifest(dataset)
        self.collection = collection

    def load(self, folder: Path, manifest: Manifest | None = None, *, dry_run: bool = False) -> Report:
        """The report of the load that could recognise records; it has said the same as the other."""
        self.execute(self.urls[1], "delete from provenance.known")
        reports = []
        for url in self.urls:
            options = LoadOptions(url, self.store, str(folder), accept_shrink=True, dry_run=dry_run)
            reports.append(load_delivery(manifest or self.manifest, options))
        one, other = reports
        assert other.recognised == 0
        assert [_outcome(one)] == [_outcome(other)]
        self.require_equal()
        return one

    def roll_back(self, delivery: int | None) -> None:
        """In both."""
        for url in self.urls:
            roll_back(delivery or 0, RollbackOptions(url))
        self.require_equal()

    def require_equal(self) -> None:
        """All that a load leaves."""
        for name, query in STATE.items():
            one, other = (self.execute(url, query.format(self.collection)) for url in self.urls)
            assert one == other, name

    @staticmethod
    def execute(url: str, query: str) -> list[Any]:
        """The rows without the times of versions."""
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            if cursor.description is None:
                return []
            times = {i for i, column in enumerate(cursor.description) if column.name in {"valid_from", "valid_to"}}
            return [[value for i, value in enumerate(row) if i not in times] for row in cursor]


def _outcome(report: Report) -> dict[str, Any]:
    told = report.to_dict()
    return {name: told[name] for name in ("status", "collections", "checks", "rejects", "first_rejects", "delivery")}


@pytest.fixture
def both(cluster: Any, migrated_template: str, database_url: str, tmp_path: Path) -> Iterator[Callable[..., Both]]:
    """`both("gebref", "adresse")`."""
    other = cluster.create(migrated_template)
    yield lambda dataset, collection: Both((database_url, other), tmp_path / "store", dataset, collection)
    cluster.drop(other)


def _addresses(address: Address) -> list[str]:
    return [address(f"A{i}", hnr=str(i), ostwert=f"4{i:05}.000") for i in range(20)]


# what comes after a delivery of twenty rows, and how many of its rows are recognised
NEXT: dict[str, tuple[Callable[[list[str], Address], list[str]], int]] = {
    "the same rows of another day": (lambda rows, _: [row.replace("2026-07-01", "2026-08-01") for row in rows], 20),
    "in another order": (lambda rows, _: rows[::-1], 20),
    "one changed": (lambda rows, line: [*rows[:-1], line("A19", hnr="19a")], 19),
    "one moved, one new, one gone": (
        lambda rows, line: [*rows[2:], line("A0", ostwert="450000.000"), line("B1")], 18),
    "a date that is none": (lambda rows, _: [rows[0].replace("2026-07-01", "2026-02-31"), *rows[1:]], 19),
    "a date to come": (lambda rows, _: [rows[0].replace("2026-07-01", "2126-07-01"), *rows[1:]], 19),
    "no date": (lambda rows, _: [rows[0].replace("2026-07-01", ""), *rows[1:]], 20),
    "a field too many": (lambda rows, _: [rows[0] + ";", *rows[1:]], 19),
    "a field too few": (lambda rows, _: [rows[0].rpartition(";")[0], *rows[1:]], 19),
    "the row and a broken one of the same key": (lambda rows, line: [*rows, line("A3", qua="X")], 20),
    "a row twice": (lambda rows, _: [*rows, rows[4], rows[4]], 22),
    "a row twice, written otherwise": (lambda rows, line: [line("A4", hnr="4", ostwert="400004,000"), *rows], 0),
    "a key twice, first the known row": (lambda rows, line: [*rows, line("A4", hnr="5")], 0),
    "a key twice, first another row": (lambda rows, line: [line("A4", hnr="5"), *rows], 0),
    "two new rows of one key": (lambda rows, line: [*rows, line("B1"), line("B1", hnr="9")], 20),
    "written otherwise": (lambda rows, line: [line("A0", hnr="0", ostwert="400000,000"), *rows[1:]], 19),
}  # fmt: skip


@pytest.mark.parametrize("case", NEXT)
def test_next_delivery(both: Callable[..., Both], write_addresses: Write, address: Address, case: str) -> None:
    rows, loads = _addresses(address), both("gebref", "adresse")
    follow, recognised = NEXT[case]
    assert loads.load(write_addresses(*rows)).recognised == 0
    following = follow(rows, address)
    assert loads.load(write_addresses(*following), dry_run=True).recognised == recognised
    assert loads.load(write_addresses(*following)).recognised == recognised
    # and back: what the second delivery left must be known as rightly as what the first one left
    loads.load(write_addresses(*rows, ""))
    loads.load(write_addresses(*following, ""))


def test_rejected_and_doubled_rows_from_the_start(
    both: Callable[..., Both], write_addresses: Write, address: Address
) -> None:
    rows, loads = _addresses(address), both("gebref", "adresse")
    faulty = [*rows, address("C1", qua="X"), rows[0], address("A1", hnr="77")]
    loads.load(write_addresses(*faulty))
    assert loads.load(write_addresses(*faulty, "")).collections["adresse"] == Counts(
        read=23, unchanged=20, rejected=2, duplicate=1
    )
    assert loads.load(write_addresses(*faulty[:-1])).recognised == 21
    assert loads.load(write_addresses(*faulty[1:-1])).recognised == 20


def test_rollback_makes_records_unknown(both: Callable[..., Both], write_addresses: Write, address: Address) -> None:
    rows, loads = _addresses(address), both("gebref", "adresse")
    loads.load(write_addresses(*rows))
    changed = [*rows[:-2], address("A18", hnr="7"), address("B1")]
    second = loads.load(write_addresses(*changed))
    loads.roll_back(second.delivery)
    again = loads.load(write_addresses(*changed))
    assert again.recognised == 0
    assert again.collections["adresse"] == Counts(read=20, inserted=1, updated=1, unchanged=18, deleted=1)
    assert loads.load(write_addresses(*rows)).recognised == 18


def test_other_rules_make_records_unknown(both: Callable[..., Both], write_addresses: Write, address: Address) -> None:
    rows, loads = _addresses(address), both("gebref", "adresse")
    loads.load(write_addresses(*rows))
    newer = loads.manifest.model_copy(update={"version": 2})
    assert loads.load(write_addresses(*rows), newer).recognised == 0
    assert loads.load(write_addresses(*rows, ""), newer).recognised == 20
    narrow = newer.model_copy(update={"area": (400_010, 5568000, 536144, 5830144)})
    report = loads.load(write_addresses(*rows, "", ""), narrow)
    assert report.recognised == 0
    assert report.collections["adresse"] == Counts(read=20, unchanged=10, rejected=10, kept=10)


def test_what_is_known_is_lost(both: Callable[..., Both], write_addresses: Write, address: Address) -> None:
    """A crash empties a table that is not logged; rows altered beside the loaders make it wrong."""
    rows, loads = _addresses(address), both("gebref", "adresse")
    loads.load(write_addresses(*rows))
    loads.execute(loads.urls[0], "truncate known.adresse")
    assert loads.load(write_addresses(*rows, "")).recognised == 0
    for url in loads.urls:
        loads.execute(url, "delete from geobasis.adresse where id = 'A3'")
    report = loads.load(write_addresses(*rows, "", ""))
    assert report.collections["adresse"] == Counts(read=20, inserted=1, unchanged=19)


def test_backup_that_reads_what_is_known_keeps_nobody_waiting(
    both: Callable[..., Both], connection: Connection, write_addresses: Write, address: Address
) -> None:
    rows, loads = _addresses(address), both("gebref", "adresse")
    loads.load(write_addresses(*rows))
    newer = loads.manifest.model_copy(update={"version": 2})
    with connection.transaction():
        connection.execute("lock table known.adresse in access share mode")
        loads.load(write_addresses(*rows[1:]), newer)
    assert loads.load(write_addresses(*rows[2:]), newer).recognised == 0
    assert loads.load(write_addresses(*rows[3:]), newer).recognised == 17


def _outlines(geometries: Sequence[Any], *, ags: str = "05962052") -> Columns:
    numbers = range(len(geometries))
    return {
        "AGS": [ags for _ in numbers],
        "OI": [f"O{i}" for i in numbers],
        "GFK": [f"31001_{i}" for i in numbers],
        "AKTUALITAE": ["2026-01-01" for _ in numbers],
    }


def test_outlines(both: Callable[..., Both], write_layer: Any, square: Square) -> None:
    loads = both("hausumringe", "hausumring")
    bow = shapely.Polygon([(401_000, 5_700_000), (401_100, 5_700_100), (401_100, 5_700_000), (401_000, 5_700_100)])
    shapes = [*(square(200 * i) for i in range(12)), bow, None, square(-900_000)]
    columns = _outlines(shapes)
    first = loads.load(write_layer("hu_shp", shapes, columns))
    assert first.collections["hausumring"] == Counts(read=15, inserted=13, rejected=2, repaired=1)
    columns["GFK"] = ["changed", *columns["GFK"][1:]]
    moved = [shapes[0], square(10), *shapes[2:]]
    report = loads.load(write_layer("hu_shp", moved, columns))
    assert report.recognised == 10
    assert report.collections["hausumring"] == Counts(read=15, updated=2, unchanged=11, rejected=2, repaired=1)
    fewer = {name: values[3:] for name, values in columns.items()}
    report = loads.load(write_layer("hu_shp", moved[3:], fewer))
    assert (report.recognised, report.collections["hausumring"].deleted) == (9, 3)
    folder = write_layer("hu_shp", moved[3:], fewer)
    table = bytearray((folder / "hu_shp.dbf").read_bytes())
    start, size = (int.from_bytes(table[at : at + 2], "little") for at in (8, 10))
    table[start + size] = ord("*")
    (folder / "hu_shp.dbf").write_bytes(table)
    report = loads.load(folder)
    assert (report.recognised, report.collections["hausumring"].deleted) == (8, 1)


def test_zone_prefix_and_encoding_tell_records_apart(
    both: Callable[..., Both], write_layer: Any, square: Square
) -> None:
    loads = both("hausumringe", "hausumring")
    columns = _outlines([None] * 3)
    columns["GFK"] = ["Straße"] * 3
    squares = [square(200 * i) for i in range(3)]
    loads.load(write_layer("hu_shp", squares, columns))
    folder = write_layer("hu_shp", squares, columns, encoding="CP1252")
    report = loads.load(folder)
    assert (report.recognised, report.collections["hausumring"].unchanged) == (0, 3)
    (folder / "hu_shp.cpg").unlink()
    assert loads.load(folder).recognised == 3


def test_keys_of_recognised_rows_are_checked(
    both: Callable[..., Both], write_layer: Any, square: Square, write_addresses: Write, address: Address
) -> None:
    rows, loads = _addresses(address), both("gebref", "adresse")
    loads.load(write_addresses(*rows))
    columns: Columns = {"ART": ["G"], "GN": ["Plettenberg"], "KN": ["05962052"], "STAND": ["2026-01-01"]}
    folder = write_layer("dvg1gem_nw", [square()], columns)
    for url in loads.urls:
        load_dataset("dvg1", LoadOptions(url, loads.store, str(folder), only=("gemeinde",)))
    report = loads.load(write_addresses(*rows[1:], address("B1")))
    assert report.recognised == 19
    assert [check.detail for check in report.checks if check.rule == "ags"] == ["gemeinde holds all keys"]
