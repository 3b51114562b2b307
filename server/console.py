"""What the command writes: progress bars and tables on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from loaders.progress import Progress as LoadProgress
from loaders.report import Counts, Report

COUNTS = tuple(field.name for field in fields(Counts))


class Bars:
    """Rich progress bars, one per step."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def step(self, name: str, total: int | None) -> None:
        self.done()
        self._task = self._progress.add_task(name, total=total)

    def advance(self, n: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, n)

    def done(self) -> None:
        if self._task is None:
            return
        task = next(task for task in self._progress.tasks if task.id == self._task)
        self._progress.update(self._task, total=max(task.completed, 1), completed=max(task.completed, 1))
        self._progress.stop_task(self._task)
        self._task = None


class Lines:
    """One line per finished step, for logs and pipes."""

    def __init__(self) -> None:
        self._name = ""
        self._count = 0
        self._started = 0.0

    def step(self, name: str, total: int | None) -> None:
        self.done()
        self._name, self._count, self._started = name, 0, time.monotonic()

    def advance(self, n: int) -> None:
        self._count += n

    def done(self) -> None:
        if self._name:
            count = f" {self._count}" if self._count else ""
            say(f"  {self._name}:{count} ({time.monotonic() - self._started:.1f} s)")
        self._name = ""


def say(text: str = "") -> None:
    """A line for the person at the console; results go to standard output, this does not."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def out(text: str) -> None:
    """A result, for people and pipes."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def progress() -> Iterator[LoadProgress]:
    """Bars on a terminal, lines otherwise; both on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines()
        yield lines
        lines.done()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as shown:
        bars = Bars(shown)
        yield bars
        bars.done()


def show_report(report: Report) -> None:
    """A load's report: what became of every row, the checks not passed, the first rejected rows."""
    delivery = f", delivery {report.delivery}" if report.delivery is not None else ""
    out(f"{report.dataset}: {report.status}{delivery}, from {report.source}")
    _show_counts({name: asdict(counts) for name, counts in report.collections.items()})
    for check in report.checks:
        if not check.passed:
            out(f"  not passed: {check.collection or report.dataset}: {check.rule}: {check.detail}")
    for reject in report.first_rejects:
        out(f"  rejected: {reject.file}, line {reject.line}: {reject.reason}")
    if (more := report.rejects - len(report.first_rejects)) > 0:
        out(f"  rejected: {more} more, see the table provenance.reject")


def _show_counts(collections: dict[str, dict[str, int]]) -> None:
    console = Console()
    if console.is_terminal and collections:
        table = Table("collection", *COUNTS)
        for column in table.columns[1:]:
            column.justify = "right"
        for name, counts in collections.items():
            table.add_row(name, *(f"{counts[count]:,}" for count in COUNTS))
        console.print(table)
        return
    for name, counts in collections.items():
        out(f"  {name}: " + ", ".join(f"{count} {counts[count]}" for count in COUNTS))
