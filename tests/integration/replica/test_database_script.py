"""deploy/database.sh: who is asked before a database server starts. The image's entry point is played by `echo`."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server.settings import ROOT

Pair = Any


@pytest.fixture
def start(pair: Pair, tmp_path: Path) -> Any:
    """Runs the script of a server whose peer is the given one: `start(peer, "primary")`."""
    pair.primary.execute(
        "do $$ begin if to_regrole('opennrw_replication') is null then"
        " create role opennrw_replication login replication; end if; end $$"
    )
    entry = tmp_path / "docker-entrypoint.sh"
    entry.write_text('#!/bin/sh\necho "started $1"\n')
    entry.chmod(0o755)
    script = (ROOT / "deploy" / "database.sh").read_text("utf-8").replace("/var/lib/postgresql/data", str(tmp_path))
    (tmp_path / "database.sh").write_text(script)
    (tmp_path / "opennrw").mkdir()

    def run(peer: Any) -> subprocess.CompletedProcess[str]:
        given = {"NAME": "db1", "PEER": "127.0.0.1", "PGPORT": str(peer.port), "FIRST_START": "primary"}
        secrets = {"POSTGRES_DB": "opennrw", "REPLICATION_PASSWORD": "none"}
        return subprocess.run(
            ["/bin/sh", str(tmp_path / "database.sh")],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **given, **secrets},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_a_former_primary_does_not_start_beside_a_new_one(start: Any, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "opennrw" / "PG_VERSION").write_text("17\n")
    done = start(pair.primary)
    assert (done.returncode, done.stdout) == (1, "")
    assert "db1 does not start: 127.0.0.1 is the primary now. Make db1 anew: delete " in done.stderr


def test_whoever_may_start_starts(start: Any, pair: Pair, tmp_path: Path) -> None:
    assert start(pair.primary).stdout == "started postgres\n"  # nothing there yet: the first start
    (tmp_path / "opennrw" / "PG_VERSION").write_text("17\n")
    assert start(pair.standby).stdout == "started postgres\n"  # a primary beside its standby
    (tmp_path / "opennrw" / "standby.signal").touch()
    assert start(pair.primary).stdout == "started postgres\n"  # a standby beside its primary


def test_a_primary_starts_where_its_peer_is_away(start: Any, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "opennrw" / "PG_VERSION").write_text("17\n")
    away = type("Away", (), {"port": 1})
    assert start(away).stdout == "started postgres\n"
