"""What the command writes: progress bars and tables on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from loaders.progress import BYTES
from loaders.progress import Progress as LoadProgress
from loaders.report import Counts, Report

COUNTS = tuple(field.name for field in fields(Counts))


class Amount(ProgressColumn):
    """What is done of a step, in its unit: rows as numbers, bytes as sizes with their speed."""

    def render(self, task: Task) -> Text:
        if task.fields.get("unit") != BYTES:
            total = "?" if task.total is None else f"{int(task.total):,}"
            return Text(f"{int(task.completed):,}/{total}")
        total = "?" if task.total is None else decimal(int(task.total))
        speed = f", {decimal(int(task.speed))}/s" if task.speed and not task.finished else ""
        return Text(f"{decimal(int(task.completed))} of {total}{speed}")


class Bars:
    """Rich progress bars, one per step."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self.done()
        self._task = self._progress.add_task(name, total=total, unit=unit)

    def advance(self, n: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, n)

    def note(self, text: str) -> None:
        self._progress.console.print(f"  {text}", markup=False, highlight=False)

    def done(self) -> None:
        if self._task is None:
            return
        task = next(task for task in self._progress.tasks if task.id == self._task)
        self._progress.update(self._task, total=max(task.completed, 1), completed=max(task.completed, 1))
        self._progress.stop_task(self._task)
        self._task = None


class Lines:
    """One line per finished step, for logs and pipes; steps that take long say at intervals how far they are."""

    def __init__(self, interval: float = 30.0) -> None:
        self._interval = interval
        self._name, self._unit, self._total = "", "", None
        self._count = 0
        self._started = self._told = 0.0

    def step(self, name: str, total: int | None, unit: str = "") -> None:
        self.done()
        self._name, self._total, self._unit, self._count = name, total, unit, 0
        self._started = self._told = time.monotonic()

    def advance(self, n: int) -> None:
        self._count += n
        if (now := time.monotonic()) - self._told >= self._interval:
            self._told = now
            say(f"  {self._name}: {to_standing(self._count, self._total, now - self._started, self._unit)}")

    def note(self, text: str) -> None:
        say(f"  {text}")

    def done(self) -> None:
        if self._name:
            count = f" {_amount(self._count, self._unit)}" if self._count else ""
            say(f"  {self._name}:{count} ({time.monotonic() - self._started:.1f} s)")
        self._name = ""


def to_standing(count: int, total: int | None, seconds: float, unit: str = "") -> str:
    """How far a step is after so many seconds, and how long the rest will take at the speed so far."""
    done = _amount(count, unit)
    if not total or count <= 0:
        return done
    left = max(total - count, 0) * seconds / count
    duration = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"{done} of {_amount(total, unit)} ({min(count / total, 1):.0%}), about {duration} left"


def _amount(count: int, unit: str) -> str:
    return decimal(count) if unit == BYTES else str(count)


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
        Amount(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        bars = Bars(shown)
        yield bars
        bars.done()


def show_report(report: Report) -> None:
    """A load's report: what became of every row, the checks not passed (of a dry run all), the first rejected rows."""
    delivery = f", delivery {report.delivery}" if report.delivery is not None else ""
    out(f"{report.dataset}: {report.status}{delivery}, from {report.source}")
    _show_counts({name: asdict(counts) for name, counts in report.collections.items()})
    for check in report.checks:
        if not check.passed or report.status == "dry-run":
            outcome = "passed" if check.passed else "not passed"
            out(f"  {outcome}: {check.collection or report.dataset}: {check.rule}: {check.detail}")
    for reject in report.first_rejects:
        out(f"  rejected: {reject.file}, line {reject.line}: {reject.reason}")
    if (more := report.rejects - len(report.first_rejects)) > 0:
        how = f": opennrw rejects COLLECTION --delivery {report.delivery}" if report.delivery is not None else ""
        out(f"  rejected: {more} more{how}")


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


def show_columns(rows: Sequence[Sequence[str]], write: Callable[[str], None] = out) -> None:
    """Rows of text below each other in columns, for people and pipes; the first row holds the heads."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
