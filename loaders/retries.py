"""How patient a fetch is: what is tried again, how often and after how long."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from loaders.errors import SourceError

T = TypeVar("T")


@dataclass(frozen=True)
class FetchPolicy:
    """Limits of a fetch. Times in seconds, sizes in bytes.

    `stall`: without a byte; `answer`: until an answer's header fields are complete. In every `window`, `slowest` bytes
    a second must arrive on average. `tries` without headway end a download; headway is `worthwhile` bytes further than
    it had ever come. `parallel` files are downloaded at once.
    """

    parallel: int = 4
    connect: float = 10.0
    stall: float = 60.0
    answer: float = 120.0
    slowest: float = 1000.0
    window: float = 60.0
    tries: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 600.0
    worthwhile: int = 1 << 20
    save_every: float = 2.0

    def wait(self, failures: int) -> float:
        """Exponential, with jitter: clients that failed together must not come back together."""
        longest = min(self.first_wait * 2 ** (failures - 1), self.longest_wait)
        return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret


DEFAULT_POLICY = FetchPolicy()


class Again(Exception):
    """A fault that may pass. `retry_after`: seconds that the server asks to wait."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Stop:
    """Ends the fetch's threads: their waits at once, their downloads at the next piece."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Waits. Raises SourceError once the fetch has to end."""
        if self._event.wait(seconds):
            raise SourceError("The fetch was broken off. Load again: what has arrived is kept.")

    def check(self) -> None:
        self.wait(0)


@dataclass(frozen=True)
class Retries:
    """Repeats what fails for a reason that may pass."""

    policy: FetchPolicy
    stop: Stop
    note: Callable[[str], None]

    def run(self, url: str, attempt: Callable[[], T], reached: Callable[[], int] = lambda: 0) -> T:
        """The attempt's result. `reached`: bytes that are there. Raises SourceError when patience is at its end."""
        failures, best = 0, reached()
        while True:
            try:
                return attempt()
            except Again as fault:
                failures = failures + 1 if reached() < best + self.policy.worthwhile else 1
                best = max(best, reached())
                self._wait(url, failures, fault)

    def _wait(self, url: str, failures: int, fault: Again) -> None:
        self.stop.check()
        asked = fault.retry_after or 0.0
        if asked > self.policy.longest_retry_after:
            raise SourceError(
                f"{url} cannot be fetched: {fault}, and the server asks to come back after {asked:.0f} s; at most "
                f"{self.policy.longest_retry_after:.0f} s are waited. Load again then: what has arrived is kept."
            )
        if failures >= self.policy.tries:
            raise SourceError(
                f"{url} cannot be fetched: {fault} (tried {failures} times). Load again, or load from a local copy "
                "with --from. What has arrived is kept and not fetched again unless it changed."
            )
        seconds = max(asked, self.policy.wait(failures))
        self.note(f"{url}: {fault}; next try in {seconds:.0f} s")
        self.stop.wait(seconds)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds from a Retry-After field: a number or a date (RFC 9110 section 10.2.3). None where there is none."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0)
