"""The checks of a delivery: each is in the report, in the database and on the console; a dry run leaves no trace."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from loaders.checks import ROW_RULES
from loaders.errors import DeliveryRefused
from loaders.report import Counts, Report
from server.console import show_report

Load = Callable[..., Report]
Write = Callable[..., Path]
WriteLayer = Callable[..., Path]
Address = Callable[..., str]
Square = Callable[..., Any]
Connection = psycopg.Connection[Any]
TABLES = """
select n.nspname, c.relname, c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname !~ '^(pg_|information_schema)' and c.relkind in ('r', 'S', 'i', 'v', 'm', 'p')
order by 1, 2
"""


def _digest(connection: Connection) -> dict[str, str]:
    """Each table's rows with their versions, each sequence's state, and the name of everything else."""
    found = {}
    for schema, name, kind in connection.execute(TABLES).fetchall():
        table = sql.Identifier(schema, name)
        columns = "t.xmin::text || t.ctid::text || t::text" if kind == "r" else "last_value::text || is_called::text"
        content = ""
        if kind in "rS":
            query = sql.SQL("select string_agg(v, '' order by v) from (select {} as v from {} t) r")
            row = connection.execute(query.format(sql.SQL(columns), table)).fetchone()
            content = str(row)
        found[f"{schema}.{name}"] = hashlib.sha256(content.encode()).hexdigest()
    return found


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def gemeinde(load: Load, write_layer: WriteLayer, square: Square) -> None:
    """The municipality of the addresses is live."""
    columns = {"ART": ["G"], "GN": ["Plettenberg"], "KN": ["05962052"], "STAND": ["2026-01-01"]}
    load("dvg1", write_layer("dvg1gem_nw", [square()], columns), only=("gemeinde",))


def _check(report: Report, rule: str) -> tuple[bool, str]:
    (found,) = ((check.passed, check.detail) for check in report.checks if check.rule == rule)
    return found


def test_dry_run_gives_the_whole_report_and_changes_nothing(
    load: Load, connection: Connection, write_addresses: Write, address: Address, tmp_path: Path, gemeinde: None
) -> None:
    rows = [address(f"A{number}") for number in range(40)]
    load("gebref", write_addresses(*rows))
    before = _digest(connection)
    folder = write_addresses(*rows[1:], address("B1", hnr="3"), address("B1", hnr="4"), address("C1", datum="x"))
    report = load("gebref", folder, dry_run=True)
    assert _digest(connection) == before
    assert report.status == "dry-run"
    assert report.collections["adresse"] == Counts(read=42, inserted=1, unchanged=39, rejected=2, deleted=1)
    assert {check.rule for check in report.checks} == {
        "members",
        "columns",
        *ROW_RULES,
        "usable",
        "rejected",
        "min",
        "shrink",
        "ags",
    }
    assert [(reject.line, reject.rule) for reject in report.first_rejects] == [(41, "unique"), (42, "date")]

    with pytest.raises(DeliveryRefused):
        load("gebref", write_addresses(*rows[:20]), dry_run=True)
    with pytest.raises(DeliveryRefused):
        load("gebref", write_addresses("a;b;c"), dry_run=True)
    assert _digest(connection) == before
    kept = _files(tmp_path / "store")
    assert {Path(name).name for name in kept if name.startswith("sha256")} >= {"gebref.txt"}
    assert not [name for name in kept if name.startswith(("load-", "incoming"))]


def test_every_check_on_the_console(
    load: Load, write_addresses: Write, address: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_addresses(address("A1"), address("A2", datum="x"), address("A1"))
    report = load("gebref", folder, dry_run=True)
    assert report.to_dict()["checks"][0].keys() == {"collection", "rule", "passed", "detail"}
    show_report(report)
    lines = capsys.readouterr().out.splitlines()
    assert "  passed: gebref: members: all are known" in lines
    assert "  passed: adresse: encoding: all texts are in the declared encoding" in lines
    assert "  passed: adresse: unique: no key stands for two different rows; 1 row repeated, left out" in lines
    assert (
        "  not passed: adresse: date: 1 row rejected, the first: gebref.txt, line 2: "
        "datum 'x' is no date; it must look like 2026-07-01" in lines
    )
    assert "  passed: adresse: ags: not compared: gemeinde is not loaded" in lines
    assert len([line for line in lines if "passed: " in line]) == len(report.checks)
    report.status = "published"
    show_report(report)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[2] for line in lines if "passed: " in line] == ["date", "min"]


def test_checks_are_recorded(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    report = load("gebref", write_addresses(address("A1"), address("A2", qua="X")))
    recorded = connection.execute("select collection, rule, passed, detail from provenance.checked").fetchall()
    assert set(recorded) == {(c.collection, c.rule, c.passed, c.detail) for c in report.checks}
    assert _check(report, "value") == (
        False,
        "1 row rejected, the first: gebref.txt, line 2: qua is 'X', it must be one of A, B, C",
    )
    assert _check(report, "columns")[1].startswith("as in the manifest: nba, oid, qua, landschl")


def test_too_many_rejected_rows(load: Load, connection: Connection, write_addresses: Write, address: Address) -> None:
    """Twenty are a few; more are refused where they are more than the manifest's share."""
    rows = [address(f"A{number}", qua="X" if number < 21 else "A") for number in range(100)]
    report = load("gebref", write_addresses(*rows[1:]))
    assert _check(report, "rejected") == (True, "20 of 99 rows rejected, at most 1.0% are allowed")
    with pytest.raises(DeliveryRefused) as refused:
        load("gebref", write_addresses(*rows))
    assert (
        "adresse: 21 of 100 rows rejected, at most 1.0% are allowed. See the rejects for the reasons and tell the "
        "publisher. If the rows are rightly left out, raise `rejected` of the collection in the loader's source.yaml."
    ) in str(refused.value)
    rejects = "(select count(*) from provenance.reject r where r.delivery = d.id)"
    recorded = f"select status, {rejects} from provenance.delivery d order by id"
    assert connection.execute(recorded.encode()).fetchall() == [("published", 20), ("refused", 21)]
    assert connection.execute("select count(*) from geobasis.adresse").fetchone() == (79,)


def test_keys_that_the_boundaries_lack(
    load: Load, connection: Connection, write_addresses: Write, address: Address, gemeinde: None
) -> None:
    """A few are told of and live nevertheless; more than the manifest's share refuse the delivery."""
    rows = [address(f"A{number}") for number in range(99)]
    report = load("gebref", write_addresses(*rows, address("B1", gmdschl="053")))
    assert report.collections["adresse"] == Counts(read=100, inserted=100)
    assert _check(report, "ags") == (
        True,
        "1 row of 100 with a key that gemeinde does not hold: 05962053 (1); at most 1.0% are allowed",
    )
    unknown = [address(f"B{number}", gmdschl=f"{60 + number % 7:03}") for number in range(10)]
    with pytest.raises(DeliveryRefused) as refused:
        load("gebref", write_addresses(*rows, *unknown))
    assert (
        "adresse: 10 rows of 109 with a key that gemeinde does not hold: 05962060 (2), 05962061 (2), 05962062 (2), "
        "05962063 (1), 05962064 (1) and 2 more; at most 1.0% are allowed. "
        "Load the boundaries of the same time first (opennrw load dvg1). "
        "If the keys are right nevertheless, raise `unknown` under ags in the loader's source.yaml."
    ) in str(refused.value)
    assert connection.execute("select count(*) from geobasis.adresse").fetchone() == (100,)


def test_keys_are_known(load: Load, write_addresses: Write, address: Address, gemeinde: None) -> None:
    assert _check(load("gebref", write_addresses(address("A1"))), "ags") == (True, "gemeinde holds all keys")
