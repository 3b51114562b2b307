"""The command `opennrw` as a process of its own, on a private cluster in a home folder of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.timeout(180)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """OPENNRW_HOME; not below pytest's folder, which is closed to the user that root's PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="opennrw-home-"))
    folder.chmod(0o755)
    yield folder
    _run(folder, "db", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def opennrw(home: Path) -> Run:
    return lambda *arguments, **environment: _run(home, *arguments, **environment)


def _environment(home: Path, **changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return {**inherited, "OPENNRW_HOME": str(home), "OPENNRW_WORKERS": "2", "COLUMNS": "100", **changes}


def _run(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(home, **environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# signals as on a terminal, also where the suite itself runs in the background or under nohup
HEEDING = (
    "import os, signal, sys; [signal.signal(n, signal.SIG_DFL) for n in (1, 2)]; os.execv(sys.argv[1], sys.argv[1:])"
)


def _start(home: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts the command in a process group of its own."""
    command = [sys.executable, "-c", HEEDING, sys.executable, "-m", "server", *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(home),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _postmaster(home: Path) -> int | None:
    files = list((home / "postgres").glob("*/postmaster.pid"))
    return int(files[0].read_text().split()[0]) if files else None


def test_help_names_every_command_and_the_exit_codes(opennrw: Run) -> None:
    done = opennrw("--help")
    assert done.returncode == 0
    for word in ("up", "serve", "load", "db", "doctor", "Exit codes", "130", "DATABASE_URL"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["up"],
        ["serve"],
        ["load"],
        ["db"],
        ["db", "start"],
        ["db", "stop"],
        ["db", "url"],
        ["db", "migrate"],
        ["doctor"],
    ],
)
def test_every_command_has_help_with_exit_codes(opennrw: Run, command: list[str]) -> None:
    done = opennrw(*command, "--help")
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


def test_version(opennrw: Run) -> None:
    assert opennrw("--version").stdout.startswith("opennrw 0.")


@pytest.mark.parametrize(
    "arguments", [["lod"], ["load"], ["up", "--port", "0"], ["up", "--port", "http"], ["db", "url", "x"]]
)
def test_wrong_usage_ends_with_2(opennrw: Run, arguments: list[str]) -> None:
    done = opennrw(*arguments)
    assert done.returncode == 2
    assert "Usage: opennrw" in done.stderr


def test_a_setting_that_does_not_fit_is_named(opennrw: Run) -> None:
    done = opennrw("doctor", OPENNRW_PORT="http")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the environment has a setting that does not fit. OPENNRW_PORT")
    assert "Traceback" not in done.stderr


def test_db_url_starts_a_cluster_that_stays_until_db_stop(opennrw: Run, home: Path) -> None:
    done = opennrw("db", "url")
    assert done.returncode == 0, done.stderr
    assert "opennrw db stop" in done.stderr
    url = done.stdout.strip()
    assert opennrw("db", "migrate").returncode == 0
    assert opennrw("db", "migrate").stdout == "The schema is up to date.\n"
    with psycopg.connect(url) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert connection.execute("show timezone").fetchone() == ("UTC",)
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)
    assert opennrw("db", "start").stdout.endswith("was already running.\n")
    assert opennrw("db", "url").stderr == ""
    reader = opennrw("db", "url", "--reader").stdout.strip()
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("create table geobasis.x (id int)")
    assert opennrw("db", "stop").stdout.endswith("has stopped.\n")
    assert opennrw("db", "stop").stdout.endswith("was not running.\n")
    assert _postmaster(home) is None


def test_db_start_and_stop_leave_a_foreign_server_alone(opennrw: Run) -> None:
    for command in ("start", "stop"):
        done = opennrw("db", command, DATABASE_URL="postgresql://localhost/x")
        assert done.returncode == 1
        assert "DATABASE_URL is set: its server is not ours" in done.stderr


def test_the_url_works_with_psql_and_gdal(opennrw: Run) -> None:
    opennrw("db", "migrate")
    url = opennrw("db", "url").stdout.strip()
    asked = subprocess.run(["psql", url, "-Atc", "select 6*7"], capture_output=True, text=True, check=True)
    assert asked.stdout == "42\n"
    asked = subprocess.run(["ogrinfo", f"PG:{url}"], capture_output=True, text=True, check=True)
    assert "geobasis.gemeinde" in asked.stdout
    opennrw("db", "stop")


def test_commands_start_the_cluster_on_demand_and_leave_nothing_behind(opennrw: Run, home: Path) -> None:
    assert opennrw("db", "migrate").returncode == 0
    assert _postmaster(home) is None


def test_two_commands_at_once_share_one_cluster(home: Path) -> None:
    command = [sys.executable, "-m", "server", "db", "migrate"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=_environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120)[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0, 0], outputs
    assert _postmaster(home) is None


def test_doctor_finds_a_healthy_system_healthy(opennrw: Run) -> None:
    assert opennrw("db", "migrate").returncode == 0
    done = opennrw("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {
        "programs",
        "python",
        "disk",
        "port",
        "postgresql",
        "postgis",
        "roles",
        "grids",
        "migrations",
        "tables",
    } <= checks.keys()
    assert "BETA2007" in checks["grids"]["detail"]


def test_doctor_names_what_is_wrong_and_the_remedy(opennrw: Run, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("drop index geobasis.gemeinde_gn")
        owner.execute("grant insert on geobasis.gemeinde to opennrw_reader")
        owner.execute("delete from public.migration where name = 'dvg1/schema.sql'")
    done = opennrw("doctor", DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "create index on geobasis.gemeinde (gn, fid)" in done.stdout
    assert "wrong  roles: opennrw_reader may write to 1 tables\n       -> revoke" in done.stdout
    assert "wrong  migrations: not applied: dvg1/schema.sql\n       -> opennrw db migrate" in done.stdout


def test_doctor_without_a_database(opennrw: Run) -> None:
    done = opennrw("doctor", DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert done.returncode == 1
    assert "wrong  database:" in done.stdout
    assert "DATABASE_URL" in done.stdout


def test_serve_refuses_a_database_without_the_schema(opennrw: Run, empty_database_url: str, free_port: int) -> None:
    done = opennrw("serve", "--port", str(free_port), DATABASE_URL=empty_database_url)
    assert done.returncode == 1
    assert "The database lacks database/001_roles.sql" in done.stderr
    assert "Run: opennrw db migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_collections_that_do_not_fit(opennrw: Run, database_url: str, free_port: int) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("drop index geobasis.gemeinde_gn")
    done = opennrw("serve", "--port", str(free_port), DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "create index on geobasis.gemeinde (gn, fid)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said_before_anything_is_started(opennrw: Run, home: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = opennrw("up", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use by another program. Choose another one: --port" in done.stderr
    assert _postmaster(home) is None


def test_load_tells_what_it_did_as_json(opennrw: Run, example_deliveries: Path) -> None:
    first = opennrw("load", "dvg1", "--from", str(example_deliveries), "--json")
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    assert report["status"] == "published"
    for counts in report["collections"].values():
        accounted = sum(counts[name] for name in ("inserted", "updated", "unchanged", "rejected", "duplicate"))
        assert counts["read"] == accounted > 0
    again = json.loads(opennrw("load", "dvg1", "--from", str(example_deliveries), "--json").stdout)
    assert again["status"] == "unchanged"


def test_load_tells_what_it_did_in_plain_lines(opennrw: Run, example_deliveries: Path) -> None:
    done = opennrw("load", "dvg2", "--from", str(example_deliveries), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dvg2: dry-run")
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nix"], "nix"),
        (["dvg1", "--from", "/nowhere/at/all"], "/nowhere/at/all"),
        (["dvg1", "--only", "strasse"], "strasse"),
    ],
)
def test_load_explains_what_it_cannot_do(opennrw: Run, arguments: list[str], says: str) -> None:
    done = opennrw("load", *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def up(home: Path, free_port: int, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A running `opennrw up` in a process group of its own, its URL and what it wrote."""
    log = tmp_path / "up.log"
    process = _start(home, log, "up", "--port", str(free_port))
    try:
        _wait_for(lambda: "OpenNRW Geo is ready" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process, f"http://localhost:{free_port}", log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_for(condition: Callable[[], Any], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("number", "code", "whole_group"),
    [(signal.SIGTERM, 0, False), (signal.SIGINT, 130, False), (signal.SIGINT, 130, True), (signal.SIGHUP, 0, False)],
    ids=["SIGTERM", "SIGINT", "Ctrl-C", "terminal closed"],
)
def test_up_serves_and_a_signal_leaves_nothing_behind(
    up: tuple[subprocess.Popen[bytes], str, Path], home: Path, number: signal.Signals, code: int, whole_group: bool
) -> None:
    process, url, log = up
    assert f"OpenNRW Geo is ready: {url}\n" in log.read_text()
    assert httpx.get(url, headers={"Accept": "application/json"}).status_code == 200
    postmaster, children = _postmaster(home), _children(process.pid)
    assert postmaster is not None
    assert len(children) >= 2
    if whole_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(timeout=30) == code, log.read_text()
    _wait_for(lambda: all(_gone(pid) for pid in (postmaster, *children)), 5)
    assert "Traceback" not in log.read_text()
    assert _postmaster(home) is None


def test_after_kill_9_the_workers_end_and_the_next_command_tidies_up(
    up: tuple[subprocess.Popen[bytes], str, Path], home: Path, opennrw: Run
) -> None:
    process, _, _ = up
    children = _children(process.pid)
    process.kill()
    process.wait()
    _wait_for(lambda: all(_gone(pid) for pid in children), 20)
    assert _postmaster(home) is not None, "the cluster is a process of its own"
    assert opennrw("db", "migrate").returncode == 0
    assert _postmaster(home) is None


def test_after_kill_9_of_the_cluster_it_starts_again(opennrw: Run, home: Path) -> None:
    assert opennrw("db", "start").returncode == 0
    postmaster = _postmaster(home)
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    _wait_for(lambda: _gone(postmaster), 10)
    assert opennrw("db", "migrate").returncode == 0
    assert opennrw("db", "stop").returncode == 0


def test_the_number_in_a_stale_pid_file_may_be_another_process_now(opennrw: Run, home: Path) -> None:
    assert opennrw("db", "migrate").returncode == 0
    data = next(path.parent for path in (home / "postgres").glob("*/PG_VERSION"))
    stale = [str(os.getpid()), str(data), "0", "5432", str(home / "postgres" / "socket"), "", "1 1", "ready   "]
    (data / "postmaster.pid").write_text("\n".join(stale) + "\n")
    assert opennrw("db", "migrate").returncode == 0
    assert _postmaster(home) is None


def test_load_of_one_district(opennrw: Run, tmp_path: Path) -> None:
    (tmp_path / "gru_vereinf_05113000_Essen_EPSG25832_GeoPackage.zip").write_bytes(b"")
    refused = opennrw("load", "alkis", "--from", str(tmp_path), "--area", "05117000")
    assert refused.returncode == 1
    assert "holds no package 05117 of alkis. It holds: 05113." in " ".join(refused.stderr.split())
    refused = opennrw("load", "gebref", "--from", str(tmp_path), "--area", "05113")
    assert "gebref" in refused.stderr
    assert refused.returncode == 1


def test_ctrl_c_while_loading_ends_with_130(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "load.log"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(30)
        process = _start(home, log, "load", "dvg1", "--from", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        try:
            connection = silent.accept()[0]  # and no answer
        finally:
            process.send_signal(signal.SIGINT)
        with connection:
            assert process.wait(timeout=30) == 130
    assert "Traceback" not in log.read_text()
    assert _postmaster(home) is None
