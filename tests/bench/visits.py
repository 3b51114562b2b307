"""What visitors of a busy server see: QGIS connecting while others page, 200 clients at once, long answers."""

import asyncio
import http.client
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cases import Case, Town
from tools import HTTP_PORT, Table, percentile, write_paths

ROUND_TRIPS = (
    *("/", "/api", "/conformance"),
    *("/collections/{0}", "/collections/{0}/queryables", "/collections/{0}/schema"),
)
CLIENTS = 200


def measure_round_trips(town: Town, busy: Case, seconds: int) -> None:
    """QGIS's requests when it opens a connection, one after the other, while 8 clients page."""
    table = Table("QGIS's round trips while 8 clients page (ms)", "request", "n", "p50", "p99", "most")
    asked = [("GET", path.format(town.collection.id)) for path in ROUND_TRIPS]
    asked.append(("OPTIONS", f"/collections/{town.collection.id}/items"))
    times: dict[tuple[str, str], list[float]] = {request: [] for request in asked}
    with paging(busy, 8, seconds + 4):
        time.sleep(1)
        connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for request in asked:
                times[request].append(ask(connection, *request))
    for (method, path), spent in times.items():
        table.row(f"{method} {path}", str(len(spent)), statistics.median(spent), percentile(spent, 0.99), max(spent))
    together = [value for spent in times.values() for value in spent]
    table.row("all", str(len(together)), statistics.median(together), percentile(together, 0.99), max(together))


def ask(connection: http.client.HTTPConnection, method: str, path: str) -> float:
    """Milliseconds until an answer is read."""
    began = time.perf_counter()
    connection.request(method, path)
    answer = connection.getresponse()
    answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status}")
    return (time.perf_counter() - began) * 1000


@contextmanager
def paging(case: Case, clients: int, seconds: int) -> Iterator[None]:
    """Others that page for as long as the block lasts, at most so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "paths.lua"
        write_paths(script, case.paths)
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}", "-s", str(script), f"http://127.0.0.1:{HTTP_PORT}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def measure_crowd(case: Case, seconds: int, server: int) -> None:
    """Clients that ask without a pause: failures, answers of the luckiest and the unluckiest, the server's memory."""
    before = memory(server)
    counts, times, failures = asyncio.run(_crowd(case.paths, seconds))
    table = Table(f"{CLIENTS} clients at once, {case.name}", "figure", "value")
    table.row("failed", str(failures))
    table.row("answers/s", sum(counts) / seconds)
    table.row("p50, p99, most (ms)", " / ".join(f"{percentile(times, p):.0f}" for p in (0.5, 0.99, 1)))
    table.row("answers per client: least, median, most", f"{min(counts)} / {statistics.median(counts)} / {max(counts)}")
    table.row("memory of the server before, after (MB)", f"{before:.0f} / {memory(server):.0f}")


async def _crowd(paths: Sequence[str], seconds: int) -> tuple[list[int], list[float], int]:
    until = time.monotonic() + seconds
    times: list[float] = []
    failures = 0

    async def client(number: int) -> int:
        nonlocal failures
        chance, count = random.Random(number), 0
        reader, writer = await asyncio.open_connection("127.0.0.1", HTTP_PORT, limit=1 << 22)
        while time.monotonic() < until:
            began = time.perf_counter()
            writer.write(f"GET {chance.choice(paths)} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            times.append((time.perf_counter() - began) * 1000)
            failures += not head.startswith(b"HTTP/1.1 200")
            count += 1
        writer.close()
        return count

    counts = await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return counts, times, failures


def measure_long(town: Town, features: int, server: int) -> None:
    """One answer of many features: time until its first byte and until its end, and the server's memory."""
    path = f"/collections/{town.collection.id}/items?limit={features}"
    table = Table(f"{features:,} features in one answer", "figure", "value")
    before, peak, stop = memory(server), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], memory(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT)
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    first = (time.perf_counter() - began) * 1000
    size = len(answer.read(1 << 16))
    early = (time.perf_counter() - began) * 1000
    while chunk := answer.read(1 << 20):
        size += len(chunk)
    whole = time.perf_counter() - began
    stop.set()
    watcher.join()
    table.row("first byte (ms)", first)
    table.row("first 64 kB (ms)", early)
    table.row("whole (s)", whole)
    table.row("size (MB)", size / 1e6)
    table.row("memory of the server before, most (MB)", f"{before:.0f} / {peak[0]:.0f}")


def memory(process: int) -> float:
    """MB that a process and its descendants hold alone."""
    total = 0.0
    for pid in [process, *_descendants(process)]:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
    return total


def _descendants(process: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == process:
                found += [int(folder.name), *_descendants(int(folder.name))]
    return found
