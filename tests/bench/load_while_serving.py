"""Requests per second while a delivery is loaded, beside the same without a load, in one run.

    make bench-load-serving                                     200,000 addresses, every one changed
    make bench-load-serving BENCH="--addresses 600000 --connections 2"

Pages of 100 features in boxes of 2 km and tiles of zoom 15, in random order. Measured in windows: some idle, then as
many as the load takes; windows that the load did not fill are left out. A request that fails ends the bench.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pyproj import Transformer
from tools import HTTP_PORT, run, served

from server.embedded import PrivateCluster
from server.settings import Settings, default_home

SAMPLES = 64
STREET = 13  # column of the street's name in a delivery of 21 columns, from 0
LATENCY = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Window:
    """What clients got in one measurement: requests per second, and the 99th percentile of latency in ms."""

    rate: float
    p99: float


def main() -> None:
    """Load once, measure idle, measure under the load of another edition, print."""
    options = parse_options()
    settings = Settings().model_copy(update={"home": options.home})
    with PrivateCluster(settings.home).session() as cluster, tempfile.TemporaryDirectory() as folder:
        settings = settings.model_copy(update={"database_url": cluster.owner_url})
        editions = write_editions(options)
        environment = {**os.environ, "DATABASE_URL": cluster.owner_url, "OPENNRW_HOME": str(settings.home)}
        run(sys.executable, "-m", "server", "db", "migrate", environment=environment)
        run(*load_command(editions[0]), environment=environment)
        alone = [timed(load_command(edition), environment) for edition in (editions[1], editions[0])]
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.addresses} addresses")
        print(f"{options.connections} connections, windows of {options.seconds} s; medians\n")
        script = Path(folder) / "paths.lua"
        write_paths(cluster.owner_url, script)
        with served(settings):
            measure(script, options)  # warm
            idle = [measure(script, options) for _ in range(options.windows)]
            busy, duration = under_load(script, options, load_command(editions[1]), environment)
            after = [measure(script, options) for _ in range(options.windows)]
        show(idle, busy, after)
        print(f"load: {min(alone):.1f} s without requests, {duration:.0f} s under them")


def parse_options() -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=200_000, help="size of the delivery (%(default)s)")
    parser.add_argument("--connections", type=int, default=8, help="clients at once (%(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="length of a window (%(default)s)")
    parser.add_argument("--windows", type=int, default=5, help="idle windows before and after (%(default)s)")
    parser.add_argument("--home", type=Path, default=default_home() / "bench-serving", help="where data are kept")
    return parser.parse_args()


def write_editions(options: argparse.Namespace) -> list[Path]:
    """Two deliveries of the addresses; in the second every street bears another name. Written once."""
    folders = [options.home / f"edition-{number}-{options.addresses}" for number in (1, 2)]
    if not folders[1].exists():
        run(sys.executable, "-m", "loaders.example", "--to", str(folders[0]), "--addresses", str(options.addresses))
        archive = next(folders[0].rglob("gebref*.zip"))
        draft = folders[1].with_suffix(".draft")
        draft.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(draft)
        for file in draft.glob("*.txt"):
            rename_streets(file)
        draft.rename(folders[1])
    return folders


def rename_streets(file: Path) -> None:
    """Every row changes."""
    lines = file.read_bytes().split(b"\r\n")
    cells = [line.split(b";") for line in lines]
    for row in cells:
        if len(row) > STREET + 1:
            row[STREET + 1] += b" neu"
    file.write_bytes(b"\r\n".join(b";".join(row) for row in cells))


def load_command(edition: Path) -> list[str]:
    """As an operator loads."""
    return [sys.executable, "-m", "server", "load", "gebref", "--from", str(edition), "--accept-shrink"]


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Seconds that a command takes."""
    start = time.perf_counter()
    run(*command, environment=environment)
    return time.perf_counter() - start


def write_paths(owner_url: str, script: Path) -> None:
    """A wrk script that asks for boxes and tiles around addresses, the same in every run; it counts what failed."""
    to_degrees = Transformer.from_crs(25832, 4326, always_xy=True)
    to_mercator = Transformer.from_crs(25832, 3857, always_xy=True)
    edge, size = 20037508.342789244, 2 * 20037508.342789244 / 2**15
    with psycopg.connect(owner_url) as connection:
        places = connection.execute(
            "select ST_X(geom), ST_Y(geom) from geobasis.adresse order by md5(id) limit %s", [SAMPLES]
        ).fetchall()
    paths = []
    for east, north in places:
        corners = (*to_degrees.transform(east - 1000, north - 1000), *to_degrees.transform(east + 1000, north + 1000))
        paths.append(f"/collections/adresse/items?limit=100&bbox={','.join(f'{c:.5f}' for c in corners)}")
        x, y = to_mercator.transform(east, north)
        tile = f"15/{int((edge - y) // size)}/{int((x + edge) // size)}"
        paths.append(f"/collections/adresse/tiles/WebMercatorQuad/{tile}")
    random.Random(1).shuffle(paths)
    listed = ", ".join(f'"{path}"' for path in paths)
    script.write_text(
        f"local paths = {{{listed}}}\nrequest = function() return wrk.format('GET', paths[math.random(#paths)]) end\n"
    )


def measure(script: Path, options: argparse.Namespace) -> Window:
    """One window; ends the bench where a request failed."""
    url = f"http://127.0.0.1:{HTTP_PORT}"
    load = (f"-c{options.connections}", f"-d{options.seconds}")
    text = run("wrk", "-t1", *load, "--latency", "--timeout", "10s", "-s", str(script), url)
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if not rate or not p99 or "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"A request failed.\n{text}")
    return Window(float(rate[1]), float(p99[1]) * LATENCY[p99[2]])


def under_load(
    script: Path, options: argparse.Namespace, command: list[str], environment: dict[str, str]
) -> tuple[list[Window], float]:
    """Windows while the command runs, and how long it ran."""
    start = time.perf_counter()
    windows = []
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        window = measure(script, options)
        if process.poll() is None:
            windows.append(window)
    duration = time.perf_counter() - start
    output, errors = process.communicate()
    if process.returncode or "published" not in output:
        sys.exit(f"The load failed or changed nothing.\n{output}{errors}")
    if not windows:
        sys.exit("The load was over within one window: take more --addresses or fewer --seconds.")
    return windows, duration


def show(idle: list[Window], busy: list[Window], after: list[Window]) -> None:
    """Medians, and the worst window."""
    print(f"{'':<12}{'windows':>8}{'requests/s':>12}{'least':>9}{'p99 ms':>9}{'most':>9}")
    for name, windows in (("idle", idle), ("load", busy), ("idle again", after)):
        rates, delays = [w.rate for w in windows], [w.p99 for w in windows]
        rate, delay = statistics.median(rates), statistics.median(delays)
        print(f"{name:<12}{len(windows):>8}{rate:>12.0f}{min(rates):>9.0f}{delay:>9.1f}{max(delays):>9.1f}")
    ratio = statistics.mean(w.rate for w in busy) / statistics.mean(w.rate for w in idle + after)
    print(f"under the load / idle: {ratio:.2f} (means); failed requests: 0")


if __name__ == "__main__":
    main()
