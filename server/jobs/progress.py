"""How far a job is, written to jobs.progress by the process that runs it: once a second at most, and when it ends."""

import threading
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

INTERVAL = 1.0
UPDATE = """
update jobs.progress set step = %(step)s, done = %(done)s, total = %(total)s, rows = %(rows)s, message = %(note)s,
  updated = clock_timestamp()
where job = %(job)s
"""


class Stopped(KeyboardInterrupt):
    """The job was told to stop. Like Ctrl-C, so that psycopg cancels a statement that runs."""


@dataclass(frozen=True)
class Position:
    """`done` and `total` in the step's unit (bytes or rows); `rows` were staged so far."""

    step: str | None = None
    done: int = 0
    total: int | None = None
    rows: int = 0
    note: str | None = None


class JobProgress:
    """A loader's Progress; a thread writes, so that a long statement of the load does not hold up the news of it.

    `final` is true as soon as the step has begun that must not be stopped any more.
    """

    def __init__(self, job: int, database_url: str) -> None:
        self._job = job
        self._database_url = database_url
        self._position = Position()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._connection: psycopg.Connection[Any] | None = None
        self.final = False

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Write the last position and end the thread."""
        self._over.set()
        self._thread.join(timeout=10)

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self.final = self.final or name == "publish"
        now = self._position
        self._position = Position(name, 0, total, now.rows, None)

    def advance(self, n: int) -> None:
        now = self._position
        rows = now.rows + n if now.step == "stage" else now.rows
        self._position = Position(now.step, now.done + n, now.total, rows, now.note)

    def note(self, text: str) -> None:
        now = self._position
        self._position = Position(now.step, now.done, now.total, now.rows, text)

    def done(self) -> None: ...

    def _write(self) -> None:
        written = Position()
        while True:
            over = self._over.wait(INTERVAL)
            if (position := self._position) != written and self._wrote(position):
                written = position
            if over:
                break
        if self._connection is not None:
            self._connection.close()

    def _wrote(self, position: Position) -> bool:
        """False where the database is away, which the load itself will notice, too."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._database_url, connect_timeout=5, autocommit=True)
            self._connection.execute(UPDATE, {"job": self._job, **asdict(position)})
        except psycopg.Error:
            self._connection = None
            return False
        return True
