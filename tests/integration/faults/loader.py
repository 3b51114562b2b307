"""Runs loads that something happens to. It imports the loaders once and forks for each load, because importing takes
longer than loading.

Reads JSON lines: {"dataset", "database_url", "store", "source", "at": number of the event, or its name, "do": "kill" or
"hold"}.
An event is a call of the load's Progress, counted from 1. At the event the load kills itself with SIGKILL, or writes
its name and waits. Writes JSON lines: {"pid"}, {"reached"}, and at the end {"code", "events", "message", "status"}.
"""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from loaders.errors import LoadError
from loaders.progress import Quiet
from loaders.run import LoadOptions, load_dataset


class Counting(Quiet):
    """Counts events and acts at one of them."""

    def __init__(self, at: int | str, do: str) -> None:
        self.at = at
        self.do = do
        self.events: list[str] = []

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self._count(name)

    def advance(self, n: int) -> None:
        self._count("advance")

    def note(self, text: str) -> None:
        self._count("note")

    def done(self) -> None:
        self._count("done")

    def _count(self, name: str) -> None:
        self.events.append(name)
        if self.at not in {len(self.events), name}:
            return
        if self.do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        tell({"reached": name})
        time.sleep(60)


def tell(message: dict[str, Any]) -> None:
    """One line, whole, from whichever process."""
    os.write(1, json.dumps(message).encode() + b"\n")


def run(order: dict[str, Any]) -> None:
    """One load; ends the process as the command would."""
    progress = Counting(order["at"], order["do"])
    options = LoadOptions(order["database_url"], Path(order["store"]), order["source"], accept_shrink=True)
    outcome: dict[str, Any] = {"code": 0, "message": ""}
    try:
        outcome["status"] = load_dataset(order["dataset"], replace(options, progress=progress)).status
    except LoadError as error:
        outcome.update(code=1, message=str(error))
    tell({**outcome, "events": progress.events})
    os._exit(outcome["code"])


def main() -> None:
    """A load per line; what became of it."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            run(order)
        tell({"pid": child})
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            tell({"code": -os.WTERMSIG(status), "message": "", "events": []})


if __name__ == "__main__":
    main()
