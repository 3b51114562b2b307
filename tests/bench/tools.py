"""What the benches share: commands, the server as users start it, load by wrk and pgbench, tables."""

import os
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.pgbinaries import find_binaries
from server.settings import Settings

HTTP_PORT = 8099
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What a load gave: answers per second; median and 99th percentile of the time for one, ms."""

    rate: float
    p50: float
    p99: float


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """Standard output of a command; ends the bench with its error output where it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return done.stdout


@contextmanager
def served(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The server as users start it, for as long as the block lasts."""
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url or "",
        "OPENNRW_PORT": str(HTTP_PORT),
        "OPENNRW_LOG_LEVEL": "warning",
    }
    with running([sys.executable, "-m", "server", "serve"], environment, HTTP_PORT, "/readyz") as process:
        yield process


@contextmanager
def running(
    command: Sequence[str], environment: dict[str, str], port: int, path: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, from its first answer at a path to the end of the block."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            sys.exit(f"{' '.join(command)} does not answer at port {port}")
        yield process
    finally:
        process.terminate()
        process.wait()


def write_paths(script: Path, paths: Sequence[str]) -> None:
    """A wrk script that sends paths in random order."""
    quoted = ", ".join(f'"{path}"' for path in paths)
    script.write_text(
        f"local paths = {{{quoted}}}\nrequest = function() return wrk.format('GET', paths[math.random(#paths)]) end\n"
    )


def wrk(script: Path, connections: int, seconds: int, port: int = HTTP_PORT) -> Load:
    """What the server at a port gives; ends the bench where a request failed."""
    url = f"http://127.0.0.1:{port}"
    text = run(
        *("wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "30s", "-s", str(script), url)
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    spread = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s))", text))
    if not rate or "Non-2xx" in text or "Socket errors" in text or len(spread) < 2:
        sys.exit(text)
    return Load(float(rate[1]), _milliseconds(spread["50"]), _milliseconds(spread["99"]))


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return float(number) * UNITS[unit]


def write_scripts(folder: Path, statements: Sequence[str]) -> list[str]:
    """pgbench's options for a script of each statement, taken in random order."""
    options: list[str] = []
    for number, statement in enumerate(statements):
        script = folder / f"{number}.sql"
        script.write_text(" ".join(statement.split()) + ";\n")
        options += ["-f", str(script)]
    return options


def pgbench(scripts: list[str], connections: int, seconds: int, conninfo: str) -> float:
    """Statements per second."""
    program = find_binaries()[0].program("pgbench")
    threads = str(min(connections, os.cpu_count() or 1))
    text = run(
        program, "-n", "-M", "prepared", "-c", str(connections), "-j", threads, "-T", str(seconds), *scripts, conninfo
    )
    found = re.search(r"tps = ([\d.]+)", text)
    return float(found[1]) if found else sys.exit(text)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def median(loads: Sequence[Load]) -> Load:
    """Of each figure the median."""
    return Load(*(statistics.median(column) for column in zip(*((x.rate, x.p50, x.p99) for x in loads), strict=True)))


def moved(corners: Sequence[float], step: float, times: int) -> list[tuple[float, ...]]:
    """A box, and others that lie a little beside it: no two requests ask for the same."""
    chance = random.Random(1)
    shifts = [(chance.uniform(-step, step), chance.uniform(-step, step)) for _ in range(times)]
    return [tuple(value + shift[number % 2] for number, value in enumerate(corners)) for shift in shifts]


class Table:
    """A table in Markdown, printed line by line."""

    def __init__(self, title: str, *columns: str) -> None:
        print(f"\n### {title}\n\n| {' | '.join(columns)} |")
        print("|---|" + "--:|" * (len(columns) - 1), flush=True)

    def row(self, *cells: str | float) -> None:
        """Figures with as many digits as they are worth."""
        print("| " + " | ".join(cell if isinstance(cell, str) else _figure(cell) for cell in cells) + " |", flush=True)


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
