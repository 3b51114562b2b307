"""`opennrw deliveries`, `rejects` and `rollback` as processes of their own: what they print, and their exit codes."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.errors import DeliveryRefused
from loaders.run import LoadOptions, load_dataset

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = (
    "N;A{n};A;05;Nordrhein-Westfalen;9;Arnsberg;62;Märkischer Kreis;052;Plettenberg;0000;;02418;Marl;{n};;"
    "32;420565.275;5673959.771;2026-07-01"
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def loaded(cluster: Any, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Twenty addresses; one of them changed and three rows that cannot be loaded; a refused one."""
    url, folder = cluster.create(migrated_template), tmp_path_factory.mktemp("deliveries")
    options = LoadOptions(url, folder / "store", str(folder / "gebref"))
    good = [GOOD.format(n=n) for n in range(20)]
    bad = [GOOD.format(n=30).replace(";32;", ";33;"), GOOD.format(n=31).replace(";32;", ";31;"), "kurz;\x1b[31m"]
    for lines in (good, [*good[:-1], good[-1].replace("Marl", "Haltern"), *bad], good[:4]):
        (folder / "gebref").mkdir(exist_ok=True)
        (folder / "gebref" / "gebref.txt").write_text("\r\n".join(lines) + "\r\n", "utf-8")
        with suppress(DeliveryRefused):
            load_dataset("gebref", options)
    yield url
    cluster.drop(url)


@pytest.fixture
def database_url(cluster: Any, loaded: str) -> Iterator[str]:
    """A copy of `loaded`."""
    url = cluster.create(loaded)
    yield url
    cluster.drop(url)


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return {**inherited, "DATABASE_URL": database_url, "OPENNRW_HOME": str(tmp_path / "home")}


@pytest.fixture
def opennrw(environment: dict[str, str]) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_rejects_tell_reasons_first_then_rows(opennrw: Run) -> None:
    done = opennrw("rejects", "adresse", "--delivery", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "adresse: 3 rows of delivery 2 were not loaded.",
        "  2 x zone is …, it must be 32 (EPSG:25832)",
        "  1 x the line has … fields, it must have 21",
        "gebref.txt, line 21: zone is '33', it must be 32 (EPSG:25832)",
        "  " + GOOD.format(n=30).replace(";32;", ";33;"),
        "gebref.txt, line 22: zone is '31', it must be 32 (EPSG:25832)",
        "  " + GOOD.format(n=31).replace(";32;", ";31;"),
        "gebref.txt, line 23: the line has 2 fields, it must have 21",
        "  kurz;\\x1b[31m",
    ]
    limited = opennrw("rejects", "adresse", "--delivery", "2", "--limit", "1").stdout.splitlines()
    assert limited[-1] == "2 more rows are not shown: --limit 3"
    assert opennrw("rejects", "adresse").stdout == "adresse: every row of delivery 3 was loaded.\n"


def test_rejects_as_json(opennrw: Run) -> None:
    found = json.loads(opennrw("rejects", "adresse", "--delivery", "2", "--limit", "1", "--json").stdout)
    assert (found["collection"], found["delivery"], found["total"]) == ("adresse", 2, 3)
    assert found["reasons"] == [
        {"reason": "zone is …, it must be 32 (EPSG:25832)", "rows": 2},
        {"reason": "the line has … fields, it must have 21", "rows": 1},
    ]
    assert [(r["file"], r["line"], r["reason"]) for r in found["rejects"]] == [
        ("gebref.txt", 21, "zone is '33', it must be 32 (EPSG:25832)")
    ]


def test_deliveries_tell_counts_and_refusals(opennrw: Run) -> None:
    done = opennrw("deliveries")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("3: gebref, refused 20")
    assert lines[1] == "  adresse: read 4, unchanged 4, deleted 16"
    assert lines[2].startswith("  adresse: 4 features, 20 are live")
    second = lines.index(next(line for line in lines if line.startswith("2: gebref, published 20")))
    assert " UTC after " in lines[second]
    assert lines[second].endswith("/gebref")
    assert lines[second + 1] == "  adresse: read 23, updated 1, unchanged 19, rejected 3"
    assert opennrw("deliveries", "--limit", "1").stdout.endswith("2 older ones are not shown: --limit 3\n")
    found = json.loads(opennrw("deliveries", "--dataset", "gebref", "--json", "--limit", "2").stdout)
    assert found["total"] == 3
    assert [(d["id"], d["status"], d["rollback_of"]) for d in found["deliveries"]] == [
        (3, "refused", None),
        (2, "published", None),
    ]
    assert found["deliveries"][1]["collections"]["adresse"]["updated"] == 1


def test_rollback(opennrw: Run, connection: psycopg.Connection[Any]) -> None:
    def marl() -> Any:
        return connection.execute("select count(*) from geobasis.adresse where str = 'Marl'").fetchone()

    assert marl() == (19,)
    done = opennrw("rollback", "2", "--dry-run")
    assert (done.returncode, marl()) == (0, (19,))
    assert done.stdout.splitlines() == [
        "Delivery 2 of gebref can be rolled back. It would do this:",
        "  adresse: inserted 0, updated 1, deleted 0",
    ]
    asked = opennrw("rollback", "2")
    assert (asked.returncode, marl()) == (2, (19,))
    assert "--yes" in asked.stderr
    done = opennrw("rollback", "2", "--yes", "--json")
    assert (done.returncode, marl()) == (0, (20,)), done.stderr
    report = json.loads(done.stdout)
    assert (report["status"], report["delivery"], report["rollback_of"]) == ("published", 4, 2)
    again = opennrw("rollback", "4", "--yes")
    assert (again.stdout.splitlines()[0], marl()) == (
        "Delivery 4 of gebref was rolled back; that is delivery 5.",
        (19,),
    )
    assert opennrw("deliveries").stdout.startswith("5: gebref, rollback of delivery 4, published ")
    found = json.loads(opennrw("deliveries", "--json").stdout)["deliveries"]
    assert [(each["id"], each["rollback_of"]) for each in found[:3]] == [(5, 4), (4, 2), (3, None)]


@pytest.mark.parametrize(("answer", "code", "changed"), [(b"n\n", 1, 1), (b"y\n", 0, 0)])
def test_rollback_asks_at_a_terminal(
    environment: dict[str, str], connection: psycopg.Connection[Any], answer: bytes, code: int, changed: int
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "server", "rollback", "2"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.write(ours, answer)
    output, errors = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == code, errors
    assert b"Delivery 2 of gebref can be rolled back" in errors
    assert b"Roll back? [y/N]" in errors
    assert (b"was rolled back" in output) is (code == 0)
    assert connection.execute("select count(*) from geobasis.adresse where str = 'Haltern'").fetchone() == (changed,)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rollback", "1", "--yes"], "Delivery 1 is not the newest: delivery 2 came after it. Roll back in this order"),
        (["rollback", "3", "--yes"], "Delivery 3 changed nothing, so there is nothing to roll back: it was refused"),
        (["rollback", "9", "--yes"], "There is no delivery 9. See: opennrw deliveries"),
        (["rejects", "adresse", "--delivery", "9"], "There is no delivery 9. See: opennrw deliveries"),
        (["rejects", "strasse"], "No delivery of strasse has come yet."),
    ],
)
def test_what_cannot_be_done_is_explained(opennrw: Run, arguments: list[str], says: str) -> None:
    done = opennrw(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
