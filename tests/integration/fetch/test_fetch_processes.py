"""Several processes and one store; processes that are killed."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONTENT = random.Random(7).randbytes(400_000)
Fetching = Any
Publisher = Any
Faults = Any
Eventually = Callable[[Callable[[], object]], None]
Start = Callable[..., subprocess.Popen[str]]
# as `opennrw load` fetches, but saves after every piece
PROGRAM = """
import signal
import sys
import threading
from pathlib import Path
from loaders.fetch import fetch
from loaders.manifest import read_manifest
from loaders.progress import Quiet
from loaders.retries import FetchPolicy
from loaders.store import in_use

# also where the tests themselves were started in the background, which ignores Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)

class Loud(Quiet):
    def note(self, text):
        print(text, file=sys.stderr, flush=True)

with in_use(Path(sys.argv[2])):
    for file in fetch(sys.argv[1], read_manifest("gebref"), Path(sys.argv[2]), Loud(), FetchPolicy(save_every=0)):
        print(file.path)
"""


@pytest.fixture
def start(fetching: Fetching) -> Iterator[Start]:
    """Starts a process that fetches from the publisher into the store."""
    started: list[subprocess.Popen[str]] = []

    def run() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, f"{fetching.publisher.url}lk/", str(fetching.store)]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def saved(fetching: Fetching) -> list[int]:
    """Bytes of the downloads that are not complete, as far as they are certain."""
    return [json.loads(path.read_text())["size"] for path in fetching.store.glob("incoming/*.json")]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_goes_on(
    fetching: Fetching, publisher: Publisher, faults: Faults, start: Start, eventually: Eventually, how: signal.Signals
) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.stall(150_000))
    process = start()
    eventually(lambda: saved(fetching) == [150_000])
    process.send_signal(how)
    process.wait(30)
    assert fetching.kept() == []
    (file,) = fetching()
    assert file.path.read_bytes() == CONTENT
    assert publisher.requests(path)[-1]["Range"] == "bytes=150000-"
    assert fetching.parts() == []


def test_kills_at_random_moments(
    fetching: Fetching, publisher: Publisher, faults: Faults, start: Start, eventually: Eventually
) -> None:
    """Each run comes some way and is killed, amid writing for all we know; the last one ends with the right content."""
    path = publisher.put(CONTENT)
    rng = random.Random(4)
    for kill in range(1, 5):
        publisher.fail(path, faults.stall(rng.randrange(1, 50_000)))
        process = start()
        eventually(lambda kill=kill: len(publisher.requests(path)) == kill)
        if rng.random() < 0.5:
            eventually(lambda: saved(fetching))
        process.kill()
        process.wait(30)
    assert fetching()[0].path.read_bytes() == CONTENT
    assert (fetching.kept(), fetching.parts()) == ([path.split("/")[-1]], [])


def test_two_processes_want_the_same_file(
    fetching: Fetching, publisher: Publisher, start: Start, eventually: Eventually
) -> None:
    """One fetches it, the other waits and takes it from the store."""
    path = publisher.put(CONTENT)
    slow = threading.Event()

    def wait_then_send(handler: Any) -> None:
        slow.wait(30)
        handler.send_file(handler.resource())

    publisher.fail(path, wait_then_send)
    processes = [start(), start()]
    eventually(lambda: len(publisher.requests("/lk/index.json")) == 2 and publisher.requests(path))
    slow.set()
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert Path(out.strip()).read_bytes() == CONTENT
    assert len(publisher.requests(path)) == 1
    assert list(fetching.store.glob("incoming/*")) == []


def test_the_other_process_is_killed_while_one_waits(
    fetching: Fetching, publisher: Publisher, faults: Faults, start: Start, eventually: Eventually
) -> None:
    path = publisher.put(CONTENT)
    publisher.fail(path, faults.stall(150_000))
    first = start()
    eventually(lambda: saved(fetching) == [150_000])
    second = start()
    assert second.stderr
    assert "is being fetched by another process; waiting for it" in second.stderr.readline()
    os.kill(first.pid, signal.SIGKILL)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert Path(out.strip()).read_bytes() == CONTENT
    assert publisher.requests(path)[-1]["Range"] == "bytes=150000-"
